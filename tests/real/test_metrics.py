"""--metrics: what each service tells Prometheus and whoever asks whether it is well, checked by promtool, by docs/metrics.md and by
what `fanmap show --json` counts."""
import collections
import http.client
import json
import os
import re
import shutil
import socket
import subprocess
import unittest

import raw
import yaml
from fleet import BUILD, FANMAP, PATIENCE, ROOT, Case, free_port, seq, wait_until

try:
    from prometheus_client.parser import text_string_to_metric_families  # pip install prometheus-client
except ImportError:
    text_string_to_metric_families = None

SERIES = re.compile(r'([a-z_]+)(?:\{(.*)\})? (\S+)')
LABEL = re.compile(r'([a-z_]+)="((?:[^"\\]|\\.)*)",?')
NUMBERS = os.path.join(BUILD, "examples", "numbers.so")
FLAWED = "flawed=sh -c 'read x; case $x in *3) exit 3;; esac; echo $x'"


class Answer:
    """A text of Prometheus's, taken apart: of each family its type, and of each series its value by labels."""

    def __init__(self, text):
        self.text, self.types, self.values = text, {}, collections.defaultdict(dict)
        for line in text.splitlines():
            if line.startswith("# TYPE "):
                name, kind = line.split()[2:]
                assert name not in self.types, f"{name} comes twice"
                self.types[name] = kind
            elif not line.startswith("#"):
                name, labels, value = SERIES.fullmatch(line).groups()
                key = tuple(LABEL.findall(labels or ""))
                assert key not in self.values[name], f"{line} comes twice"
                self.values[name][key] = float(value)

    def family(self, series):
        return series if series in self.types else re.sub(r"_(bucket|sum|count)$", "", series)

    def labels(self):
        """family → the names of its labels"""
        found = collections.defaultdict(set)
        for series, values in self.values.items():
            for key in values:
                found[self.family(series)].add(tuple(name for name, _ in key if name != "le"))
        return found

    def get(self, series, **labels):
        """The sum of what has these labels."""
        return sum(v for k, v in self.values[series].items() if set(labels.items()) <= set(k))


