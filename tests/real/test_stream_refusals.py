"""Streams that cannot begin or go on: one clear line, the exit status of its kind, and nothing lost."""
import json
import re
import signal

import raw
from fleet import PATIENCE, wait_until
from test_stream import StreamCase


class Refused(StreamCase):
    def refused(self, status, *words, source=None, to=None, errors=None):
        program = self.start("stream", "double", "--job-id", "refused", "--from", source or self.source, "--to", to or self.to,
                             "--errors-to", errors or self.errors, *words, *self.connect_args())
        return self.finish(program, 30, status)

    def test_wrong_topics(self):
        """Each that is missing is named, and what would read what it writes is refused; of none of them a stream stays."""
        for role in ("source", "to", "errors"):
            self.assert_one_line(self.refused(2, **{role: "nowhere"}), "nowhere", "does not exist")
        self.assertNotIn("topics --create", self.refused(2, to="nowhere").err())  # which makes none of these
        for name in ("", "a b", "."):
            for role in ("--from", "--to", "--errors-to"):
                topics = {"--from": self.source, "--to": self.to, "--errors-to": self.errors, role: name}
                run = self.run_fanmap("stream", "double", *(word for pair in topics.items() for word in pair), exit_status=2)
                self.assert_one_line(run, role, "not the name of a topic")
        own = f"{self.namespace}.jobs"
        self.assert_one_line(self.refused(2, to=own), own, "fanmap's own")
        self.assert_one_line(self.refused(2, errors=f"{self.namespace}.stream.refused"), "fanmap's own")
        self.assert_one_line(self.refused(2, to=self.source), self.source, "reads")
        self.assert_one_line(self.refused(2, errors=self.source), self.source, "reads")
        self.assert_one_line(self.refused(2, "--to-partition", "same", to=self.errors), "partitions")
        self.assertNotIn(b"refused", self.run_fanmap("jobs").out())


class Beginnings(StreamCase):
    def position(self, group, topic, lane):
        return raw.committed(self.kafka.port, f"{self.namespace}.{group}.double", topic, lane)

    def stream_of_before(self, *args, quiet_s=0):
        """A process of the stream that handed eight records out, and has ended."""
        stream = self.stream(*args)
        self.write(0, 7)
        self.read(self.to, self.lanes, 8, quiet_s=quiet_s)
        stream.signal(signal.SIGTERM)
        self.finish(stream, 30)

    def test_two_begin_at_once(self):
        """Both groups begin at one place, whoever was first, and what is written from then on comes once."""
        self.write(0, 7)
        both = [self.stream("--start", "latest") for _ in range(2)]
        for program in both:
            wait_until(lambda: "info: stream double" in program.err(), 60 * PATIENCE, "the stream begins")
        log = f"{self.namespace}.stream.double"
        self.assertEqual([self.position("stream", self.source, lane) for lane in range(self.lanes)], [2] * self.lanes)
        self.assertEqual([self.position("gather", log, lane) for lane in range(self.lanes)], [0] * self.lanes)
        self.stream_worker()
        self.write(8, 27)
        got = self.read(self.to, self.lanes, 20)
        self.in_order(got)
        self.assertEqual(sorted(json.loads(value)["n"] for _, _, value, _ in got), list(range(8, 28)))

    def test_a_log_that_nobody_gathers(self):
        """Nothing stops; show tells that the log grows, and from when on outcomes would be lost where somebody gave it a retention."""
        def show(*args):
            return self.run_fanmap("show", "double", *args).out().decode()

        self.stream_worker()
        self.stream_of_before(quiet_s=3)  # the word that all of it is finished has come, too
        raw.configure_topic(self.kafka.port, f"{self.namespace}.stream.double", "retention.ms", "604800000")
        self.assertNotIn("loses them", show())  # nothing waits there
        self.assertIn("gatherers  none: nobody would write its outcomes (fanmap stream ", show())
        self.write(8, 15)
        wait_until(lambda: json.loads(show("--json"))["lag"] == 0, 60 * PATIENCE, "workers go on without a gatherer")
        said = show()
        self.assertIn("gatherers  none: outcomes wait in", said)
        self.assertIn(f"outcomes wait in {self.namespace}.stream.double, which loses them after 7d (retention.ms=-1)", said)
        raw.configure_topic(self.kafka.port, f"{self.namespace}.stream.double", "retention.ms", "-1")
        self.assertNotIn("loses them", show())
        self.stream()
        self.in_order(self.read(self.to, self.lanes, 16, quiet_s=0))

    def test_its_log_is_kept_for_a_time(self):
        """What one process handed out is deleted by the next once it is older than --keep, and not before."""
        log = f"{self.namespace}.stream.double"
        self.stream_worker()
        self.stream_of_before("--keep", "1h", quiet_s=1)
        self.assertEqual([raw.begin(self.kafka.port, log, lane) for lane in range(self.lanes)], [0] * self.lanes)
        handed_out = [self.position("gather", log, lane) for lane in range(self.lanes)]
        self.assertGreater(min(handed_out), 0)
        self.stream("--keep", "1s")
        self.write(8, 15)
        wait_until(lambda: all(raw.begin(self.kafka.port, log, lane) >= handed_out[lane] for lane in range(self.lanes)), 60 * PATIENCE,
                   "what the first one handed out is deleted")
        self.in_order(self.read(self.to, self.lanes, 16, quiet_s=0))

    def test_an_end_that_was_taken_away(self):
        """A stream that was cancelled is begun again once its records are taken off the jobs topic, with the same worker."""
        self.stream_worker()
        self.stream_of_before()
        self.run_fanmap("cancel", "double")
        self.assert_one_line(self.finish(self.stream(), 30, 3), "was cancelled")
        for field in ("spec", "end"):
            raw.produce_one(self.kafka.brokers, f"{self.namespace}.jobs", 0, f"double/{field}".encode(), None)
        again = self.stream()
        self.write(8, 15)
        got = self.read(self.to, self.lanes, 16)
        self.in_order(got)
        self.assertEqual(sorted(json.loads(value)["n"] for _, _, value, _ in got), list(range(16)))
        self.assertTrue(again.alive(), again.err())


