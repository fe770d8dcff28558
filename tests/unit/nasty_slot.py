#!/usr/bin/env python3
"""A program that speaks the slot protocol by hand, and breaks it where an item (a string) says so. The first argument is
how it starts, the second its encoding: json, msgpack, or stdio (JSON on stdin and stdout)."""
import json
import os
import signal
import socket
import struct
import subprocess
import sys
import time

how, encoding = (sys.argv[1:] + ["well", "json"][len(sys.argv) - 1:])[:2]

AHEAD = ("ahead", "hasty", "deafened")  # as it should; without permits; whatever the permit says


def pack(x):
    if x is None or isinstance(x, bool):
        return {None: b"\xc0", True: b"\xc3", False: b"\xc2"}[x]
    if isinstance(x, int):
        return struct.pack(">BI", 0xCE, x)
    if isinstance(x, str):
        return struct.pack(">BI", 0xDB, len(x.encode())) + x.encode()
    if isinstance(x, bytes):
        return struct.pack(">BI", 0xC6, len(x)) + x
    return struct.pack(">BH", 0xDC, len(x)) + b"".join(map(pack, x))


class Slot:
    def __init__(self):
        if encoding == "stdio":
            self.fd_in, self.fd_out = 0, 1
        else:
            self.fd_in = self.fd_out = int(os.environ["FANMAP_SLOT_FD"])
        self.have = b""
        self.runs, self.told = [], 0

    def raw(self, data):
        while data:
            data = data[os.write(self.fd_out, data):]

    def line(self, **message):
        self.raw(json.dumps(message).encode() + b"\n")

    def frame(self, *fields):
        payload = pack(list(fields))
        self.raw(struct.pack("<I", len(payload)) + payload)

    def hello(self, v=1, tasks=("nasty", "other")):
        if encoding == "msgpack":
            self.frame(1, v, "msgpack", list(tasks))
        elif how in AHEAD:
            self.line(type="hello", v=v, encoding="json", tasks=list(tasks), ahead=64, calls=["nasty"])
        else:
            self.line(type="hello", v=v, encoding="json", tasks=list(tasks))

    def ready(self):
        self.frame(2) if encoding == "msgpack" else self.line(type="ready")

    def value(self, n, value):
        self.frame(3, n, False, 0, 0, value) if encoding == "msgpack" else self.line(type="done", n=n, value=value)

    def error(self, n, kind, message, final, report=""):
        if encoding == "msgpack":
            self.frame(3, n, final, 1, 0, kind, message, *([0, 0, report] if report else []))
        else:
            self.line(type="done", n=n, error={"type": kind, "message": message, "final": final, "stderr": report})

    def take(self, n):
        while len(self.have) < n:
            more = os.read(self.fd_in, 65536)
            if not more:
                sys.exit(0)
            self.have += more
        got, self.have = self.have[:n], self.have[n:]
        return got

    def next(self):
        while how in AHEAD and self.runs:
            n, _index, _attempt, _fence, _deadline_ms, item = self.runs.pop(0)
            permit = b"g" if how == "hasty" else os.read(int(os.environ["FANMAP_SLOT_GO"]), 1)
            if permit == b"g" or how == "deafened":
                return "run", n, item
        return self.read()

    def read(self):
        """(type, n or task, item)"""
        if encoding == "msgpack":
            payload = self.take(struct.unpack("<I", self.take(4))[0])
            kind = payload[1]
            if kind != 5:
                return ({4: "job", 6: "cancel", 7: "bye"}[kind], None, None)
            head = payload[2]  # n: fixint or uint8..32
            size = {0xCC: 1, 0xCD: 2, 0xCE: 4}.get(head, 0)
            n = int.from_bytes(payload[3:3 + size], "big") if size else head
            text = payload[-40:]
            at = max(text.rfind(b"\xff" + bytes([0xA0 | k])) for k in range(32))
            return "run", n, text[at + 2:].decode()
        while b"\n" not in self.have:
            more = os.read(self.fd_in, 65536)
            if not more:
                sys.exit(0)
            self.have += more
        line, self.have = self.have.split(b"\n", 1)
        message = json.loads(line)
        if message["type"] == "job":
            self.job = message
        if message.get("call"):
            answer_call([(run[0], run[5]) for run in message["runs"]])
            return self.next()
        if message["type"] == "run_batch":
            self.runs, self.told = message["runs"], len(message["runs"])
            return self.next()
        return message["type"], message.get("n"), message.get("in")


slot = Slot()


def start():
    if how == "silent":
        time.sleep(600)
    if how == "die":
        print("no such model", file=sys.stderr)
        sys.exit(9)
    if how == "future":
        slot.hello(v=2)
        time.sleep(600)
    if how == "garbage":
        slot.raw(b"hello, worker\n")
        time.sleep(600)
    if how == "never ready":
        slot.hello()
        time.sleep(600)
    if how == "unasked":
        slot.hello()
        slot.value(0, 1)
        time.sleep(600)
    if how == "deaf":
        slot.hello()
        slot.ready()
        sys.exit(0)
    if how == "chatty" and encoding != "stdio":
        print("{\"type\": starting up", flush=True)
    slot.hello(tasks=["elsewhere"] if how == "elsewhere" else ["nasty", "other"])
    slot.ready()


