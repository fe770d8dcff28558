"""What the tests of the page share: a fleet, `fanmap serve`, a browser that looks at it, and pictures of what it shows."""
import json
import os
import shutil
import unittest
import urllib.request

from browser import Browser
from fleet import BUILD, PATIENCE, Case, wait_until

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

# What a finger cannot hit (WCAG 2.2: 24 px), and on a narrow page what is cut off and can only be scrolled to.
SMALL = """
[...document.querySelectorAll("button, select, summary, input:not([type=checkbox])")].filter((e) => e.checkVisibility() && e.getBoundingClientRect().height < 24).map((e) => e.outerHTML.slice(0, 80))
"""
CUT = "[...document.querySelectorAll('.scroll')].filter((e) => e.scrollWidth > e.clientWidth + 1).map((e) => e.textContent.slice(0, 80))"


@unittest.skipUnless(shutil.which("chromium") or os.environ.get("CI"), "chromium is missing")
class PageCase(Case):
    bound_s = 240
    serve_args = ()

    def setUp(self):
        super().setUp()
        self.on_fleet()
        with open(os.path.join(self.folder, "evil"), "w") as f:
            f.write(EVIL)
        self.serve("127.0.0.1:0")
        with open(os.path.join(self.folder, "token")) as f:
            self.token = f.read().split("submit ")[1].strip()
        self.browser = Browser(os.path.join(self.folder, "profile"))
        self.addCleanup(self.browser.end)

    def serve(self, listen):
        self.server = self.start("serve", "--listen", listen, "--token-file", os.path.join(self.folder, "token"), *self.serve_args, *self.connect_args())
        line = wait_until(lambda: [l for l in self.server.err().splitlines() if "serves at" in l], 20 * PATIENCE, "the server listens")[0]
        self.address = line.split("serves at ")[1]

    def serve_tasks(self):
        return self.worker("--exec", FAILING.replace("EVIL", os.path.join(self.folder, "evil")), tasks=os.path.join(BUILD, "examples", "numbers.so"), slots=2)

    def submit(self, job, task, *args, data):
        self.run_map(task, "--job-id", job, "--detach", *args, data=data)

    def show(self, job):
        return json.loads(self.run_fanmap("show", job, "--json").out())

    def get(self, path):
        with urllib.request.urlopen(urllib.request.Request(self.address + path, headers={"Authorization": f"Bearer {self.token}"}), timeout=30) as reply:
            return json.loads(reply.read())

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

    def picture(self, name):
        """At three widths, light and dark: nothing stands over the edge, and all of it can be read."""
        folder = os.environ.get("FANMAP_PICTURES")
        for width, dark in ((360, False), (2560, False), (1024, False), (1024, True), *([(360, True), (2560, True)] if folder else [])):
            self.browser.size(width, 900, dark)
            # what is drawn anew is so with the next frame, and nothing moves behind that
            self.browser.ask("new Promise((r) => requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(r, 100))))")
            self.assertLessEqual(self.browser.ask("document.documentElement.scrollWidth"), width, f"{name} at {width}")
            if folder:
                self.browser.picture(os.path.join(folder, f"{name}{'-dark' if dark else ''}-{width}.png"))
            self.assertEqual(self.browser.ask(SMALL), [], f"{name} at {width}")
            self.assertEqual(self.browser.ask(CUT) if width == 360 else [], [], f"{name} at {width}")
            self.assertEqual(self.browser.ask(CONTRAST), [], f"{name} at {width}, {'dark' if dark else 'light'}")
        self.browser.size(1280, 900)

    def assert_well(self):
        self.assertEqual(self.browser.problems(), [])
        self.assertEqual(self.browser.hosts(), {self.address.split("//")[1]})