class Metrics(Case):
    bound_s = 120

    def setUp(self):
        super().setUp()
        self.on_fleet()
        self.port = {}

    def observe(self, name):
        self.port[name] = free_port()
        return ["--metrics", f"127.0.0.1:{self.port[name]}"]

    def ask(self, name, path):
        """(status, body); None: nobody listens yet."""
        c = http.client.HTTPConnection("127.0.0.1", self.port[name], timeout=30 * PATIENCE)
        try:
            c.request("GET", path)
            r = c.getresponse()
            return r.status, r.read().decode()
        except ConnectionError:
            return None
        finally:
            c.close()

    def until_ready(self, name, status=200, word="ready"):
        def is_so():
            got = self.ask(name, "/readyz")
            return got and got[0] == status and json.loads(got[1])["status"] == word and json.loads(got[1])
        return wait_until(is_so, 60 * PATIENCE, f"{name} is {word}")

    def metrics(self, name):
        status, text = self.ask(name, "/metrics")
        self.assertEqual(status, 200, text)
        return Answer(text)

    def observed_worker(self, *args, slots=4):
        worker = self.worker("--exec", FLAWED, "--exec", "nap=sleep 600", *args, *self.observe("worker"), tasks=NUMBERS,
                             slots=slots)
        self.until_ready("worker")
        return worker

    def is_sound(self, answer):
        """By promtool, or by the parser of Prometheus's client for Python; where there is neither, by what is checked here alone."""
        if shutil.which("promtool") is not None:
            done = subprocess.run(["promtool", "check", "metrics"], input=answer.text, stdout=subprocess.PIPE,
                                  stderr=subprocess.STDOUT, text=True)
            self.assertEqual((done.returncode, done.stdout), (0, ""))
        if text_string_to_metric_families is not None:
            parsed = {sample.name for family in text_string_to_metric_families(answer.text) for sample in family.samples}
            self.assertEqual(parsed, set(answer.values))
        for series, values in answer.values.items():
            for key, value in values.items():
                self.assertNotIn("job", dict(key), series)
                if series.endswith("_bucket") and ("le", "+Inf") in key:
                    rest = tuple(pair for pair in key if pair[0] != "le")
                    self.assertEqual(value, answer.values[series.replace("_bucket", "_count")][rest])

    def page(self):
        """family → (type, labels) of each section of docs/metrics.md"""
        with open(os.path.join(ROOT, "docs", "metrics.md")) as f:
            sections = re.split(r"^## ", f.read(), flags=re.M)
        found = {}
        for section in sections:
            rows = re.findall(r"^\| `(\w+)` \| (\w+) \| ([^|]*)\|", section, re.M)
            found[section.splitlines()[0]] = {name: (kind, tuple(re.findall(r"`(\w+)`", labels))) for name, kind, labels in rows}
        return found

    def socket(self):
        return os.path.join(self.folder, "s")

    def ask_serve(self, path):
        with socket.socket(socket.AF_UNIX) as s:
            s.connect(self.socket())
            s.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
            return s.makefile("rb").read()

    def test_the_series_that_others_rely_on(self):
        """Dashboards, alerts and autoscalers of others name these: a worker has them from its first item on, with these labels and types."""
        self.observed_worker()
        self.run_map("square", "-j", "2", data=seq(1, 20))
        answer = wait_until(lambda: (got := self.metrics("worker")).get("fanmap_items_total", task="square", outcome="value") == 20 and got, 30 * PATIENCE,
                            "the outcomes are counted")
        labels = answer.labels()
        for kind, names in {"counter": {"items_total": ("outcome",), "attempts_total": ("result",), "dead_letters_total": ("reason",)},
                            "histogram": {"item_duration_seconds": (), "item_wait_seconds": (), "token_wait_seconds": ()},
                            "gauge": {"runnable_items": (), "running_items": (), "slots": ("state",), "oldest_runnable_age_seconds": (),
                                      "tokens_held": (), "tokens_limit": (), "source_lag_records": ()}}.items():
            for name, more in names.items():
                self.assertEqual(answer.types[f"fanmap_{name}"], kind, name)
                self.assertEqual(labels[f"fanmap_{name}"], {("queue", "task", *more)}, name)
        self.assertEqual(labels["fanmap_build_info"], {("version",)})
        self.assertIn("process_resident_memory_bytes", answer.types)

    def requests_are_counted(self):
        before = self.metrics("serve")
        for path in ("/healthz", "/v1/jobs?counts=false", "/v1/jobs?nonsense=1", "/nowhere"):
            self.ask_serve(path)
        after = self.metrics("serve")
        for labels in ({"route": "/healthz", "method": "GET", "status": "2xx"}, {"route": "/v1/jobs", "method": "GET", "status": "2xx"},
                       {"route": "/v1/jobs", "method": "GET", "status": "4xx"}, {"route": "", "method": "", "status": "4xx"}):
            self.assertEqual(after.get("fanmap_serve_requests_total", **labels) - (before.get("fanmap_serve_requests_total", **labels) or 0), 1, labels)
        self.assertEqual(after.get("fanmap_serve_request_seconds_count", route="/v1/jobs", method="GET"), 2)

    def test_each_service_says_what_the_page_lists(self):
        out = os.path.join(self.folder, "out")
        os.mkdir(out)
        source = f"{self.namespace}-in"
        raw.create_topic(self.kafka.port, source, 2)
        raw.produce(self.kafka.brokers, source, 0, [(b"k", b"%d" % n) for n in range(20)])
        self.observed_worker()
        self.start("stream", "square", "--from", source, *self.observe("stream"), *self.connect_args())
        self.start("aggregator", "--out", out, *self.observe("aggregator"), *self.connect_args())
        self.start("serve", "--socket", self.socket(), *self.observe("serve"), *self.connect_args())
        page = self.page()
        common, readers = page["Of each"], page["Of a stream, an aggregator and serve"]
        seen = set()
        for name, mine in (("worker", page["Of a worker"]), ("stream", readers), ("aggregator", readers), ("serve", {**readers, **page["Of serve, besides"]})):
            self.until_ready(name)
            if name == "serve":
                self.ask_serve("/healthz")
            answer = self.metrics(name)
            self.is_sound(answer)
            for family, labels in answer.labels().items():
                self.assertIn(family, {**common, **mine}, f"docs/metrics.md does not know this series of {name}")
                kind, wanted = {**common, **mine}[family]
                self.assertEqual((answer.types[family], labels), (kind, {wanted}), family)
                seen.add((mine is not page["Of a worker"], family))
        listed = {(False, f) for f in {**page["Of a worker"], **common}} | {(True, f) for f in {**readers, **page["Of serve, besides"], **common}}
        self.assertEqual(listed - seen, set(), "listed, and told by nobody")
        self.requests_are_counted()
        wait_until(lambda: self.metrics("stream").get("fanmap_stream_outcomes_total", result="value") == 20, 30 * PATIENCE,
                   "the stream's outcomes are counted")
        wait_until(lambda: self.metrics("worker").get("fanmap_items_total", task="square", outcome="value") == 20, 30 * PATIENCE,
                   "the worker has heard that they are stored")
        self.assertEqual(self.metrics("worker").get("fanmap_slots", task="square"), 4)

    def test_numbers_are_those_of_show(self):
        self.observed_worker()
        self.run_map("flawed", "--job-id", "counted", "--retries", "1", "--backoff", "10ms", data=seq(1, 40), exit_status=1)
        self.run_map("square", "--job-id", "limited", "-j", "1", data=seq(1, 30))
        shown = json.loads(self.run_fanmap("show", "counted", "--json").out())
        answer = wait_until(lambda: self.settled(40), 20 * PATIENCE, "the last outcomes are counted")
        for kind in ("value", "exit"):
            self.assertEqual(answer.get("fanmap_items_total", task="flawed", outcome=kind), shown["kinds"].get(kind, 0), kind)
        failed = shown["failed"]
        self.assertEqual(answer.get("fanmap_attempts_total", task="flawed"), 40 + failed)
        self.assertEqual(answer.get("fanmap_attempts_total", task="flawed", result="exit"), 2 * failed)
        for series in ("fanmap_item_duration_seconds_count", "fanmap_item_wait_seconds_count"):
            self.assertEqual(answer.get(series, task="flawed"), 40, series)
        self.assertGreater(answer.get("fanmap_token_wait_seconds_count", task="square"), 0)
        self.assertEqual(answer.get("fanmap_token_wait_seconds_count", task="flawed"), 0)
        self.assertEqual(answer.get("fanmap_slots", task="", state="idle"), 4)
        self.assertEqual(answer.get("fanmap_source_lag_records"), 0)
        self.assertEqual(answer.get("fanmap_dead_letters_total"), 0)

    def settled(self, n):
        answer = self.metrics("worker")
        is_over = answer.get("fanmap_items_total", task="flawed") >= n and answer.get("fanmap_source_lag_records") == 0
        return answer if is_over and answer.get("fanmap_running_items") == 0 else None

    def until(self, what, **wanted):
        def is_so():
            answer = self.metrics("worker")
            return all(answer.get(f"fanmap_{name}", task="nap") == n for name, n in wanted.items()) and answer
        return wait_until(is_so, 30 * PATIENCE, what)

    def test_what_is_runnable(self):
        self.observed_worker()
        self.start_map("nap", "--job-id", "free", data=seq(1, 10), command="submit")
        answer = self.until("six wait for a slot", running_items=4, runnable_items=6, source_lag_records=10)
        self.assertEqual(answer.get("fanmap_slots", task="", state="busy"), 4)
        wait_until(lambda: self.metrics("worker").get("fanmap_oldest_runnable_age_seconds", task="nap") > 0.2, 20, "they age")
        self.run_fanmap("pause", "free")
        self.until("none of a paused job waits for a slot", runnable_items=0, running_items=4)
        self.run_fanmap("cancel", "free")
        self.until("all are gone", running_items=0, runnable_items=0)
        self.start_map("nap", "--job-id", "limited", "-j", "2", data=seq(1, 10), command="submit")
        answer = self.until("eight wait for a token", running_items=2, runnable_items=0, tokens_held=2, tokens_limit=2)
        self.assertEqual(answer.get("fanmap_oldest_runnable_age_seconds", task="nap"), 0)
        self.run_fanmap("cancel", "limited")

    def test_ready_and_degraded(self):
        self.on_fleet(password=None)
        self.observed_worker()
        idle = [socket.create_connection(("127.0.0.1", self.port["worker"])) for _ in range(40)]
        self.assertEqual(self.ask("worker", "/healthz"), (200, '{"status":"ok"}\n'))
        for s in idle:
            s.close()
        self.redis.kill()
        self.assertIn("Redis", self.until_ready("worker", 200, "degraded")["reason"])
        self.assertEqual(self.ask("worker", "/healthz")[0], 200)
        lost = self.start("aggregator", "--out", self.folder, *self.observe("lost"), "--connect-timeout", "60s",
                          env={"FANMAP_BROKERS": f"127.0.0.1:{free_port()}"})
        self.until_ready("lost", 503, "not ready")
        self.assertEqual(self.ask("lost", "/healthz")[0], 200)
        lost.kill()
        taken = self.run_fanmap("worker", "--tasks", NUMBERS, "--metrics", f"127.0.0.1:{self.port['worker']}", exit_status=6)
        self.assert_one_line(taken, "--metrics", "in use")