def leave_daemon():
    subprocess.Popen(["sleep", "600"], start_new_session=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                     stderr=subprocess.DEVNULL, close_fds=True)


def misbehave(n, item):
    """True when the item was answered."""
    if item == "bad json":
        slot.raw(b'{"type":"done","n":%d,"value":nope}\n' % n)
    elif item == "twice":
        text = b'{"type":"done","n":%d,"value":1}\n' % n
        slot.raw(text + text)
    elif item == "other n":
        slot.value(n + 1, 1)
    elif item == "earlier n":
        slot.value(n - 1 if n else 77, 1)
    elif item == "no n":
        slot.raw(b'{"type":"done","value":1}\n')
    elif item == "both":
        slot.raw(b'{"type":"done","n":%d,"value":1,"error":{"message":""}}\n' % n)
    elif item == "nothing":
        slot.raw(b'{"type":"done","n":%d}\n' % n)
    elif item == "unknown type":
        slot.raw(b'{"type":"dance","n":%d}\n' % n)
    elif item == "hello again":
        slot.hello()
    elif item == "not utf-8":
        slot.raw(b'{"type":"done","n":%d,"value":"\xff"}\n' % n)
    elif item == "endless line":
        while True:
            slot.raw(b'"' + b"x" * 65535)
    elif item == "huge frame":
        slot.raw(struct.pack("<I", 0x7fffffff))
    elif item == "bad frame":
        slot.raw(struct.pack("<I", 3) + b"\xc1\xc1\xc1")
    elif item == "bad kind":
        slot.frame(3, n, False, 7, 0, "x", "y")
    elif item == "close":
        if encoding == "stdio":
            os.close(0)
        os.close(slot.fd_out)
    elif item == "exit":
        print("going", file=sys.stderr, flush=True)
        os._exit(3)
    elif item == "segfault":
        os.kill(os.getpid(), signal.SIGSEGV)
    elif item == "kill parent":
        os.kill(os.getppid(), signal.SIGKILL)
    elif item == "stop":
        os.kill(os.getpid(), signal.SIGSTOP)
    elif item == "stubborn":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    elif item == "daemon":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        leave_daemon()
    elif item == "polite":
        signal.signal(signal.SIGTERM, lambda *a: None)
        print("waiting", file=sys.stderr, flush=True)
        kind, k, _ = slot.next()
        print(f"{kind} {k == n}", file=sys.stderr, flush=True)
        slot.value(n, "late")
    else:
        return False
    time.sleep(600)
    return True


def answer_call(runs):
    """All in one write, as a library does it. "whole" fails the call; "exit" ends the program."""
    text = b""
    for n, item in runs:
        if item == "exit":
            os._exit(3)
        if item == "whole":
            text = b'{"type":"done","n":%d,"error":{"message":"one of them","whole":true}}\n' % runs[0][0]
            break
        text += json.dumps({"type": "done", "n": n, "value": [item, len(runs)]}).encode() + b"\n"
    slot.raw(text)


def answer(n, item):
    if item == "fail":
        print("so sad", file=sys.stderr, flush=True)
        slot.error(n, "ValueError", "no good", False)
    elif item == "fail for good":
        slot.error(n, "TypeError", "never", True, report="Traceback: " + 1000 * "it says " + "why\n")
    elif item == "large":
        slot.value(n, "x" * ((1 << 20) + 1))
    elif item == "flood":
        for _ in range(64):
            os.write(1 if encoding != "stdio" else 2, b"stray " * 8192)
            os.write(2, b"\xff\xfe noise\n" * 4096)
        slot.value(n, item)
    elif item == "print":
        os.write(2 if encoding == "stdio" else 1, b"a stray line\n")
        slot.value(n, item)
    elif item == "answer and die":
        slot.value(n, item)
        os._exit(4)
    elif item == "answer and leave":
        slot.value(n, item)
        sys.exit(0)
    elif item == "answer, then talk":
        slot.value(n, item)
        slot.raw(b"and another thing\n" if encoding != "msgpack" else b"\xff\xff\xff\xff")
    elif item == "job":
        slot.value(n, slot.job)
    elif item == "told":
        slot.value(n, slot.told)
    elif item in ("nap", "wink"):
        time.sleep(2 if item == "nap" else 0.05)
        slot.value(n, item)
    elif item == "say":
        print("it began", file=sys.stderr, flush=True)
        slot.value(n, item)
    else:
        slot.value(n, item)


start()
while True:
    kind, n, item = slot.next()
    if how == "double" and kind == "run":
        slot.raw(b'{"type":"done","n":%d,"value":1}\n' % n * 2)
        continue
    if how == "confused" and kind == "run":
        slot.value(n - 1, 1)
        continue
    if how == "lost" and kind == "run":
        slot.raw(b"yes\n")
        continue
    if how == "talker" and kind == "cancel":
        slot.ready()
    if how == "grumpy" and kind == "bye":
        sys.exit(3)
    if how == "stayer" and kind == "bye":
        time.sleep(600)
    if kind == "bye":
        time.sleep(0.05)
        print("farewell", file=sys.stderr)
        break
    if kind == "run" and not (isinstance(item, str) and misbehave(n, item)):
        answer(n, item)
