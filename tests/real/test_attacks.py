"""Tasks that attack what runs them, and files that others can write to."""
import json
import os
import subprocess

from fleet import BUILD, FANMAP, PATIENCE, Case, seq, squares

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
                self.assertEqual(record["value"], items[i], record)


    def broken(self, name):
        """A folder of our programs in which one does nothing but to end with status 3."""
        folder = os.path.join(self.folder, "libexec")
        os.mkdir(folder)
        for program in ("fanmap-guardian", "fanmap-supervisor", "fanmap-host"):
            path = os.path.join(folder, program)
            if program != name:
                os.symlink(os.path.join(BUILD, program), path)
                continue
            with open(path, "w") as f:
                f.write("#!/bin/sh\nexit 3\n")
            os.chmod(path, 0o755)
        return {"FANMAP_LIBEXEC": folder}


class Embedded(Attacks, Case):
    def test_slots_that_cannot_start_end_the_map(self):
        run = self.run_fanmap("map", "--local", "--no-progress", "--", "cat", data="1\n", env=self.broken("fanmap-supervisor"), exit_status=6)
        self.assertIn("fanmap-supervisor ended with status 3 (5 tries in a row)", run.err())

    def map_over(self, script, data):
        return self.run_fanmap("map", "--local", "--slots", 3, "--records", "--input-format", "lines", "--exec", f"t=sh -c '{script}'", "t",
                               data=data, exit_status=1, bound_s=90)


class OnAFleet(Attacks, Case):
    def setUp(self):
        super().setUp()
        self.on_fleet()

    def test_a_worker_whose_slots_cannot_start_leaves_the_rest_to_others(self):
        self.worker(tasks=os.path.join(BUILD, "examples", "numbers.so"), slots=2)
        broken = self.worker(tasks=os.path.join(BUILD, "examples", "numbers.so"), slots=2, name="broken", env=self.broken("fanmap-guardian"))
        run = self.run_map("square", data=seq(1, 2000))
        self.assert_same(run.out(), squares(2000))
        self.assertEqual(broken.wait(30), 6)
        self.assertIn("the guardian ended with status 3 (5 tries in a row)", broken.err())
        self.assertIn("the guardian ended with status 3 (try 1)", broken.err())

    def map_over(self, script, data):
        self.worker("--exec", f"t=sh -c '{script}'", tasks=None, slots=3)
        return self.run_map("t", "--records", "--input-format", "lines", data=data, exit_status=1, bound_s=90)


# A command that tries what another process of its user may usually do to those above it.
REACH = """
import ctypes, os
libc, found, pid = ctypes.CDLL(None), [], os.getppid()
def tries(what, attempt):
    try:
        attempt()
        found.append(what)
    except OSError:
        pass
for name in ("supervisor", "guardian"):
    tries(name + " descriptors", lambda: os.readlink("/proc/%d/fd/3" % pid))
    tries(name + " memory", lambda: open("/proc/%d/mem" % pid, "rb"))
    tries(name + " memory files", lambda: os.truncate("/proc/%d/fd/4" % pid, 0))
    if libc.ptrace(16, pid, 0, 0) == 0:
        found.append(name + " traced")
    pid = int(open("/proc/%d/stat" % pid).read().rsplit(")", 1)[1].split()[1])
taken = []
try:
    while True:
        taken.append(os.open("/dev/null", os.O_RDONLY))
except OSError:
    pass
print(found)
"""


class OfTheSameUser(Case):
    def test_what_runs_a_task_cannot_be_looked_into(self):
        """Not by root, who may look into everything."""
        as_somebody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"] if os.geteuid() == 0 else []
        run = subprocess.run([*as_somebody, FANMAP, "map", "--local", "--", "python3", "-c", REACH, ":::", "1", "2", "3"], cwd="/",
                             env=self.environment({"HOME": "/"}), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                             timeout=60 * PATIENCE)
        self.assertEqual((run.returncode, run.stdout), (0, "[]\n" * 3), run.stderr)
