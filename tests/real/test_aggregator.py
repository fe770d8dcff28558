"""The aggregator service: whole files for every job that ends, whatever happens to it on the way."""
import os
import random
import signal
import subprocess
import time

import raw
from fleet import PATIENCE, PIPE, ROOT, Case, seq, wait_until

TROUBLE = b"3\n-3\n5\n-1\n\"text\"\n{\"$value\":{\"$error\":1}}\n"


class Aggregator(Case):
    bound_s = 240

    def setUp(self):
        super().setUp()
        self.on_fleet()
        self.dir = os.path.join(self.folder, "out")
        os.mkdir(self.dir)

    def aggregator(self, *args, out=None, session="6s", name="aggregator"):
        return self.start("aggregator", "--out", out or self.dir, "--session-timeout", session, *self.connect_args(),
                          *args, name=name)

    def submit(self, job, task, data, *args):
        return self.finish(self.start_map(task, "--job-id", job, *args, data=data, command="submit"), 60)

    def path(self, job, folder=None):
        return os.path.join(folder or self.dir, job + ".jsonl")

    def wait_file(self, job, bound_s=60, folder=None):
        wait_until(lambda: os.path.exists(self.path(job, folder)), bound_s * PATIENCE, f"the file of {job}", 0.05)
        with open(self.path(job, folder), "rb") as f:
            return f.read()

    def test_the_same_lines_as_gather(self):
        """Values, failures of several kinds, a job that was cancelled, one that failed fast, an empty one."""
        self.worker()
        self.aggregator()
        self.submit("mixed", "trouble", TROUBLE)
        self.submit("empty", "echo", b"")
        fast = self.start_map("trouble", "--job-id", "fast", "--fail-fast", "-j", 1, data=b"1\n-3\n" + seq(1, 50), command="submit")
        self.assertIn(fast.wait(60), (0, 3))  # it may have left before the first failure
        self.submit("left", "recorded_sleep", b"[1,1]\n[60000,2]\n[60000,3]\n", "-j", 1)
        self.run_fanmap("cancel", "left")
        records = os.path.join(self.folder, "records")
        os.mkdir(records)
        self.aggregator("--records", "--group", "records", out=records)
        for job in ("mixed", "empty", "fast", "left"):
            for folder, options in ((self.dir, ()), (records, ("--records",))):
                got = self.wait_file(job, folder=folder)
                gather = self.start("gather", job, *options)
                gather.wait(60)
                self.assert_same(got, gather.out(), job)
        self.assertEqual(self.wait_file("empty"), b"")
        self.assertIn(b'{"$error":{"kind":"cancelled"', self.wait_file("left"))
        self.assertIn(b'{"$error":{"kind":"exception"', self.wait_file("mixed"))

    def test_killed_twenty_times_during_fifty_jobs(self):
        """A name of its own in the group spares each new instance the wait until Kafka has given the old one up."""
        chance, seen, submits = random.Random(7), {}, []
        self.worker()
        for n in range(20):
            for job in range(len(submits), 5 * (n + 1) // 2):
                submits.append(self.start_map("echo", "--job-id", f"j{job}", data=seq(1, 200 + job), command="submit"))
            before = set(os.listdir(self.dir))
            a = self.aggregator("-X", "group.instance.id=a1")
            wait_until(lambda: set(os.listdir(self.dir)) - before, 60 * PATIENCE, "a file is begun", 0.005)
            time.sleep(chance.uniform(0, 0.1))
            a.kill()
            self.note_whole(seen)
        self.assertEqual(len(submits), 50)
        for submit in submits:
            self.finish(submit, 60)
        last = self.aggregator("-X", "group.instance.id=a1")
        for job in range(50):
            self.assert_same(self.wait_file(f"j{job}"), seq(1, 200 + job), f"j{job}")
        last.signal(signal.SIGTERM)
        self.finish(last, 40)
        self.assertEqual(sorted(os.listdir(self.dir)), sorted(f"j{job}.jsonl" for job in range(50)))
        self.note_whole(seen)
        self.assertGreater(len(seen), 20)

    def note_whole(self, seen):
        """A whole file is never written again: it stays the same inode."""
        for name in os.listdir(self.dir):
            if name.endswith(".jsonl"):
                inode = os.stat(os.path.join(self.dir, name)).st_ino
                self.assertEqual(seen.setdefault(name, inode), inode, f"{name} was written again")

    def test_two_instances_share_the_jobs(self):
        """Then one of them dies, and the other writes what is left."""
        self.worker()
        pair = [self.aggregator(), self.aggregator()]
        wait_until(lambda: all("ready" in a.err() for a in pair), 60 * PATIENCE, "both are ready")
        self.submit("first", "echo", b"1\n")
        self.wait_file("first")

        def wrote(a):
            return a.err().count(" outcomes, ")

        jobs = []
        def both_wrote():
            jobs.append(f"s{len(jobs)}")
            self.submit(jobs[-1], "echo", seq(1, 20))
            return all(wrote(a) for a in pair)
        wait_until(both_wrote, 60 * PATIENCE, "both have written a file", 0.05)
        for job in jobs:
            self.wait_file(job)
        wait_until(lambda: not [name for name in os.listdir(self.dir) if name.endswith(".part")], 60 * PATIENCE, "no file is half written")
        pair[0].kill()
        for n in range(8):
            jobs.append(f"k{n}")
            self.submit(jobs[-1], "echo", seq(1, 20))
        for job in jobs:
            self.assert_same(self.wait_file(job), seq(1, 20), job)
        self.assertEqual(sorted(os.listdir(self.dir)), sorted(f"{job}.jsonl" for job in ["first", *jobs]))

    def test_what_was_committed_is_left_alone_and_bad_records_are_set_aside(self):
        """A file that someone has taken away does not come back with a restart, beside a job that is open all the while."""
        self.worker()
        a = self.aggregator()
        self.submit("open", "recorded_sleep", b"[1,1]\n[60000,2]\n", "-j", 1)
        for job in range(6):
            self.submit(f"taken{job}", "echo", b"1\n")
            self.wait_file(f"taken{job}")
        for partition in range(self.partitions):
            raw.produce(self.kafka.brokers, f"{self.namespace}.results", partition, [(b"no job", b"\xc1 what is this")])
        wait_until(lambda: self.dead() == self.partitions, 60 * PATIENCE, "dead letters")
        self.assertEqual(a.err().count("does not count"), 1)
        a.signal(signal.SIGTERM)
        self.finish(a, 60)
        for name in os.listdir(self.dir):
            os.unlink(os.path.join(self.dir, name))
        self.aggregator()
        self.run_fanmap("cancel", "open")
        self.wait_file("open")
        for job in range(6):
            self.submit(f"new{job}", "echo", b"1\n")
            self.wait_file(f"new{job}")
        self.assertEqual(sorted(os.listdir(self.dir)), sorted(["open.jsonl"] + [f"new{job}.jsonl" for job in range(6)]))
        self.assertEqual(self.dead(), self.partitions)

    def test_no_job_id_leaves_the_folder(self):
        """A whole log of an empty job, as a stranger may write it; with an id that is one, it gives a file."""
        self.aggregator()
        self.submit("before", "echo", b"")
        self.wait_file("before")
        with open(os.path.join(ROOT, "schemas", "golden", "joblog.txt")) as f:
            start = bytes.fromhex(next(line for line in f if line.startswith("hex: ")).split()[1])
        self.assertEqual(start.count(b"\xa2j1"), 1)
        beside = os.path.join(self.folder, "beside")
        for job in ("../up", "a/b", beside, "..", "-a", "sound"):
            spec = start.replace(b"\xa2j1", bytes([0xd9, len(job)]) + job.encode())
            empty, complete = b"\x94\1\4\0\xa0", b"\x93\1\5\3"
            raw.produce(self.kafka.brokers, f"{self.namespace}.results", 0, [(job.encode(), r) for r in (spec, empty, complete)])
        self.assertEqual(self.wait_file("sound"), b"")
        self.assertEqual(sorted(os.listdir(self.dir)), ["before.jsonl", "sound.jsonl"])
        self.assertEqual([name for name in os.listdir(self.folder) if ".jsonl" in name], [])

    def dead(self):
        """How many letters of the aggregator lie on the dead-letter topic."""
        return self.run_fanmap("dead", "list", "--json").out().count(b'"stage":"aggregator"')

    def small_disk(self):
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "fanmap", self.dir], capture_output=True)
        if done.returncode != 0:
            self.skipTest(f"no tmpfs can be mounted here: {done.stderr.decode().strip()}")
        self.addCleanup(lambda: subprocess.run(["umount", "-l", self.dir], check=True))

    def mend(self, options):
        subprocess.run(["mount", "-o", "remount," + options, self.dir], check=True)

    def assert_said_once(self, program, words, mended):
        wait_until(lambda: mended in program.err(), 60 * PATIENCE, f"it says {mended!r}")
        self.assertEqual(program.err().count(words), 1, program.err()[-2000:])

    def test_a_full_disk_and_a_read_only_one_are_said_and_tried_again(self):
        self.small_disk()
        self.worker()
        a = self.aggregator()
        self.submit("big", "echo", b'"%s"\n' % (b"x" * 100_000))
        wait_until(lambda: "No space left on device" in a.err(), 60 * PATIENCE, "it says that the disk is full")
        self.submit("small", "echo", b"1\n")  # does not wait behind the one that does not fit
        self.assertEqual(self.wait_file("small"), b"1\n")
        wait_until(lambda: os.listdir(self.dir) == ["small.jsonl"], 60 * PATIENCE, "no half file is left between two tries")
        self.mend("size=10m")
        self.assertEqual(len(self.wait_file("big")), 100_003)
        self.assert_said_once(a, "No space left on device", "can be written again")
        self.mend("ro")
        self.submit("later", "echo", b"2\n")
        wait_until(lambda: "Read-only file system" in a.err(), 60 * PATIENCE, "it says that the disk is read-only")
        time.sleep(2.5)  # it has tried again by now, and says nothing new
        self.mend("rw")
        self.assertEqual(self.wait_file("later"), b"2\n")
        wait_until(lambda: a.err().count("can be written again") == 2, 60 * PATIENCE, "it says that this is mended")
        self.assertEqual(a.err().count("Read-only file system"), 1)

    def test_refuses_what_is_no_folder(self):
        self.assert_one_line(self.run_fanmap("aggregator", "--out", self.path("no"), exit_status=6), "--out", "no such file")
        self.assert_one_line(self.run_fanmap("aggregator", exit_status=2), "--out DIR")


