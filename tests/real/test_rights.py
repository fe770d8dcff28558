"""Wrong secrets, expired certificates, missing rights: exit 4 and one line that names what is missing; and with exactly the
rights that `fanmap topics --print-acls` prints, everything works. One broker with an authorizer serves all of it."""
import ctypes
import os
import shlex
import signal
import time

import fleet
import raw
from fleet import PATIENCE, RECORDED, Case, seq, suite_folder, wait_until
from secure import GROUP, PASSWORD, SCRAM_PASSWORD, SCRAM_USER, TOPIC, USER, SecureKafka
from services import Unavailable

_broker = {}


def secure_kafka():
    if "unavailable" in _broker:
        raise Unavailable(_broker["unavailable"])
    if "kafka" not in _broker:
        service = SecureKafka(os.path.join(suite_folder(), "secure"))
        try:
            service.start()
        except Unavailable as e:
            _broker["unavailable"] = str(e)
            raise
        _broker["kafka"] = service
    return _broker["kafka"]


def tearDownModule():
    service = _broker.pop("kafka", None)
    if service is not None:
        service.kill()


class Secure(Case):
    """self.kafka is the secure broker; its PLAINTEXT listener, the default, lets everyone do everything."""

    def setUp(self):
        super().setUp()
        self.kafka = secure_kafka()
        self.redis = fleet.shared_redis()

    def properties(self, **values):
        return self.input_file("".join(f"{k.replace('_', '.')}={v}\n" for k, v in values.items()), "properties")

    def as_user(self, user=USER, password=PASSWORD, mechanism="PLAIN"):
        return ["-b", self.kafka.at("SASL_PLAINTEXT"), "-F",
                self.properties(security_protocol="SASL_PLAINTEXT", sasl_mechanism=mechanism, sasl_username=user,
                                sasl_password=password)]

    def by_tls(self, listener="TLS", ca=None, **more):
        return ["-b", self.kafka.at(listener), "-F",
                self.properties(security_protocol="SSL", ssl_ca_location=ca or self.kafka.ca, **more)]

    def refused(self, run, *words):
        self.finish(run, 60, 4)
        self.assertEqual(run.out(), b"")
        self.assert_one_line(run, *words)


class Login(Secure):
    def test_right_secrets_work(self):
        """Who may log in and nothing else is told so, and by name."""
        self.run_fanmap("topics", "--create", "--partitions", "2")
        run = self.start_map("echo", *self.as_user(), data=b"1\n")
        self.refused(run, "denies", f"User:{USER}", "Describe")

    def test_a_right_scram_secret(self):
        """Before 2.6.1 librdkafka cannot do it with this Kafka; then that is what is said."""
        self.run_fanmap("topics", "--create", "--partitions", "2")
        run = self.start_map("echo", *self.as_user(SCRAM_USER, SCRAM_PASSWORD, "SCRAM-SHA-256"), data=b"1\n")
        can = ctypes.CDLL("librdkafka.so.1").rd_kafka_version() >= 0x020601ff
        self.refused(run, *(("denies", "Describe") if can else ("refused", "library", "2.6.1")), f"User:{SCRAM_USER}")

    def test_wrong_secrets(self):
        for command in (("map", "echo"), ("submit", "echo"), ("gather", "j"), ("cancel", "j"), ("jobs",),
                        ("worker", "--tasks", RECORDED)):
            with self.subTest(command=command):
                run = self.start(*command, *self.as_user(password="wrong"), stdin=self.input_file("1\n"))
                self.refused(run, "refused", "login", f"User:{USER}", "password")
                self.assertNotIn("wrong", run.err())

    def test_wrong_scram_secret(self):
        run = self.start("jobs", *self.as_user(SCRAM_USER, "wrong", "SCRAM-SHA-256"))
        self.refused(run, "refused", f"User:{SCRAM_USER}")


