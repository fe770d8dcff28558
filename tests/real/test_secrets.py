"""Secrets that change while everything runs: a Redis that begins to want a password, and one whose password is rotated."""
import os
import socket

from fleet import PATIENCE, Case, wait_until

ITEMS = 1200


class Secrets(Case):
    """A job without a limit and one with a limit of 2, on two workers. Who knows a password has it in a file."""

    own_redis = True

    def setUp(self):
        super().setUp()
        self.on_fleet()
        self.known = None
        self.secret = os.path.join(self.folder, "secret")

    def write_secret(self, text):
        with open(self.secret + ".new", "w") as f:
            f.write(text + "\n")
        os.chmod(self.secret + ".new", 0o600)
        os.rename(self.secret + ".new", self.secret)

    def ask(self, *commands):
        """Over one connection, logged in with what Redis wants at present."""
        with socket.create_connection(("127.0.0.1", self.redis.port), 10) as s:
            stream = s.makefile("rwb")
            for words in ([("AUTH", self.known)] if self.known else []) + list(commands):
                stream.write(b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(w), w.encode()) for w in words))
                stream.flush()
                line = stream.readline()
                self.assertFalse(line.startswith(b"-"), line)

    def want(self, password):
        """From now on Redis wants this password, or none, and whoever is connected has to come again."""
        self.ask(("CONFIG", "SET", "requirepass", password), ("CLIENT", "KILL", "TYPE", "pubsub"),
                 ("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"))
        self.known = password or None

    def under_way(self, *secret_args):
        self.counted = self.recorder()
        self.workers = [self.worker(*secret_args, slots=4) for _ in range(2)]
        data = "".join(f"[20,{i}]\n" for i in range(ITEMS))
        args = ("recorded_sleep", "--lease", "6s", *secret_args)
        self.free = self.start_map(*args, data=data)
        self.limited = self.start_map(*args, "-j", "2", data=data)
        self.counted.wait_started(ITEMS // 6, 60)

    def said(self, program, what):
        wait_until(lambda: what in program.err(), 20 * PATIENCE, f"{program.name} says {what!r}")

    def ends_exact(self, job):
        self.finish(job, 120)
        self.assert_same(job.out(), "".join(f"{i}\n" for i in range(ITEMS)).encode())

    def test_begins_to_want_a_password(self):
        """Nobody knows it: the job without a limit ends all the same, the other one when Redis wants none again."""
        self.under_way()
        self.want("nobody-knows")
        for worker in self.workers:
            self.said(worker, "wants a password")
        self.ends_exact(self.free)
        for program in (*self.workers, self.limited):
            self.assertTrue(program.alive(), program.err())
        self.want("")
        self.ends_exact(self.limited)
        for worker in self.workers:
            self.assertLess(worker.err().count("wants a password"), 6, "said again and again")

    def test_a_password_is_rotated(self):
        """The file follows a while behind, and nobody has to be started anew."""
        self.write_secret("first")
        self.ask(("CONFIG", "SET", "requirepass", "first"))
        self.known = "first"
        self.under_way("--redis-password-file", self.secret)
        self.want("second")
        for worker in self.workers:
            self.said(worker, "refused the login")
        self.ends_exact(self.free)
        self.write_secret("second")
        self.ends_exact(self.limited)
        os.rename(self.secret, self.secret + ".away")  # a file that is gone for a moment is no end either
        self.ask(("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"))
        for worker in self.workers:
            self.said(worker, self.secret)
        os.rename(self.secret + ".away", self.secret)
        again = self.start_map("recorded_sleep", "-j", "2", "--redis-password-file", self.secret, data="[1,7]\n")
        self.finish(again, 60)
        self.assertEqual(again.out(), b"7\n")