class Growing(Case):
    """Files of jobs that go on."""

    bound_s = 120
    partitions = 1

    def test_killed_while_it_grows(self):
        """What is on the disk stays, the rest is cut off, and the end is whole; of another job of that name nothing counts."""
        self.on_fleet()
        self.worker(slots=4)
        part, place, final = (os.path.join(self.folder, "j.jsonl" + end) for end in (".part", ".place", ""))
        with open(part, "wb") as f, open(place, "w") as g:
            f.write(b"7\n7\n")
            g.write("v00000000000000000001.foreign")
        source = self.start_map("echo", "--job-id", "j", command="submit", stdin=PIPE)
        source.process.stdin.write(seq(1, 2000))
        source.process.stdin.flush()
        first = self.start("aggregator", "--grow", "--out", self.folder, "--session-timeout", "6s", *self.connect_args())
        wait_until(lambda: open(place).read().startswith("v00000000000000002000."), 60 * PATIENCE, "it is on the disk", 0.05)
        with open(part, "rb") as f:
            self.assert_same(f.read(), seq(1, 2000))
        first.signal(signal.SIGKILL)
        first.wait(10)
        with open(part, "r+b") as f:
            f.write(b"9")  # stays: what is on the disk is not written again
            f.seek(0, os.SEEK_END)
            f.write(b"2001\n200")
        self.start("aggregator", "--grow", "--out", self.folder, "--session-timeout", "6s", *self.connect_args())
        source.process.stdin.write(seq(2001, 2100))
        source.process.stdin.close()
        self.finish(source, 60)
        wait_until(lambda: os.path.exists(final), 60 * PATIENCE, "it has its name")
        with open(final, "rb") as f:
            self.assert_same(f.read(), b"9" + seq(1, 2100)[1:])
        self.assertFalse(os.path.exists(part) or os.path.exists(place))

    def test_lines_of_another_form_are_written_anew(self):
        self.on_fleet()
        self.worker(slots=4)
        place, final = (os.path.join(self.folder, "j.jsonl" + end) for end in (".place", ""))
        source = self.start_map("echo", "--job-id", "j", command="submit", stdin=PIPE)
        source.process.stdin.write(seq(1, 10))
        source.process.stdin.flush()
        grow = ("aggregator", "--grow", "--out", self.folder, "--session-timeout", "6s", *self.connect_args())
        records = self.start(*grow, "--records")
        wait_until(lambda: os.path.exists(place) and open(place).read().startswith("r00000000000000000010."), 60 * PATIENCE,
                   "it is on the disk", 0.05)
        records.signal(signal.SIGTERM)
        self.finish(records, 30)
        self.start(*grow)
        source.process.stdin.close()
        self.finish(source, 60)
        wait_until(lambda: os.path.exists(final), 60 * PATIENCE, "it has its name")
        with open(final, "rb") as f:
            self.assert_same(f.read(), seq(1, 10))