def deployed(*path):
    with open(os.path.join(ROOT, "deploy", *path)) as f:
        return f.read()


def promtool(*args):
    return subprocess.run(["promtool", *args], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          cwd=os.path.join(ROOT, "deploy", "prometheus"))


class DeployedFiles(unittest.TestCase):
    """What stands in deploy/ on metrics and for Kubernetes: no fleet is needed."""

    def series(self):
        """Those of docs/metrics.md, which is compared with what services say."""
        with open(os.path.join(ROOT, "docs", "metrics.md")) as f:
            rows = re.findall(r"^\| `(\w+)` \| (\w+) \|", f.read(), re.M)
        parts = {"histogram": ("_bucket", "_sum", "_count")}
        return {name + part for name, kind in rows for part in parts.get(kind, ("",))}

    def assert_known(self, expression):
        bare = re.sub(r'"[^"]*"', "", expression)
        found = set(re.findall(r"\b(?:fanmap|process)_\w+", bare))
        self.assertTrue(found, f"no series in {expression}")
        self.assertEqual(found - self.series(), set(), expression)

    def test_alert_rules(self):
        with open(os.path.join(ROOT, "docs", "operating.md")) as f:
            titles = re.findall(r"^#+ (.+)$", f.read(), re.M)
        anchors = {re.sub(r"[^a-z0-9 -]", "", title.lower()).replace(" ", "-") for title in titles}
        rules = yaml.safe_load(deployed("prometheus", "fanmap.rules.yml"))["groups"][0]["rules"]
        self.assertGreater(len(rules), 10)
        for rule in rules:
            self.assert_known(rule["expr"])
            page, anchor = rule["annotations"]["runbook_url"].split("#")
            self.assertEqual((page, anchor in anchors), ("docs/operating.md", True), rule["alert"])

    @unittest.skipIf(shutil.which("promtool") is None, "promtool is missing: apt-get install prometheus")
    def test_promtool_takes_the_rules(self):
        for args in (("check", "rules", "fanmap.rules.yml"), ("test", "rules", "fanmap.rules.test.yml")):
            done = promtool(*args)
            self.assertEqual(done.returncode, 0, done.stdout)

    def test_dashboard(self):
        panels = json.loads(deployed("grafana", "fanmap.json"))["panels"]
        shown = set()
        for panel in panels:
            for target in panel["targets"]:
                self.assert_known(target["expr"])
                shown |= {name for name in self.series() if re.search(rf"\b{name}\b", target["expr"])}
        self.assertEqual(len({panel["title"] for panel in panels}), len(panels))
        self.assertGreater(len(shown), 15)

    def test_kubernetes(self):
        objects = list(yaml.safe_load_all(deployed("kubernetes", "fanmap.yaml")))
        pods = {o["metadata"]["name"]: o["spec"]["template"]["spec"]["containers"][0] for o in objects
                if "template" in o.get("spec", {})}
        self.assertEqual(set(pods), {"fanmap-worker", "fanmap-aggregator", "fanmap-serve"})
        for name, pod in pods.items():
            self.options_exist(pod["args"])
            at = pod["args"][pod["args"].index("--metrics") + 1]
            self.assertEqual(at, f"0.0.0.0:{[p['containerPort'] for p in pod['ports'] if p['name'] == 'metrics'][0]}")
            self.assertEqual((pod["livenessProbe"]["httpGet"]["path"], pod["readinessProbe"]["httpGet"]["path"]),
                             ("/healthz", "/readyz"), name)
        scaled = yaml.safe_load(deployed("kubernetes", "keda.yaml"))
        self.assertIn(scaled["spec"]["scaleTargetRef"]["name"], pods)
        trigger = scaled["spec"]["triggers"][0]["metadata"]
        self.assert_known(trigger["query"])
        slots = pods["fanmap-worker"]["args"]
        self.assertEqual(trigger["threshold"], slots[slots.index("--slots") + 1])

    def options_exist(self, args):
        known = subprocess.run([FANMAP, args[0], "--help"], stdout=subprocess.PIPE, text=True).stdout
        for arg in args[1:]:
            if arg.startswith("-"):
                self.assertRegex(known, rf"(?m)(^|[ ,]){re.escape(arg)}\b", " ".join(args))
