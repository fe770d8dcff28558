"""A worker whose attempts are another user's (--task-user), and what nobody can look into."""
import os
import subprocess
import sys
import unittest

from fleet import FANMAP, PATIENCE, Case, wait_until


# As root without the right to look into everything in force, which is as another process of the same user.
LOOK = """
import ctypes, platform, sys
libc = ctypes.CDLL(None)
head, caps = (ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)()
assert libc.capget(head, caps) == 0
caps[0] &= ~(1 << 19)
assert libc.capset(head, caps) == 0
get_robust_list = {"x86_64": 274, "aarch64": 100}[platform.machine()]
at, size = ctypes.c_void_p(), ctypes.c_size_t()
print(libc.syscall(get_robust_list, int(sys.argv[1]), ctypes.byref(at), ctypes.byref(size)))
"""


def can_look_into(pid):
    done = subprocess.run([sys.executable, "-c", LOOK, str(pid)], stdout=subprocess.PIPE, text=True, check=True)
    return done.stdout == "0\n"


class TaskUser(Case):
    def ready(self, *args):
        worker = self.worker("--exec", "who=id -un", "--exec", "read=cat {}", *args, tasks=None, slots=2)
        wait_until(lambda: " ready" in worker.err(), 30 * PATIENCE, "a worker")
        return worker

    @unittest.skipIf(os.geteuid() != 0, "only root can be somebody else")
    def test_attempts_are_that_user_and_cannot_read_the_workers_secrets(self):
        self.on_fleet()
        secret = self.input_file("sesame\n", "secret")
        self.ready("--task-user", "nobody")
        self.assertEqual(self.run_map("who", data=b"1\n").out(), b'"nobody"\n')
        os.chmod(self.folder, 0o755)
        run = self.run_map("read", data=f'"{secret}"\n', exit_status=1)
        self.assertIn(b"Permission denied", run.out())

    @unittest.skipIf(os.geteuid() != 0, "the test itself needs root, to lay a right down")
    def test_nobody_looks_into_a_worker(self):
        self.on_fleet()
        worker = self.ready()
        sleeper = subprocess.Popen(["sleep", "60"])
        self.addCleanup(sleeper.wait)
        self.addCleanup(sleeper.kill)
        self.assertTrue(can_look_into(sleeper.pid))
        self.assertFalse(can_look_into(worker.pid))

    def test_refused_at_once(self):
        for name, word in (("nobody-of-that-name", "no such user"), ("root", "root")):
            run = self.run_fanmap("worker", "--exec", "who=id", "--task-user", name, "-b", "127.0.0.1:1", exit_status=2)
            self.assert_one_line(run, "--task-user", word)
        if os.geteuid() == 0:
            os.chmod(self.folder, 0o755)
            done = subprocess.run(["setpriv", "--reuid=65534", "--clear-groups", FANMAP, "map", "--local", "--task-user",
                                   "daemon", "--", "id"], stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
            self.assertEqual(done.returncode, 2)
            self.assertIn("root has started", done.stderr)