class Held(StreamCase):
    def test_a_topic_with_too_few_replicas(self):
        """It is said within seconds, of the topic that takes nothing; all of it comes once when it takes records again."""
        raw.register_absent_broker(self.kafka, 2)
        raw.delete_topic(self.kafka.port, self.errors)
        raw.create_topic(self.kafka.port, self.errors, [[1, 2]], min_insync_replicas=2)
        self.stream_worker()
        stream = self.stream()
        self.write(0, 19, fails=lambda n: n == 13)
        wait_until(lambda: "min.insync.replicas" in stream.err(), 40 * PATIENCE, "the topic is named")
        self.assertIn(f"topic {self.errors} has a partition with 1 replicas in sync", stream.err())
        self.assertIn(f"topic {self.errors} has a partition with 1 replicas".encode(), self.run_fanmap("show", "double", bound_s=8).out())
        raw.configure_topic(self.kafka.port, self.errors, "min.insync.replicas", "1")
        self.read(self.errors, 1, 1, quiet_s=0)
        got = self.read(self.to, self.lanes, 19)
        self.in_order(got)
        self.assertIn("stored again", stream.err())
        wait_until(lambda: "20 handed out" in stream.err(), 60 * PATIENCE, "it counts what is stored")  # not each time that it tried
        self.assertEqual(max(int(n) for n in re.findall(r"(\d+) handed out", stream.err())), 20)


class Gone(StreamCase):
    """Topics of others that somebody deletes, or makes anew, while the stream runs."""

    def show(self):
        return json.loads(self.run_fanmap("show", "double", "--json").out())

    def test_the_source(self):
        """That it is gone is shown; one that is made anew is not begun by itself, which `show` and whoever joins say, and what is in it is behind."""
        self.stream_worker()
        stream = self.stream()
        self.write(0, 7)
        self.in_order(self.read(self.to, self.lanes, 8, quiet_s=0))
        wait_until(lambda: self.show()["lag"] == 0, 30 * PATIENCE, "its positions are stored")
        raw.delete_topic(self.kafka.port, self.source)
        wait_until(lambda: f"topic {self.source} does not exist" in " ".join(self.show()["waits"]), 60 * PATIENCE, "show says that it is gone")
        raw.create_topic(self.kafka.port, self.source, self.lanes)
        self.write(8, 15)
        wait_until(lambda: "has no position for partition" in " ".join(self.show()["waits"]), 60 * PATIENCE, "show says why nothing goes on")
        shown = self.show()
        self.assertEqual((shown["lag"], shown["stream"]["lanes"][0]["lag"], shown["stream"]["lanes"][0]["head"]), (8, 2, 0))
        self.assert_one_line(self.finish(self.stream(), 30, 6), f"{self.namespace}.stream.double", "has no position", self.source)
        self.assertTrue(stream.alive(), stream.err())
        self.read(self.to, self.lanes, 8)

    def test_the_output(self):
        """It is named as what holds the stream up; made anew it gets each outcome that the old one had not."""
        self.stream_worker()
        stream = self.stream()
        self.write(0, 7)
        self.read(self.to, self.lanes, 8, quiet_s=0)
        raw.delete_topic(self.kafka.port, self.to)
        self.write(8, 15)
        wait_until(lambda: f"is not stored for more than 3 s: topic {self.to} does not exist" in stream.err(), 60 * PATIENCE, "it is named")
        wait_until(lambda: f"topic {self.to} does not exist" in " ".join(self.show()["waits"]), 30 * PATIENCE, "show names it")
        raw.create_topic(self.kafka.port, self.to, self.lanes)
        got = self.read(self.to, self.lanes, 8)
        self.in_order(got)
        self.assertEqual(sorted(json.loads(value)["n"] for _, _, value, _ in got), list(range(8, 16)))
