"""What a program may do with the library on a real fleet: tests/lib/library.c. Its life from open to close: test_composition.Closing."""
import os

from fleet import BUILD, Case, Program

NUMBERS = os.path.join(BUILD, "examples", "numbers.so")


class Library(Case):
    def setUp(self):
        super().setUp()
        self.on_fleet()
        self.worker(tasks=NUMBERS, slots=4)

    def library(self, *args):
        program = Program("library", [os.path.join(BUILD, "tests", "library"), *args], self.folder, self.environment())
        self.programs.append(program)
        return self.finish(program, 100).out()

    def test_threads_with_connections_of_their_own(self):
        self.assertEqual(self.library("threads", "echo"), b"4 threads\n")

    def test_a_held_map_holds_back_the_one_that_feeds_it(self):
        said = self.library("pressure", "echo")
        self.assertIn(b" of 400 were taken while it was held\n", said)
        print("    " + said.decode().strip(), flush=True)
