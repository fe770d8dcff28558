"""Why a job waits: said by a map that has stood still, and by show, each cause as it comes about."""
import json
import os
import signal
import socket
import struct

import raw
from fleet import FANMAP, PATIENCE, PIPE, ROOT, Case, wait_until
from services import Kafka

NUMBERS = os.path.join(ROOT, "examples", "python", "numbers_task.py")


def text(s):
    return struct.pack(">h", len(s)) + s.encode()


class Waiting(Case):
    bound_s = 150

    def setUp(self):
        super().setUp()
        self.on_fleet()
        self.port = int(self.kafka.brokers.rsplit(":", 1)[1])

    def items(self, task):
        return f"{self.namespace}.items.default.{task}"

    def waits(self, job, *words):
        """What show says, once it says these words."""
        def said():
            lines = json.loads(self.run_fanmap("show", job, "--json").out())["waits"]
            return all(word in " ".join(lines) for word in words) and lines
        return wait_until(said, 40 * PATIENCE, f"show {job} says {words}")

    def reason(self, job):
        """The word for it in the list of jobs."""
        jobs = [json.loads(line) for line in self.run_fanmap("jobs", "--json").out().splitlines()]
        return next(j.get("reason", "") for j in jobs if j["job"] == job)

    def dealt(self):
        return [json.loads(line)["partitions"] for line in self.run_fanmap("workers", "--json").out().splitlines()]

    def says(self, run, *words, bound_s=45):
        wait_until(lambda: any(all(word in line for word in words) for line in run.err().splitlines()),
                   bound_s * PATIENCE, f"the map says {words}")

    def lines(self, run, word):
        return [line for line in run.err().splitlines() if word in line]


