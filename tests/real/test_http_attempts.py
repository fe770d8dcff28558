"""What somebody may try against `fanmap serve` who has no business there, or who has and wants more: each kind is a test. Whatever
was tried, no task ran of it, nothing of this machine was given away, and the server goes on."""
import gzip
import http.client
import itertools
import re
import resource
import socket
import threading
import time

from fleet import PATIENCE, wait_until
from test_serve import JSON, NDJSON, Serve

EVIL = "evil.example"


class Attempts(Serve):
    def setUp(self):
        super().setUp()
        self.counted = self.recorder()
        self.worker(slots=2)
        # What is allowed works, so that what follows is refused for its own reason.
        self.assertEqual(self.map("recorded", b"3\n"), b"9\n")
        self.started = self.counted.started()

    def tearDown(self):
        self.assertEqual(self.counted.started(), self.started, "a task ran of it")
        self.assertEqual(self.ask("GET", "/healthz")[:2], (200, b'{"status":"ok"}\n'))
        self.assertEqual(self.map("recorded", b"3\n"), b"9\n")

    def head(self, line, *more, host="localhost", token=True, type=NDJSON):
        """The bytes of a head."""
        lines = [line, *([f"Host: {host}"] if host is not None else []), *([f"Content-Type: {type}"] if type else []),
                 *([f"Authorization: Bearer {self.submit_token}"] if token else []), *more]
        return "".join(f"{text}\r\n" for text in lines).encode("latin-1") + b"\r\n"

    def answer(self, *pieces, wait_s=0.0):
        """(status, head, body) of the first answer; what is sent asks for no second."""
        got = self.raw(*pieces, wait_s=wait_s)
        head, _, body = got.partition(b"\r\n\r\n")
        found = re.match(rb"HTTP/1\.1 (\d{3}) ", head)
        self.assertIsNotNone(found, (pieces[0][:200], got[:200]))
        return int(found.group(1)), head, body

    # ---- path ----

    def test_paths(self):
        """Neither a file of the machine nor another route is reached by writing its path differently."""
        climbs = ("../", "..%2f", "%2e%2e/", "%2e%2e%2f", "..%5c", "....//", "%252e%252e%252f", "%c0%ae%c0%ae/")
        paths = [f"{base}{climb * 8}{file}" for base in ("/", "/page/", "/v1/", "/v1/jobs/") for climb in climbs
                 for file in ("etc/passwd", "proc/self/environ", self.tokens[1:])]
        paths += ["//", "///v1/jobs", "/v1//jobs", "/v1/jobs/", "/./v1/jobs", "/v1/./jobs", "/V1/jobs", "/v1/jobs%2fj", "/v1/jobs%00",
                  "/page/", "/page/%00", "/page/page.js%00.html", "/v1/map/", "/v1/map/recorded/x", "/v1/map/recorded%2fx", "/v1/jobs/j/cancel/",
                  "/v1/jobs/" + "a" * 5000, "/" + "a/" * 7000]
        for path in paths:
            for method in ("GET", "POST"):
                status, head, body = self.answer(self.head(f"{method} {path} HTTP/1.1", "Connection: close"))
                self.assertIn(status, (400, 404, 405, 414, 431), (method, path[:100], body[:100]))
                self.assertNotIn(b"root:", body)
                self.assertNotIn(self.read_token.encode(), head + body)
        for target in ("http://localhost/v1/jobs", f"http://{EVIL}/", "*", "v1/jobs", "localhost:80", "/v1/jobs#x", "/v1 /jobs", "/\x01", "/\xe9", ""):
            self.assertEqual(self.answer(self.head(f"GET {target} HTTP/1.1"))[0], 400, target)

    def test_a_task_that_no_worker_named(self):
        """A name is a name: no path, command or file is run by it. It waits as a job of a task that nobody serves would, or is refused."""
        for task in ("%2fbin%2fsh", "sh%20-c%20id", "..%2f..%2fbin%2fid", "$(id)", "%60id%60", "recorded%00", "recorded%0a", "recorded;id"):
            status, _, body = self.answer(self.head(f"POST /v1/map/{task}?deadline=1s HTTP/1.1", "Content-Length: 2", "Connection: close") + b"3\n")
            self.assertIn(status, (200, 400), task)
            self.assertNotIn(b"uid=", body)

    # ---- header ----

    def test_headers(self):
        """Nothing comes into the answer's head by what is asked, and no head can be read in two ways."""
        lines = "%0d%0aSet-Cookie:%20a=b%0d%0a%0d%0a<script>"
        for target, more in ((f"POST /v1/map/recorded?job-id=x{lines}", ()), (f"POST /v1/jobs?task=recorded&job-id=x{lines}", ()),
                             (f"GET /v1/jobs/x{lines}", ()), (f"GET /v1/jobs/x/outcomes?from=1{lines}", ()),
                             (f"GET /v1/jobs/x/outcomes?live=sse", (f"Last-Event-ID: 1{lines}",)), (f"GET /{lines}", ())):
            status, head, _ = self.answer(self.head(f"{target} HTTP/1.1", *more, "Content-Length: 0", "Connection: close"))
            self.assertIn(status, (400, 404), target)
            self.assertNotIn(b"Set-Cookie", head)
        whole = self.head("GET /v1/jobs HTTP/1.1", "Connection: close", type=None)
        self.assertEqual(self.answer(whole)[0], 200)
        field = b"Host: localhost\r\n"
        for wrong in (whole.replace(field, b""), whole.replace(field, field * 2), whole.replace(field, b"Host : localhost\r\n"),
                      whole.replace(field, b" Host: localhost\r\n"), whole.replace(field, b"Host: localhost\n"), whole.replace(field, b"Host: localhost\r"),
                      whole.replace(field, field + b" folded\r\n"), whole.replace(field, field + b"X: a\0b\r\n"), whole.replace(field, field + b": x\r\n"),
                      whole.replace(field, field + b"no colon\r\n"), whole.replace(b"Authorization", b"Authorization: Bearer x\r\nAuthorization"),
                      whole.replace(field, field + b"Origin: http://localhost\r\nOrigin: http://evil.example\r\n"),
                      whole.replace(field, b"Host: \r\n"), whole.replace(field, b"Host: localhost\x7f\r\n"), whole.replace(b" HTTP/1.1", b"")):
            self.assertEqual(self.answer(wrong)[0], 400, wrong)
        for long in (b"X: " + b"y" * 20000 + b"\r\n", b"X: y\r\n" * 100, b"X" * 20000 + b": y\r\n"):
            self.assertEqual(self.answer(whole.replace(field, field + long))[0], 431, long[:20])
        for token in ("", "Bearer", "Bearer ", f"Basic {self.submit_token}", f"Bearer {self.submit_token[:-1]}", f"Bearer {self.submit_token}x",
                      f"Bearer  {self.submit_token}", "Bearer null", "Bearer " + "0" * 5000):
            self.assertEqual(self.answer(self.head("GET /v1/jobs HTTP/1.1", f"Authorization: {token}", token=False))[0], 401, token[:50])
        # What a proxy would say of somebody else counts for nothing.
        self.assertEqual(self.answer(self.head("GET /v1/jobs HTTP/1.1", "X-Forwarded-Host: localhost", "Forwarded: host=localhost", host=EVIL))[0], 421)
        self.assertEqual(self.answer(self.head("GET /v1/jobs HTTP/1.1", "X-Forwarded-For: 127.0.0.1", f"Cookie: token={self.submit_token}", token=False))[0], 401)
        self.assertEqual(self.answer(self.head(f"GET /v1/jobs?token={self.submit_token}&access_token={self.submit_token} HTTP/1.1", token=False))[0], 401)

    # ---- method ----

    def test_methods(self):
        """A method is the one of the request line; of those that a path does not take none does anything."""
        for method in ("DELETE", "OPTIONS", "TRACE", "CONNECT", "PROPFIND", "post", "Get", "GETX", "M" * 300):
            for path in ("/v1/jobs", "/v1/map/recorded", "/"):
                status, head, body = self.answer(self.head(f"{method} {path} HTTP/1.1", "Connection: close"))
                self.assertEqual(status, 405, (method, path))
                self.assertNotIn(b"Access-Control", head)
                self.assertNotIn(self.submit_token.encode(), head + body)  # as TRACE would
        for method in ("", "G\x01T", "(GET)"):
            self.assertEqual(self.answer(self.head(f"{method} /v1/jobs HTTP/1.1"))[0], 400, method)
        for more in ("X-HTTP-Method-Override: POST", "X-HTTP-Method: POST", "X-Method-Override: POST"):
            self.assertEqual(self.answer(self.head("GET /v1/map/recorded HTTP/1.1", more, "Content-Length: 2") + b"3\n")[0], 405, more)
        for path in ("/v1/map/recorded", "/v1/jobs/j/cancel", "/v1/dead/replay"):
            for method in ("GET", "HEAD", "PUT", "PATCH"):
                self.assertEqual(self.answer(self.head(f"{method} {path}?_method=POST HTTP/1.1", "Content-Length: 0"))[0], 405, (method, path))
        for version, status in (("HTTP/1.0", 505), ("HTTP/2.0", 505), ("HTTP/0.9", 505), ("http/1.1", 400), ("HTTP/1.1 ", 400), ("HTTP/11", 400)):
            self.assertEqual(self.answer(self.head(f"GET /v1/jobs {version}"))[0], status, version)
        self.assertEqual(self.answer(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")[0], 405)

    # ---- encoding ----

    def smuggled(self, *fields, body):
        return self.answer(self.head("POST /v1/map/recorded HTTP/1.1", *fields) + body)[0]

    def test_encodings(self):
        """A body has one length, or chunks whose sizes are plain hexadecimal, and is taken as it is."""
        second = self.head("POST /v1/map/recorded HTTP/1.1", "Content-Length: 2") + b"4\n"  # what a proxy would let through within the first
        for fields, body, status in (
                (("Content-Length: 2", "Transfer-Encoding: chunked"), b"0\r\n\r\n" + second, 400),
                (("Transfer-Encoding: chunked", "Content-Length: 2"), b"0\r\n\r\n" + second, 400),
                (("Content-Length: 0", "Content-Length: 2"), second, 400),
                (("Content-Length: 0, 2",), second, 400), (("Content-Length: +2",), b"3\n", 400), (("Content-Length: -1",), b"3\n", 400),
                (("Content-Length: 0x2",), b"3\n", 400), (("Content-Length: 2 2",), b"3\n", 400), (("Content-Length:",), b"3\n", 400),
                (("Content-Length: 99999999999999999999",), b"3\n", 400),
                (("Transfer-Encoding: chunked", "Transfer-Encoding: chunked"), b"0\r\n\r\n", 400),
                (("Transfer-Encoding: chunked, chunked",), b"0\r\n\r\n", 501), (("Transfer-Encoding: gzip",), b"", 501),
                (("Transfer-Encoding: gzip, chunked",), b"0\r\n\r\n", 501), (("Transfer-Encoding: identity",), second, 501),
                (("Transfer-Encoding: \x0bchunked",), b"0\r\n\r\n", 400), (("Transfer-Encoding : chunked",), b"0\r\n\r\n", 400),
                (("Transfer-Encoding: xchunked",), b"0\r\n\r\n", 501), (("Trailer: X", "Transfer-Encoding: chunked"), b"0\r\nX: y\r\n\r\n", 400),
                (("Content-Encoding: gzip", "Content-Length: 22"), gzip.compress(b"3\n")[:22], 415),
                (("Expect: 200-ok", "Content-Length: 2"), b"3\n", 417)):
            self.assertEqual(self.smuggled(*fields, body=body), status, (fields, body[:20]))
        for chunks in (b"0x2\r\n3\n\r\n0\r\n\r\n", b"+2\r\n3\n\r\n", b"-2\r\n3\n\r\n", b" 2\r\n3\n\r\n", b"2 \r\n3\n\r\n", b"2;a=b\r\n3\n\r\n", b"2\n3\n\n0\n\n",
                       b"\r\n3\n", b"fffffffff\r\n", b"00000000000000002\r\n3\n\r\n", b"g\r\n", b"0\r\nX: y\r\n\r\n"):
            self.assertEqual(self.smuggled("Transfer-Encoding: chunked", body=chunks), 400, chunks)
        # A chunk that is longer than it said breaks the body off, whatever came of it before.
        got = self.raw(self.head("PUT /v1/jobs/j?task=nobody HTTP/1.1", "Transfer-Encoding: chunked") + b"2\r\n3\nXX0\r\n\r\n")
        self.assertNotIn(b" 201 ", got)
        self.assertEqual(self.ask("POST", "/v1/map/recorded?bind=%zz", b"3\n", **{"Content-Type": NDJSON})[0], 400)

    # ---- slow-loris ----

    def test_slow_loris(self):
        """Heads and bodies that come a byte at a time: each is dropped after its time, and meanwhile everybody else is served."""
        slow = []
        for n in range(300):
            s = socket.create_connection(("127.0.0.1", self.port))
            s.sendall((b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX: ", b"P", self.head("PATCH /v1/jobs/j HTTP/1.1", "Content-Length: 1000"))[n % 3])
            slow.append(s)
        began, dropped = time.monotonic(), [None] * len(slow)
        while None in dropped:
            for n, s in enumerate(slow):
                if dropped[n] is not None:
                    continue
                try:
                    s.sendall(b"y")
                    s.setblocking(False)
                    got = s.recv(4096)
                    dropped[n] = time.monotonic() - began if got == b"" or b" 408 " in got else None
                except BlockingIOError:
                    pass
                except OSError:
                    dropped[n] = time.monotonic() - began
                finally:
                    s.setblocking(True)
            asked = time.monotonic()
            self.assertEqual(self.ask("GET", "/healthz")[0], 200)
            self.assertLess(time.monotonic() - asked, 5 * PATIENCE)
            self.assertLess(time.monotonic() - began, 90 * PATIENCE, f"{dropped.count(None)} are still there")
            time.sleep(0.3)
        heads = [d for n, d in enumerate(dropped) if n % 3 < 2]
        self.assertLess(max(heads), 25 * PATIENCE, "a head has 10 s")
        for s in slow:
            s.close()
        wait_until(lambda: self.descriptors() < 80, 30 * PATIENCE, "no descriptor is left of them")

    # ---- 10,000 idle connections ----

    def test_ten_thousand_idle_connections(self):
        before = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (before[1], before[1]))
        self.addCleanup(resource.setrlimit, resource.RLIMIT_NOFILE, before)  # later tests have what they always have
        n = min(10000, before[1] - 1000)
        descriptors, memory_kib = self.descriptors(), self.server.memory_peak_kib()
        idle = [socket.create_connection(("127.0.0.1", self.port)) for _ in range(n)]
        wait_until(lambda: self.descriptors() > n, 60 * PATIENCE, "all are accepted")
        self.assertEqual(self.ask("GET", "/healthz")[0], 200)
        self.assertEqual(self.ask("GET", "/v1/jobs?counts=false")[0], 200)
        self.assertLess(self.server.memory_peak_kib() - memory_kib, n * 3, "KiB for each of them")
        for s in idle:
            s.close()
        wait_until(lambda: self.descriptors() < descriptors + 40, 30 * PATIENCE, "no descriptor is left of them")

    # ---- DNS rebinding ----

    def test_dns_rebinding(self):
        """A page of a name that was bound to 127.0.0.1 afterwards asks as its own origin, with whatever it knows; its name is not ours."""
        names = (EVIL, f"{EVIL}:{self.port}", f"localhost.{EVIL}", f"127.0.0.1.{EVIL}", f"{EVIL}:80@localhost", f"localhost@{EVIL}", "localhost.", "0.0.0.0",
                 "127.0.0.2", "[::]", "[::1", "127.1", "2130706433", f"localhost, {EVIL}", f"{EVIL}, localhost", "localhost/", "\x00", "xn--lcalhost-6gg")
        requests = [("GET", path) for path in ("/", "/page/page.js", "/openapi.json", "/healthz", "/readyz", "/v1/jobs", "/v1/workers", "/v1/jobs/j/outcomes")]
        requests += [("POST", "/v1/map/recorded"), ("PUT", "/v1/jobs/j?task=recorded"), ("POST", "/v1/jobs/j/cancel")]
        for name, (method, path) in itertools.product(names, requests):
            status, _, body = self.answer(self.head(f"{method} {path} HTTP/1.1", f"Origin: http://{name}", "Content-Length: 2", host=name) + b"3\n")
            self.assertIn(status, (400,) if "\x00" in name else (421,), (name, method, path))
            self.assertNotIn(b"<html", body)
        for name in ("localhost", f"localhost:{self.port}", "LOCALHOST", "127.0.0.1", f"127.0.0.1:{self.port}", "[::1]", f"[::1]:{self.port}"):
            self.assertEqual(self.answer(self.head("GET /v1/jobs HTTP/1.1", "Connection: close", host=name))[0], 200, name)

    def test_dns_rebinding_where_no_token_is_asked_for(self):
        """The Host is all that keeps such a page out there."""
        self.without_token()
        for method, path in (("GET", "/v1/jobs"), ("POST", "/v1/map/recorded")):
            request = self.head(f"{method} {path} HTTP/1.1", f"Origin: http://{EVIL}", "Content-Length: 2", "Connection: close", host=EVIL, token=False)
            self.assertEqual(self.answer(request + b"3\n")[0], 421)

    # ---- cross-site form posts ----

    def without_token(self):
        server = self.start("serve", "--listen", "127.0.0.1:0", "--no-token", *self.connect_args())
        self.port = int(wait_until(lambda: self.listens(server), 20 * PATIENCE, "the server listens"))

    FORMS = (("application/x-www-form-urlencoded", b"3=\n"), ("text/plain", b"3\n=\r\n"), ("text/plain;charset=UTF-8", b"3\n"),
             ("multipart/form-data; boundary=x", b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n3\r\n--x--\r\n'),
             ("text/plain; application/json", b"3\n"), ("application/jsonx", b"3\n"), (None, b"3\n"), ("", b"3\n"))
    WRITES = ("/v1/map/recorded", "/v1/jobs?task=recorded", "/v1/jobs/j/cancel", "/v1/jobs/j/pause", "/v1/jobs/j/retry-failed", "/v1/dead/replay?force=true")

    def test_cross_site_form_posts(self):
        """What a form of another site's can send (three media types, its own Origin or none) writes nothing, though the browser were let in: here without
        any token. What a script there could send is held by its Origin; nothing says that it may (CORS)."""
        self.without_token()
        for (type, body), path, origin in itertools.product(self.FORMS, self.WRITES, (f"http://{EVIL}", "null", None)):
            fields = ([f"Origin: {origin}"] if origin else []) + [f"Content-Length: {len(body)}", "Connection: close"]
            status, head, _ = self.answer(self.head(f"POST {path} HTTP/1.1", *fields, token=False, type=type) + body)
            self.assertEqual(status, 403 if origin else 415, (type, path, origin))
            self.assertNotIn(b"Access-Control", head)
        for type, path in itertools.product((JSON, NDJSON), self.WRITES):
            for origin in (f"http://{EVIL}", "null", f"http://localhost.{EVIL}", "http://localhost:1", "file://", f"http://127.0.0.1:{self.port}", "",
                           "https://localhost.", f"http://localhost http://{EVIL}"):
                fields = (f"Origin: {origin}", "Content-Length: 2", "Connection: close")
                status, head, _ = self.answer(self.head(f"POST {path} HTTP/1.1", *fields, token=False, type=type) + b"3\n")
                self.assertEqual(status, 403, (type, path, origin))
                self.assertNotIn(b"Access-Control", head)
        # What asks first is told of no permission.
        for path in self.WRITES:
            asks = self.head(f"OPTIONS {path} HTTP/1.1", f"Origin: http://{EVIL}", "Access-Control-Request-Method: POST", token=False, type=None)
            status, head, _ = self.answer(asks)
            self.assertEqual((status, b"Access-Control" in head), (405, False))
        # A picture or a link of another site's reads at most, and cannot see what.
        status, head, _ = self.answer(self.head("GET /v1/jobs HTTP/1.1", f"Origin: http://{EVIL}", "Connection: close", token=False, type=None))
        self.assertEqual((status, b"Access-Control" in head), (200, False))

    def test_cross_site_form_posts_with_a_token(self):
        for type, body in self.FORMS:
            request = self.head("POST /v1/map/recorded HTTP/1.1", f"Content-Length: {len(body)}", "Connection: close", type=type)
            self.assertEqual(self.answer(request + body)[0], 415, type)

    # ---- many of all these at once ----

    def test_all_at_once(self):
        """Noise of every kind on many connections: whoever has a token is served as ever."""
        noise = (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b"GET", b"GET / HTTP/1.1\r\nHost: localhost\r\n", b"\0" * 5000, b"\r\n" * 5000,
                 self.head("POST /v1/map/recorded HTTP/1.1", "Transfer-Encoding: chunked") + b"zz", self.head("GET /v1/jobs HTTP/1.1", host=EVIL))
        end = time.monotonic() + 5

        def make_noise(n):
            for i in itertools.count(n):
                if time.monotonic() > end:
                    return
                with socket.create_connection(("127.0.0.1", self.port), timeout=60 * PATIENCE) as s:
                    try:
                        s.sendall(noise[i % len(noise)])
                        s.settimeout(0.05)
                        s.recv(100)
                    except OSError:
                        pass

        threads = [threading.Thread(target=make_noise, args=(n,)) for n in range(8)]
        for thread in threads:
            thread.start()
        while time.monotonic() < end:
            c = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60 * PATIENCE)
            c.request("GET", "/v1/jobs?counts=false", headers=self.headers())
            self.assertEqual(c.getresponse().status, 200)
            c.close()
        for thread in threads:
            thread.join()
        wait_until(lambda: self.descriptors() < 80, 30 * PATIENCE, "no descriptor is left of them")