class Tls(Secure):
    def test_a_good_certificate_works(self):
        self.worker(*self.by_tls(), slots=1)
        self.assertEqual(self.run_map("echo", *self.by_tls(), data=b"1\n").out(), b"1\n")

    def test_an_expired_certificate(self):
        for command in (("map", "echo"), ("gather", "j"), ("worker", "--tasks", RECORDED)):
            with self.subTest(command=command):
                run = self.start(*command, *self.by_tls("EXPIRED"), stdin=self.input_file("1\n"))
                self.refused(run, "certificate", "expired")

    def test_a_certificate_of_another_authority(self):
        run = self.start("jobs", *self.by_tls(ca=self.kafka.other_ca))
        self.refused(run, "certificate", "ssl.ca.location")

    def test_a_certificate_is_asked_for(self):
        run = self.start("jobs", *self.by_tls("MUTUAL"))
        self.refused(run, "TLS", "certificate")

    def test_with_a_certificate_of_ones_own(self):
        run = self.start("jobs", *self.by_tls("MUTUAL", ssl_key_location=self.kafka.path("carol.key"),
                                              ssl_certificate_location=self.kafka.path("carol.crt")))
        self.refused(run, "denies", "this client", "Describe", f"{self.namespace}.")


class RedisRights(Case):
    own_redis = True

    def setUp(self):
        super().setUp()
        self.on_fleet()
        self.secret = self.input_file("open-sesame\n", "secret")
        (line,) = [line for line in self.run_fanmap("topics", "--print-acls").out().decode().splitlines()
                   if line.startswith("redis-cli ")]
        self.rule = [word.replace("PASSWORD", "open-sesame") for word in shlex.split(line)[1:]]
        self.redis.ask(*self.rule)
        self.redis.ask("CONFIG", "SET", "maxmemory-policy", "noeviction")
        self.redis.ask("ACL", "SETUSER", "default", "resetpass", ">other", "on")  # nobody comes in without a password
        self.redis.password = "other"
        self.args = ["--redis", f"redis://{self.namespace}@127.0.0.1:{self.redis.port}", "--redis-password-file",
                     self.secret]

    def test_what_is_printed_is_enough(self):
        worker = self.ready_worker(*self.args, slots=2)
        run = self.run_map("echo", *self.args, "-j", "1", "--job-id", "j", data=b"1\n2\n")
        self.assertEqual((run.out(), run.err()), (b"1\n2\n", ""))
        for command in (("workers",), ("show", "j"), ("jobs",)):
            self.assertEqual(self.run_fanmap(*command, *self.args).err(), "")
        wait_until(lambda: b"echo" in self.run_fanmap("workers", *self.args).out(), 30, "the worker is listed")
        self.assertNotIn("error", worker.err())

    def without(self, command):
        self.redis.ask("ACL", "SETUSER", self.namespace, "-" + command)

    def test_a_wrong_password(self):
        wrong = self.input_file("wrong\n", "secret")
        for command in (("map", "echo", "-j", "1"), ("worker", "--tasks", RECORDED), ("workers",)):
            with self.subTest(command=command):
                run = self.run_fanmap(*command, *self.args, "--redis-password-file", wrong, data=b"1\n", exit_status=4)
                self.assertIn("refused the login", run.err())
                self.assertNotIn("open-sesame", run.err())

    def test_without_info(self):
        self.without("info")
        run = self.run_fanmap("map", "echo", *self.args, "-j", "1", data=b"1\n", exit_status=4)
        self.assert_one_line(run, f"denies user {self.namespace}", "--print-acls")

    def test_without_what_presence_needs(self):
        self.without("zadd")
        worker = self.finish(self.worker(*self.args, slots=1), 60, 4)
        self.assertIn(f"denies user {self.namespace}", worker.err())

    def test_tls_is_refused_in_a_sentence(self):
        run = self.run_fanmap("map", "echo", "--redis", f"rediss://127.0.0.1:{self.redis.port}", data=b"1\n", exit_status=2)
        self.assert_one_line(run, "TLS")