class Causes(Waiting):
    def test_nobody_then_paused_then_it_goes_on(self):
        run = self.start_map("echo", "--job-id", "j", data=b"1\n2\n")
        self.says(run, "no worker serves task echo")
        self.assertEqual(self.reason("j"), "no worker")
        self.run_fanmap("pause", "j")
        self.worker(slots=2)
        self.says(run, "job j waits: it is paused")
        self.run_fanmap("resume", "j")
        self.finish(run, 60)
        self.assertEqual(run.out(), b"1\n2\n")
        self.assertEqual((len(self.lines(run, "no worker serves")), len(self.lines(run, "it is paused"))), (1, 1))
        self.assertEqual(len(self.lines(run, "job j goes on")), 1)

    def test_a_program_that_does_not_start(self):
        """The worker says why, time and again; the map and show say which worker; then it starts."""
        needed = os.path.join(self.folder, "model")
        worker = self.worker("--serve", f"square=sh -c 'test -e {needed} && exec python3 {NUMBERS}'", tasks=None, slots=2)
        run = self.start_map("square", "--job-id", "j", data=b"3\n")
        self.says(run, "job j waits: 1 of the 1 workers of task square cannot start its program")
        self.waits("j", "cannot start its program", f":{worker.process.pid} says why")
        self.assertEqual(self.reason("j"), "no start")
        self.assertEqual(len([x for x in worker.err().splitlines() if "time and again" in x]), 1)
        open(needed, "w").close()
        self.finish(run, 60 * PATIENCE)
        self.assertEqual((run.out(), len(self.lines(run, "job j goes on"))), (b"9\n", 1))
        wait_until(lambda: "task square starts now" in worker.err(), 30 * PATIENCE, "the worker says so, too")

    def test_a_worker_without_a_partition_does_not_serve(self):
        """It says so, and is no reason why a map does not say that nobody serves its task; with a partition it serves."""
        self.run_fanmap("topics", "--create", "--task", "echo", "--partitions", 1)
        workers = [self.worker("--exec", "echo=cat", tasks=None, slots=1) for _ in range(2)]
        said = "no partition of the topic of task echo is left for this worker"
        wait_until(lambda: any(said in w.err() for w in workers), 90 * PATIENCE, "one says that it has none")
        idle, fed = sorted(workers, key=lambda w: said not in w.err())
        self.assertNotIn(said, fed.err())
        fed.signal(signal.SIGKILL)
        wait_until(lambda: self.run_map("echo", "--input-format", "lines", data=b"1\n").out(), 60 * PATIENCE, "the other serves it")
        self.assertTrue(idle.alive())

    def test_a_group_that_waits_for_a_dead_member_says_so(self):
        """And not that there are too few partitions."""
        session = "40s"  # it is said after 15 s of them
        dead, _ = [self.worker("--exec", "echo=cat", tasks=None, slots=1, session=session) for _ in range(2)]
        wait_until(lambda: self.dealt() == [4, 4], 60 * PATIENCE, "both are members of the group")
        dead.signal(signal.SIGKILL)
        late = self.worker("--exec", "echo=cat", tasks=None, slots=1, session=session)
        wait_until(lambda: "it waits for a member that died" in late.err(), 40 * PATIENCE, "it says so")
        wait_until(lambda: "the group has dealt its partitions out" in late.err(), 60 * PATIENCE, "it goes on")
        self.assertNotIn("no partition of the topic", late.err())

    def test_a_map_that_waits_for_input_says_nothing(self):
        self.worker("--exec", "slow=sleep 8", slots=1)
        run = self.start_map("echo", stdin=PIPE)
        run.process.stdin.write(b"1\n")
        run.process.stdin.flush()
        wait_until(lambda: run.out() == b"1\n", 30 * PATIENCE, "the first value")
        other = self.start_map("echo", "--job-id", "other", data=b"1\n")
        self.finish(other, 60)
        slow = self.start_map("slow", "--output-format", "lines", data=b"1\n") # takes longer than a map waits before it asks
        self.finish(slow, 60)
        run.process.stdin.close()
        self.finish(run, 30)
        self.assertEqual((self.lines(run, "waits"), self.lines(slow, "waits")), ([], []))

    def test_the_limit_is_used_up_by_a_worker_that_died(self):
        recorder = self.recorder()
        first = self.worker(slots=2, session="6s")
        run = self.start_map("recorded_sleep", "--job-id", "j", "-j", "2", "--lease", "60s", data=b"[300000,1]\n" * 6)
        recorder.wait_started(2, 30)
        self.worker(slots=2, name="second", session="6s")
        first.kill()
        self.says(run, "job j waits: all 2 tokens are held", "fanmap set j", bound_s=60)
        self.waits("j", "all 2 tokens are held (")
        self.run_fanmap("cancel", "j")
        self.finish(run, 30, 3)

    def test_who_holds_the_tokens_is_named(self):
        recorder = self.recorder()
        worker = self.worker(slots=2)
        run = self.start_map("recorded_sleep", "--job-id", "j", "-j", "1", data=b"[300000,1]\n" * 3)
        recorder.wait_started(1, 30)
        self.waits("j", f"its 1 token is held ({socket.gethostname()}:{worker.pid} 1)")
        self.run_fanmap("cancel", "j")
        self.finish(run, 30, 3)

    def test_every_item_waits_for_its_next_try(self):
        self.worker("--exec", "fails=false", tasks=None, slots=2)
        run = self.start_map("fails", "--job-id", "j", "--retries", "2", "--backoff", "3600s,1,3600s",
                             "--output-format", "lines", data=b"1\n2\n3\n")
        self.says(run, "job j waits: all 3 items", "wait for their next try")
        self.waits("j", "wait for their next try")
        self.run_fanmap("cancel", "j")
        self.finish(run, 30, 3)


class RedisAway(Waiting):
    own_redis = True

    def test_a_job_with_a_limit(self):
        recorder = self.recorder()
        self.worker(slots=1)
        run = self.start_map("recorded_sleep", "--job-id", "j", "-j", "1", "--lease", "2s", data=b"[4000,1]\n" * 4)
        recorder.wait_started(1, 30)
        self.redis.kill()
        self.says(run, "job j waits: a job with a limit starts nothing without Redis")
        self.redis.start()
        self.finish(run, 90)
        self.assertEqual(len(self.lines(run, "without Redis")), 1)
        self.assertEqual(run.out(), b"1\n" * 4)


class KafkaAway(Waiting):
    """With a Kafka of its own, since it stands still."""

    def setUp(self):
        super().setUp()
        self.kafka = Kafka(self.folder + "/kafka").start()
        self.addCleanup(self.kafka.kill)

    def test_a_broker_that_stands_still(self):
        recorder = self.recorder()
        self.worker(slots=1, session="30s")
        run = self.start_map("recorded_sleep", "--job-id", "j", data=b"[2000,1]\n" * 4)
        recorder.wait_started(1, 60)
        self.kafka.pause()
        self.says(run, "job j waits: Kafka does not answer", bound_s=60)
        self.kafka.resume()
        self.finish(run, 90)
        self.assertEqual(run.out(), b"1\n" * 4)
        self.assertEqual(len(self.lines(run, "job j goes on")), 1)


