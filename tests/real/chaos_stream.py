#!/usr/bin/python3
"""tests/real/chaos_stream.py [RECORDS [ORDER]]: a stream of 1,000,000 records under everything that can die, by hand.

4 partitions, 64 slots in 4 workers, 2 gatherers, -j 48. Workers, gatherers, the broker and Redis are killed in turn; a gatherer is
stopped for longer than its session, and goes on; half way everything is killed at once, and what the workers' group had committed by
then must come out with no worker there. Prints a line for each turn, and at the end what was checked:
  each record's outcome is visible exactly once to a reader of committed records, in the order of its partition (of its key,
  with ORDER key; each record has a key of its own but for every tenth);
  no offset was committed past a record without an outcome;
  never more than 48 attempts at once, as a process beside the fleet counted them.
Exit 0: all of it held.
"""
import os
import random
import signal
import sys
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import raw  # noqa: E402
from fleet import PATIENCE, Case, wait_until  # noqa: E402
from services import Kafka, Redis  # noqa: E402

RECORDS, ORDER = 1000000, "partition"
LANES, WORKERS, GATHERERS, SLOTS, LIMIT, TURNS = 4, 4, 2, 16, 48, 16


class Chaos(Case):
    bound_s = 7200

    def setUp(self):
        super().setUp()
        self.kafka = Kafka(os.path.join(self.folder, "kafka"), fast_start=False).start()
        self.addCleanup(self.kafka.kill)
        self.redis = Redis(os.path.join(self.folder, "redis"), durable=True).start()
        self.addCleanup(self.redis.kill)
        self.source, self.to = f"{self.namespace}-in", f"{self.namespace}-out"
        raw.create_topic(self.kafka.port, self.source, LANES)
        raw.create_topic(self.kafka.port, self.to, LANES)
        self.began, self.seen, self.written = time.monotonic(), [bytearray() for _ in range(LANES)], 0
        self.last, self.last_of_key = [-1] * LANES, {}

    def say(self, text):
        print(f"{time.monotonic() - self.began:7.1f} s  {text}", flush=True)

    def gatherer(self):
        return self.start("stream", "recorded_sleep", "--from", self.source, "--to", self.to, "--to-partition", "same", "--order", ORDER,
                          "-j", LIMIT, "--lease", "6s", *self.connect_args(), "--session-timeout", "6s")

    def a_worker(self):
        return self.worker(slots=SLOTS, session="6s")

    def write(self, n):
        """The next n of each partition, which are at these offsets."""
        for lane in range(LANES):
            first = self.written
            raw.produce(self.kafka.brokers, self.source, lane,
                        [(b"k%d" % (i % 7) if i % 10 == 0 else b"%d-%d" % (lane, i), b"[0,%d]" % i) for i in range(first, first + n)])
        self.written += n

    def read(self, quiet_s):
        """What is visible, as long as something comes."""
        until = time.monotonic() + quiet_s
        while time.monotonic() < until:
            record = self.reader.poll()
            if record is None:
                continue
            until = time.monotonic() + quiet_s
            lane, key, value, headers = record
            offset = int(headers["fanmap-source-offset"])
            self.assertEqual((lane, int(value)), (int(headers["fanmap-source-partition"]), offset))
            seen = self.seen[lane]
            if offset >= len(seen):
                seen.extend(bytes(offset + 1 - len(seen) + 100000))
            self.assertEqual(seen[offset], 0, f"offset {offset} of partition {lane} came twice")
            seen[offset] = 1
            if ORDER == "partition":
                self.assertGreater(offset, self.last[lane])
                self.last[lane] = offset
            elif key.startswith(b"k"):
                self.assertGreater(offset, self.last_of_key.get((lane, key), -1))
                self.last_of_key[lane, key] = offset

    def outcomes(self):
        return sum(sum(seen) for seen in self.seen)

    def committed(self, lane):
        return raw.committed(self.kafka.port, f"{self.namespace}.stream.recorded_sleep", self.source, lane)

    def begin_again(self, chosen):
        """Everything dies at once. With gatherers alone every record below what was committed is there."""
        for program in (*self.workers, *self.gatherers):
            program.kill()
        self.redis.kill()
        self.kafka.kill()
        self.kafka.start()
        self.redis.start()
        wait_until(lambda: all(self.committed(lane) >= 0 for lane in range(LANES)), 60 * PATIENCE, "the broker knows its groups")
        committed = [self.committed(lane) for lane in range(LANES)]
        self.gatherers = [self.gatherer() for _ in range(GATHERERS)]
        wait_until(lambda: self.read(15) or all(sum(seen[:max(at, 0)]) == max(at, 0) for seen, at in zip(self.seen, committed)),
                   120 * PATIENCE, "what was committed is there")
        self.say(f"all killed: offsets {committed} were committed, and each record before them has its outcome without a worker")
        self.workers = [self.a_worker() for _ in range(WORKERS)]
        chosen.shuffle(self.workers)

    def turn(self, number, chosen):
        i, g = chosen.randrange(WORKERS), chosen.randrange(GATHERERS)
        what = number % 6
        if number == TURNS // 2:
            self.begin_again(chosen)
            return
        if what == 0:
            self.workers[i].kill()
            self.workers[i] = self.a_worker()
        elif what == 1:
            self.gatherers[g].kill()
            self.gatherers[g] = self.gatherer()
        elif what == 2:
            self.kafka.kill()
            time.sleep(2)
            self.kafka.start()
        elif what == 3:
            self.redis.kill()
            time.sleep(2)
            self.redis.start()
        elif what == 4:
            self.gatherers[g].signal(signal.SIGSTOP)
            self.read(10)
            time.sleep(10)
            self.gatherers[g].signal(signal.SIGCONT)
        else:
            self.workers[i].signal(signal.SIGSTOP)
            time.sleep(10)
            self.workers[i].signal(signal.SIGCONT)
        names = ("a worker killed", "a gatherer killed", "the broker killed", "Redis killed", "a gatherer stopped beyond its session",
                 "a worker stopped beyond its session")
        self.say(f"turn {number}: {names[what]}; {self.outcomes()} outcomes are visible")

    def test_chaos(self):
        chosen = random.Random(RECORDS)
        counted = self.recorder()
        self.reader = raw.Committed(self.kafka.brokers, self.to, LANES)
        self.addCleanup(self.reader.close)
        self.workers = [self.a_worker() for _ in range(WORKERS)]
        self.gatherers = [self.gatherer() for _ in range(GATHERERS)]
        self.write(RECORDS // LANES // TURNS)
        wait_until(lambda: self.read(1) or self.outcomes() > 0, 120, "the first outcome")
        for number in range(TURNS):
            if number > 0:
                self.write(RECORDS // LANES // TURNS)
            self.turn(number, chosen)
            self.read(1)
        wait_until(lambda: self.read(10) or self.outcomes() == self.written * LANES, 3600, "every outcome")
        self.read(15)  # and no more
        wait_until(lambda: [self.committed(lane) for lane in range(LANES)] == [self.written] * LANES, 60, "the last offsets")
        job = next(iter(counted.report()["jobs"].values()))
        self.assertLessEqual(job["max"], LIMIT)
        for program in (*self.workers, *self.gatherers):
            self.assertTrue(program.alive(), program.err())
        self.say(f"{self.outcomes()} records, each outcome visible once, in order by {ORDER}; {job['starts']} attempts, at most {job['max']} "
                 f"at once of -j {LIMIT}")


if __name__ == "__main__":
    RECORDS, ORDER = (int(sys.argv[1]) if len(sys.argv) > 1 else RECORDS), (sys.argv[2] if len(sys.argv) > 2 else ORDER)
    unittest.main(argv=sys.argv[:1])
