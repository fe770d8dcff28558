"""--to of a map or a gather: a finite job's list as plain records of a topic, whole, in its order, each once."""
import json
import os
import signal

import raw
from fleet import PATIENCE, PIPE, seq, wait_until
from test_stream import StreamCase

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


class JobOutput(StreamCase):
    lanes = 1

    def setUp(self):
        super().setUp()
        self.stream_worker()

    def items(self, first, last, **fields):
        return b"".join(json.dumps({"n": n, **{k: f(n) for k, f in fields.items()}}).encode() + b"\n" for n in range(first, last + 1))

    def indexes(self, got):
        return [int(key) for _, key, _, _ in got]

    def test_a_map_writes_its_list(self):
        """Values, errors and headers; nothing on stdout, and the exit status says that an item failed."""
        run = self.run_map("double", "--job-id", "j", "--to", self.to, "--errors-to", self.errors, "--traceparent", TRACE,
                           data=self.items(0, 19, fails=lambda n: n == 7), exit_status=1)
        self.assertEqual(run.out(), b"")
        got = self.read(self.to, 1, 19, quiet_s=1)
        self.assertEqual(self.indexes(got), [n for n in range(20) if n != 7])
        for _, key, value, headers in got:
            self.assertEqual(json.loads(value)["twice"], 2 * int(key))
            self.assertEqual(headers, {"fanmap-job": b"j", "fanmap-index": key, "fanmap-attempts": b"1", "traceparent": TRACE.encode()})
        ((_, key, value, headers),) = self.read(self.errors, 1, 1, quiet_s=0)
        self.assertEqual((key, headers["fanmap-error-kind"], json.loads(value)["$error"]["kind"]), (b"7", b"exit", "exit"))
        # the list once more, by a gather, with errors where values are
        self.run_fanmap("gather", "j", "--to", self.to, "--deliver", "at-least-once", "--as", "plain", exit_status=1)
        again = self.read(self.to, 1, 39, quiet_s=1)[19:]
        self.assertEqual(self.indexes(again), list(range(20)))
        self.assertIn("$error", json.loads(again[7][2]))

    def test_killed_readers_of_a_name_write_each_once(self):
        """Each is killed while it writes, and the next goes on behind what is visible."""
        self.worker(slots=4)
        self.run_fanmap("topics", "--create")
        source = self.start_map("echo", "--job-id", "j", command="submit", stdin=PIPE)
        wait_until(lambda: b"echo" in self.run_fanmap("jobs").out(), 60 * PATIENCE, "the job is there")
        gather = ("gather", "j", "--to", self.to, "--as", "sink", "--commit-every", "5ms")
        reader, seen = raw.Committed(self.kafka.brokers, self.to, 1), []
        self.addCleanup(reader.close)
        for first in (1, 2001, 4001):
            source.process.stdin.write(seq(first, first + 1999))
            source.process.stdin.flush()
            program = self.start(*gather)
            wait_until(lambda: self.sees(reader, seen, first), 60 * PATIENCE, "it writes", 0)
            program.signal(signal.SIGKILL)
            program.wait(10)
        source.process.stdin.close()
        self.finish(source, 60)
        self.run_fanmap(*gather, bound_s=60)
        self.run_fanmap(*gather, bound_s=60)  # nothing is left
        self.assertEqual(self.indexes(self.read(self.to, 1, 6000, quiet_s=1)), list(range(6000)))

    def sees(self, reader, seen, n):
        """As many records as that are visible."""
        record = reader.poll()
        if record:
            seen.append(record)
        return len(seen) >= n

    def test_what_cannot_be(self):
        own = f"{self.namespace}.results"
        refused = [(2, ("map", "double", "--to", "nowhere"), ("nowhere", "does not exist")),
                   (2, ("map", "double", "--to", own), (own, "fanmap's own")),
                   (2, ("map", "double", "--to", ""), ("--to", "not the name of a topic")),
                   (2, ("map", "double", "--errors-to", self.errors), ("--to",)),
                   (2, ("map", "double", "--local", "--exec", "double=true", "--to", self.to), ("no Kafka",)),
                   (2, ("submit", "double", "--to", self.to), ("fanmap gather JOB --to",)),
                   (2, ("gather", "j", "--to", self.to, "--position-file", os.path.join(self.folder, "place")), ("--as NAME",))]
        for status, words, said in refused:
            with self.subTest(words):
                self.assert_one_line(self.run_fanmap(*words, data=self.items(0, 0), exit_status=status), *said)
        self.assertEqual(self.run_fanmap("jobs").out().count(b"double"), 0)  # nothing ran
        raw.configure_topic(self.kafka.port, self.to, "max.message.bytes", "1000")
        self.run_map("double", "--to", self.to, data=self.items(0, 1, pad=lambda n: 2000 * n), exit_status=1)
        got = self.read(self.to, 1, 2, quiet_s=0)
        self.assertEqual(json.loads(got[1][2])["$error"]["kind"], "too_large")
        raw.configure_topic(self.kafka.port, self.to, "max.message.bytes", "150")  # not even the error
        self.assert_one_line(self.run_map("double", "--job-id", "small", "--to", self.to, data=self.items(0, 1), exit_status=2), self.to, "max.message.bytes")
