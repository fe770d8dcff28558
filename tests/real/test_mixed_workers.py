"""Workers of one queue that serve different tasks: an item comes to a worker that serves its task, whoever dies meanwhile."""
import json
import os
import signal
import threading

from fleet import PATIENCE, ROOT, Case, seq
from services import wait_until
from test_docs import Page

SHOUTS = 'tr a-z A-Z'


class Mixed(Case):
    bound_s = 180

    def served(self, at_least=0):
        """{tasks of a worker: its pid}, of those that hold so many partitions."""
        rows = [json.loads(line) for line in self.run_fanmap("workers", "--json").out().splitlines()]
        return {row["tasks"]: row["pid"] for row in rows if row["partitions"] >= at_least}


class ReadmePage(Mixed):
    """README.md, "Five minutes for a fleet", word for word; the worker of the other task is killed while the first map runs."""

    def page(self):
        page = Page(self, os.path.join(ROOT, "README.md"), "README.md")
        (snippet,) = [s for s in page.snippets if "worker --exec 'shout=" in s.text]
        page.steps, page.lines = [], page.lines[:2]
        page.add(snippet)
        return page

    def kill_the_other(self, page):
        squares = os.path.join(page.folder, "squares.jsonl")
        wait_until(lambda: os.path.exists(squares) and os.path.getsize(squares) > 50_000, 90 * PATIENCE, "the map runs")
        os.kill(wait_until(lambda: self.served().get("shout"), 60 * PATIENCE, "the other worker is listed"), signal.SIGKILL)
        self.was_killed = True

    def test_it_ends_with_the_exact_list(self):
        self.on_fleet()
        self.was_killed = False
        page = self.page()
        killer = threading.Thread(target=self.kill_the_other, args=(page,))
        killer.start()
        problem = page.run(150)
        killer.join()
        self.assertEqual(problem, "")
        self.assertTrue(self.was_killed)
        with open(os.path.join(page.folder, "squares.jsonl"), "rb") as f:
            self.assert_same(f.read(), b"".join(b"%d\n" % (i * i) for i in range(1, 100_001)))


class Fleet(Mixed):
    def test_each_item_finds_a_worker_of_its_task(self):
        """Two tasks, a worker of each and one of both, which is killed in the middle of two jobs."""
        self.on_fleet()
        recorder = self.recorder()
        self.worker(slots=4)
        self.worker("--exec", f"shout={SHOUTS}", tasks=None, slots=2)
        both = self.worker("--exec", f"shout={SHOUTS}", slots=4)
        wait_until(lambda: len(self.served(1)) == 3, 60 * PATIENCE, "all three hold partitions")
        n = 30_000
        numbers = self.start_map("recorded", "-j", 6, data=seq(1, n))
        words = self.start_map("shout", "--output-format", "lines", data=b'"word"\n' * 600)
        recorder.wait_started(n // 4, 120)
        both.kill()
        self.finish(words, 120)
        self.finish(numbers, 120)
        self.assert_same(numbers.out(), b"".join(b"%d\n" % (i * i) for i in range(1, n + 1)))
        self.assert_same(words.out(), b"WORD\n" * 600)

    def test_a_task_that_nobody_serves_holds_up_no_other(self):
        self.on_fleet()
        self.worker("--exec", f"shout={SHOUTS}", tasks=None, slots=2)
        waiting = self.start_map("whisper", "--output-format", "lines", data=b'"WORD"\n' * 50)
        wait_until(lambda: "no worker serves task whisper" in waiting.err(), 30 * PATIENCE, "the map says so")
        self.assertEqual(self.run_map("shout", "--output-format", "lines", data=b'"word"\n' * 50).out(), b"WORD\n" * 50)
        self.worker("--exec", "whisper=tr A-Z a-z", tasks=None, slots=2)
        self.finish(waiting, 60)
        self.assertEqual(waiting.out(), b"word\n" * 50)
