"""A command per item in a container of its own: bubblewrap and a runtime whose containers are nobody's children, embedded and on a fleet;
crun embedded: the slots are the same on a fleet."""
import json
import os
import random
import shutil
import signal
import subprocess

from fleet import PATIENCE, ROOT, Case, die_with_parent, wait_until

CRUN_RUN = os.path.join(ROOT, "examples", "containers", "crun-run")
APPLETS = ("sh", "echo", "cat", "sleep", "setsid", "id", "ls", "tr", "touch", "head", "true", "kill", "hostname")


def works(*command):
    return shutil.which(command[0]) is not None and subprocess.run(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode == 0


class Containers(Case):
    def setUp(self):
        super().setUp()
        busybox = shutil.which("busybox")
        if busybox is None:
            self.skipTest("no busybox to make an image of (busybox-static)")
        self.image = os.path.join(self.folder, "image")
        for name in ("bin", "proc", "dev", "tmp"):
            os.makedirs(os.path.join(self.image, name))
        shutil.copy(busybox, os.path.join(self.image, "bin", "busybox"))
        self.nap = str(random.randrange(10 ** 6, 10 ** 7))  # known by its length: a container may have no environment
        for name in APPLETS:
            os.symlink("busybox", os.path.join(self.image, "bin", name))

    def naps(self):
        """How many processes of containers run."""
        wanted, n = f"sleep\0{self.nap}\0".encode(), 0
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open(f"/proc/{pid}/cmdline", "rb") as f:
                    n += f.read().endswith(wanted)
            except OSError:
                pass
        return n

    def conf(self, *sections):
        """A task file; each section is (name, argv, {key: value})."""
        lines = []
        for name, argv, more in sections:
            lines += [f"[{name}]", f"exec = {json.dumps(argv)}", *(f"{k} = {json.dumps(v)}" for k, v in more.items())]
        path = os.path.join(self.folder, "tasks.conf")
        with open(path, "w") as f:
            f.write("\n".join(lines) + "\n")
        return path

    def bwrap(self):
        words = ["bwrap", "--unshare-all", "--die-with-parent", "--ro-bind", self.image, "/", "--proc", "/proc", "--dev", "/dev",
                 "--tmpfs", "/tmp"]
        if not works(*words, "true"):
            self.skipTest("bubblewrap cannot make a container here")
        return {"container": [*words, "{argv}"]}

    def crun(self):
        if not works(CRUN_RUN, self.image, f"try-{self.mark}", "true"):
            self.skipTest("crun cannot make a container here")
        return {"container": [CRUN_RUN, self.image, "{container}", "{argv}"],
                "container-kill": ["crun", "delete", "--force", "{container}"], "container-list": ["crun", "list", "--quiet"]}

    def records(self, conf, task, *args, data, exit_status=0):
        run = self.run_fanmap("map", "--local", "--records", "--slots", 2, "--tasks", conf, task, *args, data=data,
                              exit_status=exit_status)
        return [json.loads(x) for x in run.out().splitlines()]

    def check_runtime(self, keys):
        """One that runs them below itself: each item has a fresh one, and it ends with its attempt."""
        quiet = ["sh", "-c", f"setsid sleep {self.nap} & trap '' TERM; sleep {self.nap}"]
        conf = self.conf(("own", ["sh", "-c", "cat; touch /tmp/x; ls /tmp; echo $FANMAP_INDEX; ls /"], keys),
                         ("arg", ["sh", "-c", "echo $1; exit 3", "sh", "--", "{}"], keys),
                         ("dash", ["echo", "{}"], keys), ("quiet", quiet, keys),
                         ("huge", ["sh", "-c", "while :; do cat /bin/busybox; done"], keys),
                         ("eat", ["sh", "-c", "x=0123456789abcdef; while :; do x=$x$x; done"], {**keys, "memory": "32MiB"}))
        out = self.records(conf, "own", data=b'"a\\n"\n{"b":1}\n')
        self.assertEqual([r["value"].split("\n") for r in out],
                         [["a", "", "x", "0", "bin", "dev", "proc", "tmp"],
                          ['{"b":1}', "x", "1", "bin", "dev", "proc", "tmp"]])
        out = self.records(conf, "arg", data=b'"-x"\n', exit_status=1)
        self.assertEqual((out[0]["error"]["kind"], out[0]["error"]["exit_status"]), ("exit", 3))
        out = self.records(conf, "dash", data=b'"-x"\n"y"\n', exit_status=1)
        self.assertEqual((out[0]["error"]["kind"], out[1]["value"]), ("bad_input", "y"))
        out = self.records(conf, "quiet", "--timeout", "1s", "--grace", "100ms", data=b"1\n2\n", exit_status=1)
        self.assertEqual([r["error"]["kind"] for r in out], ["timeout", "timeout"])
        self.assertEqual((self.naps(), self.left_over()), (0, []))
        out = self.records(conf, "huge", data=b"1\n", exit_status=1)
        self.assertEqual(out[0]["error"]["kind"], "too_large")
        self.assertEqual(self.left_over(), [])
        out = self.records(conf, "eat", data=b"1\n", exit_status=1)
        self.assertIn(out[0]["error"]["kind"], ("memory", "exit", "signal"))
        return conf

    def check_worker_dies(self, conf):
        run = self.start("map", "--local", "--slots", 2, "--tasks", conf, "quiet", stdin=self.input_file(b"1\n2\n"))
        wait_until(lambda: self.naps() == 4, 30 * PATIENCE, "two containers run")
        run.signal(signal.SIGKILL)
        wait_until(lambda: self.naps() == 0 and not self.left_over(), 50 * PATIENCE, "nothing of them is left")

    def test_bubblewrap(self):
        self.check_worker_dies(self.check_runtime(self.bwrap()))

    def test_bubblewrap_on_a_fleet(self):
        """A value and a failure in their places, a job's timeout, and what a killed worker ran in containers ends with it."""
        keys = self.bwrap()
        conf = self.conf(("own", ["sh", "-c", "cat; touch /tmp/x; ls /tmp; echo $FANMAP_INDEX; ls /; test $FANMAP_INDEX != 1"], keys),
                         ("quiet", ["sh", "-c", f"setsid sleep {self.nap} & trap '' TERM; sleep {self.nap}"], keys))
        self.on_fleet()
        worker = self.worker(tasks=conf, slots=2)
        run = self.run_map("own", "--records", data=b'"a\\n"\n"b"\n{"b":1}\n', exit_status=1)
        first, failed, last = [json.loads(x) for x in run.out().splitlines()]
        self.assertEqual(first["value"].split("\n"), ["a", "", "x", "0", "bin", "dev", "proc", "tmp"])
        self.assertEqual((failed["error"]["kind"], failed["error"]["exit_status"]), ("exit", 1))
        self.assertEqual(last["value"].split("\n"), ['{"b":1}', "x", "2", "bin", "dev", "proc", "tmp"])
        run = self.run_map("quiet", "--records", "--timeout", "1s", "--grace", "100ms", data=b"1\n2\n", exit_status=1)
        self.assertEqual([json.loads(x)["error"]["kind"] for x in run.out().splitlines()], ["timeout", "timeout"])
        self.assertEqual(self.naps(), 0)
        run = self.start_map("quiet", data=b"1\n2\n")
        wait_until(lambda: self.naps() == 4, 30 * PATIENCE, "two containers run")
        worker.signal(signal.SIGKILL)
        wait_until(lambda: self.naps() == 0, 50 * PATIENCE, "nothing of them is left")

    def test_crun(self):
        def known():
            listed = subprocess.run(["crun", "list", "--quiet"], stdout=subprocess.PIPE, check=True).stdout.decode().split()
            return {name for name in listed if name.startswith("fanmap-")}

        before = {name for name in known() if os.path.exists(f"/proc/{name.split('-')[2]}")}  # of others that live
        conf = self.check_runtime(self.crun())
        self.check_worker_dies(conf)
        # What crun still knows of, the next start forgets.
        run = self.start("map", "--local", "--slots", 1, "--tasks", conf, "quiet", stdin=self.input_file(b"1\n"))
        wait_until(lambda: len(known() - before) <= 1, 50 * PATIENCE, "crun knows of one container at most")
        run.signal(signal.SIGTERM)
        run.wait(60)

    def test_the_option(self):
        template = " ".join(self.bwrap()["container"])
        run = self.run_fanmap("map", "--local", "--exec", "list=ls /", "--container", f"list={template}", "list", data=b"1\n")
        self.assertEqual(json.loads(run.out()), "bin\ndev\nproc\ntmp")

    def nobodys_children(self):
        """A stand-in for docker: a daemon outside starts them; the client only waits. Killing it would end nothing. Gives a task file, and
        the names of the containers that run and of those that were ended by name."""
        state = os.path.join(self.folder, "state")
        os.mkdir(state)
        client = os.path.join(self.folder, "docker")
        with open(client, "w") as f:
            f.write(f"""#!/bin/sh
cd {state} || exit 1
case $1 in
run) name=$2; shift 2; echo "$@" >$name.new; mv $name.new $name.wanted
     while [ ! -e $name.over ]; do sleep 0.02; done; rm -f $name.*; echo ended ;;
kill) kill -9 $(cat $2.pid); rm $2.pid; touch $2.over; echo $2 >>killed ;;
ps) ls | sed -n 's/.pid$//p' ;;
esac
""")
        os.chmod(client, 0o755)
        daemon = subprocess.Popen(["sh", "-c", """while :; do
for f in *.wanted; do [ -e "$f" ] || continue; name=${f%.wanted}; cmd=$(cat $f); rm $f
(exec $cmd) & pid=$!; echo $pid >$name.pid; (while kill -0 $pid; do sleep 0.02; done; touch $name.over) 2>/dev/null & done
sleep 0.02; done"""], cwd=state, preexec_fn=die_with_parent, start_new_session=True)
        self.addCleanup(daemon.wait)
        self.addCleanup(os.killpg, daemon.pid, signal.SIGKILL)
        keys = {"container": [client, "run", "{container}", "{argv}"], "container-kill": [client, "kill", "{container}"],
                "container-list": [client, "ps"]}
        conf = self.conf(("short", ["sleep", "0.1"], keys), ("long", ["sleep", "600"], keys))

        def running():
            return [f[:-len(".pid")] for f in os.listdir(state) if f.endswith(".pid")]

        def killed():
            path = os.path.join(state, "killed")
            return open(path).read().split() if os.path.exists(path) else []

        return conf, running, killed

    def test_containers_that_are_nobodys_children(self):
        conf, running, killed = self.nobodys_children()
        out = self.records(conf, "short", data=b"1\n")
        self.assertEqual((out[0]["value"], killed()), ("ended", []))
        self.records(conf, "long", "--timeout", "3s", "--grace", "100ms", data=b"1\n2\n", exit_status=1)
        wait_until(lambda: len(killed()) == 2, 50 * PATIENCE, "both were ended by name")
        # A machine's worth of processes dies at once and leaves one behind; the next worker sweeps it.
        run = self.start("map", "--local", "--slots", 1, "--tasks", conf, "long", stdin=self.input_file(b"1\n"))
        wait_until(lambda: len(running()) == 1, 20 * PATIENCE, "it runs")
        for signo in (signal.SIGSTOP, signal.SIGKILL):
            for pid, _ in self.left_over():
                try:
                    os.kill(pid, signo)
                except ProcessLookupError:
                    pass
        wait_until(lambda: not self.left_over(), 50 * PATIENCE, "the client is gone")
        self.assertEqual(len(killed()), 2)
        run = self.start("map", "--local", "--slots", 1, "--tasks", conf, "long", stdin=self.input_file(b"1\n"))
        wait_until(lambda: len(killed()) == 3, 50 * PATIENCE, "what was left is swept")
        run.signal(signal.SIGTERM)
        run.wait(60)

    def test_nobodys_children_on_a_fleet(self):
        """A worker that starts ends what dead workers of its machine left, and nothing of those that live."""
        conf, running, killed = self.nobodys_children()
        self.on_fleet()
        self.worker(tasks=conf, slots=2, session="6s")
        run = self.start_map("long", data=b"1\n2\n")
        wait_until(lambda: len(running()) == 2, 30 * PATIENCE, "both items run")
        left = set(running())
        self.worker("--queue", "other", tasks=conf, slots=1)
        other = self.start_map("long", "--queue", "other", data=b"3\n")
        wait_until(lambda: len(running()) == 3, 30 * PATIENCE, "the worker of another queue runs its item")
        (lives,) = set(running()) - left
        for signo in (signal.SIGSTOP, signal.SIGKILL):
            for pid in self.processes_of("worker1"):
                try:
                    os.kill(pid, signo)
                except ProcessLookupError:
                    pass
        wait_until(lambda: not self.processes_of("worker1"), 50 * PATIENCE, "the first worker is gone")
        self.assertEqual((len(running()), killed()), (3, []))
        self.worker(tasks=conf, slots=2, session="6s")
        wait_until(lambda: len(killed()) == 2 and len(running()) == 3, 60 * PATIENCE, "both items run again, in other containers")
        self.assertEqual(set(killed()), left)
        self.assertIn(lives, running())
        for program in (run, other):
            program.signal(signal.SIGINT)
            self.finish(program, 30, 130)
        wait_until(lambda: not running(), 30 * PATIENCE, "cancelled items end by name")

    def processes_of(self, worker):
        def is_its(pid):
            try:
                with open(f"/proc/{pid}/environ", "rb") as f:
                    return f"RECORDER_WHERE={worker}".encode() in f.read().split(b"\0")
            except OSError:  # it has ended
                return False
        return [pid for pid, _ in self.left_over() if is_its(pid)]
