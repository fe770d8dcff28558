"""What cannot work is refused in one clear line that says what to do, with the exit code of its kind."""
import os
import socket
import time

from fleet import NOT_TASKS, PATIENCE, RECORDED, Case, free_port, kafka, wait_until
from services import SASL_PASSWORD, SASL_USER


class BadUse(Case):
    """Needs no service: exit 2, before anything is reached."""

    def refused(self, *args, words, data=b"1\n", exit_status=2):
        run = self.run_fanmap(*args, data=data, exit_status=exit_status)
        self.assertEqual(run.out(), b"")
        self.assert_one_line(run, *words)

    def local(self, *args, **kwargs):
        self.refused("map", "--local", "--tasks", RECORDED, "echo", *args, **kwargs)

    def test_unknown_option(self):
        self.local("--no-such-thing", words=["--no-such-thing", "help"])

    def test_unknown_command(self):
        self.refused("mapp", words=["mapp", "help"])

    def test_impossible_values(self):
        for args, words in ((("-j", "-1"), ["-1"]), (("--timeout", "5"), ["5", "5s"]), (("--retries", "x"), ["retries", "x"]),
                            (("--timeout", "-1s"), ["timeout"]), (("-j", "99999999999999999999"), ["concurrency"]),
                            (("--input-format", "xml"), ["xml", "jsonl"]), (("--job-id", "../up"), ["job-id"]),
                            (("--namespace", "UPPER"), ["namespace"]), (("--backoff", "1"), ["backoff"])):
            with self.subTest(args=args):
                self.local(*args, words=words)

    def test_a_missing_value(self):
        self.local("--timeout", words=["timeout"])

    def test_missing_task_library(self):
        self.refused("map", "--local", "--tasks", "/no/such.so", "echo", words=["/no/such.so"])

    def test_library_without_a_table(self):
        self.refused("map", "--local", "--tasks", NOT_TASKS, "echo", words=["not_tasks.so", "FANMAP_TASKS"])

    def test_a_file_that_is_no_library(self):
        self.refused("map", "--local", "--tasks", self.input_file("hello\n", "plain.so"), "echo", words=["plain.so"])

    def test_a_task_file_that_is_wrong(self):
        """By whoever reads it, with the line, before a broker is asked for."""
        bad = self.input_file("[t]\nexec = ['cat']\nmemroy = 1MiB\n", "tasks") + ".conf"
        os.rename(bad[:-len(".conf")], bad)
        for command in (("map", "--local", "t"), ("worker", "-b", "127.0.0.1:1", "--redis", "none")):
            self.refused(*command, "--tasks", bad, words=[bad, "line 3", "memroy"])

    def test_a_task_that_the_library_does_not_have(self):
        self.refused("map", "--local", "--tasks", RECORDED, "nope", words=["nope"])

    def test_unreadable_input(self):
        self.local("-i", "/no/such/file", words=["/no/such/file"], exit_status=6)

    def test_full_output(self):
        with open("/dev/full", "wb") as full:
            run = self.run_fanmap("map", "--local", "--tasks", RECORDED, "echo", data=b"1\n2\n", stdout=full, exit_status=6)
        self.assert_one_line(run, "space")

    def test_no_brokers_named(self):
        self.refused("map", "echo", words=["brokers"])

    def test_a_password_in_the_url_is_refused(self):
        self.refused("map", "echo", "-b", "127.0.0.1:1", "--redis", "redis://:secret@127.0.0.1:1",
                     words=["redis-password-file"])

    def test_worker_with_nothing_to_serve(self):
        self.refused("worker", "-b", "127.0.0.1:1", "--redis", "redis://127.0.0.1:1", words=["--tasks"])


class Unreachable(Case):
    """Exit 5 within the connect timeout, whoever asks."""

    def check(self, *args, words, env=None, bound_s=10):
        began = time.monotonic()
        run = self.run_fanmap(*args, "--connect-timeout", "2s", data=b"1\n", env=env, exit_status=5)
        self.assertLess(time.monotonic() - began, bound_s)
        self.assertEqual(run.out(), b"")
        self.assert_one_line(run, *words)

    def test_broker_that_refuses_the_connection(self):
        at = f"127.0.0.1:{free_port()}"
        for args in (("map", "echo"), ("submit", "echo"), ("gather", "j"), ("worker", "--tasks", RECORDED)):
            with self.subTest(args=args):
                self.check(*args, "-b", at, "--redis", "none", words=[at])

    def test_redis_that_refuses_the_connection(self):
        self.on_fleet()
        port = free_port()
        began = time.monotonic()
        run = self.run_fanmap("worker", "--tasks", RECORDED, "--redis", f"redis://127.0.0.1:{port}", "--connect-timeout",
                              "2s", *self.connect_args(), exit_status=5)
        self.assertLess(time.monotonic() - began, 15)
        self.assertIn(str(port), run.err())
        self.assertIn("redis", run.err().lower())

    def test_broker_that_never_answers(self):
        with socket.create_server(("127.0.0.1", free_port())) as deaf:
            at = f"127.0.0.1:{deaf.getsockname()[1]}"
            self.check("map", "echo", "-b", at, "--redis", "none", words=[at])


