"""--item-max and --value-max: the job's own bounds count, up to what a worker allows, on a fleet as embedded."""
import json

from fleet import RECORDED, Case

MIB = 1 << 20


class Sizes(Case):
    bound_s = 120

    def kinds(self, run):
        return [r["error"]["kind"] if "error" in r else len(r["value"]) for r in map(json.loads, run.out().splitlines())]

    def test_values_above_a_mebibyte_on_a_fleet(self):
        """C functions and commands; a job that asks for less has less."""
        self.on_fleet()
        self.worker("--value-max", "6MiB", "--exec", "zeros=head -c {} /dev/zero", slots=2)
        data = b"10\n%d\n%d\n" % (5 * MIB, 7 * MIB)
        run = self.run_map("big", "--records", "--value-max", "8MiB", data=data, exit_status=1)
        self.assertEqual(self.kinds(run), [10, 5 * MIB, "too_large"])
        self.assertIn("6291456", json.loads(run.out().splitlines()[2])["error"]["message"])
        run = self.run_map("zeros", "--records", "--value-max", "8MiB", data=data, exit_status=1)
        self.assertEqual(self.kinds(run), [10, 5 * MIB, "too_large"])
        run = self.run_map("big", "--records", "--value-max", "2MiB", data=data, exit_status=1)
        self.assertEqual(self.kinds(run), [10, "too_large", "too_large"])

    def test_items_above_a_mebibyte_on_a_fleet(self):
        """The lower of the job's bound and the worker's counts."""
        self.on_fleet()
        self.worker("--item-max", "4MiB", slots=2)
        data = b"".join(b'"' + b"x" * n + b'"\n' for n in (1, 3 * MIB, 5 * MIB, 9 * MIB))
        run = self.run_map("echo", "--records", "--item-max", "8MiB", "--value-max", "8MiB", data=data, exit_status=1)
        self.assertEqual(self.kinds(run), [1, 3 * MIB, "too_large", "too_large"])

    def test_embedded(self):
        """Each map has its own bounds, whatever the other is."""
        run = self.run_fanmap("map", "--local", "--tasks", RECORDED, "big", "--records", "--value-max", "6MiB",
                              data=b"%d\n%d\n" % (5 * MIB, 7 * MIB), exit_status=1)
        self.assertEqual(self.kinds(run), [5 * MIB, "too_large"])
        run = self.run_fanmap("map", "--local", "--value-max", "20", "--records", "--", "cat",
                              data=b"12345678901234567890\n123456789012345678901\n", exit_status=1)
        self.assertEqual(self.kinds(run), [20, "too_large"])
