"""Trace context: from who submits to each attempt, and from there to a collector."""
import http.server
import json
import os
import re
import subprocess
import threading
import urllib.request

from fleet import PATIENCE, ROOT, Case, free_port, seq, wait_until

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
TRACED = """
#include <fanmap/task.h>
#include <stdlib.h>
#include <string.h>
static int run(fanmap_attempt_t *a)
{
    const char *text = getenv("TRACEPARENT");
    return a->put_text(a, text ? text : "none", text ? strlen(text) : 4);
}
FANMAP_TASKS({.abi = FANMAP_TASK_ABI, .name = "traced", .run = run});
"""
CALLED = """
#include <fanmap/task.h>
#include <stdlib.h>
#include <string.h>
static int run(fanmap_attempt_t *first)
{
    const char *text = getenv("TRACEPARENT");
    if ((text == NULL) != (first->traceparent == NULL) || (text && strcmp(text, first->traceparent) != 0))
        return first->fail(first, 1, "environment", "it is not the first one's");
    for (fanmap_attempt_t *a = first; a; a = a->next) {
        text = a->traceparent ? a->traceparent : "none";
        a->put_text(a, text, strlen(text));
    }
    return 0;
}
FANMAP_TASKS({.abi = FANMAP_TASK_ABI, .shape = FANMAP_TASK_BATCH, .name = "traced", .run = run});
"""


SERVED = """
import sys
sys.path.insert(0, sys.argv[1])
import fanmap_task
fanmap_task.task(lambda item: str(fanmap_task.attempt.traceparent), name="traced")
fanmap_task.task(lambda items: [str(a.traceparent) for a in fanmap_task.attempt.each], name="called", batch=True)
fanmap_task.serve(encoding=sys.argv[2])
"""


class Traces(Case):
    """The span of whoever submits, and what attempts have of it."""

    def traced(self, *args, env=None):
        return self.run_fanmap("map", "--local", *args, data=seq(1, 6), env=env).out().decode().split()

    def assert_traced(self, lines):
        self.assertEqual({(line[:36], line[52:]) for line in lines}, {(TRACE[:36], TRACE[52:])})
        spans = {line[36:52] for line in lines}
        self.assertEqual(len(spans), len(lines))
        self.assertNotIn(TRACE[36:52], spans)

    def test_a_command_has_a_span_of_its_own_each_try(self):
        command = ["--", "sh", "-c", 'echo "$TRACEPARENT"; echo "$TRACEPARENT" >>tries; [ $FANMAP_ATTEMPT = 2 ]']
        lines = self.traced("--traceparent", TRACE, "--retries", "1", "--backoff", "1ms", *command)
        self.assertEqual(len(lines), 6)
        with open(os.path.join(self.folder, "tries")) as f:
            tries = f.read().split()
        self.assertEqual(len(tries), 12)
        self.assert_traced(tries)
        self.assertLess(set(lines), set(tries))

    def test_the_environment_of_who_submits(self):
        command = ["--", "sh", "-c", 'echo "${TRACEPARENT-none}"']
        self.assert_traced(self.traced(*command, env={"TRACEPARENT": TRACE}))
        for other in ("", "00-nothing-01", TRACE.upper()):
            self.assertEqual(set(self.traced(*command, env={"TRACEPARENT": other})), {"none"})
        wrong = self.run_fanmap("map", "--local", "--traceparent", "00-nothing-01", *command, exit_status=2)
        self.assert_one_line(wrong, "--traceparent", "W3C")

    def library(self, text):
        source, library = (os.path.join(self.folder, "traced" + end) for end in (".c", ".so"))
        with open(source, "w") as f:
            f.write(text)
        subprocess.run(["cc", "-shared", "-fPIC", "-I", os.path.join(ROOT, "include"), source, "-o", library], check=True)
        return library

    def test_items_of_one_call(self):
        """Each has a span of its own; the environment, of which there is one, says the first one's."""
        call = ("traced", "--tasks", self.library(CALLED), "--slots", "1", "--batch", "6", "--within", "5s", "--output-format", "lines")
        lines = self.traced(*call, "--traceparent", TRACE)
        self.assertEqual(len(lines), 6)
        self.assert_traced(lines)
        self.assertEqual(self.traced(*call), ["none"] * 6)

    def test_a_task_library(self):
        library = self.library(TRACED)
        lines = self.traced("traced", "--tasks", library, "--traceparent", TRACE, "--output-format", "lines")
        self.assertEqual(len(lines), 6)
        self.assert_traced(lines)
        self.assertEqual(set(self.traced("traced", "--tasks", library, "--output-format", "lines")), {"none"})

    def test_served_programs(self):
        """In both encodings, told ahead and one by one."""
        program = os.path.join(self.folder, "served.py")
        with open(program, "w") as f:
            f.write(SERVED)
        for encoding in ("json", "msgpack"):
            serve = f"traced=python3 {program} {os.path.join(ROOT, 'examples', 'python')} {encoding}"
            lines = self.traced("traced", "--serve", serve, "--traceparent", TRACE, "--output-format", "lines")
            self.assertEqual(len(lines), 6)
            self.assert_traced(lines)
            self.assertEqual(set(self.traced("traced", "--serve", serve, "--output-format", "lines")), {"None"})
            call = ("called", "--serve", serve.replace("traced=", "called="), "--slots", "1", "--output-format", "lines")
            for more in ((), ("--batch", "6", "--within", "5s")):  # one by one, and together
                self.assert_traced(self.traced(*call, *more, "--traceparent", TRACE))
                self.assertEqual(self.traced(*call, *more), ["None"] * 6)


