"""Tasks that attack what runs them, and files that others can write to."""
import json

from fleet import Case

# The parent of a command is its slot's supervisor, whose parent is the guardian.
KILL_GUARDIAN = ("x=$(cat); read -r a b c guardian rest </proc/$PPID/stat; case $x in *[!0-9]*) kill -9 $guardian; sleep 60;; esac; "
                 "sleep 0.05; echo $x")


class Attacks:
    bound_s = 120

    def test_a_killer_of_guardians_ends_as_crashed(self):
        items = [str(i) for i in range(40)]
        items[3] = items[20] = "kill"
        run = self.map_over(KILL_GUARDIAN, "".join(i + "\n" for i in items))
        for i, record in enumerate(json.loads(line) for line in run.out().splitlines()):
            if items[i] == "kill":
                self.assertEqual(record["error"]["kind"], "crashed", record)
            else:
                self.assertEqual(record["value"], items[i] + "\n", record)


class Embedded(Attacks, Case):
    def map_over(self, script, data):
        return self.run_fanmap("map", "--local", "--slots", 3, "--records", "--input-format", "lines", "--exec", f"t=sh -c '{script}'", "t",
                               data=data, exit_status=1, bound_s=90)


class OnAFleet(Attacks, Case):
    def setUp(self):
        super().setUp()
        self.on_fleet()

    def map_over(self, script, data):
        self.worker("--exec", f"t=sh -c '{script}'", tasks=None, slots=3)
        return self.run_map("t", "--records", "--input-format", "lines", data=data, exit_status=1, bound_s=90)
