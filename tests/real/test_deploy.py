"""systemd units, Dockerfile and docker-compose.yml: checked by their own tools, and their lines run on an installed copy."""
import configparser
import json
import os
import re
import shlex
import shutil
import subprocess

import yaml

from fleet import BUILD, FANMAP, PATIENCE, ROOT, Case, Program, free_port, seq, squares, wait_until
from services import Kafka

UNITS = os.path.join(ROOT, "deploy", "systemd")


def said(command, **more):
    return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **more)


class Unit(configparser.RawConfigParser):
    """A unit file; of keys that repeat the last one is kept."""

    def __init__(self, path):
        super().__init__(strict=False, interpolation=None, comment_prefixes=("#", ";"))
        self.optionxform = str
        self.read(path)

    def command(self, **specifiers):
        line = self["Service"]["ExecStart"]
        return shlex.split(re.sub(r"%(\w)", lambda m: specifiers[m.group(1)], line))


class Deploy(Case):
    bound_s = 180

    def install(self):
        """What the Dockerfile's own lines put into the image."""
        with open(os.path.join(ROOT, "Dockerfile")) as f:
            text = f.read().replace("\\\n", " ")
        run = next(line for line in text.splitlines() if "cmake --install" in line)
        out = os.path.join(self.folder, "image")
        for command in run.removeprefix("RUN ").split("&&"):
            if "DESTDIR=/out" in command:
                command = re.sub(r"(?<![\w/])build\b", BUILD, command.replace("/out", out))
                done = said(command, shell=True, cwd=ROOT)
                self.assertEqual(done.returncode, 0, done.stdout)
        copies = [line.split()[-2:] for line in text.splitlines() if line.startswith("COPY --from=build")]
        self.assertEqual(copies, [["/out/usr/local/", "/usr/local/"]])
        self.image = out
        self.program = os.path.join(out, "usr/local/bin/fanmap")

    def placed(self, text):
        """A path of the image, or of the host of the units, as it is here."""
        text = re.sub(r"/usr/local(?=/)", os.path.join(self.image, "usr/local"), text)
        text = re.sub(r"^[0-9.]+:8080$", "127.0.0.1:0", text)
        text = re.sub(r"^(/tokens|/var/lib/fanmap-serve)(?=/)", self.folder, text)
        return re.sub(r"^/results$", self.results, text)

    def run_line(self, words, name, env=None):
        """A service of ours; program.metrics is where it answers here."""
        metrics = f"127.0.0.1:{free_port()}"
        words = [re.sub(r"^[0-9.]+:946\d$", metrics, self.placed(word)) for word in words]
        program = Program(name, [self.program, *words], self.folder, self.environment(env))
        program.metrics = metrics
        self.programs.append(program)
        return program

    def until_well(self, program, words=("fanmap", "health", "http://127.0.0.1:9464/readyz")):
        """The line of a health check says so, and says something else once nobody answers there."""
        self.assertEqual(words[0], "fanmap")
        line = [self.program, *(re.sub(r"127.0.0.1:946\d", program.metrics, word) for word in words[1:])]
        wait_until(lambda: said(line).returncode == 0, 60 * PATIENCE, f"{program.name} is well")
        self.assertEqual(json.loads(said(line).stdout)["status"], "ready")

    def setUp(self):
        super().setUp()
        self.umask = os.umask(0o022)
        os.umask(self.umask)
        self.results = os.path.join(self.folder, "results")
        os.mkdir(self.results)

    def map_and_wait_for_file(self):
        self.run_map("square", "--job-id", "deployed", data=seq(1, 50))
        path = os.path.join(self.results, "deployed.jsonl")
        wait_until(lambda: os.path.exists(path), 60 * PATIENCE, "the aggregator's file")
        with open(path, "rb") as f:
            self.assert_same(f.read(), squares(50))

    def compose(self):
        done = subprocess.run(["docker-compose", "config"], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              text=True, env={**os.environ, "FANMAP_WORKERS": "2"})
        self.assertEqual(done.returncode, 0, done.stderr)
        return yaml.safe_load(done.stdout)["services"]

    def test_compose_lines(self):
        services = self.compose()
        self.assertEqual(set(services), {"kafka", "redis", "worker", "aggregator", "serve"})
        for name in ("kafka", "redis", "serve"):
            for port in services[name]["ports"]:
                self.assertTrue(str(port).startswith("127.0.0.1:"), f"{name} listens wider than loopback: {port}")
        self.redis_line(services["redis"]["command"])
        self.install()
        self.on_fleet()
        for name in ("worker", "worker", "aggregator", "serve"):
            told = services[name]["environment"]
            self.assertEqual(told["FANMAP_BROKERS"], "kafka:9094")
            self.assertIn("FLEET://kafka:9094", services["kafka"]["environment"]["KAFKA_ADVERTISED_LISTENERS"])
            env = {"FANMAP_REDIS": self.redis.url if "FANMAP_REDIS" in told else None}
            program = self.run_line(services[name]["command"], f"{name}{len(self.programs)}", env)
            check = services[name]["healthcheck"]["test"]
            self.assertEqual(check[0], "CMD")
            self.until_well(program, check[1:])
        self.map_and_wait_for_file()
        serve = self.programs[3]
        self.assertEqual(os.listdir(os.path.dirname(self.placed("/tokens/serve.token"))).count("serve.token"), 1)
        serve.process.terminate()
        self.finish(serve, 60)
        gone = said([self.program, "health", f"http://{serve.metrics}/readyz"])
        self.assertEqual(gone.returncode, 5, gone.stdout)

    def redis_line(self, words):
        port = free_port()
        redis = subprocess.Popen([*words, "--port", str(port)], cwd=self.folder, stdout=subprocess.DEVNULL)
        self.addCleanup(redis.wait)
        self.addCleanup(redis.kill)
        wait_until(lambda: "PONG" in said(["redis-cli", "-p", str(port), "ping"]).stdout, 30 * PATIENCE, "redis answers")

    def test_compose_kafka_takes_its_settings(self):
        """As the image makes properties of its environment; Kafka's own tool reads them, and formats its folder by them."""
        told = self.compose()["kafka"]["environment"]
        properties = {k.removeprefix("KAFKA_").lower().replace("_", "."): v for k, v in told.items()}
        properties["log.dirs"] = os.path.join(self.folder, "data")
        path = os.path.join(self.folder, "server.properties")
        with open(path, "w") as f:
            f.writelines(f"{k}={v}\n" for k, v in properties.items())
        tool = Kafka(os.path.join(self.folder, "kafka")).base_command() + ["kafka.tools.StorageTool", "format"]
        done = said([*tool, "-t", "MkU3OEVBNTcwNTJENDM2Qg", "-c", path], cwd=self.folder)
        self.assertEqual(done.returncode, 0, done.stdout)
        with open(path, "a") as f:
            f.write("inter.broker.listener.name=NOWHERE\n")
        done = said([*tool, "-t", "MkU3OEVBNTcwNTJENDM2Qg", "-c", path, "--ignore-formatted"], cwd=self.folder)
        self.assertNotEqual(done.returncode, 0, "a wrong setting passes")

    def test_units_are_sound(self):
        if shutil.which("systemd-analyze") is None:
            self.skipTest("systemd-analyze is missing")
        copies = []
        for name in os.listdir(UNITS):
            if name.endswith(".service"):
                copies.append(os.path.join(self.folder, name))
                with open(os.path.join(UNITS, name)) as f, open(copies[-1], "w") as copy:
                    copy.write(f.read().replace("ExecStart=fanmap ", f"ExecStart={FANMAP} "))
        self.assertEqual(len(copies), 3)
        done = said(["systemd-analyze", "verify", "--man=no", *copies])
        ours = [line for line in done.stdout.splitlines() if "fanmap" in line]
        self.assertEqual((done.returncode, ours), (0, []), done.stdout)

    def results_can_be_read(self, unit):
        """A user made for the unit has its state below /var/lib/private, where only root comes in."""
        self.assertNotIn("DynamicUser", unit)
        self.assertEqual((unit["UMask"], unit["StateDirectoryMode"]), ("0022", "0755"))
        with open(os.path.join(self.image, "usr/local/lib/sysusers.d/fanmap.conf")) as f:
            self.assertIn(f"\nu {unit['User']} ", f.read())
        mode = os.stat(os.path.join(self.results, "deployed.jsonl")).st_mode
        self.assertEqual(mode & 0o777, 0o666 & ~self.umask)

    def test_unit_lines(self):
        """With the configuration files of the examples, as an operator would copy them to /etc/fanmap."""
        self.install()
        self.on_fleet()
        installed = os.path.join(self.image, "usr/local")
        self.assertEqual(sorted(os.listdir(os.path.join(installed, "lib/systemd/system"))),
                         ["fanmap-aggregator.service", "fanmap-serve.service", "fanmap-worker@.service"])
        with open(os.path.join(installed, "share/doc/fanmap/examples/fanmap.env")) as f:
            names = [line.split("=")[0] for line in f if not line.startswith("#")]
        self.assertEqual(names, ["FANMAP_BROKERS", "FANMAP_REDIS", "FANMAP_NAMESPACE"])  # what environment() sets
        metrics = f"127.0.0.1:{free_port()}"
        with open(os.path.join(installed, "share/doc/fanmap/examples/worker-default.conf")) as f:
            text = re.sub(r"(?m)^metrics = .*", f"metrics = {metrics}", f.read().replace("/usr/local", installed))
        with open(os.path.join(self.folder, "worker-default.conf"), "w") as f:
            f.write(text)
        units = os.path.join(installed, "lib/systemd/system")
        worker = Unit(os.path.join(units, "fanmap-worker@.service")).command(i="default")
        aggregator = Unit(os.path.join(units, "fanmap-aggregator.service")).command(S="/var/lib", H="host1")
        serve = Unit(os.path.join(units, "fanmap-serve.service")).command(S="/var/lib")
        self.assertEqual((worker[0], aggregator[0], serve[0]), ("fanmap",) * 3)  # in /usr/local systemd finds it
        self.run_line([w.replace("/etc/fanmap", self.folder) for w in worker[1:]], "worker").metrics = metrics
        self.run_line([w.replace("/var/lib/fanmap/results", self.results) for w in aggregator[1:]], "aggregator")
        self.run_line(serve[1:], "serve")
        for program in self.programs[:3]:
            self.until_well(program)
        self.map_and_wait_for_file()
        self.results_can_be_read(Unit(os.path.join(units, "fanmap-aggregator.service"))["Service"])
        shout = self.run_map("shout", data=json.dumps("loud").encode() + b"\n")
        self.assertEqual(shout.out(), b'"LOUD"\n')
        for program in self.programs[:3]:
            program.process.terminate()
            self.finish(program, 60)
