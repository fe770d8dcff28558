"""The page of `fanmap serve`, in a browser: each view against a real fleet, its numbers beside those of `show --json`; by keyboard alone;
at three widths, light and dark; and what tasks and messages say stays text. Pictures are made on the way, into FANMAP_PICTURES if that
names a folder."""
import json
import os
import shutil
import unittest

from browser import Browser
from fleet import BUILD, PATIENCE, Case, seq, wait_until

EVIL = '<img src=x onerror="document.title=`broken in`"><script>document.title="broken in"</script>'
FAILING = ("fails=sh -c \"n=$(cat); [ $((n % 7)) != 0 ] || { echo \\\"cannot divide $n by seven\\\" >&2; exit 3; }; "
           "[ $((n % 11)) != 0 ] || { cat EVIL >&2; exit 4; }; echo $n\"")

# Contrast of every text on the page against what is behind it (WCAG 2: 4.5, large text 3).
CONTRAST = """
(() => {
  const parse = (c) => { const m = c.match(/[\\d.]+/g).map(Number); return m.length < 4 ? [...m, 1] : m; };
  const light = (c) => { const [r, g, b] = c.map((v) => (v /= 255, v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)); return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
  const behind = (e) => { for (; e; e = e.parentElement) { const c = parse(getComputedStyle(e).backgroundColor); if (c[3] > 0) return c; } return [255, 255, 255]; };
  const bad = [];
  for (const e of document.body.querySelectorAll("*")) {
    if (![...e.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim()) || e.disabled || e.closest("noscript")) continue;
    const s = getComputedStyle(e), a = light(parse(s.color).slice(0, 3)), b = light(behind(e).slice(0, 3));
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05), size = parseFloat(s.fontSize);
    if (ratio < (size >= 24 || (size >= 18.66 && s.fontWeight >= 700) ? 3 : 4.5)) bad.push(`${e.tagName} "${e.textContent.slice(0, 30)}" ${ratio.toFixed(2)}`);
  }
  return bad;
})()
"""


