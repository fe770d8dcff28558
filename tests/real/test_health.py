"""What a service tells its surroundings: systemd by its socket, anybody by `fanmap health`."""
import os
import signal
import socket

from fleet import PATIENCE, Case, free_port, wait_until


class Health(Case):
    def setUp(self):
        super().setUp()
        self.on_fleet()
        self.beat = os.path.join(self.folder, "beat")
        self.heard = []
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self.addCleanup(self.socket.close)
        self.socket.bind(os.path.join(self.folder, "notify"))

    def told(self):
        try:
            while True:
                self.heard.append(self.socket.recv(4096).decode())
        except BlockingIOError:
            return self.heard

    def environment(self, extra=None):
        return super().environment({"NOTIFY_SOCKET": os.path.join(self.folder, "notify"), "WATCHDOG_USEC": "1000000",
                                    **(extra or {})})

    def health(self):
        run = self.start("health", self.beat, name="health")
        return run.wait(20)

    def until_health(self, status):
        def is_so():
            self.told()  # a socket holds ten messages that nobody has read
            return self.health() == status
        wait_until(is_so, 60 * PATIENCE, f"fanmap health says {status}")

    def statuses(self):
        return [t for t in self.told() if t.startswith("STATUS=")]

    def lives(self, service):
        self.until_health(0)
        wait_until(lambda: self.statuses()[-1:] == ["STATUS=ready"], 60 * PATIENCE, "systemd is told the words of /readyz")
        self.assertEqual([t for t in self.told() if t == "READY=1"], ["READY=1"])
        before = len(self.heard)
        wait_until(lambda: self.told()[before:].count("WATCHDOG=1") >= 3, 20 * PATIENCE, "three beats")
        service.signal(signal.SIGSTOP)
        self.until_health(5)
        before = len(self.told())
        self.until_health(5)
        self.assertEqual(self.told()[before:], [], "a service that stands still beats")
        service.signal(signal.SIGCONT)
        self.until_health(0)
        service.signal(signal.SIGTERM)
        self.finish(service, 60)
        self.assertIn("STOPPING=1", self.told())
        self.assertFalse(os.path.exists(self.beat))
        self.assertEqual(self.health(), 5)

    def test_a_worker(self):
        worker = self.worker("--exec", "told=sh -c 'echo ${NOTIFY_SOCKET-none}'", "--heartbeat", self.beat, tasks=None)
        self.until_health(0)
        self.assertEqual(self.run_map("told", data=b"1\n").out(), b'"none"\n')
        self.lives(worker)

    def test_an_aggregator(self):
        out = os.path.join(self.folder, "out")
        os.mkdir(out)
        self.lives(self.start("aggregator", "--out", out, "--heartbeat", self.beat, *self.connect_args()))

    def test_serve(self):
        """systemd hears it as it hears a worker; fanmap health asks over HTTP."""
        at = f"127.0.0.1:{free_port()}"
        serve = self.start("serve", "--socket", os.path.join(self.folder, "s"), "--metrics", at, *self.connect_args())
        wait_until(lambda: self.start("health", f"http://{at}").wait(20) == 0, 60 * PATIENCE, "it is ready")
        wait_until(lambda: self.told().count("WATCHDOG=1") >= 3, 20 * PATIENCE, "three beats")
        self.assertEqual((self.told().count("READY=1"), self.statuses()[-1]), (1, "STATUS=ready"))
        self.assertEqual(self.run_fanmap("health", f"http://{at}/healthz").out(), b'{"status":"ok"}\n')
        serve.signal(signal.SIGSTOP)
        self.assert_one_line(self.run_fanmap("health", f"http://{at}/healthz", exit_status=5), "does not answer")
        serve.signal(signal.SIGCONT)
        self.assert_one_line(self.run_fanmap("health", f"http://{at}/no", exit_status=5), "404", "/readyz")
        serve.signal(signal.SIGTERM)
        self.finish(serve, 30)
        self.assertIn("STOPPING=1", self.told())
        self.assert_one_line(self.run_fanmap("health", f"http://{at}", exit_status=5), at, "refused")
        self.assert_one_line(self.run_fanmap("health", "http://nowhere", exit_status=2), "HOST:PORT")

    def test_a_file_that_cannot_be_kept(self):
        run = self.run_fanmap("aggregator", "--out", self.folder, "--heartbeat", "/no/such/folder/beat", exit_status=6)
        self.assert_one_line(run, "--heartbeat", "No such file")
