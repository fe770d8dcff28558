#!/usr/bin/python3
"""A real Kafka (one KRaft node) and a real Redis as child processes on loopback, with their data in a folder of ours.

The tests use the classes. `./dev up` and `./dev down` use the command line below, which starts the same processes
so that they outlive it, and ends them by the ids it wrote down.

    services.py up DIR [--bench]     start what is not running, wait until both answer, print the exports
    services.py down DIR             end them and remove DIR
    services.py archive FILE         make Kafka's class-data archive: halves its start-up time
"""
import base64
import ctypes
import fcntl
import os
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
import uuid

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
KAFKA = os.environ.get("FANMAP_KAFKA_HOME") or os.path.join(ROOT, ".fanmap", "kafka")
SASL_USER, SASL_PASSWORD = "alice", "alice-secret"


class Unavailable(Exception):
    """A service that this machine cannot start."""


def wait_until(condition, bound_s, what="condition", step_s=0.02):
    """Polls until `condition()` is true and returns what it gave; raises TimeoutError after `bound_s` seconds."""
    end = time.monotonic() + bound_s
    while True:
        got = condition()
        if got:
            return got
        if time.monotonic() > end:
            raise TimeoutError(f"{what}: not within {bound_s} s")
        time.sleep(step_s)


_handed_out = {18080, 19090}  # on these listen the snippets of docs/, which are tests too


def free_port():
    """A loopback port below the range that the kernel gives to outgoing connections: nobody takes it by chance
    between now and its use, or while a service that is being restarted is away."""
    with open("/proc/sys/net/ipv4/ip_local_port_range") as f:
        low = int(f.read().split()[0])
    low = low if low > 12000 else 32768
    for _ in range(1000):
        port = 10000 + int.from_bytes(os.urandom(4), "little") % (low - 10000)
        if port in _handed_out:
            continue
        with socket.socket() as s:
            try:
                s.bind(("127.0.0.1", port))
            except OSError:
                continue
        _handed_out.add(port)
        return port
    raise Unavailable("no free loopback port")


