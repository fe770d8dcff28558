"""Streams among jobs: what lists, show and control say of them."""
import json
import os
import re
import signal
import urllib.request

import raw
from fleet import PATIENCE, seq, wait_until
from test_stream import StreamCase


class Lists(StreamCase):
    def listed(self, *args):
        return {row["job"]: row for row in (json.loads(line) for line in self.run_fanmap("jobs", "--json", *args).out().splitlines())}

    def reason(self):
        return self.listed()["double"].get("reason", "")

    def shown(self):
        return json.loads(self.run_fanmap("show", "double", "--json").out())

    def listed_by_http(self):
        tokens = os.path.join(self.folder, "serve.token")
        server = self.start("serve", "--listen", "127.0.0.1:0", "--token-file", tokens, *self.connect_args())
        at = wait_until(lambda: re.search(r"serves at (http\S+)", server.err()), 60 * PATIENCE, "the server listens").group(1)
        with open(tokens) as f:
            token = f.readline().split()[1]
        asked = urllib.request.Request(f"{at}/v1/jobs", headers={"Authorization": f"Bearer {token}"})
        with urllib.request.urlopen(asked, timeout=60) as answer:
            return {row["job"]: row["kind"] for row in json.load(answer)["jobs"]}

    def test_a_stream_is_told_from_a_job(self):
        """By its kind; and nothing holds one that idles."""
        worker = self.stream_worker()
        self.finish(self.start_map("double", "--job-id", "other", data=seq(1, 3), command="submit"), 30)
        stream = self.stream()
        self.write(0, 7)
        self.read(self.to, self.lanes, 8, quiet_s=0)
        rows = self.listed()
        self.assertEqual((rows["double"]["kind"], rows["other"]["kind"]), ("stream", "job"))
        self.assertEqual((rows["double"]["state"], self.reason(), self.shown()["kind"]), ("running", "", "stream"))
        self.assertNotIn("known", rows["double"])
        table = {line.split()[0]: line.split()[1] for line in self.run_fanmap("jobs").out().decode().splitlines()}
        self.assertEqual(table, {"JOB": "KIND", "double": "stream", "other": "job"})
        self.assertEqual(self.listed_by_http(), {"double": "stream", "other": "job"})
        self.run_fanmap("pause", "double")
        wait_until(lambda: self.listed()["double"]["state"] == "paused", 30 * PATIENCE, "it is paused")
        self.run_fanmap("resume", "double")
        worker.signal(signal.SIGTERM)
        self.finish(worker, 60)
        wait_until(lambda: self.reason() == "no worker", 60 * PATIENCE, "nobody serves it")
        self.assertNotIn("reason", self.listed("--no-counts")["double"])
        self.run_fanmap("cancel", "double")
        self.finish(stream, 30, 3)
        self.assertEqual((self.listed()["double"]["state"], self.reason()), ("ended", "cancel"))
        for verb in ("cancel", "pause"):
            self.assert_one_line(self.run_fanmap(verb, "double", exit_status=3), "stream double has ended already")

    def test_older_than_the_logs_of_jobs(self):
        """Retention of NS.results takes nothing of a stream: it is as whole in lists, in show and under control as on its first day."""
        self.stream_worker()
        for n in range(16):  # something in each partition, or in most
            self.finish(self.start_map("double", "--job-id", f"j{n}", data=seq(1, 3), command="submit"), 30)
        self.stream()
        self.write(0, 7)
        self.read(self.to, self.lanes, 8, quiet_s=0)
        for n in range(16, 32):
            self.finish(self.start_map("double", "--job-id", f"j{n}", data=seq(1, 3), command="submit"), 30)
        for partition in range(self.partitions):
            raw.delete_records(self.kafka.port, f"{self.namespace}.results", partition, -1)
        self.assertNotIn("log_gone", self.listed()["double"])
        self.assertNotIn("log_gone", self.shown())
        self.assertEqual((self.reason(), self.shown()["waits"]), ("", []))
        self.run_fanmap("cancel", "double")
        self.assertEqual(self.listed()["double"]["state"], "ended")
