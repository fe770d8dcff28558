"""The disk on which the topic of errors lies is full: it is said, and all of it comes once when there is room again."""
import base64
import json
import os
import signal
import subprocess

import raw
from fleet import PATIENCE, wait_until
from services import Kafka
from test_stream import StreamCase


class Full(StreamCase):
    def on_fleet(self):
        super().on_fleet()
        self.kafka = Kafka(os.path.join(self.folder, "kafka")).start()
        self.addCleanup(self.kafka.kill)

    def small_disk(self):
        folder = os.path.join(self.folder, "small")
        os.mkdir(folder)
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "fanmap", folder], capture_output=True)
        if done.returncode != 0:
            self.skipTest(f"no tmpfs can be mounted here: {done.stderr.decode().strip()}")
        self.addCleanup(lambda: subprocess.run(["umount", "-l", folder], check=True))
        return folder

    def put_errors_on(self, folder):
        """The broker gets a second folder, and what is made next goes where nothing is yet: the topic of errors alone."""
        raw.delete_topic(self.kafka.port, self.errors)
        self.kafka.stop()
        data = os.path.join(self.folder, "kafka", "data")
        with open(os.path.join(data, "meta.properties")) as old, open(os.path.join(folder, "meta.properties"), "w") as new:
            own = base64.urlsafe_b64encode(b"second folder 16").decode().rstrip("=")
            new.writelines(f"directory.id={own}\n" if line.startswith("directory.id=") else line for line in old)
        with open(self.kafka.properties, "a") as f:
            f.write(f"log.dirs={data},{folder}\nmetadata.log.dir={data}\n")
        self.kafka.start()
        raw.create_topic(self.kafka.port, self.errors, 1)
        wait_until(lambda: os.path.isdir(os.path.join(folder, f"{self.errors}-0")), 30 * PATIENCE, "the broker has its folder")

    def test_an_error_topic_on_a_full_disk(self):
        small = self.small_disk()
        self.stream_worker(slots=4)
        stream = self.stream()
        self.write(0, 7)
        self.read(self.to, self.lanes, 8, quiet_s=0)
        stream.signal(signal.SIGTERM)
        self.finish(stream, 30)
        self.put_errors_on(small)
        stream = self.stream()
        self.write(8, 31, fails=lambda n: "x" * 700000 if n % 2 else False)  # 8 MB of errors
        wait_until(lambda: "is not stored" in stream.err(), 90 * PATIENCE, "it says that nothing is stored")
        why = f"topic {self.errors} has a partition without a leader"
        self.assertIn(why, stream.err())
        self.assertIn(why, json.loads(self.run_fanmap("show", "double", "--json").out())["waits"])
        subprocess.run(["mount", "-o", "remount,size=64m", small], check=True)
        self.kafka.stop()
        self.kafka.start()
        errors = self.read(self.errors, 1, 12, bound_s=120)
        self.assertEqual(sorted(json.loads(value)["n"] for _, _, value, _ in errors), list(range(9, 32, 2)))
        self.in_order(self.read(self.to, self.lanes, 20))
        self.assertIn("stored again", stream.err())
        self.assertEqual(stream.err().count("is not stored"), 1)