def die_with_parent():
    """In the child: KILL when the process that started it ends, so that a killed suite leaves nothing behind."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)


def start_time(pid):
    """When a process began, in clock ticks since boot; None when there is none. Tells a reused id from the old one."""
    try:
        with open(f"/proc/{pid}/stat") as f:
            fields = f.read().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in "ZX" else int(fields[19])


def tail(path, bytes_max=3000):
    try:
        with open(path, "rb") as f:
            f.seek(max(0, os.path.getsize(path) - bytes_max))
            return f.read().decode(errors="replace")
    except OSError as e:
        return f"({e})\n"


def end_process(pid, started, bound_s):
    """TERM, then KILL after `bound_s`; returns once it is gone. Works for processes that are not our children."""
    def gone():
        return start_time(pid) != started
    for signo, wait_s in ((signal.SIGCONT, 0), (signal.SIGTERM, bound_s), (signal.SIGKILL, 5)):
        if gone():
            return
        try:
            os.kill(pid, signo)
        except ProcessLookupError:
            return
        if wait_s:
            try:
                wait_until(gone, wait_s)
                return
            except TimeoutError:
                pass


class Service:
    """One process that listens. Subclasses say the command and what 'ready' is."""

    name = "service"
    ready_s = 60

    def __init__(self, folder, detached=False):
        self.folder = folder
        self.detached = detached  # outlives us
        self.process = None
        self.log = os.path.join(folder, self.name + ".log")
        os.makedirs(folder, exist_ok=True)

    def command(self):
        raise NotImplementedError

    def ready(self):
        raise NotImplementedError

    def spawn(self):
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                self.command(), stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.folder,
                start_new_session=True, close_fds=True, preexec_fn=None if self.detached else die_with_parent)

    def start(self):
        self.spawn()
        self.wait_ready()
        return self

    def wait_ready(self):
        def answered():
            if self.process.poll() is not None:
                raise Unavailable(f"{self.name} ended with status {self.process.returncode}:\n{tail(self.log)}")
            return self.ready()
        try:
            wait_until(answered, self.ready_s, f"{self.name} ready")
        except TimeoutError as e:
            self.kill()
            raise Unavailable(f"{e}:\n{tail(self.log)}") from None

    def running(self):
        return self.process is not None and self.process.poll() is None

    def signal(self, signo):
        self.process.send_signal(signo)

    def pause(self):
        self.signal(signal.SIGSTOP)

    def resume(self):
        self.signal(signal.SIGCONT)

    def kill(self):
        if self.running():
            self.process.kill()
        if self.process is not None:
            self.process.wait(30)

    def stop(self, bound_s=15):
        if not self.running():
            return
        self.resume()
        self.process.terminate()
        try:
            self.process.wait(bound_s)
        except subprocess.TimeoutExpired:
            self.kill()


class Redis(Service):
    name = "redis"
    ready_s = 20

    def __init__(self, folder, password=None, port=None, durable=False, detached=False):
        super().__init__(folder, detached)
        self.password, self.durable = password, durable
        self.port = port or free_port()

    @property
    def url(self):
        return f"redis://127.0.0.1:{self.port}"

    def command(self):
        program = shutil.which("redis-server")
        if program is None:
            raise Unavailable("redis-server is not installed: ./dev setup")
        args = [program, "--bind", "127.0.0.1", "--port", str(self.port), "--dir", self.folder, "--save", "",
                "--appendonly", "yes" if self.durable else "no", "--appendfsync", "everysec", "--daemonize", "no"]
        return args + (["--requirepass", self.password] if self.password else [])

    def ask(self, *words, timeout_s=5):
        """One command, one reply: str, int, None, or a list of them. An error reply raises RuntimeError."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=timeout_s) as s:
            stream = s.makefile("rwb")
            if self.password and words[0] != "PING-WITHOUT-PASSWORD":
                self._send(stream, ("AUTH", self.password))
                self._reply(stream)
            self._send(stream, words)
            return self._reply(stream)

    @staticmethod
    def _send(stream, words):
        parts = [str(w).encode() for w in words]
        stream.write(b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%s\r\n" % (len(p), p) for p in parts))
        stream.flush()

    def _reply(self, stream):
        line = stream.readline()
        if not line.endswith(b"\r\n"):
            raise ConnectionError("redis closed the connection")
        kind, rest = line[:1], line[1:-2]
        if kind == b"-":
            raise RuntimeError(rest.decode())
        if kind == b":":
            return int(rest)
        if kind == b"$":
            return None if rest == b"-1" else stream.read(int(rest) + 2)[:-2].decode(errors="replace")
        if kind == b"*":
            return [self._reply(stream) for _ in range(max(0, int(rest)))]
        return rest.decode()

    def ready(self):
        try:
            return self.ask("PING", timeout_s=1) == "PONG"
        except (OSError, RuntimeError):
            return False


def java():
    home = os.environ.get("JAVA_HOME")
    program = os.path.join(home, "bin", "java") if home else shutil.which("java")
    if not program or not os.path.exists(program):
        raise Unavailable("java is not installed: ./dev setup")
    return program


QUICK_JAVA = ["-Xms256m", "-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]
KAFKA_JAVA = ["-Xms1g", "-Xmx1g", "-server", "-XX:+UseG1GC", "-XX:MaxGCPauseMillis=20", "-XX:InitiatingHeapOccupancyPercent=35",
              "-XX:+ExplicitGCInvokesConcurrent", "-XX:MaxInlineLevel=15"]  # what Kafka's own start script gives it


class Kafka(Service):
    """Listeners: PLAINTEXT without a login, and SASL_PLAINTEXT, where only SASL_USER gets in."""

    name = "kafka"
    ready_s = 90
    format_args = ()  # more words for the tool that formats the storage

    def __init__(self, folder, detached=False, fast_start=True, archive=None, overrides=None):
        super().__init__(folder, detached)
        self.fast_start = fast_start  # the first compiler tier only: quick to start, half the speed
        self.archive = archive
        self.overrides = overrides or {}
        self.port, self.controller_port, self.sasl_port = free_port(), free_port(), free_port()
        self.properties = os.path.join(folder, "server.properties")

    @property
    def brokers(self):
        return f"127.0.0.1:{self.port}"

    @property
    def sasl_brokers(self):
        return f"127.0.0.1:{self.sasl_port}"

    def settings(self):
        jaas = ("org.apache.kafka.common.security.plain.PlainLoginModule required "
                f'user_{SASL_USER}="{SASL_PASSWORD}";')
        out = {
            "process.roles": "broker,controller", "node.id": 1,
            "controller.quorum.bootstrap.servers": f"127.0.0.1:{self.controller_port}",
            "listeners": f"PLAINTEXT://127.0.0.1:{self.port},CONTROLLER://127.0.0.1:{self.controller_port},"
                         f"SASL_PLAINTEXT://127.0.0.1:{self.sasl_port}",
            "advertised.listeners": f"PLAINTEXT://127.0.0.1:{self.port},SASL_PLAINTEXT://127.0.0.1:{self.sasl_port}",
            "controller.listener.names": "CONTROLLER", "inter.broker.listener.name": "PLAINTEXT",
            "listener.security.protocol.map":
                "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SASL_PLAINTEXT:SASL_PLAINTEXT",
            "sasl.enabled.mechanisms": "PLAIN",
            "listener.name.sasl_plaintext.plain.sasl.jaas.config": jaas,
            "log.dirs": os.path.join(self.folder, "data"),
            "offsets.topic.num.partitions": 8, "offsets.topic.replication.factor": 1,
            "transaction.state.log.replication.factor": 1, "transaction.state.log.min.isr": 1,
            "transaction.state.log.num.partitions": 4,
            "share.coordinator.state.topic.replication.factor": 1, "share.coordinator.state.topic.min.isr": 1,
            "group.initial.rebalance.delay.ms": 0, "auto.create.topics.enable": "false",
            "log.segment.bytes": 64 << 20, "log.index.size.max.bytes": 1 << 20,
            "controlled.shutdown.enable": "false",
        }
        out.update(self.overrides)
        return out

    def base_command(self):
        libs = os.path.join(KAFKA, "libs")
        if not os.path.isdir(libs):
            raise Unavailable("Kafka is not there yet: ./dev setup")
        args = [java()] + (QUICK_JAVA if self.fast_start else KAFKA_JAVA)
        shared = os.path.join(KAFKA, "kafka.jsa")
        if self.archive:
            args.append("-XX:ArchiveClassesAtExit=" + self.archive)
        elif os.path.exists(shared):
            args += ["-XX:SharedArchiveFile=" + shared, "-Xshare:auto"]
        args += ["-Xlog:disable", "-Xlog:all=error:stderr" if not self.archive else "-Xlog:cds=off",
                 "-Dlog4j2.configurationFile=" + os.path.join(ROOT, "tests", "real", "kafka", "log4j2.properties")]
        return args + ["-cp", os.path.join(libs, "*")]

    def command(self):
        return self.base_command() + ["kafka.Kafka", self.properties]

    def spawn(self):
        if not os.path.exists(self.properties):
            with open(self.properties, "w") as f:
                f.writelines(f"{k}={v}\n" for k, v in self.settings().items())
            cluster = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
            cluster = cluster.replace("-", "A", 1) if cluster.startswith("-") else cluster  # not an option
            saved, self.archive = self.archive, None
            done = subprocess.run(self.base_command() + ["kafka.tools.StorageTool", "format", "--standalone", "-t",
                                                         cluster, "-c", self.properties, *self.format_args],
                                  cwd=self.folder,
                                  stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
            self.archive = saved
            if done.returncode != 0:
                os.unlink(self.properties)
                raise Unavailable("Kafka's storage could not be formatted:\n" + done.stdout.decode(errors="replace"))
        super().spawn()

    def ready(self):
        return kafka_answers(self.port)


def kafka_answers(port):
    """One Metadata request (version 1) for no topic: true once a broker names itself in the answer."""
    body = struct.pack(">hhih", 3, 1, 7, -1) + struct.pack(">i", 0)
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=2) as s:
            s.sendall(struct.pack(">i", len(body)) + body)
            stream = s.makefile("rb")
            size = stream.read(4)
            answer = stream.read(struct.unpack(">i", size)[0]) if len(size) == 4 else b""
        return len(answer) >= 8 and struct.unpack(">ii", answer[:8])[0] == 7 and struct.unpack(">i", answer[4:8])[0] > 0
    except OSError:
        return False


# ---- the command line: services that stay ----


def write_id(folder, service):
    path = os.path.join(folder, service.name + ".id")
    with open(path + ".new", "w") as f:
        f.write(f"{service.process.pid} {start_time(service.process.pid)} {service.port}\n")
    os.rename(path + ".new", path)


def read_id(folder, name):
    """(pid, start, port) of a service that still runs, else None."""
    try:
        with open(os.path.join(folder, name + ".id")) as f:
            pid, started, port = (int(word) for word in f.read().split())
    except (OSError, ValueError):
        return None
    return (pid, started, port) if start_time(pid) == started else None


def locked(folder):
    os.makedirs(os.path.dirname(folder), exist_ok=True)
    lock = open(folder + ".lock", "w")
    fcntl.flock(lock, fcntl.LOCK_EX)
    return lock


def up(folder, bench):
    with locked(folder):
        ports = {}
        for kind in (Redis, Kafka):
            known = read_id(folder, kind.name)
            if known:
                ports[kind.name] = known[2]
                continue
            place = os.path.join(folder, kind.name)
            shutil.rmtree(place, ignore_errors=True)
            service = kind(place, detached=True, **({"fast_start": not bench} if kind is Kafka else {}))
            print(f"starting {kind.name} on 127.0.0.1:{service.port}", file=sys.stderr)
            service.spawn()
            write_id(folder, service)
            service.wait_ready()
            ports[kind.name] = service.port
    print(f"export FANMAP_BROKERS=127.0.0.1:{ports['kafka']}")
    print(f"export FANMAP_REDIS=redis://127.0.0.1:{ports['redis']}")


def down(folder):
    with locked(folder):
        for name in ("kafka", "redis"):
            known = read_id(folder, name)
            if known:
                print(f"ending {name}", file=sys.stderr)
                end_process(known[0], known[1], 15)
        shutil.rmtree(folder, ignore_errors=True)


def archive(path):
    with tempfile.TemporaryDirectory(prefix="fanmap-archive.") as folder:
        made = os.path.join(folder, "new.jsa")
        kafka = Kafka(os.path.join(folder, "kafka"), archive=made)
        try:
            kafka.start()
        finally:
            kafka.stop(60)
        if not os.path.exists(made):
            raise Unavailable("java made no class-data archive:\n" + tail(kafka.log))
        shutil.copy(made, path + ".new")
        os.rename(path + ".new", path)


def main(argv):
    if len(argv) < 3 or argv[1] not in ("up", "down", "archive"):
        print(__doc__, file=sys.stderr)
        return 2
    place = os.path.abspath(argv[2])
    try:
        if argv[1] == "up":
            up(place, "--bench" in argv[3:])
        elif argv[1] == "down":
            down(place)
        else:
            archive(place)
    except Unavailable as e:
        print(f"services: {e}", file=sys.stderr)
        return 5
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
