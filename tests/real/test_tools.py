"""The tools themselves: a recorder or a proxy that lies would make every other test worthless."""
import os
import socket
import threading
import time

from fleet import Case, Proxy, free_port, wait_until


class Attempt:
    """An attempt as a task would be: connects, says its line, is let in."""

    def __init__(self, path, job, index, attempt=1, where=""):
        self.s = socket.socket(socket.AF_UNIX)
        self.s.settimeout(10)
        self.s.connect(path)
        self.s.sendall(f"{job} {index} {attempt} {where}\n".encode())
        assert self.s.recv(1) == b"g"

    def end(self):
        self.s.close()


class RecorderTest(Case):
    def setUp(self):
        super().setUp()
        self.r = self.recorder()

    def job(self, name):
        return self.r.report()["jobs"][name]

    def test_counts_open_and_the_most(self):
        held = [Attempt(self.r.path, "a", i) for i in range(5)] + [Attempt(self.r.path, "b", 0)]
        report = self.r.report()
        self.assertEqual((report["open"], report["max"]), (6, 6))
        self.assertEqual((self.job("a")["open"], self.job("b")["max"]), (5, 1))
        for a in held:
            a.end()
        wait_until(lambda: self.r.report()["open"] == 0, 5)
        self.assertEqual(self.r.report()["max"], 6)
        self.assertEqual(self.job("a")["indexes"], 5)

    def test_a_start_after_an_end_is_never_counted_over_it(self):
        """As a worker does it: the end is seen by another process before the next begins."""
        def work(first):
            for i in range(first, first + 1500):
                Attempt(self.r.path, "j", i).end()
        threads = [threading.Thread(target=work, args=(k * 1500,)) for k in range(4)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        self.assertEqual((self.job("j")["max"] <= 4, self.job("j")["starts"], self.job("j")["overlaps"]), (True, 6000, 0))

    def test_sees_the_same_item_twice_at_once(self):
        one = Attempt(self.r.path, "j", 3)
        two = Attempt(self.r.path, "j", 3, 2)
        self.assertEqual((self.r.report()["overlaps"], self.job("j")["starts_max"]), (1, 2))
        one.end()
        two.end()
        Attempt(self.r.path, "j", 3, 3).end()
        self.assertEqual((self.r.report()["overlaps"], self.job("j")["attempts_max"]), (1, 3))

    def test_measures_how_long_a_place_is_free(self):
        Attempt(self.r.path, "j", 1, where="w1").end()
        wait_until(lambda: self.job("j")["open"] == 0, 5)
        time.sleep(0.2)
        Attempt(self.r.path, "j", 2, where="w2").end()
        other = self.job("j")["refill_other_us"]
        self.assertEqual((other["n"], self.job("j")["refill_same_us"]["n"]), (1, 0))
        self.assertGreater(other["max"], 199_000)

    def test_a_killed_process_ends_its_attempt(self):
        child = os.fork()
        if child == 0:
            _held = Attempt(self.r.path, "j", 1)
            time.sleep(60)
            os._exit(0)
        wait_until(lambda: self.r.report()["open"] == 1, 10)
        os.kill(child, 9)
        os.waitpid(child, 0)
        wait_until(lambda: self.r.report()["open"] == 0, 5)

    def test_reset_forgets_but_goes_on_counting_what_is_open(self):
        held = Attempt(self.r.path, "j", 1)
        self.r.ask("reset")
        self.assertEqual((self.r.report()["open"], self.r.report()["starts"]), (1, 0))
        held.end()
        wait_until(lambda: self.r.report()["open"] == 0, 5)

    def test_a_bad_line_is_counted_and_harms_nothing(self):
        self.assertEqual(self.r.ask("no such thing here"), {"ok": False})
        self.assertEqual(self.r.report()["bad"], 1)
        Attempt(self.r.path, "j", 1).end()


class ProxyTest(Case):
    def setUp(self):
        super().setUp()
        self.server = socket.create_server(("127.0.0.1", free_port()))
        self.addCleanup(self.server.close)
        threading.Thread(target=self.echo, daemon=True).start()
        self.proxy = Proxy(self.server.getsockname()[1])
        self.addCleanup(self.proxy.end)

    def echo(self):
        while True:
            try:
                s, _ = self.server.accept()
            except OSError:
                return
            threading.Thread(target=self.echo_one, args=(s,), daemon=True).start()

    @staticmethod
    def echo_one(s):
        try:
            while data := s.recv(65536):
                s.sendall(data)
        except OSError:
            pass
        s.close()

    def connect(self):
        s = socket.create_connection(("127.0.0.1", self.proxy.port), timeout=5)
        self.addCleanup(s.close)
        return s

    def there_and_back(self, s, data):
        began = time.monotonic()
        s.sendall(data)
        got = b""
        while len(got) < len(data):
            more = s.recv(65536)
            self.assertTrue(more, "the connection ended")
            got += more
        self.assertEqual(got, data)
        return time.monotonic() - began

    def test_forwards(self):
        self.there_and_back(self.connect(), os.urandom(200_000))

    def test_delays_both_ways(self):
        s = self.connect()
        self.proxy.say("delay", 1000)
        self.assertGreater(self.there_and_back(s, b"late"), 2)
        self.proxy.say("open")
        self.assertLess(self.there_and_back(s, b"now"), 1)  # not late in either direction

    def test_holds_and_lets_go(self):
        s = self.connect()
        self.proxy.say("hold")
        s.sendall(b"x")
        s.settimeout(0.3)
        self.assertRaises(TimeoutError, s.recv, 1)
        self.proxy.say("open")
        s.settimeout(5)
        self.assertEqual(s.recv(1), b"x")

    def test_cuts_and_refuses(self):
        s = self.connect()
        self.there_and_back(s, b"x")
        self.proxy.say("cut")
        self.assertRaises(ConnectionResetError, s.recv, 1)
        self.assertRaises(ConnectionRefusedError, self.connect)
        self.proxy.say("open")
        self.there_and_back(self.connect(), b"again")
