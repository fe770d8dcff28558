"""INT and TERM: a signal that was ignored when a program began stays ignored, and the exit status says which one ended it."""
import os
import signal

from fleet import FANMAP, PATIENCE, RECORDED, Case, Program, seq, squares, wait_until


class Ignored(Case):
    def start_ignoring(self, *args, data=None):
        """As a shell without job control starts what is followed by &."""
        program = Program(args[0], ["sh", "-c", 'trap "" INT; exec "$@"', "sh", FANMAP, *map(str, args)], self.folder,
                          self.environment(), self.input_file(data) if data is not None else None)
        self.programs.append(program)
        return program

    def test_an_embedded_map_goes_on(self):
        recorder = self.recorder()
        run = self.start_ignoring("map", "--local", "--tasks", RECORDED, "recorded_sleep", "--slots", 2,
                                  data="[1500,1]\n[0,2]\n")
        recorder.wait_started(1, 20)
        run.signal(signal.SIGINT)
        self.finish(run, 20)
        self.assertEqual(run.out(), b"1\n2\n")

    def test_services_and_maps_of_a_fleet_go_on_and_hear_term(self):
        self.on_fleet()
        self.recorder()
        results = os.path.join(self.folder, "results")
        os.mkdir(results)
        worker = self.start_ignoring("worker", "--tasks", RECORDED, "--slots", 2, *self.connect_args())
        aggregator = self.start_ignoring("aggregator", "--out", results, *self.connect_args())
        wait_until(lambda: " ready" in worker.err(), 30 * PATIENCE, "a worker")
        for service in (worker, aggregator):
            service.signal(signal.SIGINT)
        self.assert_same(self.run_map("recorded", "--job-id", "heard", data=seq(1, 20)).out(), squares(20))
        wait_until(lambda: os.path.exists(os.path.join(results, "heard.jsonl")), 60 * PATIENCE, "the aggregator's file")
        run = self.start_ignoring("map", "recorded_sleep", *self.connect_args(), data="[0,1]\n[60000,2]\n")
        wait_until(lambda: run.out() == b"1\n", 30 * PATIENCE, "the first outcome")
        run.signal(signal.SIGINT)
        for program, status in ((run, 143), (worker, 0), (aggregator, 0)):
            self.assertTrue(program.alive(), program.err())
            program.signal(signal.SIGTERM)
            self.finish(program, 60, status)


class Twice(Case):
    def test_two_at_once_are_one(self):
        """timeout(1) signals the process and then its group: the job is left, or cancelled, as by one signal, and that is said."""
        self.on_fleet()
        recorder = self.recorder()
        self.ready_worker(slots=8)
        for again in range(6):
            began = recorder.started()
            job = ("--job-id", f"kept-{again}") if again % 2 else ()
            run = self.start_map("recorded_sleep", *job, data="[60000,1]\n")
            recorder.wait_started(began + 1, 60)
            for signo in (signal.SIGTERM, signal.SIGTERM):
                run.signal(signo)
            self.finish(run, 60, 143)
            self.assertIn("interrupted; the job goes on" if job else "interrupted; job", run.err())
