"""Chromium without a window, driven over a pipe by its own protocol: pages are opened, asked, clicked, and looked at."""
import base64
import json
import os
import shutil
import subprocess
import time

from services import die_with_parent, wait_until


class PageError(RuntimeError):
    """The page threw an exception, or is just being loaded."""


class Browser:
    """One tab. `folder` holds its profile."""

    def __init__(self, folder, width=1280, height=900):
        to_child, self.write_fd = os.pipe()
        self.read_fd, from_child = os.pipe()
        for fd in (to_child, from_child):
            os.set_inheritable(fd, True)

        def with_descriptors():
            os.dup2(to_child, 3)
            os.dup2(from_child, 4)
            die_with_parent()

        command = [shutil.which("chromium"), "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars",
                   "--disable-background-networking", "--no-first-run", "--remote-debugging-pipe", f"--user-data-dir={folder}", "about:blank"]
        self.process = subprocess.Popen(command, close_fds=False,
                                        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, preexec_fn=with_descriptors)
        os.close(to_child)
        os.close(from_child)
        self.number, self.buffer, self.session, self.events = 0, b"", None, []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(domain + ".enable")
        self.size(width, height)

    def _read(self):
        while b"\0" not in self.buffer:
            more = os.read(self.read_fd, 1 << 20)
            if not more:
                raise RuntimeError("the browser has gone")
            self.buffer += more
        message, self.buffer = self.buffer.split(b"\0", 1)
        return json.loads(message)

    def call(self, method, **params):
        self.number += 1
        message = {"id": self.number, "method": method, "params": params}
        if self.session:
            message["sessionId"] = self.session
        os.write(self.write_fd, json.dumps(message).encode() + b"\0")
        while True:
            got = self._read()
            if got.get("id") == self.number:
                if "error" in got:
                    raise PageError(f"{method}: {got['error']}")
                return got["result"]
            if "method" in got:
                self.events.append(got)

    def size(self, width, height, dark=False):
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}])

    def open(self, url):
        self.call("Page.navigate", url=url)

    def ask(self, expression):
        """The value of a JavaScript expression in the page."""
        got = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in got:
            raise PageError(got["exceptionDetails"].get("exception", {}).get("description", got["exceptionDetails"]["text"]))
        return got["result"].get("value")

    def wait(self, expression, what, bound_s=90):
        """Until it holds; what it asks about need not be there yet."""
        thrown = [None]

        def holds():
            try:
                return self.ask(expression)
            except PageError as e:
                thrown[0] = e
                return None
        try:
            return wait_until(holds, bound_s, what, 0.1)
        except TimeoutError as e:
            raise TimeoutError(f"{e} ({thrown[0]}); the page says: {self.text()[-1500:]} {self.problems()}") from None

    def text(self):
        return self.ask("document.body.innerText")

    def key(self, key, code=0):
        for kind in ("keyDown", "keyUp"):
            self.call("Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=code)

    def picture(self, path):
        height = self.ask("document.documentElement.scrollHeight")
        width = self.ask("innerWidth")
        got = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=True, clip={"x": 0, "y": 0, "width": width, "height": height, "scale": 1})
        with open(path, "wb") as f:
            f.write(base64.b64decode(got["data"]))

    def problems(self):
        """What the page complained of: exceptions, refused loads, policy violations."""
        out = []
        for event in self.events:
            if event["method"] == "Runtime.exceptionThrown":
                out.append(event["params"]["exceptionDetails"].get("exception", {}).get("description", "exception"))
            if event["method"] == "Log.entryAdded" and event["params"]["entry"]["level"] == "error":
                out.append(event["params"]["entry"]["text"] + " " + event["params"]["entry"].get("url", ""))
        return out

    def hosts(self):
        """Whom requests went to."""
        urls = [event["params"]["request"]["url"] for event in self.events if event["method"] == "Network.requestWillBeSent"]
        return {url.split("/")[2] for url in urls if url.startswith("http")}

    def end(self):
        self.process.kill()
        self.process.wait()
        os.close(self.write_fd)
        os.close(self.read_fd)
