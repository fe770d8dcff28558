"""What an operator asks, and what he is told when something is missing: on a real Kafka and Redis, read only."""
import json
import os
import re
import signal

import raw
from fleet import PIPE, ROOT, Case, free_port, seq, wait_until


class Operator(Case):
    def setUp(self):
        super().setUp()
        self.on_fleet()

    def ask(self, *args, **kwargs):
        """The lines of --json, as objects."""
        run = self.run_fanmap(*args, "--json", **kwargs)
        return [json.loads(line) for line in run.out().splitlines()]

    def show(self, job, **kwargs):
        (shown,) = self.ask("show", job, **kwargs)
        return shown

    def submit(self, task, *args, data=b"1\n2\n3\n"):
        return self.run_map(task, *args, data=data, command_line="submit")

    def run_map(self, task, *args, command_line="map", **kwargs):
        if command_line == "map":
            return super().run_map(task, *args, **kwargs)
        program = self.start_map(task, *args, data=kwargs["data"], command="submit")
        return self.finish(program, 60).out().decode().strip()


class Listing(Operator):
    def test_a_namespace_without_topics_is_named_and_none_is_made(self):
        for command in (("jobs",), ("show", "j"), ("dead", "list")):
            run = self.run_fanmap(*command, exit_status=2)
            self.assert_one_line(run, self.namespace, "does not exist", "topics --create")

    def test_jobs_by_state_task_and_age(self):
        done = self.submit("echo", "--job-id", "done")
        self.worker(slots=2)
        self.assertEqual(done, "done")
        wait_until(lambda: self.ask("jobs")[0]["state"] == "ended", 30, "the job has ended")
        self.submit("nobody", "-j", "2", "--job-id", "waits")
        self.submit("nobody", "--job-id", "paused")
        self.run_fanmap("pause", "paused")
        jobs = {job["job"]: job for job in self.ask("jobs")}
        self.assertEqual({name: job["state"] for name, job in jobs.items()},
                         {"done": "ended", "waits": "running", "paused": "paused"})
        self.assertEqual((jobs["done"]["reason"], jobs["waits"]["concurrency"]), ("complete", 2))
        # Nobody gathered "done": its end was read from its log, which also has its counts.
        self.assertEqual((jobs["done"]["known"], jobs["done"]["total"], jobs["waits"]["known"]), (3, 3, 0))

        def names(*args):
            return [job["job"] for job in self.ask("jobs", *args)]
        self.assertEqual(names("--state", "running"), ["waits"])
        self.assertEqual(names("--state", "ended"), ["done"])
        self.assertEqual(names("--task", "nobody", "--since", "1h"), ["waits", "paused"])
        self.assertEqual(names("--since", "1ms"), [])
        self.assertEqual(names("--queue", "other"), [])
        self.assertEqual(len(names("--no-counts")), 3)
        self.assertIn(b"ended: complete", self.run_fanmap("jobs").out())

    def test_what_ended_jobs_came_to(self):
        """Told by the jobs topic: also when the logs are gone. And of each what the list has."""
        self.recorder()
        self.worker("--exec", "nap=sleep {}", slots=4)
        bad = seq(1, 5) + b"-4\n" * 5
        self.run_map("trouble", "--job-id", "whole", "--retries", "1", "--backoff", "1ms", data=bad, exit_status=1)
        self.run_map("trouble", "--job-id", "halted", "--halt", "now,fail=2", "-j", "1", data=bad, exit_status=3)
        # so many that they are not through before workers and reader have seen the condition, however late that is
        self.run_map("trouble", "--job-id", "soon", "--halt", "soon,fail=1%", "-j", "2", data=seq(1, 3) + b"-4\n" * 40000,
                     exit_status=3)
        fast = self.start_map("trouble", "--job-id", "fast", "--fail-fast", "-j", "1", data=bad, command="submit")
        self.assertIn(fast.wait(30), (0, 3))  # the end may come before the last item is published
        wait_until(lambda: [j for j in self.ask("jobs") if j["job"] == "fast"][0]["state"] == "ended", 30, "fast is over")
        self.run_fanmap("gather", "fast", exit_status=3)
        self.submit("nap", "--job-id", "cancelled", data=b"0\n0\n600\n600\n")
        wait_until(lambda: self.show("cancelled")["known"] == 2, 30, "two of its items are done")
        self.run_fanmap("cancel", "cancelled")

        def told():
            jobs = {job["job"]: job for job in self.ask("jobs")}
            return all("total" in job for job in jobs.values()) and jobs
        jobs = wait_until(told, 30, "all have their counts")
        self.assertEqual({name: (job["reason"], job["total"], job["known"], job["failed"], job["retried"])
                          for name, job in jobs.items() if name in ("whole", "cancelled")},
                         {"whole": ("complete", 10, 10, 5, 5), "cancelled": ("cancel", 4, 2, 0, 0)})
        for name, job in jobs.items():
            status = 1 if name == "whole" else 3
            lines = [json.loads(x) for x in self.run_fanmap("gather", name, exit_status=status).out().splitlines()]
            shown = self.show(name)
            with self.subTest(name):
                self.assertEqual((job["total"], job["known"]), (shown["total"], shown["known"]))
                self.assertEqual((job["failed"], job["retried"]), (shown["failed"], shown["retried"]))
                kinds = [x["$error"]["kind"] if isinstance(x, dict) else "value" for x in lines]
                self.assertEqual(shown["kinds"], {kind: kinds.count(kind) for kind in set(kinds)})
                self.assertEqual(job["total"], len(lines))
                cancelled = kinds.count("cancelled")
                self.assertEqual((job["known"], job["failed"]),
                                 (len(lines) - cancelled, len(lines) - cancelled - kinds.count("value")))
        self.assertEqual(jobs["halted"]["failed"], 2)
        self.assertLess(jobs["soon"]["known"], 40003)
        for partition in range(self.partitions):
            raw.delete_records(self.kafka.port, f"{self.namespace}.results", partition, -1)
        again = {job["job"]: job for job in self.ask("jobs")}
        self.assertEqual(again, jobs)
        self.assertIn(b"10/10, 5 failed", self.run_fanmap("jobs").out())

    def test_workers_are_listed_and_leave(self):
        worker = self.worker("--exec", "shout=tr a-z A-Z", slots=3)
        (one,) = wait_until(lambda: self.ask("workers"), 30, "the worker is listed")
        wait_until(lambda: self.ask("workers")[0]["slots"] == 3, 30, "its slots are up")
        self.assertEqual((one["pid"], one["queue"]), (worker.pid, "default"))
        self.assertIn("shout", one["tasks"].split(","))
        every = self.partitions * len(one["tasks"].split(","))
        wait_until(lambda: self.ask("workers")[0]["partitions"] == every, 30, "it has every partition")
        self.assertIn(b"shout", self.run_fanmap("workers").out())
        # A drained one takes its row along, and its name from the tasks: neither is there until it is forgotten.
        worker.signal(signal.SIGTERM)
        self.finish(worker, 40)
        self.assertEqual(self.ask("workers"), [])
        refused = self.run_map("shout", "--no-wait", data=b"1\n", exit_status=5)
        self.assertIn("no worker serves task shout", refused.err())