@unittest.skipUnless(shutil.which("chromium") or os.environ.get("CI"), "chromium is missing")
class Page(Case):
    bound_s = 240

    def setUp(self):
        super().setUp()
        self.on_fleet()
        with open(os.path.join(self.folder, "evil"), "w") as f:
            f.write(EVIL)
        self.server = self.start("serve", "--listen", "127.0.0.1:0", "--token-file", os.path.join(self.folder, "token"), *self.connect_args())
        line = wait_until(lambda: [l for l in self.server.err().splitlines() if "serves at" in l], 20 * PATIENCE, "the server listens")[0]
        self.address = line.split("serves at ")[1]
        with open(os.path.join(self.folder, "token")) as f:
            self.token = f.read().split("submit ")[1].strip()
        self.browser = Browser(os.path.join(self.folder, "profile"))
        self.addCleanup(self.browser.end)

    def serve_tasks(self):
        return self.worker("--exec", FAILING.replace("EVIL", os.path.join(self.folder, "evil")), tasks=os.path.join(BUILD, "examples", "numbers.so"), slots=2)

    def submit(self, job, task, *args, data):
        self.run_map(task, "--job-id", job, "--detach", *args, data=data)

    def show(self, job):
        return json.loads(self.run_fanmap("show", job, "--json").out())

    def open(self, view, ready):
        self.browser.open(f"{self.address}/#token={self.token}")
        self.browser.wait("document.querySelector('h1')?.textContent === 'Jobs'", "the page opens", 30 * PATIENCE)
        self.browser.ask(f"location.hash = {json.dumps(view)}")
        try:
            self.browser.wait(ready, f"{view}: {ready}", 60 * PATIENCE)
        except TimeoutError as e:
            raise TimeoutError(f"{e}; the page says: {self.browser.text()[:1000]} {self.browser.problems()}") from None

    def tiles(self):
        return self.browser.ask("Object.fromEntries([...document.querySelectorAll('.tile')].map((t) => [t.lastChild.textContent, t.firstChild.textContent]))")

    def picture(self, name, dark=False):
        """At three widths, and nothing stands over the edge."""
        for width in (360, 1280, 2560):
            self.browser.size(width, 900, dark)
            self.browser.ask("new Promise((r) => setTimeout(r, 100))")
            self.assertLessEqual(self.browser.ask("document.documentElement.scrollWidth"), width, f"{name} at {width}")
            self.browser.picture(os.path.join(os.environ.get("FANMAP_PICTURES") or self.folder, f"{name}-{width}.png"))
        self.assertEqual(self.browser.ask(CONTRAST), [], name)
        self.browser.size(1280, 900)

    def assert_well(self):
        self.assertEqual(self.browser.problems(), [])
        self.assertEqual(self.browser.hosts(), {self.address.split("//")[1]})

    def test_failures_in_groups_and_nothing_breaks_in(self):
        self.serve_tasks()
        self.submit("halves", "fails", data=seq(1, 400))
        wait_until(lambda: self.show("halves")["state"] == "ended", 60 * PATIENCE, "the job ends")
        self.open("#/jobs/halves", "document.querySelectorAll('.groups details').length === 2 && document.querySelectorAll('.tile').length > 0")
        show, tiles = self.show("halves"), self.tiles()
        self.assertEqual((tiles["done of 400"], tiles["failed"], tiles["values"]), ("400", str(show["failed"]), str(show["kinds"]["value"])))
        groups = self.browser.ask("[...document.querySelectorAll('.groups summary')].map((s) => s.textContent)")
        self.assertEqual(groups[0], f"{400 // 7} exit: cannot divide N by seven")
        self.assertTrue(groups[1].startswith("31 exit: <img src="), groups[1])
        self.browser.ask("document.querySelectorAll('.groups details').forEach((d) => { d.open = true; })")
        self.assertEqual(self.browser.ask("document.querySelectorAll('main img, main script').length"), 0)
        self.picture("failures")
        self.picture("failures-dark", dark=True)
        # an item, looked at: its sample's button
        self.browser.ask("document.querySelector('.groups button').click()")
        self.browser.wait("document.querySelector('dialog')?.textContent.includes('cannot divide 7 by seven')", "the item's error", 20 * PATIENCE)
        self.assertEqual(self.browser.ask("document.title"), "fanmap")
        self.assert_well()

    def test_a_running_job_by_keyboard(self):
        self.serve_tasks()
        self.submit("slow", "sleep_ms", "-j", "1", data=b"400\n" * 300)
        self.open("#/jobs/slow", "document.querySelector('.state')?.textContent === 'running' && Number(document.querySelector('.tile b')?.textContent) > 3")
        self.browser.wait("[...document.querySelectorAll('.note')].some((n) => n.textContent.includes('all 1 tokens are held'))", "why it is not faster", 30 * PATIENCE)
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
        self.picture("paused")
        # The grid, by arrows.
        self.browser.ask("document.querySelector('canvas').focus()")
        self.browser.key("ArrowRight", 39)
        self.assertIn("item 1: a value", self.browser.text())
        self.browser.call("Input.dispatchKeyEvent", type="keyDown", key="Enter", code="Enter", windowsVirtualKeyCode=13, text="\r")
        self.browser.wait("document.querySelector('dialog')?.textContent.includes('400')", "item 1 is looked at", 20 * PATIENCE)
        self.run_fanmap("cancel", "slow")
        self.assert_well()

    def test_a_large_job_is_zoomed(self):
        self.serve_tasks()
        self.submit("large", "square", data=seq(1, 50000) + b'"x"\n' + seq(1, 49999))
        wait_until(lambda: self.show("large")["state"] == "ended", 90 * PATIENCE, "the job ends")
        self.open("#/jobs/large?from=50000&to=50100", "document.querySelector('.range')?.textContent.includes('items 50,000 to 50,099')")
        self.browser.wait("document.querySelector('canvas').getAttribute('aria-label')?.includes('100,000 done, 1 failed')", "the whole job is known", 60 * PATIENCE)
        self.browser.ask("document.querySelector('canvas').focus()")
        self.browser.key("ArrowRight", 39)
        self.browser.key("ArrowLeft", 37)
        self.assertIn("item 50,000: failed", self.browser.text())
        self.assert_well()

    def test_lists(self):
        self.serve_tasks()
        self.open("#/jobs", "document.querySelector('main').textContent.includes('No job is known here yet')")
        self.picture("empty")
        self.submit("one", "square", data=seq(1, 10))
        self.submit("two", "fails", data=seq(1, 10))
        wait_until(lambda: {self.show(job)["state"] for job in ("one", "two")} == {"ended"}, 60 * PATIENCE, "both end")
        self.browser.wait("document.querySelectorAll('tbody tr').length === 2", "both are listed", 30 * PATIENCE)
        self.picture("jobs")
        self.browser.ask("(() => { const f = document.querySelector('input[type=search]'); f.value = 'fails'; f.dispatchEvent(new Event('input')); })()")
        self.assertEqual(self.browser.ask("[...document.querySelectorAll('tbody a')].map((a) => a.textContent)"), ["two"])
        self.assertEqual(self.browser.ask("location.hash"), "#/jobs?q=fails")
        self.browser.ask("location.hash = '#/fleet'")
        self.browser.wait("document.querySelectorAll('tbody tr').length === 1 && document.querySelector('.tile b').textContent === '1'", "the worker is listed", 30 * PATIENCE)
        self.picture("fleet")
        self.browser.ask("location.hash = '#/jobs/none'")
        self.browser.wait("document.querySelector('main').textContent.includes('there is no job none')", "no such job", 30 * PATIENCE)
        self.assertEqual([p for p in self.browser.problems() if "404" not in p], [])

    def test_without_the_token_and_without_the_server(self):
        self.browser.open(self.address + "/")
        self.browser.wait("document.querySelector('h1')?.textContent === 'Who are you?'", "the token is asked for", 30 * PATIENCE)
        self.picture("token")
        self.browser.ask(f"document.querySelector('input').value = '{self.token}'; document.querySelector('form button').click()")
        self.browser.wait("document.querySelector('h1')?.textContent === 'Jobs'", "the jobs", 30 * PATIENCE)
        self.server.kill()
        self.browser.wait("document.getElementById('link').textContent.startsWith('Not up to date')", "it says that it is not up to date", 30 * PATIENCE)
