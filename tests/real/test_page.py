"""The page of `fanmap serve`, in a browser: each view against a real fleet, its numbers beside those of `show --json`; by keyboard alone;
at three widths, light and dark; and what tasks and messages say stays text. Pictures are made on the way, into FANMAP_PICTURES if that
names a folder."""
import json
import os
import signal

import raw
from fleet import BUILD, PATIENCE, seq, wait_until
from page_case import PageCase


class Page(PageCase):
    def test_failures_in_groups_and_nothing_breaks_in(self):
        self.serve_tasks()
        self.submit("halves", "fails", data=seq(1, 400))
        wait_until(lambda: self.show("halves")["state"] == "ended", 60 * PATIENCE, "the job ends")
        self.open("#/jobs/halves", "document.querySelectorAll('.groups details').length === 2 && document.querySelector('.tile b')?.textContent === '400'"
                  " && document.querySelector('.state')?.textContent.startsWith('ended')")
        show, tiles = self.show("halves"), self.tiles()
        self.assertEqual((tiles["done of 400"], tiles["failed"], tiles["values"]), ("400", str(show["failed"]), str(show["kinds"]["value"])))
        self.assertEqual(self.sum(), [("values", show["kinds"]["value"]), ("failed", show["failed"]), ("without an outcome", 0)])
        groups = self.browser.ask("[...document.querySelectorAll('.groups summary')].map((s) => s.textContent)")
        self.assertEqual(groups[0], f"{400 // 7} exit: cannot divide N by seven")
        self.assertTrue(groups[1].startswith("31 exit: <img src="), groups[1])
        self.browser.ask("document.querySelectorAll('.groups details').forEach((d) => { d.open = true; })")
        self.assertEqual(self.browser.ask("document.querySelectorAll('main img, main script').length"), 0)
        self.picture("failures")
        # an item, looked at: its sample's button
        self.browser.ask("[...document.querySelectorAll('.groups button')].find((b) => b.textContent.startsWith('item ')).click()")
        self.browser.wait("document.querySelector('dialog')?.textContent.includes('cannot divide 7 by seven')", "the item's error", 20 * PATIENCE)
        self.assertEqual(self.browser.ask("document.title"), "halves – fanmap")
        self.browser.ask("document.querySelector('dialog button').click()")
        self.one_group_runs_again(show)
        self.assert_well()

    def sum(self):
        """What stands under the bar, which must be all items."""
        words = self.browser.ask("[...document.querySelectorAll('.sum span')].map((s) => s.textContent)")
        of = [(word, int(n.replace(",", ""))) for n, word in (text.split(" ", 1) for text in words[:-1])]
        self.assertTrue(words[-1].startswith(f"of {sum(n for _, n in of):,} "), words)
        return of

    def facts(self):
        return self.browser.ask("Object.fromEntries([...document.querySelectorAll('.limits dt')].map((d) => [d.textContent, d.nextElementSibling.textContent]))")

    def why_and_what_runs(self):
        """Beside what show says: the numbers of a job of one token that always runs one item."""
        worker = json.loads(self.run_fanmap("workers", "--json").out())
        name = f"{worker['host']}:{worker['pid']}"
        listed = "[...document.querySelectorAll('.running tbody tr')].map((r) => r.querySelector('td.mono').textContent).join()"
        self.browser.wait(f"{listed} === {json.dumps(name)}", "what runs is listed", 30 * PATIENCE)

        def holds():  # between two items nobody does
            show = self.show("slow")
            return (show["token_holders"], show["slots"]) == (f"{name} 1", 2) and show

        def is_told():
            facts = self.facts()
            return (facts.get("tokens held"), facts.get("held by")) == ("1 of 1", f"{name} 1") and facts
        show = wait_until(holds, 30 * PATIENCE, "show says who holds the token", 0.1)
        facts = wait_until(is_told, 30 * PATIENCE, "the page says so, too", 0.1)
        self.assertTrue(facts["slots of its workers, busy"].endswith(f"of {show['slots']}"), facts)
        self.assertIn("submitted: sleep_ms on queue default", self.browser.ask("document.querySelector('.events').textContent"))

    def one_group_runs_again(self, show):
        shown = [(f["group"], f["count"]) for f in show["failures"]]
        self.assertEqual([tuple(g) for g in self.browser.ask("[...document.querySelectorAll('.groups details')].map((d) => [d.dataset.group, Number(d.querySelector('b').textContent)])")], shown)
        self.browser.ask("[...document.querySelectorAll('.groups button')].find((b) => b.textContent === 'Run this group again').click()")
        self.browser.wait(f"document.querySelector('dialog')?.textContent.includes('fanmap submit --retry-failed halves --retry-group {shown[0][0]}')", "what it would do", 10 * PATIENCE)
        self.browser.ask("document.querySelector('dialog button').click()")
        self.browser.wait("location.hash !== '#/jobs/halves' && document.querySelector('.tile b')?.textContent === '400'", "the new job is shown", 60 * PATIENCE)
        again = self.show(self.browser.ask("location.hash").split("/")[2])
        self.assertEqual((again["policy"]["retry-failed"], again["failed"], again["known"]), ("halves", show["failed"], 400))

    def test_a_running_job_by_keyboard(self):
        self.serve_tasks()
        self.submit("slow", "sleep_ms", "-j", "1", data=b"400\n" * 300)
        def wait_for_token():  # it is known without the log
            soon = self.get("/v1/jobs/slow?read_ms=0")
            return any("its 1 token is held" in why for why in soon["waits"]) and soon

        soon = wait_until(wait_for_token, 30 * PATIENCE, "it waits for its token")
        self.assertEqual((soon["state"], soon["concurrency"], soon["log_unread"] > 0, "known" in soon), ("running", 1, True, False))
        self.open("#/jobs/slow", "document.querySelector('.state')?.textContent === 'running' && Number(document.querySelector('.tile b')?.textContent) > 3")
        self.browser.wait("[...document.querySelectorAll('.note')].some((n) => n.textContent.includes('its 1 token is held'))", "why it is not faster", 30 * PATIENCE)
        self.why_and_what_runs()
        self.picture("running")
        known = int(self.tiles()["done of 300"])
        self.browser.wait(f"Number(document.querySelector('.tile b').textContent) > {known}", "it moves by itself", 30 * PATIENCE)
        # Pause, and yes: by Tab and Enter alone.
        self.browser.ask("document.activeElement.blur()")
        for _ in range(30):
            self.browser.key("Tab", 9)
            if self.browser.ask("document.activeElement.textContent") == "Pause":
                break
        self.browser.call("Input.dispatchKeyEvent", type="keyDown", key="Enter", code="Enter", windowsVirtualKeyCode=13, text="\r")
        self.browser.wait("document.querySelector('dialog')?.textContent.includes('fanmap pause slow')", "what it would do is said", 10 * PATIENCE)
        self.assertEqual(self.browser.ask("document.activeElement.textContent"), "Leave it")
        self.browser.ask("document.querySelector('dialog button').focus()")
        self.browser.call("Input.dispatchKeyEvent", type="keyDown", key="Enter", code="Enter", windowsVirtualKeyCode=13, text="\r")
        wait_until(lambda: self.show("slow")["state"] == "paused", 30 * PATIENCE, "it is paused")
        self.browser.wait("document.querySelector('.state').textContent === 'paused'", "the page says so", 30 * PATIENCE)
        self.browser.wait("document.activeElement.textContent === 'Resume'", "and what can be done now is at hand", 10 * PATIENCE)
        self.picture("paused")
        # The grid, by arrows.
        self.browser.ask("document.querySelector('canvas').focus()")
        self.browser.key("ArrowRight", 39)
        self.assertIn("item 1: a value", self.browser.text())
        self.browser.call("Input.dispatchKeyEvent", type="keyDown", key="Enter", code="Enter", windowsVirtualKeyCode=13, text="\r")
        self.browser.wait("document.querySelector('dialog')?.textContent.includes('400')", "item 1 is looked at", 20 * PATIENCE)
        self.assertTrue(self.browser.ask("location.hash").endswith("item=1"))
        self.browser.ask("document.querySelector('dialog button').click()")
        self.run_fanmap("set", "slow", "--concurrency", "2")
        self.browser.wait("document.querySelector('.events').textContent.includes('the limit is 2') && document.querySelector('.events').textContent.includes('paused')", "what happened is told", 30 * PATIENCE)
        self.assertEqual([(c["what"], c.get("concurrency")) for c in self.show("slow")["changes"]], [("submitted", None), ("paused", None), ("limit", 2)])
        second = self.worker(tasks=os.path.join(BUILD, "examples", "numbers.so"), slots=1)
        wait_until(lambda: any(e["what"] == "came" and f":{second.pid}" in e["names"] for e in self.get("/v1/events?queue=default")["events"]), 30 * PATIENCE, "the server has seen it")
        self.browser.ask("window.isOld = true; location.reload()")
        self.browser.wait(f"!window.isOld && ['submitted: sleep_ms on queue default', 'paused', 'the limit is 2', ':{second.pid} came'].every((words) => document.querySelector('.events')?.textContent.includes(words))",
                          "what happened before is told too", 30 * PATIENCE)
        self.run_fanmap("cancel", "slow")
        self.browser.wait("document.querySelector('.events').textContent.includes('ended: cancel')", "its end is told", 30 * PATIENCE)
        self.assert_well()

    def test_a_large_job_is_zoomed(self):
        self.serve_tasks()
        self.run_map("square", "--job-id", "large", data=seq(1, 50000) + b'"x"\n' + seq(1, 49999), bound_s=90 * PATIENCE, exit_status=1)
        soon = self.get("/v1/jobs/large?read_ms=0")
        self.assertEqual((soon["state"], soon["known"], soon["failed"], soon["log_unread"]), ("ended", 100000, 1, soon["log_records"]))
        self.open("#/jobs", "document.querySelectorAll('tbody tr').length === 1")
        self.browser.ask("window.before = fetch; window.fetch = (path, ...more) => before(path.replace('read_ms=1000', 'read_ms=0'), ...more)")
        self.browser.ask("location.hash = '#/jobs/large?from=50000&to=50100'")
        self.browser.wait("document.querySelector('.reading')?.textContent.includes('Its log is being read: 0.0 % so far')", "how far it is", 60 * PATIENCE)
        self.browser.wait("document.querySelector('.range')?.textContent.includes('items 50,000 to 50,099')", "the cells come all the same", 60 * PATIENCE)
        self.assertEqual(self.browser.ask("document.querySelector('.state').textContent"), "ended: complete")
        self.browser.ask("window.fetch = before")
        self.browser.wait("document.querySelectorAll('.tile').length === 6 && !document.querySelector('.reading')", "all of it was read", 60 * PATIENCE)
        self.browser.wait("document.querySelector('canvas').getAttribute('aria-label')?.includes('100,000 done, 1 failed')", "the whole job is known", 60 * PATIENCE)
        self.browser.ask("document.querySelector('canvas').focus()")
        self.browser.key("ArrowRight", 39)
        self.browser.key("ArrowLeft", 37)
        self.assertIn("item 50,000: failed", self.browser.text())
        self.browser.key("Escape", 27)
        self.browser.wait("location.hash === '#/jobs/large' && document.querySelector('.range').textContent.includes('items a cell')", "all items", 20 * PATIENCE)
        self.browser.ask("history.back()")
        self.browser.wait("document.querySelector('.range')?.textContent.includes('items 50,000 to 50,099')", "back to what was looked at before", 60 * PATIENCE)
        self.assert_well()

    def test_an_item_with_its_log_and_dead_letters(self):
        go = os.path.join(self.folder, "go")
        worker = self.worker("--exec", f"steps=sh -c 'echo \"one <b>\" >&2; while [ ! -e {go} ]; do sleep 0.1; done; echo two >&2'",
                             "--exec", f"twice=sh -c 'mkdir {self.folder}/$(tr -dc a-z) 2>/dev/null && exit 3; echo ok'", tasks=None, slots=1)
        self.submit("steps", "steps", data=b"1\n")
        self.open("#/jobs/steps?item=0", "document.querySelector('dialog pre.log')?.textContent === 'one <b>\\n'")
        self.browser.wait("document.querySelector('dialog').textContent.includes('has no outcome yet')", "nor outcome", 20 * PATIENCE)
        self.picture("item")
        self.keeps_the_focus()
        open(go, "w").close()
        self.browser.wait("document.querySelector('dialog pre.log').textContent === 'one <b>\\ntwo\\n'", "its log goes on", 30 * PATIENCE)
        self.browser.wait("document.querySelector('dialog dl')?.textContent.includes('value')", "and its outcome comes", 30 * PATIENCE)
        self.browser.ask("document.querySelector('dialog form button').click()")
        self.browser.wait("!document.querySelector('dialog') && location.hash === '#/jobs/steps'", "it is closed", 10 * PATIENCE)
        self.past_attempts(worker)
        worker.signal(signal.SIGTERM)
        self.finish(worker, 40)

        topic = f"{self.namespace}.items.default.steps"
        raw.produce(self.kafka.brokers, topic, 0, [(b"not a job!", b"\xc1junk")])
        self.worker("--exec", "steps=true", tasks=None, slots=1)
        self.browser.ask("location.hash = '#/fleet'")
        self.browser.wait("[...document.querySelectorAll('button')].some((b) => b.textContent === 'Put back')", "the letter is listed", 60 * PATIENCE)
        self.picture("fleet-dead")
        self.browser.ask("[...document.querySelectorAll('button')].find((b) => b.textContent === 'Put back').click()")
        self.browser.wait("document.querySelector('dialog')?.textContent.includes('fanmap dead replay 0')", "what it would do", 10 * PATIENCE)
        self.browser.ask("document.querySelector('dialog button').click()")
        self.browser.wait("document.querySelector('dialog')?.textContent.includes('0 put back, 1 left')", "what came of it", 20 * PATIENCE)
        self.assert_well()

    def keeps_the_focus(self):
        """What is drawn anew does not go from under somebody's keys."""
        self.browser.ask("document.querySelector('dialog form button').click()")
        self.browser.wait("document.querySelector('.running button') !== null", "the item that runs", 30 * PATIENCE)
        self.browser.ask("window.held = document.querySelector('.running button'); held.focus()")
        self.browser.wait("!held.isConnected", "the list is drawn anew", 30 * PATIENCE)
        self.assertEqual(self.browser.ask("document.activeElement.dataset.key"), "runs 0")
        self.browser.ask("document.activeElement.click()")
        self.browser.wait("document.querySelector('dialog pre.log')?.textContent === 'one <b>\\n'", "the item again", 30 * PATIENCE)

    def past_attempts(self, worker):
        """Of an item that failed once: where, when and how each attempt ended; what it was; how long it waited."""
        self.submit("twice", "twice", "--retries", "1", "--backoff", "1ms", data=b'"a<b"\n')
        self.submit("hushed", "twice", "--logs", "off", "--retries", "1", "--backoff", "1ms", data=b'"hush"\n')
        wait_until(lambda: {self.show(job)["state"] for job in ("twice", "hushed")} == {"ended"}, 30 * PATIENCE, "both end")
        listed = json.loads(self.run_fanmap("workers", "--json").out())
        name = f"{listed['host']}:{listed['pid']}"
        table = "[...document.querySelectorAll('dialog tbody tr')].map((r) => [...r.cells].map((c) => c.textContent))"
        self.browser.ask("location.hash = '#/jobs/twice?item=0'")
        self.browser.wait(f"{table}.length === 2", "both attempts", 30 * PATIENCE)
        rows = self.browser.ask(table)
        self.assertEqual([(n, how, where) for n, how, _, _, where in rows], [("1", "exit status 3", name), ("2", "value", name)])
        self.assertEqual(self.browser.ask("document.querySelector('dialog pre.input').textContent"), '"a<b"')
        self.assertIn("It had waited for", self.browser.text())
        self.picture("item-ended")
        self.browser.ask("document.querySelector('dialog form button').click()")
        self.assertEqual(sum(self.show("twice")["waited"]), 1)
        self.browser.wait("document.querySelectorAll('.waited tr').length === 1", "how long it waited", 20 * PATIENCE)
        self.browser.ask("location.hash = '#/jobs/hushed?item=0'")
        self.browser.wait(f"{table}.length === 1 && document.querySelector('dialog').textContent.includes('Of 1 more nothing was kept')", "no logs, no record", 30 * PATIENCE)
        self.browser.ask("document.querySelector('dialog form button').click()")

    def test_a_stream(self):
        source, to = f"{self.namespace}-in", f"{self.namespace}-out"
        for topic in (source, to):
            raw.create_topic(self.kafka.port, topic, 2)
        self.serve_tasks()
        self.start("stream", "echo", "--from", source, "--to", to, *self.connect_args(), "--session-timeout", "10s")

        def is_known():  # of topics that were just made Kafka does not say where they end
            asked = self.start("jobs", "--json", *self.connect_args())
            asked.wait(30)
            return b'"echo"' in asked.out()

        wait_until(is_known, 30 * PATIENCE, "the stream is known", 0.5)
        self.open("#/jobs/echo", f"document.querySelector('.notes')?.textContent.includes('{source}') && document.querySelectorAll('.tile').length === 5")
        wait_until(lambda: (show := self.show("echo")) and self.tiles()["records wait or run"] == str(show["lag"]) and self.tiles()["workers that serve its task"] == str(show["workers"]),
                   30 * PATIENCE, "what show says")
        def lanes_are_told():
            lanes = self.browser.ask("[...document.querySelectorAll('.lanes tbody tr')].map((r) => [...r.cells].map((c) => c.textContent))")
            of = self.show("echo")["stream"]
            return [(n, behind) for n, behind, *_ in lanes] == [(str(lane["partition"]), str(lane["lag"])) for lane in of["lanes"]] and of
        of = wait_until(lanes_are_told, 30 * PATIENCE, "each partition, as show has it")
        self.assertEqual((of["from"], of["to"], of["errors_to"], len(of["lanes"])), (source, to, "", 2))
        self.assertFalse(self.browser.ask("document.querySelector('canvas').checkVisibility()"))
        self.picture("stream")
        self.browser.ask("location.hash = '#/jobs'")
        self.browser.wait("[...document.querySelectorAll('tbody tr')].map((r) => r.cells[5]?.textContent).join() === 'stream'", "its kind is in the list", 30 * PATIENCE)
        self.run_fanmap("cancel", "echo")
        self.assert_well()

    def test_lists(self):
        self.serve_tasks()
        self.open("#/jobs", "document.querySelector('main').textContent.includes('No job is known here yet')")
        self.picture("empty")
        self.submit("one", "square", data=seq(1, 10))
        self.submit("two", "fails", data=seq(1, 10))
        wait_until(lambda: {self.show(job)["state"] for job in ("one", "two")} == {"ended"}, 60 * PATIENCE, "both end")
        self.browser.wait("document.querySelectorAll('tbody tr').length === 2 && [...document.querySelectorAll('.state')].every((s) => s.textContent === 'ended: complete')", "both are listed, and counted", 30 * PATIENCE)
        self.picture("jobs")
        self.browser.ask("(() => { const f = document.querySelector('input[type=search]'); f.value = 'fails'; f.dispatchEvent(new Event('input')); })()")
        self.assertEqual(self.browser.ask("[...document.querySelectorAll('tbody a')].map((a) => a.textContent)"), ["two"])
        self.assertEqual(self.browser.ask("location.hash"), "#/jobs?q=fails")
        self.submit("naps", "sleep_ms", data=b"600000\n" * 6)
        wait_until(lambda: self.get("/v1/workers")["workers"][0]["runnable"].startswith("sleep_ms/4/"), 30 * PATIENCE, "two run and four wait")
        self.browser.ask("location.hash = '#/fleet'")
        self.browser.wait("document.querySelectorAll('.workers tbody tr').length === 1 && document.querySelector('.tile b').textContent === '1'", "the worker is listed", 30 * PATIENCE)
        queue = "[...document.querySelectorAll('.queues tbody tr')].map((row) => [...row.cells].map((c) => c.textContent).slice(0, 4).join())"
        self.browser.wait(f"{queue}.length === 1 && {queue}[0] === 'default,sleep_ms,1,4'", "the queue in which items wait", 30 * PATIENCE)
        self.browser.wait("document.querySelectorAll('.workers .runs a').length === 2", "all that runs is listed", 30 * PATIENCE)
        self.assertIn("more tasks nothing waits for a slot", self.browser.text())
        self.browser.wait("document.querySelector('.shares tbody tr')?.cells[2].textContent === '2 (100 %)'", "the job that runs, with its share", 60 * PATIENCE)
        self.picture("fleet")
        self.run_fanmap("cancel", "naps")
        self.browser.ask("location.hash = '#/jobs/naps'")
        self.browser.wait("document.querySelector('.state')?.textContent === 'ended: cancel' && document.querySelectorAll('canvas').length === 1 && document.querySelector('.groups b')?.textContent === '6'", "it was cancelled", 60 * PATIENCE)
        show, tiles = self.show("naps"), self.tiles()
        self.assertEqual((tiles["done of 6"], tiles["failed"], tiles["cancelled"]), (str(show["known"]), str(show["failed"]), str(show["kinds"]["cancelled"])))
        self.assertEqual(sum(n for _, n in self.sum()), 6)
        self.picture("cancelled")
        self.submit("three", "fails", "-j", "1", data=b"7\n" * 3 + b"8\n" * 20000)  # which does not end by itself before it was looked at
        self.browser.ask("location.hash = '#/jobs/three'")
        self.browser.wait("document.querySelector('.groups .cancel')?.textContent.includes('its 3 items have ended')", "nothing is left to cancel of a group", 30 * PATIENCE)
        self.run_fanmap("cancel", "three")
        self.browser.ask("location.hash = '#/jobs/none'")
        self.browser.wait("document.querySelector('main').textContent.includes('there is no job none')", "no such job", 30 * PATIENCE)
        self.assertEqual([p for p in self.browser.problems() if "404" not in p], [])

    def test_without_the_token_and_without_the_server(self):
        self.browser.open(self.address + "/")
        self.browser.wait("document.querySelector('h1')?.textContent === 'Who are you?'", "the token is asked for", 30 * PATIENCE)
        self.picture("token")
        self.browser.ask("document.querySelector('input').value = 'half of'")
        self.browser.ask("new Promise((r) => setTimeout(r, 4000))")  # what must not happen has no event of its own
        self.assertEqual(self.browser.ask("document.querySelector('input').value"), "half of")
        self.browser.ask(f"document.querySelector('input').value = '{self.token}'; document.querySelector('form button').click()")
        self.browser.wait("document.querySelector('h1')?.textContent === 'Jobs'", "the jobs", 30 * PATIENCE)
        self.server.kill()
        self.browser.wait("document.getElementById('link').textContent === 'Not up to date: fanmap serve does not answer'", "it says that it is not up to date", 30 * PATIENCE)