class Rights(Secure):
    def setUp(self):
        super().setUp()
        tasks = ("recorded", "recorded_sleep", "record_fail_n", "echo", "bound", "noop", "big", "trouble", "fail_as") # of RECORDED
        self.run_fanmap("topics", "--create", "--partitions", "2", *(word for task in tasks for word in ("--task", task)))

    def grant(self, role, *without, of=()):
        """The rights of a role to alice, but for (operation, short name of topic or group)."""
        lines = self.run_fanmap("topics", "--print-acls", "--principal", f"User:{USER}", *of).out().decode().splitlines()
        begin = next(i for i, line in enumerate(lines) if line.startswith(f"# {role}:"))
        for line in lines[begin + 1:]:
            if line.startswith("#"):
                break
            self.kafka.run_acl_line(line, {(operation, f"{self.namespace}.{name}") for operation, name in without})

    def test_a_producer_with_its_rights(self):
        self.grant("producer")
        self.ready_worker(slots=1)
        run = self.run_map("echo", *self.as_user(), "-j", "1", "--job-id", "j", data=b"1\n2\n")
        self.assertEqual(run.out(), b"1\n2\n")
        self.assertEqual(run.err(), "")

    def test_a_worker_and_a_gatherer_with_theirs(self):
        self.grant("worker")
        self.worker(*self.as_user(), slots=1)
        job = self.finish(self.start_map("echo", data=seq(1, 20), command="submit"), 60).out().decode().strip()
        self.assertEqual(self.run_fanmap("gather", job).out(), seq(1, 20))

    def test_a_gatherer_with_its_rights(self):
        self.grant("gather")
        self.worker(slots=1)
        job = self.finish(self.start_map("echo", data=seq(1, 20), command="submit"), 60).out().decode().strip()
        self.assertEqual(self.run_fanmap("gather", job, *self.as_user()).out(), seq(1, 20))

    def test_an_aggregator_with_its_rights(self):
        self.grant("aggregator")
        self.worker(slots=1)
        aggregator = self.start("aggregator", "--out", self.folder, *self.as_user())
        self.finish(self.start_map("echo", "--job-id", "j", data=seq(1, 20), command="submit"), 60)
        path = os.path.join(self.folder, "j.jsonl")
        wait_until(lambda: os.path.exists(path), 60 * PATIENCE, "the file")
        with open(path, "rb") as f:
            self.assertEqual(f.read(), seq(1, 20))
        self.assertNotIn("denies", aggregator.err())

    def test_an_operator_with_his(self):
        self.grant("operator")
        self.finish(self.start_map("echo", "--job-id", "j", data=b"1\n", command="submit"), 60)
        for command in (("jobs",), ("show", "j"), ("pause", "j"), ("resume", "j"), ("set", "j", "--concurrency", "3"),
                        ("topics",), ("topics", "--create", "--partitions", "2"), ("cancel", "j")):
            with self.subTest(command=command):
                run = self.run_fanmap(*command, *self.as_user())
                self.assertEqual(run.err(), "")
        self.assertNotIn(b"DescribeConfigs", self.run_fanmap("topics", *self.as_user()).out())

    def denied(self, command, *words):
        run = self.start(*command, *self.as_user(), stdin=self.input_file("1\n"))
        self.refused(run, "denies", f"User:{USER}", "--print-acls", *words)

    def test_what_a_producer_misses(self):
        self.grant("producer", ("Write", "items.default."))
        self.denied(("map", "echo"), "Write", f"{self.namespace}.items.default.echo")
        self.denied(("submit", "echo"), "Write", f"{self.namespace}.items.default.echo")

    def waits_paused(self):
        """A map that stands still: it asks Redis and the workers' group why, and goes on."""
        run = self.start_map("echo", *self.as_user(), "--job-id", "j", data=b"1\n2\n")
        wait_until(lambda: "no worker serves task echo" in run.err(), 30 * PATIENCE, "it says that nobody is there")
        self.run_fanmap("pause", "j")
        self.worker(slots=1)
        wait_until(lambda: "it is paused" in run.err(), 30 * PATIENCE, "it says why it waits")
        self.run_fanmap("resume", "j")
        self.finish(run, 60)
        self.assertNotIn("denies", run.err())

    def test_a_producer_that_waits(self):
        self.grant("producer")
        self.waits_paused()

    def test_a_producer_that_waits_and_may_not_ask(self):
        self.grant("producer", ("Describe", "workers.default"))
        self.waits_paused()

    def test_what_a_worker_misses(self):
        self.grant("worker", ("Read", "workers.default"))
        worker = self.finish(self.worker(*self.as_user(), slots=1), 60, 4)
        self.assertIn(f"denies User:{USER} Read on group {self.namespace}.workers.default", worker.err())

    def test_what_a_worker_may_not_delete(self):
        self.grant("worker", ("Delete", "items.default."))
        self.worker(slots=1)
        self.run_map("echo", "--job-id", "j", data=seq(1, 10))
        for partition in range(2):
            raw.delete_records(self.kafka.port, f"{self.namespace}.results", partition, -1)

        def denied():
            run = self.start("topics", "--clean", *self.as_user())
            run.wait(30)
            return run.err()
        text = wait_until(denied, 30, "the right is missed", 0.3)  # once the workers have committed
        self.assertIn(f"denies User:{USER} Delete on topic {self.namespace}.items.default.echo", text)

    def test_what_a_worker_may_not_read(self):
        self.grant("worker", ("Read", "items.default."), ("Write", "items.default."), ("Delete", "items.default."))
        self.denied(("worker", "--tasks", RECORDED), "Describe", f"{self.namespace}.items.default.")

    def test_what_a_worker_may_not_write(self):
        self.grant("worker", ("Write", "results"))
        worker = self.worker(*self.as_user(), slots=1)
        self.finish(self.start_map("echo", "--job-id", "j", data=b"1\n", command="submit"), 60)
        self.finish(worker, 60, 4)
        self.assertIn(f"denies User:{USER} Write on topic {self.namespace}.results", worker.err())

    def test_what_a_gatherer_misses(self):
        self.finish(self.start_map("echo", "--job-id", "j", data=b"1\n", command="submit"), 60)
        self.grant("gather", ("Read", "jobs"))
        self.denied(("gather", "j"), "Read", f"{self.namespace}.jobs")

    def test_what_an_aggregator_misses(self):
        self.grant("aggregator", ("Read", "aggregator.default"))
        aggregator = self.finish(self.start("aggregator", "--out", self.folder, *self.as_user()), 60, 4)
        self.assertIn(f"denies User:{USER} Read on group {self.namespace}.aggregator.default", aggregator.err())

    def test_what_an_operator_misses(self):
        self.finish(self.start_map("echo", "--job-id", "j", data=b"1\n", command="submit"), 60)
        self.grant("operator", ("Write", "jobs"), ("Write", "results"), ("Write", "items.default."))
        self.denied(("pause", "j"), "Write", f"{self.namespace}.jobs")
        self.denied(("cancel", "j"), f"Write on topic {self.namespace}.")

    def test_nothing_at_all(self):
        for command in (("map", "echo"), ("worker", "--tasks", RECORDED), ("gather", "j"), ("cancel", "j")):
            with self.subTest(command=command):
                self.denied(command, "Describe", f"{self.namespace}.")

    def of_stream(self):
        """Topics of a stream, as the options that name them; and what begins it."""
        topics = [f"{self.namespace}.{name}" for name in ("from", "to", "bad")]
        for topic in topics:
            raw.create_topic(self.kafka.port, topic, 1)
        of = ["--stream", "s", *(word for name, topic in zip(("from", "to", "errors-to"), topics) for word in ("--" + name, topic))]
        return topics, of, ("stream", "echo", "--job-id", "s", *of[2:], "--session-timeout", "6s")

    def may(self, kind, name, *operations):
        self.kafka.grant(kind, f"{self.namespace}.{name}", f"User:{USER}", operations)

    def test_what_a_reader_of_a_stream_misses(self):
        """Its rights are enough for --follow --as, and who lacks one is told which."""
        topics, of, run = self.of_stream()
        self.start(*run)
        self.worker(slots=1)
        raw.produce(self.kafka.brokers, topics[0], 0, [(b"k", b"1"), (b"k", b"2")])
        wait_until(lambda: raw.end(self.kafka.port, topics[1], 0) >= 3, 60 * PATIENCE, "the outcomes")
        missing = [("Describe", "gather.s"), ("Read", "reader."), ("Write", "reader."), ("Read", "stream.s"), ("Read", "jobs")]
        for _, name in reversed(missing):
            self.grant("reader", *missing, of=of)
            self.denied(("gather", "s", "--follow", "--as", "me"), f"{self.namespace}.{name}")
            missing.pop()
        self.grant("reader", of=of)
        reader = self.start("gather", "s", "--follow", "--as", "me", *self.as_user())
        wait_until(lambda: reader.out() == b"1\n2\n", 30 * PATIENCE, "what was missed by nobody")

    def test_what_a_replay_misses(self):
        """Who may not keep how far he came puts nothing back."""
        topics, of, run = self.of_stream()
        self.start(*run)
        self.worker(slots=1)
        raw.produce(self.kafka.brokers, topics[0], 0, [(b"k", b"{bad")])
        wait_until(lambda: raw.end(self.kafka.port, topics[2], 0) >= 2, 60 * PATIENCE, "the error")
        self.grant("replay", ("Read", "replay.s"), ("Write", "from"), of=of)
        self.may(GROUP, "replay.s", "Describe")
        self.may(TOPIC, "from", "Read")  # as who looks at it otherwise
        self.denied(("dead", "replay", "--stream", "s"), "Read on group", f"{self.namespace}.replay.s")
        self.grant("replay", ("Write", "from"), of=of)
        self.denied(("dead", "replay", "--stream", "s"), "Write on topic", f"{self.namespace}.from")
        self.assertEqual(raw.end(self.kafka.port, topics[0], 0), 1)
        self.grant("replay", of=of)
        self.assertEqual(self.run_fanmap("dead", "replay", "--stream", "s", *self.as_user()).out(), b"1 put back, 0 left\n")
        wait_until(lambda: raw.end(self.kafka.port, topics[0], 0) == 2, 30 * PATIENCE, "it is there again, once")

    def test_what_a_stream_may_not_read_or_delete(self):
        topics, of, run = self.of_stream()
        run = (*run, *self.as_user(), "--keep", "1s")
        self.worker(slots=1)
        raw.produce(self.kafka.brokers, topics[0], 0, [(b"k", b"1")])
        self.grant("stream", ("Read", "stream.s"), ("Delete", "stream.s"), of=of)
        self.may(GROUP, "stream.s", "Read")
        self.may(TOPIC, "stream.s", "Describe")
        self.refused(self.start(*run), f"denies User:{USER} Read on topic {self.namespace}.stream.s")
        self.may(TOPIC, "stream.s", "Read")
        stream = self.start(*run)
        wait_until(lambda: "its log is not shortened, and grows" in stream.err(), 60 * PATIENCE, "it says that the log grows")
        self.assertIn(f"denies User:{USER} Delete on topic {self.namespace}.stream.s", stream.err())
        raw.produce(self.kafka.brokers, topics[0], 0, [(b"k", b"2")])
        wait_until(lambda: raw.end(self.kafka.port, topics[1], 0) >= 4, 60 * PATIENCE, "it goes on")
        stream.signal(signal.SIGTERM)
        self.assertEqual(self.finish(stream, 30).err().count("is not shortened"), 1)

    def test_what_a_worker_of_a_stream_may_not_read(self):
        """It says so once, serves its jobs, and takes part when it may."""
        topics, of, run = self.of_stream()
        self.grant("worker")
        self.grant("worker", ("Read", "from"), of=of)
        self.start(*run)
        worker = self.worker(*self.as_user(), slots=1)
        wait_until(lambda: "denies" in worker.err(), 60 * PATIENCE, "it says what it misses")
        self.run_map("echo", data=seq(1, 10))
        time.sleep(11)  # it has tried twice again
        said = [line for line in worker.err().splitlines() if "stream s: " in line]
        self.assertIn(f"denies User:{USER} Describe on topic {topics[0]}", said[-1])
        self.assertEqual([line for line in said[:-1] if "slots:" not in line], [])
        self.grant("worker", of=of)
        raw.produce(self.kafka.brokers, topics[0], 0, [(b"k", b"1")])
        wait_until(lambda: raw.end(self.kafka.port, topics[1], 0) >= 2, 60 * PATIENCE, "the outcome")

    def test_a_stream_with_its_rights_and_what_it_misses(self):
        topics, of, run = self.of_stream()
        run = (*run, *self.as_user())

        def misses(operation, name):
            raw.produce(self.kafka.brokers, topics[0], 0, [(b"k", b"1")])
            text = self.finish(self.start(*run), 60, 4).err()
            self.assertIn(f"denies User:{USER} {operation} on", text)
            self.assertIn(f"{self.namespace}.{name}", text)
            self.assertEqual([line for line in text.splitlines()[:-1] if "info: stream s: " not in line], [])

        self.grant("worker")
        self.grant("worker", of=of)
        self.worker(*self.as_user(), slots=1)
        missing = [("Write", "to"), ("Write", "gather.s."), ("Read", "gather.s")]
        self.grant("stream", *missing, of=of)
        misses("Describe", "to")
        self.may(TOPIC, "to", "Describe")  # as who reads it: then it is refused where the transaction is
        misses("Read", "gather.s")
        self.grant("stream", *missing[:2], of=of)
        misses("Write", "gather.s.")
        self.grant("stream", *missing[:1], of=of)
        misses("Write", "to")
        self.grant("stream", of=of)
        stream = self.start(*run)
        wait_until(lambda: raw.end(self.kafka.port, topics[1], 0) >= 3, 60 * PATIENCE, "the outcomes")
        stream.signal(signal.SIGTERM)
        self.assertNotIn("denies", self.finish(stream, 30).err())

    def test_a_reader_that_writes_a_topic(self):
        to = f"{self.namespace}.to"
        raw.create_topic(self.kafka.port, to, 1)
        self.worker(slots=1)
        self.finish(self.start_map("echo", "--job-id", "j", data=seq(1, 20), command="submit"), 60)
        run = ("gather", "j", "--to", to, "--as", "sink")
        missing = [("Read", "reader."), ("Write", "reader."), ("Write", "to")]
        for said, name in (("Describe", "to"), ("Write", "reader."), ("Read", "reader.")):
            self.grant("gather", *missing, of=("--to", to))
            self.denied(run, said, f"{self.namespace}.{name}")
            missing.pop()
        self.grant("gather", of=("--to", to))
        self.assertEqual(self.run_fanmap(*run, *self.as_user()).err(), "")

    def test_who_may_write_nowhere(self):
        self.grant("producer", *(("Write", name) for name in ("items.default.", "results", "jobs")))
        self.denied(("map", "echo"), f"Write on topic {self.namespace}.results")
        self.finish(self.start_map("echo", "--job-id", "j", data=b"1\n", command="submit"), 60)
        self.assertIn(b"echo", self.run_fanmap("jobs", *self.as_user()).out())

    def test_a_topic_that_may_not_be_made(self):
        self.grant("producer")
        self.denied(("map", "echo", "--queue", "other"), f"{self.namespace}.items.other")