class OwnQueue(Waiting):
    def test_a_task_that_maps_onto_its_own_queue(self):
        said = f"{self.folder}/inner.err"
        where = "".join(f"{name}={value} " for name, value in self.environment().items() if name.startswith("FANMAP_"))
        inner = f"echo 1 | {where}{FANMAP} map inner --job-id inner 2>>{said}"
        open(said, "w").close()
        self.worker("--exec", f"outer=sh -c '{inner}'", "--exec", "inner=cat", tasks=None, slots=1)
        run = self.start_map("outer", "--job-id", "outer", "--output-format", "lines", data=b"1\n")

        def line():
            with open(said) as f:
                return "no slot is free for it: all 1 " in (got := f.read()) and got.endswith("\n") and got
        got = wait_until(line, 60 * PATIENCE, "the inner map says so")
        self.assertIn("by an attempt of job outer, inside which this map runs", got)
        self.waits("inner", "no slot is free for it", "by job outer")
        self.run_fanmap("cancel", "outer")
        self.finish(run, 30, 3)


class Offsets(Waiting):
    def ends(self, topic, partitions):
        body = struct.pack(">ii", -1, 1) + text(topic) + struct.pack(">i", partitions)
        body += b"".join(struct.pack(">iq", p, -1) for p in range(partitions))
        answer = raw.request(self.port, 2, 1, body)
        at = 4 + len(text(topic)) + 4
        found = [struct.unpack_from(">ihqq", answer, at + i * 22) for i in range(partitions)]
        return {p: end for p, error, _, end in found if error == 0}

    def commit(self, topic, offsets):
        """What kafka-consumer-groups --reset-offsets does to a group that nobody is in. False: it has no coordinator yet."""
        body = text(f"{self.namespace}.workers.default") + struct.pack(">i", -1) + text("") + struct.pack(">qi", -1, 1)
        body += text(topic) + struct.pack(">i", len(offsets))
        body += b"".join(struct.pack(">iq", p, offset) + text("") for p, offset in offsets.items())
        answer = raw.request(self.port, 8, 2, body)
        at = 4 + len(text(topic)) + 4
        return all(struct.unpack_from(">ih", answer, at + i * 6)[1] == 0 for i in range(len(offsets)))

    def test_reset_past_items_that_did_not_run(self):
        run = self.start_map("echo", "--job-id", "j", data=b"1\n2\n3\n")
        self.says(run, "no worker serves task echo")
        topic = self.items("echo")
        ends = self.ends(topic, self.partitions)
        self.assertEqual(sum(ends.values()), 3)
        self.run_fanmap("show", "j") # the group's coordinator is looked for
        wait_until(lambda: self.commit(topic, ends), 30 * PATIENCE, "the offsets are reset")
        self.worker(slots=1)
        self.says(run, "job j waits: 3 items have no outcome", "fanmap cancel j")
        self.waits("j", "offsets of the workers' group lie behind all of them")
        self.run_fanmap("cancel", "j")
        self.finish(run, 30, 3)

    def test_partitions_that_nobody_has(self):
        """More partitions than before, of which a worker that stands still cannot know."""
        worker = self.worker(slots=1, session="60s")  # it stays a member for as long as is looked
        self.run_map("echo", "--job-id", "before", data=b"1\n")
        worker.signal(signal.SIGSTOP)
        topic = self.items("echo")
        answer = raw.request(self.port, 37, 0, struct.pack(">i", 1) + text(topic) +
                             struct.pack(">iii?", self.partitions + 3, -1, 20000, False))
        self.assertEqual(struct.unpack_from(">h", answer, 8 + len(text(topic)))[0], 0)
        self.run_fanmap("submit", "echo", "--job-id", "j", data=b"1\n" * 50)
        self.waits("j", f"3 of the {self.partitions + 3} partitions of its task have no worker")
        worker.signal(signal.SIGCONT)
        self.run_fanmap("cancel", "j")