class Collector(http.server.ThreadingHTTPServer):
    """Takes OTLP/JSON, or refuses it."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Taker)
        self.spans, self.paths, self.refuses = [], set(), False
        self.thread = threading.Thread(target=self.serve_forever)
        self.thread.start()

    def end(self):
        self.shutdown()
        self.thread.join()
        self.server_close()


class Taker(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if not self.server.refuses:
            self.server.paths.add((self.path, self.headers["Content-Type"]))
            self.server.spans += body["resourceSpans"][0]["scopeSpans"][0]["spans"]
        self.send_response(503 if self.server.refuses else 200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *_):
        pass


class Spans(Case):
    def test_spans_reach_the_collector(self):
        self.on_fleet()
        collector = Collector()
        self.addCleanup(collector.end)
        port, tries = free_port(), os.path.join(self.folder, "tries")
        command = f"traced=sh -c 'read x; echo $TRACEPARENT >>{tries}; [ $x != 3 ]'"
        worker = self.worker("--exec", command, "--otlp", f"http://localhost:{collector.server_address[1]}",
                             "--metrics", f"127.0.0.1:{port}", tasks=None, slots=2)

        def counted(result):
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
                return int(re.search(rf'fanmap_spans_total{{result="{result}"}} (\d+)', answer.read().decode()).group(1))

        self.run_map("traced", "--job-id", "sampled", "--traceparent", TRACE, "--retries", "1", "--backoff", "1ms",
                     data=seq(1, 6), exit_status=1)
        self.run_map("traced", "--traceparent", TRACE[:-1] + "0", data=seq(4, 6))
        self.run_map("traced", data=seq(4, 6))
        wait_until(lambda: counted("sent") == 7, 20 * PATIENCE, "seven spans are sent")
        self.assertEqual(collector.paths, {("/v1/traces", "application/json")})
        with open(tries) as f:
            seen = {line[36:52] for line in f.read().split("\n") if line.startswith(TRACE[:36]) and line.endswith("-01")}
        self.assertEqual({span["spanId"] for span in collector.spans}, seen)
        told = [{a["key"]: list(a["value"].values())[0] for a in span["attributes"]} for span in collector.spans]
        self.assertEqual(sorted((t["fanmap.index"], t["fanmap.attempt"], t["fanmap.result"]) for t in told),
                         sorted([(str(i), "1", "value") for i in (0, 1, 3, 4, 5)] + [("2", "1", "exit"), ("2", "2", "exit")]))
        for span, attributes in zip(collector.spans, told):
            self.assertEqual((span["traceId"], span["parentSpanId"], span["name"]), (TRACE[3:35], TRACE[36:52], "traced"))
            self.assertEqual(attributes["fanmap.job"], "sampled")
            self.assertEqual(span["status"]["code"], 1 if attributes["fanmap.result"] == "value" else 2)
            self.assertLess(int(span["startTimeUnixNano"]), int(span["endTimeUnixNano"]))
        collector.refuses = True
        self.run_map("traced", "--traceparent", TRACE, data=seq(4, 8))
        wait_until(lambda: counted("dropped") == 5, 20 * PATIENCE, "what is refused is dropped")
        self.assertEqual(worker.err().count("spans do not reach"), 1)
        self.assertEqual(counted("sent"), 7)
        wrong = self.run_fanmap("worker", "--exec", "a=true", "--otlp", "https://localhost", exit_status=2)
        self.assert_one_line(wrong, "--otlp", "http://")