class WhatAWorkerSays(Operator):
    def test_failed_attempts(self):
        """Each has a line, of many within a second some; the numbers said add up."""
        self.recorder()
        worker = self.worker("--exec", "bad=sh -c 'echo oh\x1b[1mno >&2; exit 3'", "--exec", "slow=sleep 60", slots=4)
        self.run_map("trouble", "--job-id", "one", "--retries", "1", "--backoff", "1ms", data=b"1\n-4\n", exit_status=1)
        self.run_map("bad", "--job-id", "two", data=b"1\n", exit_status=1)
        self.run_map("slow", "--job-id", "three", "--timeout", "300ms", data=b"1\n", exit_status=1)
        err = worker.err()
        self.assertRegex(err, r"Z warning: job one, item 1: attempt 1 failed: exception \w+: .*asked")
        self.assertRegex(err, r"Z warning: job one, item 1: attempt 2 failed: exception")
        self.assertIn("job two, item 0: attempt 1 failed: exit: oh\\x1b[1mno", err)
        self.assertRegex(err, r"job three, item 0: attempt 1 failed: timeout")
        self.run_map("trouble", "--job-id", "many", data=b"-4\n" * 3000, exit_status=1)

        def counted():
            lines = re.findall(r"job many, item \d+: attempt 1 failed", worker.err())
            others = re.findall(r"job many: (\d+) more attempts failed within a second", worker.err())
            return len(lines) + sum(map(int, others)) == 3000 and len(lines)
        lines = wait_until(counted, 20, "all are said, or counted")
        self.assertLess(lines, 600)
        self.assertGreater(lines, 4)

    def test_json_lines(self):
        """Every line of every service is an object, whatever is in it; what tasks write has its place."""
        noisy = "noisy=sh -c 'printf \"a\\042b\\134\\033[1m\\377\\303\\274\\n\" >&2; exit 3'"
        worker = self.worker("--exec", noisy, "--log-format", "json", tasks=None, slots=2)
        out = self.folder + "/lists"
        os.mkdir(out)
        aggregator = self.start("aggregator", "--out", out, "--log-format", "json", *self.connect_args())
        self.run_map("noisy", "--job-id", "loud", data=b"1\n2\n", exit_status=1)
        broken = self.finish(self.start("aggregator", "--out", self.folder + "/none", "--log-format", "json"), 30, 6)
        for service in (worker, aggregator):
            service.signal(signal.SIGTERM)
            self.finish(service, 60)
        lines = [json.loads(line) for program in (worker, aggregator, broken) for line in program.err().splitlines()]
        for line in lines:
            self.assertRegex(line.get("time", ""), r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")
        self.assertEqual({line["level"] for line in lines}, {"info", "warning", "task", "error"})
        said = sorted((x["job"], x["index"], x["attempt"], x["message"]) for x in lines if x["level"] == "task")
        self.assertEqual(len(said), 2)
        self.assertEqual(said[1][:3], ("loud", 1, 1))
        self.assertRegex(said[1][3], r'^a"b\\\\.*\\x1b\[1m.*ü')
        self.assertTrue(any("job loud, item 0: attempt 1 failed" in line["message"] for line in lines))


class Logs(Operator):
    def lines(self, *args):
        return self.run_fanmap("logs", *args).out().decode().splitlines()

    def test_what_attempts_wrote(self):
        """By item, by failure, of commands and served programs; the last lines before a drain too."""
        numbers = os.path.join(ROOT, "examples", "python", "numbers_task.py")
        self.recorder()
        quiet = self.worker("--logs", "off", "--exec", "quiet=sh -c 'echo hush >&2'", tasks=None)
        chatty = "chatty=sh -c 'echo to $1 >&2; test $1 != 2' sh {}"
        worker = self.worker("--exec", chatty, "--serve", f"root=python3 {numbers}", slots=2)
        self.run_map("quiet", "--job-id", "hushed", data=b"1\n")
        self.run_map("echo", "--job-id", "silent", data=b"1\n")
        self.assertEqual(self.lines("silent"), [])
        names = {t["topic"].rsplit(".", 1)[1]: t for t in self.ask("topics")}
        self.assertFalse(names["logs"]["exists"])  # nobody said anything that is kept
        self.run_map("chatty", "--job-id", "commands", "--retries", "1", "--backoff", "1ms", data=seq(1, 3), exit_status=1)
        self.run_map("chatty", "--job-id", "asked", "--logs", "off", "--retries", "1", "--backoff", "1ms", data=seq(1, 2), exit_status=1)
        self.run_map("root", "--job-id", "served", data=b"4\n-1\n", exit_status=1)
        worker.signal(signal.SIGTERM)
        self.finish(worker, 40)
        self.assertEqual(sorted(self.lines("commands")), ["0/1: to 1", "1/1: to 2", "1/2: to 2", "2/1: to 3"])
        self.assertEqual(self.lines("commands", "--failed"), ["1/1: to 2", "1/2: to 2"])
        self.assertEqual(self.lines("commands", "2"), ["2/1: to 3"])
        served = self.lines("served", "--failed")
        self.assertEqual(served[0], "1/1: looking for the root of -1")
        failed = json.loads(self.run_fanmap("gather", "served", "--records", exit_status=1).out().splitlines()[1])["error"]
        self.assertIn("ValueError", failed["stderr"])  # of a program that is told runs ahead the traceback stands in the error
        self.assertEqual(self.lines("silent"), [])
        self.assertEqual(self.lines("hushed"), [])
        self.assertEqual(self.lines("asked"), [])  # by the same worker, which has told all of its other jobs
        self.assertEqual(self.ask("show", "asked")[0]["policy"]["logs"], "off")
        self.assert_one_line(self.run_fanmap("logs", "nope", exit_status=2), "there is no job nope")
        logs = {t["topic"].rsplit(".", 1)[1]: t for t in self.ask("topics")}["logs"]
        self.assertEqual((logs["retention_ms"], logs["problem"]), (24 * 3600 * 1000, ""))
        self.assertTrue(quiet.alive())

    def test_following_and_counting_what_was_dropped(self):
        self.worker("--exec", "steps=sh -c 'echo one >&2; read go; while [ ! -e $go ]; do sleep 0.1; done; echo two >&2'",
                    "--exec", "flood=sh -c 'yes | head -c 300000 >&2'", tasks=None, slots=2)
        go = os.path.join(self.folder, "go")
        self.submit("steps", "--job-id", "slow", data=json.dumps(go).encode() + b"\n")
        follower = self.start("logs", "slow", "-f")
        wait_until(lambda: follower.out() == b"0/1: one\n", 30, "the first line")
        open(go, "w").close()
        wait_until(lambda: follower.out() == b"0/1: one\n0/1: two\n", 30, "the second")
        self.finish(follower, 30)
        self.run_map("flood", "--job-id", "floods", data=b"1\n")
        lines = wait_until(lambda: (got := self.lines("floods")) and "dropped" in got[-1] and got, 30, "it is counted")
        dropped = int(re.search(r"\[(\d+) bytes dropped\]", lines[-1]).group(1))
        self.assertEqual(len(lines) - 1, 64 * 1024 // 2)
        self.assertEqual(dropped, 300000 - 64 * 1024)


class Topics(Operator):
    def topics(self, *args):
        return {t["topic"].removeprefix(self.namespace + "."): t for t in self.ask("topics", *args)}

    def test_listed_created_and_judged(self):
        self.assertEqual({t["problem"] for t in self.topics().values()}, {"it does not exist (fanmap topics --create)"})
        self.run_fanmap("topics", "--create", "--partitions", "3", "--retention", "2h", "--item-max", "100KiB", "--value-max", "100KiB",
                        "--queue", "gpu", "--task", "echo", "--task", "other")
        topics = self.topics("--queue", "gpu", "--task", "echo", "--item-max", "100KiB", "--value-max", "100KiB")
        self.assertEqual(set(topics), {"items.gpu.echo", "items.gpu.other", "results", "jobs", "dead", "logs"})
        self.assertEqual({t["problem"] for t in topics.values()}, {""})
        self.assertEqual((topics["items.gpu.echo"]["partitions"], topics["items.gpu.echo"]["retention_ms"]), (3, -1))
        self.assertEqual((topics["results"]["retention_ms"], topics["jobs"]["compacted"]), (7200000, True))
        self.assertEqual(topics["items.gpu.echo"]["group"], self.namespace + ".workers.gpu")
        # Another queue's is missing; what exists takes less than the default needs; the other queue's topic is listed.
        others = self.topics("--task", "echo")
        self.assertFalse(others["items.default.echo"]["exists"])
        self.assertIn("--item-max", others["items.gpu.echo"]["problem"])
        self.assertIn(b"compacted", self.run_fanmap("topics").out())

    def test_what_was_created_serves(self):
        self.run_fanmap("topics", "--create", "--partitions", "3", "--task", "echo")
        self.worker("--no-create-topics", "--exec", "echo=cat", tasks=None, slots=1)
        self.assertEqual(self.run_map("echo", "--no-create-topics", "-j", "1", data=b"1\n").out(), b'"1"\n')

    def test_jobs_while_its_topics_are_made(self):
        """A partition that was just made has nobody to ask for a moment: no reason to end. Until the topics are there, that is said."""
        for i in range(4):
            there = ("--namespace", f"{self.namespace}-{i}")
            made = self.start("topics", "--create", "--partitions", "32", *there)
            asked = self.start("jobs", *there)
            while asked.wait(30) != 0:
                self.assertIn("does not exist", asked.err())
                asked = self.start("jobs", *there)
            self.finish(made, 60)

    def test_a_missing_topic_is_named(self):
        self.run_fanmap("topics", "--create")
        worker = self.finish(self.worker("--no-create-topics", "--exec", "echo=cat", tasks=None, slots=1), 30, 2)
        self.assertIn(f"topic {self.namespace}.items.default.echo does not exist", worker.err())

    def test_names_that_kafka_takes_for_the_same(self):
        """Of a_b and a.b only the first has a topic; the second is refused by name, and only it."""
        self.worker("--exec", "a.b=cat", tasks=None, slots=1)
        self.assertEqual(self.run_map("a.b", data=b"1\n").out(), b'"1"\n')
        for run in (self.start_map("a_b", data=b"1\n"), self.worker("--exec", "a_b=cat", tasks=None, slots=1)):
            self.finish(run, 30, 2)
            self.assertIn(f"{self.namespace}.items.default.a_b", run.err())
            self.assertIn("collides", run.err())
        self.assertEqual(self.run_map("a.b", data=b"2\n").out(), b'"2"\n')

    def test_topics_that_nobody_uses_go(self):
        """With --clean: not while a worker serves the task, nor while a job of it is known or its items are there."""
        def items():
            return {name for name in self.topics() if name.startswith("items.")}
        self.run_fanmap("topics", "--create", "--task", "unused", "--task", "served", "--partitions", "2")
        worker = self.worker("--exec", "served=cat", tasks=None, slots=1)
        self.run_map("served", data=b"1\n")
        self.finish(self.start_map("waits", data=b"1\n", command="submit"), 30)
        self.assertEqual(items(), {"items.default.unused", "items.default.served", "items.default.waits"})
        self.run_fanmap("topics", "--clean")
        wait_until(lambda: items() == {"items.default.served", "items.default.waits"}, 30, "the unused topic is gone", 0.2)
        worker.signal(signal.SIGTERM)
        self.finish(worker, 40)
        self.run_fanmap("topics", "--clean")
        self.assertEqual(items(), {"items.default.served", "items.default.waits"})
        for partition in range(2):
            raw.delete_records(self.kafka.port, f"{self.namespace}.results", partition, -1)

        def gone():
            self.run_fanmap("topics", "--clean")
            return items() == {"items.default.waits"}
        wait_until(gone, 30, "the topic of the forgotten job is gone", 0.2)


class Show(Operator):
    def waits(self, job, *words, bound_s=30):
        def told():
            text = " ".join(self.show(job)["waits"])
            return all(word in text for word in words)
        try:
            wait_until(told, bound_s, f"show says {words}", 0.2)
        except TimeoutError as e:
            self.fail(f"{e}: {self.show(job)}")

    def test_counts_kinds_and_policy(self):
        job = "counted"
        self.recorder()
        self.worker(slots=2)
        self.run_map("trouble", "--job-id", job, "--retries", "1", "--backoff", "1ms", "-j", "3", "--timeout", "90s",
                     data=seq(1, 5) + b"-4\n" * 5, exit_status=1)
        shown = self.show(job)
        self.assertEqual((shown["state"], shown["reason"], shown["total"]), ("ended", "complete", 10))
        self.assertEqual((shown["known"], shown["failed"], shown["concurrency"]), (10, 5, 3))
        self.assertEqual(shown["kinds"], {"value": 5, "exception": 5})
        self.assertEqual(shown["policy"], {"retries": "1", "backoff": "1ms,2,5m", "timeout": "90s"})
        self.assertEqual((shown["waits"], shown["oldest_index"]), ([], -1))
        self.assertGreater(shown["rate"], 0)
        text = self.run_fanmap("show", job).out().decode()
        self.assertIn("--retries 1", text)
        self.assertIn("value 5", text)

    def test_the_oldest_that_runs(self):
        """Of two items, the one that goes on; and nothing once the job has ended."""
        worker = self.worker("--exec", "nap=sleep {}", tasks=None, slots=2)
        self.submit("nap", "--job-id", "naps", data=b"600\n0\n")

        def runs():
            shown = self.show("naps")
            return (shown["running_index"], shown["running_attempt"], shown["known"]) == (0, 1, 1) and shown
        shown = wait_until(runs, 30, "item 0 is the oldest")
        self.assertEqual(shown["running_worker"].rsplit(":", 1)[1], str(worker.process.pid))
        self.assertGreater(shown["running_ms"], 0)
        self.assertIn("oldest     item 0, attempt 1, has run for", self.run_fanmap("show", "naps").out().decode())
        self.run_fanmap("cancel", "naps")
        self.assertEqual(self.show("naps")["running_index"], -1)

    def test_an_unknown_job(self):
        self.submit("echo")
        run = self.run_fanmap("show", "nope", exit_status=2)
        self.assert_one_line(run, "nope", self.namespace)

    def test_why_it_waits(self):
        self.submit("nobody", "--job-id", "unserved")
        self.waits("unserved", "no worker serves task nobody", "fanmap worker")
        self.assertEqual(self.show("unserved")["oldest_index"], 0)
        self.submit("nobody", "--job-id", "beside")
        self.submit("another", "--job-id", "apart")
        lags = {job: self.show(job)["lag"] for job in ("unserved", "beside", "apart")}
        self.assertEqual(lags, {"unserved": 6, "beside": 6, "apart": 3})
        self.run_fanmap("pause", "unserved")
        self.waits("unserved", "paused", "fanmap resume unserved")

    def test_it_waits_for_tokens(self):
        recorder = self.recorder()
        self.worker(slots=4)
        run = self.start_map("recorded_sleep", "--job-id", "limited", "-j", "2", data=b"[20000,1]\n" * 6)
        recorder.wait_started(2, 30)
        self.waits("limited", "all 2 tokens are held", "fanmap set limited")
        shown = self.show("limited")
        self.assertEqual((shown["tokens_held"], shown["workers"]), (2, 1))
        self.run_fanmap("cancel", "limited")
        self.finish(run, 30, 3)
        shown = self.show("limited") # the table in Redis may still have what ran when it was cancelled
        self.assertEqual((shown["reason"], shown["tokens_held"]), ("cancel", -1))

    def test_it_waits_for_its_producer(self):
        self.worker(slots=1)
        run = self.start_map("echo", "--job-id", "open", stdin=PIPE)
        run.process.stdin.write(b"1\n")
        run.process.stdin.flush()
        wait_until(lambda: run.out() == b"1\n", 30, "the first value")
        self.waits("open", "waits for its producer's next items")
        run.process.stdin.close()
        self.finish(run, 30)
        self.assertEqual(self.show("open")["waits"], [])


class RedisAway(Operator):
    own_redis = True

    def test_show_says_so(self):
        self.submit("echo", "-j", "1", "--job-id", "limited")
        self.redis.kill()
        (shown,) = self.ask("show", "limited", "--connect-timeout", "2s")
        self.assertIn("without Redis", " ".join(shown["waits"]))
        self.assertEqual((shown["workers"], shown["known"]), (-1, 0))

    def test_redis_that_hangs_is_blamed(self):
        self.redis.pause()
        run = self.run_fanmap("workers", "--connect-timeout", "2s", exit_status=5)
        self.assert_one_line(run, "Redis at", "no answer to the login within 2000 ms")
        self.redis.kill()
        run = self.run_fanmap("workers", "--connect-timeout", "2s", exit_status=5)
        self.assert_one_line(run, "Redis at")


class Dead(Operator):
    def setUp(self):
        super().setUp()
        self.run_fanmap("topics", "--create", "--task", "echo", "--partitions", "2")
        self.items = f"{self.namespace}.items.default.echo"

    def letters(self, n, *args):
        return wait_until(lambda: len(got := self.ask("dead", "list", *args)) == n and got, 30, f"{n} dead letters", 0.2)

    def test_listed_shown_and_put_back(self):
        # An item of a job that does not exist yet, and what is no item at all.
        item = b"\x95\x01\x01\x00\x00\x07"
        raw.produce(self.kafka.brokers, self.items, 1, [(b"later", item), (b"later", item[:4] + b"\x01\x09"),
                                                        (b"not a job!", b"\xc1\x00junk")])
        self.worker(slots=1)
        letters = self.letters(3)
        self.assertEqual({(x["topic"], x["partition"], x["stage"]) for x in letters}, {(self.items, 1, "worker")})
        self.assertEqual(sorted(x["offset"] for x in letters), [0, 1, 2])
        ours = self.letters(2, "--job", "later")
        self.assertEqual([x["index"] for x in ours], [0, 1])
        (junk,) = [x for x in letters if x not in ours]
        text = self.run_fanmap("dead", "show", junk["letter"]).out().decode()
        self.assertIn("c1006a756e6b", text)
        self.assertIn(junk["reason"], text)
        self.assertIn(b"REASON", self.run_fanmap("dead", "list").out())

        # While there is no such job they would only be buried again.
        run = self.run_fanmap("dead", "replay", "--all", exit_status=1)
        self.assertEqual(run.out(), b"0 put back, 3 left\n")
        self.assertIn("its job is not running", run.err())
        self.assertIn("no item", run.err())

        # Now there is: it waits for its input, and the letters are its first two items.
        job = self.start_map("echo", "--job-id", "later", stdin=PIPE)
        wait_until(lambda: any(x["job"] == "later" for x in self.ask("jobs")), 30, "the job is known")
        run = self.run_fanmap("dead", "replay", "--job", "later")
        self.assertEqual(run.out(), b"2 put back, 0 left\n")
        wait_until(lambda: job.out() == b"7\n9\n", 30, "their values")
        run = self.run_fanmap("dead", "replay", junk["letter"], "--force")
        self.assertEqual(run.out(), b"1 put back, 0 left\n")
        again = self.letters(4)[-1]
        self.assertEqual((again["key"], again["bytes"], again["reason"]), (junk["key"], junk["bytes"], junk["reason"]))
        self.run_fanmap("cancel", "later")
        self.finish(job, 30, 3)

    def test_wrong_words(self):
        for args, words in ((("dead",), ["list"]), (("dead", "bury"), ["replay"]), (("dead", "replay"), ["--all"]),
                            (("dead", "show"), ["which letter"]), (("dead", "show", "x"), ["x"]),
                            (("dead", "show", "5"), ["no dead letter 5"])):
            with self.subTest(args=args):
                self.assert_one_line(self.run_fanmap(*args, exit_status=2), *words)
        self.assertEqual(self.run_fanmap("dead", "list").out(), b"")


class Retention(Operator):
    def setUp(self):
        super().setUp()
        self.run_fanmap("topics", "--create", "--task", "echo", "--partitions", "2")

    def lose_logs(self):
        """As retention does it."""
        for partition in range(2):
            raw.delete_records(self.kafka.port, f"{self.namespace}.results", partition, -1)

    def clean(self):
        words = self.run_fanmap("topics", "--clean").out().split()
        return int(words[0]), int(words[3])

    def test_old_jobs_are_forgotten_and_their_items_deleted(self):
        first = self.worker(slots=2)
        self.run_map("echo", "--job-id", "old", data=seq(1, 10))
        self.run_map("echo", "--job-id", "kept", data=seq(1, 4))
        self.assertEqual(self.clean(), (0, 0))  # the logs are whole: everything may still be needed
        self.lose_logs()
        self.finish(self.start_map("nobody", "--job-id", "new", data=seq(1, 6), command="submit"), 30)
        self.assertEqual(self.clean()[0], 2)

        deleted = [0]

        def all_deleted():
            deleted[0] += self.clean()[1]
            return deleted[0] >= 14
        # What the first pass deleted is not counted here: so the front of the partitions is looked at.
        wait_until(lambda: self.items_from() == 14 or all_deleted(), 30, "the old items are deleted", 0.2)
        self.assertEqual(self.items_from(), 14)
        self.assertEqual([job["job"] for job in self.ask("jobs")], ["new"])
        self.assert_one_line(self.run_fanmap("show", "old", exit_status=2), "no job old")

        # The items of a job that is known are all there, and a forgotten name is free again.
        first.signal(signal.SIGTERM)
        self.finish(first, 40)
        self.worker("--exec", "nobody=cat", slots=1)
        self.assertEqual(self.run_fanmap("gather", "new").out(), b"".join(b'"%d"\n' % i for i in range(1, 7)))
        self.assertEqual(self.run_map("echo", "--job-id", "old", data=b"1\n").out(), b"1\n")

    def items_from(self):
        """How many records are gone from the front of the items partitions."""
        return sum(raw.begin(self.kafka.port, f"{self.namespace}.items.default.echo", p) for p in range(2))

    def test_a_job_without_an_end_is_kept(self):
        self.finish(self.start_map("nobody", "--job-id", "waits", data=seq(1, 6), command="submit"), 30)
        self.lose_logs()
        self.assertEqual(self.clean(), (0, 0))
        (job,) = self.ask("jobs")
        self.assertTrue(job["log_gone"])
        self.assertIn("cannot be gathered", " ".join(self.show("waits")["waits"]))

    def test_workers_do_it_by_themselves(self):
        worker = self.worker("--clean-every", "1s", slots=2)
        self.run_map("echo", "--job-id", "old", data=seq(1, 10))
        self.lose_logs()
        wait_until(lambda: self.items_from() == 10, 60, "the worker has deleted the items", 0.2)
        self.assertEqual(self.ask("jobs"), [])
        wait_until(lambda: "1 jobs whose log is gone are forgotten" in worker.err(), 30, "the worker has said so")
        worker.signal(signal.SIGTERM)
        self.finish(worker, 40)


class Configuration(Case):
    """What is set where, seen by what asks nobody: --print-acls shows brokers, namespace and queue."""

    def seen(self, *args, env=None):
        text = self.run_fanmap("topics", "--print-acls", *args, env=env).out().decode()
        line = next(line for line in text.splitlines() if ".items." in line)
        return line.split("--bootstrap-server ")[1].split()[0], line.split("--topic ")[1].split(".items.")[0]

    def home_file(self, text):
        path = os.path.join(self.folder, ".config", "fanmap.conf")
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w") as f:
            f.write(text)

    def test_precedence(self):
        self.assertEqual(self.seen(), ("HOST:PORT", "fanmap"))
        self.home_file("# the fleet\nbrokers = file:1\nnamespace = from-file\n")
        self.assertEqual(self.seen(), ("file:1", "from-file"))
        env = {"FANMAP_NAMESPACE": "from-env"}
        self.assertEqual(self.seen(env=env), ("file:1", "from-env"))
        self.assertEqual(self.seen("--namespace", "from-flag", env=env), ("file:1", "from-flag"))
        other = self.input_file("namespace = other\n", "conf")
        self.assertEqual(self.seen("--config", other), ("HOST:PORT", "other"))
        self.assert_one_line(self.run_fanmap("topics", "--print-acls", "--config", "/no/such", exit_status=2), "/no/such")
        self.home_file("namespace = good\nnonsense = 1\n")
        self.assert_one_line(self.run_fanmap("topics", "--print-acls", exit_status=2), "fanmap.conf", "line 2", "nonsense")

    def test_properties(self):
        at = f"127.0.0.1:{free_port()}"
        bad = self.input_file("# kcat's form\nlinger.ms=soon\n", "properties")
        run = self.run_fanmap("jobs", "-b", at, "-F", bad, exit_status=2)
        self.assert_one_line(run, "linger.ms")
        self.assert_one_line(self.run_fanmap("jobs", "-b", at, "-F", self.input_file("no equals\n"), exit_status=2), "line 1")
        self.assert_one_line(self.run_fanmap("jobs", "-b", at, "-X", "no.such=1", exit_status=2), "no.such")
        # A flag beats the file; so do lines of the configuration that -F does not name.
        run = self.run_fanmap("jobs", "-b", at, "-F", bad, "-X", "linger.ms=3", "--redis", "none", "--connect-timeout", "1s",
                              exit_status=5)
        self.assert_one_line(run, at)
        self.home_file(f"brokers = {at}\nproperties = {bad}\nredis = none\nconnect-timeout = 1s\n")
        self.assert_one_line(self.run_fanmap("jobs", exit_status=2), "linger.ms")

    def test_a_password_file_that_is_not_there(self):
        run = self.run_fanmap("workers", "-b", "127.0.0.1:1", "--redis", "redis://127.0.0.1:1", "--redis-password-file",
                              "/no/such/secret", exit_status=2)
        self.assert_one_line(run, "/no/such/secret")