class LoginRefused(Case):
    def setUp(self):
        super().setUp()
        self.on_fleet()

    def sasl(self, password):
        return ["-b", kafka().sasl_brokers, "-X", "security.protocol=SASL_PLAINTEXT", "-X", "sasl.mechanism=PLAIN",
                "-F", self.input_file(f"sasl.username={SASL_USER}\nsasl.password={password}\n", "properties")]

    def test_kafka_refuses_the_password(self):
        run = self.run_fanmap("map", "echo", *self.sasl("wrong"), data=b"1\n", exit_status=4)
        self.assert_one_line(run, "refused", "password")

    def test_kafka_accepts_the_right_one(self):
        self.worker(slots=1)
        run = self.run_fanmap("map", "echo", *self.connect_args(), *self.sasl(SASL_PASSWORD), data=b"1\n")
        self.assertEqual(run.out(), b"1\n")

    def test_a_secret_in_argv_is_refused(self):
        run = self.run_fanmap("map", "echo", "-X", "sasl.password=wrong", data=b"1\n", exit_status=2)
        self.assert_one_line(run, "sasl.password", "-F")
        self.assertNotIn("wrong", run.err())


    def test_a_file_of_secrets_that_others_can_reach(self):
        """Readable: said. Writable: refused. And a default file that nobody can read costs a line."""
        self.worker(slots=1)
        args = self.sasl(SASL_PASSWORD)
        os.chmod(args[-1], 0o644)
        os.makedirs(os.path.join(self.folder, ".config", "fanmap.conf"))
        run = self.run_fanmap("map", "echo", *self.connect_args(), *args, data=b"1\n")
        self.assertEqual(run.out(), b"1\n")
        self.assertIn(f"{args[-1]}: it holds a secret", run.err())
        self.assertIn("fanmap.conf: Is a directory", run.err())
        os.chmod(args[-1], 0o606)
        for command in (("map", "echo"), ("worker", "--tasks", RECORDED), ("jobs",)):
            run = self.run_fanmap(*command, *args, data=b"1\n", exit_status=2)
            self.assert_one_line(run, args[-1], "chmod go-w")


class RedisPassword(Case):
    own_redis = True

    def setUp(self):
        super().setUp()
        self.on_fleet(password="open-sesame")

    def test_refused_without_it(self):
        for args in (("map", "echo", "-j", "1"), ("worker", "--tasks", RECORDED)):
            with self.subTest(args=args):
                run = self.run_fanmap(*args, *self.connect_args(), data=b"1\n", exit_status=4)
                self.assert_one_line(run, "redis", "password")

    def test_works_with_it_from_a_file(self):
        secret = self.input_file("open-sesame\n", "secret")
        self.worker("--redis-password-file", secret, slots=1)
        run = self.run_map("echo", "-j", "1", "--redis-password-file", secret, data=b"1\n")
        self.assertEqual(run.out(), b"1\n")


SAID_S = 5 * 5  # it is said within five seconds on a machine that is not busy


class NoWorker(Case):
    def setUp(self):
        super().setUp()
        self.on_fleet()

    def test_said_within_five_seconds_and_it_goes_on_waiting(self):
        run = self.start_map("square_root", data=b"1\n")
        wait_until(lambda: "square_root" in run.err(), SAID_S * PATIENCE, "a word about the missing worker")
        self.assertIn("fanmap worker", run.err())
        self.assertTrue(run.alive())

    def test_a_worker_that_comes_later_serves_it(self):
        run = self.start_map("echo", data=b"1\n2\n")
        wait_until(lambda: "fanmap worker" in run.err(), SAID_S * PATIENCE, "a word about the missing worker")
        self.worker(slots=1)
        self.finish(run, 60)
        self.assertEqual(run.out(), b"1\n2\n")

    def test_a_worker_of_another_task_does_not_count(self):
        self.worker("--exec", "other=cat", tasks=None, slots=1)
        run = self.start_map("echo", "--no-wait", data=b"1\n")
        self.assertEqual(run.wait(30), 5)
        self.assertIn("echo", run.err())

    def test_full_output_on_the_fleet(self):
        self.worker(slots=1)
        with open("/dev/full", "wb") as full:
            run = self.run_fanmap("map", "echo", *self.connect_args(), data=b"1\n" * 10, stdout=full, exit_status=6)
        self.assertIn("space", run.err())
        self.assertIn("cancelled", run.err())
        self.run_map("echo", "--job-id", "listed", data=b"1\n")
        with open("/dev/full", "wb") as full:
            run = self.run_fanmap("gather", "listed", *self.connect_args(), stdout=full, exit_status=6)
        self.assert_one_line(run, "space", "fanmap gather listed")
        self.assertNotIn("cancelled", run.err())
        self.assertFalse(os.path.exists(os.path.join(self.folder, "core")))
