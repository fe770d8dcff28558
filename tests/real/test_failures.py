"""Failures of a large job as the page sees them: in groups, soon, and run again by group. FANMAP_TEST_FAILURES=1000000 is the whole of it."""
import http.client
import json
import os
import threading
import time

from fleet import PATIENCE, RECORDED, wait_until
from test_serve import NDJSON, Serve

GROUPS = 50


class Failures(Serve):
    bound_s = 900

    def watch(self, job, is_over):
        """What the page is told of it, until is_over(); with the time of the last."""
        c = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60 * PATIENCE)
        c.request("GET", f"/v1/jobs/{job}/watch", headers=self.headers(self.read_token))
        for line in c.getresponse():
            if line.startswith(b"data: ") and is_over(got := json.loads(line[6:])):
                c.close()
                return got, time.time()
        self.fail("the events ended")

    def test_groups_of_failures(self):
        """All groups are exact within two seconds of the last failure, and one of them runs again without any other."""
        whole = os.environ.get("FANMAP_TEST_FAILURES")
        n = int(whole or 50000)
        self.ready_worker(tasks=RECORDED, slots=2)
        path = self.input_file(b"".join(b"%d\n" % i for i in range(n)))

        def submit():
            with open(path, "rb") as f:
                submitted.append(self.ask("PUT", "/v1/jobs/j?task=fail_as", f, **{"Content-Type": NDJSON})[0])

        submitted, thread = [], threading.Thread(target=submit)
        thread.start()
        wait_until(lambda: self.ask("GET", "/v1/jobs/j?read_ms=0")[0] == 200, 30 * PATIENCE, "the job is known")
        got, at = self.watch("j", lambda got: sum(group["count"] for group in got["groups"]) == n)
        thread.join()
        self.assertEqual(submitted, [201])
        self.assertEqual((len(got["groups"]), {group["count"] for group in got["groups"]}, got["ungrouped"]), (GROUPS, {n // GROUPS}, 0))
        shown = self.job("j")
        late = at - shown["last_outcome_ms"] / 1000
        if whole:
            print(f"    {n} failures in {GROUPS} groups, all shown {late:.2f} s after the last was stored")
        self.assertLess(late, 2 * PATIENCE if whole else 10 * PATIENCE)
        group = next(group for group in got["groups"] if group["first"] == 7)
        self.assertEqual((group["message"], group["last"]), ("cannot reach host ah: try N of N", n - GROUPS + 7))
        self.rerun(group, n)

    def rerun(self, group, n):
        status, answer, _ = self.ask("POST", "/v1/jobs/j/retry-failed?task=noop&job-id=again", json.dumps({"group": group["group"]}))
        self.assertEqual((status, json.loads(answer)), (201, {"job": "again", "items": n}))
        wait_until(lambda: self.job("again")["state"] == "ended", 200 * PATIENCE, "the group ran again", 1)
        c = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60 * PATIENCE)
        c.request("GET", "/v1/jobs/again/outcomes", headers=self.headers(self.read_token))
        values = [i for i, line in enumerate(c.getresponse()) if line == b"null\n"]
        c.close()
        self.assertEqual(values, list(range(7, n, GROUPS)))
