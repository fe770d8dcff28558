#!/usr/bin/python3
"""proxy.py LISTEN_PORT TARGET_PORT: a TCP proxy on loopback that can be made bad. Commands, one a line on stdin, each
answered by `ok` on stdout:

    open        forward at once, both ways (how it starts)
    delay MS    forward everything MS milliseconds late, both ways, in order
    hold        half open: connections stay and new ones are accepted, and nothing is forwarded; `open` sends what was held
    cut         close every connection with a reset, and refuse new ones until `open`

Ends when stdin closes.
"""
import collections
import heapq
import selectors
import socket
import struct
import sys
import time

CHUNK = 1 << 16
PENDING_MAX = 8 << 20  # held bytes a direction before the sender is no longer read: then it feels it


class Pipe:
    """One direction of one connection."""

    def __init__(self, proxy, source, sink):
        self.proxy, self.source, self.sink = proxy, source, sink
        self.pending = collections.deque()  # (due, bytes)
        self.size = 0
        self.ended = self.shut = False

    def take(self):
        try:
            data = self.source.recv(CHUNK)
        except BlockingIOError:
            return True
        except OSError:
            return False
        self.pending.append((time.monotonic() + self.proxy.delay_s, data))
        self.size += len(data)
        self.ended = not data
        return True

    def give(self, now):
        """Sends what is due; returns when to come again, None for never, False when the other side is gone."""
        while self.pending and not self.proxy.held:
            due, data = self.pending[0]
            if due > now:
                return due
            if not data:
                self.pending.popleft()
                self.shut = True
                try:
                    self.sink.shutdown(socket.SHUT_WR)
                except OSError:
                    return False
                continue
            try:
                sent = self.sink.send(data)
            except BlockingIOError:
                return now + 0.005
            except OSError:
                return False
            self.size -= sent
            if sent == len(data):
                self.pending.popleft()
            else:
                self.pending[0] = (due, data[sent:])
        return None


class Proxy:
    def __init__(self, port, target):
        self.port, self.target = port, target
        self.delay_s, self.held, self.listener = 0.0, False, None
        self.selector = selectors.DefaultSelector()
        self.pipes = {}  # socket -> (pipe out of it, pipe into it)
        self.selector.register(sys.stdin.fileno(), selectors.EVENT_READ)
        self.timers, self.count = [], 0
        self.text = b""

    def listen(self):
        if self.listener is None:
            self.listener = socket.socket()
            self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self.listener.bind(("127.0.0.1", self.port))
            self.listener.listen(64)
            self.selector.register(self.listener, selectors.EVENT_READ)

    def accept(self):
        client, _ = self.listener.accept()
        server = socket.socket()
        try:
            server.connect(("127.0.0.1", self.target))
        except OSError:
            self.reset(client)
            return
        one, two = Pipe(self, client, server), Pipe(self, server, client)
        for s, pair in ((client, (one, two)), (server, (two, one))):
            s.setblocking(False)
            s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.pipes[s] = pair
            self.selector.register(s, selectors.EVENT_READ)

    @staticmethod
    def reset(s):
        s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        s.close()

    def drop(self, s):
        pair = self.pipes.get(s)
        for end in (pair[0].source, pair[0].sink) if pair else ():
            if self.pipes.pop(end, None):
                try:
                    self.selector.unregister(end)
                except KeyError:
                    pass
                self.reset(end)

    def flush(self, pipe):
        if pipe.source not in self.pipes:
            return
        again = pipe.give(time.monotonic())
        if again is False or (pipe.shut and self.pipes[pipe.source][1].shut):
            self.drop(pipe.source)
        elif again is not None:
            self.count += 1
            heapq.heappush(self.timers, (again, self.count, pipe))

    def readable(self, s):
        pipe = self.pipes[s][0]
        if pipe.size > PENDING_MAX:
            time.sleep(0.001)
            return
        if not pipe.take():
            self.drop(s)
            return
        if pipe.ended:
            self.selector.unregister(s)
        self.flush(pipe)

    def command(self, words):
        if words[0] == "cut":
            if self.listener is not None:
                self.selector.unregister(self.listener)
                self.listener.close()
                self.listener = None
            for s in list(self.pipes):
                self.drop(s)
        elif words[0] == "hold":
            self.held = True
        elif words[0] == "delay":
            self.delay_s = float(words[1]) / 1000
        elif words[0] == "open":
            self.held, self.delay_s = False, 0.0
            self.listen()
        else:
            print("what?", flush=True)
            return
        for pair in list(self.pipes.values()):
            self.flush(pair[0])
        print("ok", flush=True)

    def stdin(self):
        data = sys.stdin.buffer.raw.read(4096)
        self.text += data or b""
        *lines, self.text = self.text.split(b"\n")
        for line in lines:
            self.command(line.decode().split())
        return bool(data)

    def run(self):
        self.listen()
        print("ok", flush=True)
        while True:
            wait = max(0, self.timers[0][0] - time.monotonic()) if self.timers else None
            for key, _ in self.selector.select(wait):
                if key.fileobj is self.listener:
                    self.accept()
                elif key.fileobj == sys.stdin.fileno():
                    if not self.stdin():
                        return
                elif key.fileobj in self.pipes:
                    self.readable(key.fileobj)
            while self.timers and self.timers[0][0] <= time.monotonic():
                self.flush(heapq.heappop(self.timers)[2])


if __name__ == "__main__":
    Proxy(int(sys.argv[1]), int(sys.argv[2])).run()
