"""What `cmake --install` puts into a prefix, used as a stranger would: the prefix is moved first, examples/ are built against
it outside the tree, by pkg-config and by find_package(fanmap), and run on the real Kafka with the installed program.
"""
import os
import re
import shutil
import socket
import subprocess

import pages
from fleet import BUILD, PATIENCE, ROOT, Case, Program, free_port, seq, squares, suite_folder, wait_until


def quietly(*command, env=None):
    run = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                         env=env)
    if run.returncode != 0:
        raise AssertionError(f"{' '.join(command)}: {run.stdout[-3000:]}")
    return run.stdout


def build_flags():
    """What the library was built with, so that a sanitized one can be linked too."""
    with open(os.path.join(BUILD, "CMakeCache.txt")) as f:
        return re.search(r"^CMAKE_C_FLAGS:STRING=(.*)$", f.read(), re.M).group(1)


class Installed(Case):
    @classmethod
    def setUpClass(cls):
        top = os.path.join(suite_folder(), "installed")
        cls.prefix, cls.by_make, cls.by_cmake = (os.path.join(top, d) for d in ("prefix", "make", "cmake"))
        first = os.path.join(top, "first")
        quietly("cmake", "--install", BUILD, "--prefix", first)
        os.rename(first, cls.prefix)
        os.makedirs(cls.by_make)
        env = dict(os.environ, PKG_CONFIG_PATH=os.path.join(cls.prefix, "lib", "pkgconfig"),
                   CFLAGS=f"-O1 -Wall -Wextra -Wconversion -Wshadow -Werror {build_flags()}")
        quietly("make", "-j2", "-C", os.path.join(ROOT, "examples"), f"OUT={cls.by_make}", env=env)
        quietly("cmake", "-S", os.path.join(ROOT, "examples", "installed"), "-B", cls.by_cmake,
                f"-DCMAKE_PREFIX_PATH={cls.prefix}", f"-DCMAKE_C_FLAGS={build_flags()}")
        quietly("cmake", "--build", cls.by_cmake, "-j2")

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(os.path.dirname(cls.prefix), ignore_errors=True)

    def setUp(self):
        super().setUp()
        self.on_fleet()
        self.program("worker", self.prefix + "/bin/fanmap", "worker", "--tasks", self.by_cmake + "/numbers.so",
                     "--slots", "4", "--partitions", "8")

    def program(self, name, *command, data=None):
        program = Program(name, list(map(str, command)), self.folder, self.environment(),
                          self.input_file(data) if data is not None else None)
        self.programs.append(program)
        return program

    def run_example(self, name, *args, data=None, folder=None, exit_status=0):
        program = self.program(name, os.path.join(folder or self.by_make, name), *args, data=data)
        self.finish(program, 60, exit_status)
        return program.out()

    def test_forty_lines_map_a_hundred_thousand_items(self):
        with open(os.path.join(ROOT, "examples", "forty.c")) as f:
            self.assertLessEqual(len(f.readlines()), 40)
        wanted = b"0\n" + squares(99_999)
        self.assert_same(self.run_example("forty"), wanted)
        self.assert_same(self.run_example("forty", folder=self.by_cmake), wanted)

    def test_a_pull_loop(self):
        got = self.run_example("pull_loop", "square", data=seq(1, 5000) + b'"x"\n').splitlines()
        self.assertEqual([int(x) for x in got[:5000]], [i * i for i in range(1, 5001)])
        self.assertIn(b"TypeError", got[5000])
        self.assertEqual(self.run_example("pull_loop", "square", data=b"", folder=self.by_cmake), b"")

    def test_two_maps_on_a_foreign_poll_loop(self):
        lines = self.run_example("two_maps_poll", "square", "echo", data=seq(1, 3000)).splitlines()
        of = {task: [x.split()[1] for x in lines if x.startswith(task)] for task in (b"square", b"echo")}
        self.assertEqual(of[b"square"], squares(3000).split())
        self.assertEqual(of[b"echo"], seq(1, 3000).split())

    def test_a_map_piped_into_a_map(self):
        got = self.run_example("pipe", 3000)
        self.assertEqual([float(x) for x in got.split()], [float(i) for i in range(1, 3001)])

    def test_outcomes_handed_to_a_thread_pool(self):
        submit = self.program("submit", self.prefix + "/bin/fanmap", "submit", "square", data=seq(1, 5000))
        self.finish(submit, 30)
        job = submit.out().decode().strip()
        wanted = f"5000 values, sum {sum(i * i for i in range(1, 5001))}, 0 failures\n"
        self.assertEqual(self.run_example("thread_pool", job), wanted.encode())

    def ask(self, port, line):
        s = socket.create_connection(("127.0.0.1", port), timeout=60 * PATIENCE)
        self.addCleanup(s.close)
        s.sendall(line)
        return s

    def test_a_server_that_fans_out(self):
        port = free_port()
        server = self.program("epoll_server", self.by_cmake + "/epoll_server", port, "square")

        def is_up():
            with socket.socket() as s:
                return s.connect_ex(("127.0.0.1", port)) == 0
        wait_until(is_up, 30 * PATIENCE, "the server listens")
        self.assertEqual(self.ask(port, b"1 2 3\n").makefile("rb").read(), b"1\n4\n9\n")
        many = [self.ask(port, seq(1, 9000).replace(b"\n", b" ") + b"\n") for _ in range(4)]
        many.pop().close()  # one leaves before it is answered
        for s in many:
            self.assert_same(s.makefile("rb").read(), squares(9000))
        self.assertTrue(server.alive(), server.err())

    def test_a_task_library_in_cpp(self):
        source, library = os.path.join(self.folder, "tasks.cpp"), os.path.join(self.folder, "tasks.so")
        with open(source, "w") as f:
            f.write("""#include <fanmap/task.h>
                       #include <string>
                       static int greet(fanmap_attempt_t *a)
                       {
                           const char *name;
                           size_t len;
                           if (a->get_text(a, &name, &len) != 0)
                               return a->fail(a, 1, "TypeError", "greet wants text");
                           std::string text = "hello " + std::string(name, len);
                           return a->put_text(a, text.data(), text.size());
                       }
                       FANMAP_TASKS({FANMAP_TASK_ABI, FANMAP_TASK_MSGPACK, "greet", "name -> text", greet, nullptr, nullptr});
                    """)
        quietly("g++", "-std=c++17", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", f"-I{self.prefix}/include", source,
                "-o", library)
        run = self.program("map", self.prefix + "/bin/fanmap", "map", "--local", "--tasks", library, "greet",
                           data=b'"you"\n1\n')
        self.finish(run, 30, 1)
        self.assertEqual(run.out().splitlines()[0], b'"hello you"')
        self.assertIn(b"TypeError", run.out().splitlines()[1])

    def test_nothing_installed_names_the_build_or_the_first_prefix(self):
        for name in ("lib/pkgconfig/fanmap.pc", "lib/cmake/fanmap/fanmap-config.cmake"):
            with open(os.path.join(self.prefix, name)) as f:
                text = f.read()
            for folder in (ROOT, os.path.dirname(self.prefix)):
                self.assertNotIn(folder, text)
        tree = {os.path.relpath(os.path.join(d, f), self.prefix) for d, _, fs in os.walk(self.prefix) for f in fs}
        for wanted in ("bin/fanmap", "lib/libfanmap.so", "lib/libfanmap.so.0", "include/fanmap/fanmap.h",
                       "include/fanmap/task.h", "include/fanmap/admin.h", "libexec/fanmap/fanmap-guardian",
                       "libexec/fanmap/fanmap-supervisor", "libexec/fanmap/fanmap-host", "share/doc/fanmap/docs/semantics.md", "share/doc/fanmap/schemas/README.md", "share/fanmap/python/fanmap_task.py",
                       "share/fanmap/perl/FanmapTask.pm", "lib/fanmap/numbers.so", "share/doc/fanmap/examples/forty.c"):
            self.assertIn(wanted, tree)

    def test_no_link_points_at_something_missing(self):
        """Symbolic links, links of pages, and what units start and examples name, in a prefix that systemd does not search."""
        prefix = os.path.join(self.folder, "opt")
        quietly("cmake", "--install", BUILD, "--prefix", prefix)
        problems, pages_n, starts = [], 0, []
        for folder, folders, names in os.walk(prefix):
            for name in names + folders:
                path = os.path.join(folder, name)
                if os.path.islink(path) and not os.path.exists(path):
                    problems.append(f"{path} -> {os.readlink(path)}")
                if name.endswith(".md"):
                    with open(path) as f:
                        problems += pages.broken_links(path, path, f.read())
                    pages_n += 1
                if name.endswith(".service"):
                    with open(path) as f:
                        starts += re.findall(r"^ExecStart=(\S+)", f.read(), re.M)
        self.assertEqual(problems, [])
        self.assertGreater(pages_n, 10)
        self.assertEqual(starts, [os.path.join(prefix, "bin/fanmap")] * 3)
        self.assertTrue(os.access(starts[0], os.X_OK))
        with open(os.path.join(prefix, "share/doc/fanmap/examples/worker-default.conf")) as f:
            library = re.search(r"^tasks = (.*)$", f.read(), re.M).group(1)
        self.assertTrue(os.path.exists(library), library)

    def test_the_installed_task_module_serves(self):
        share = os.path.join(self.prefix, "share")
        run = self.program("map", self.prefix + "/bin/fanmap", "map", "--local", "--serve",
                           f"square=env PYTHONPATH={share}/fanmap/python python3 {share}/doc/fanmap/examples/python/numbers_task.py",
                           "square", data=b"12\n")
        self.finish(run, 30)
        self.assertEqual(run.out(), b"144\n")
