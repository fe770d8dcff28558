"""What breaks in the middle of a job: Redis, Kafka, workers. The list stays exact and the limit holds."""
import signal
import time

from fleet import PATIENCE, Case, Proxy, seq, squares, wait_until
from services import Kafka, Redis


class Fault(Case):
    """A limited job of `items` sleeping items under way on three workers; each test breaks something."""

    bound_s = 300
    own_redis = True
    items = 3000
    limit = 7

    def under_way(self, *map_args, lease="6s", workers=3, env=None, ms=10, worker_args=(), **of_workers):
        self.counted = self.recorder()
        self.workers = [self.worker(*worker_args, env=env, **of_workers) for _ in range(workers)]
        data = "".join(f"[{ms},{i}]\n" for i in range(self.items))
        self.run_ = self.start_map("recorded_sleep", "-j", self.limit, "--lease", lease, *map_args, data=data, env=env)
        self.counted.wait_started(self.items // 6, 90)
        return self.run_

    def ends_exact(self, bound_s=150, overlaps=0):
        self.finish(self.run_, bound_s)
        self.assert_same(self.run_.out(), "".join(f"{i}\n" for i in range(self.items)).encode())
        job = next(iter(self.counted.report()["jobs"].values()))
        self.assertLessEqual(job["max"], self.limit, f"the recorder says {job}")
        self.assertEqual((job["indexes"], job["overlaps"]), (self.items, overlaps))


class RedisFaults(Fault):
    def setUp(self):
        super().setUp()
        self.on_fleet()

    def was_said(self, what):
        """Once by each worker that asked meanwhile, and that it was over."""
        def lines_of_those_that_asked():
            said = [[line for line in w.err().splitlines() if "jobs with a limit" in line] for w in self.workers]
            return [lines for lines in said if lines]
        wait_until(lambda: all(len(lines) > 1 for lines in lines_of_those_that_asked()), 60 * PATIENCE, "they say that it is over")
        said = lines_of_those_that_asked()
        self.assertGreaterEqual(len(said), 1)
        for lines in said:
            self.assertEqual(len(lines), 2, lines)
            self.assertIn(f"warning: Redis at 127.0.0.1:{self.redis.port}: {what}; jobs with a limit wait", lines[0])
            self.assertIn("info: the tokens are there again; jobs with a limit go on", lines[1])

    def test_restarted_empty(self):
        self.under_way()
        self.redis.kill()
        time.sleep(1)
        self.redis.start()
        self.ends_exact()

    def test_flushed(self):
        self.under_way()
        for _ in range(3):
            self.redis.ask("FLUSHALL")
            time.sleep(1)
        self.ends_exact()

    def test_scripts_forgotten(self):
        self.under_way()
        self.redis.ask("SCRIPT", "FLUSH")
        self.ends_exact()

    def test_stopped_for_longer_than_a_lease(self):
        self.items = 5000  # there is work left for each of them when it is over
        self.under_way(worker_args=("--connect-timeout", "3s"))
        self.redis.pause()
        before = self.counted.report()
        time.sleep(10)
        self.assertLessEqual(self.counted.report()["open"], before["max"])
        self.redis.resume()
        self.ends_exact()
        self.was_said("no answer within 3000 ms")

    def test_slow_and_half_open(self):
        proxy = Proxy(self.redis.port)
        self.addCleanup(proxy.end)
        self.under_way(env={"FANMAP_REDIS": f"redis://127.0.0.1:{proxy.port}"})
        proxy.say("delay", 300)
        time.sleep(4)
        proxy.say("hold")
        time.sleep(4)
        proxy.say("cut")
        time.sleep(1)
        proxy.say("open")
        self.ends_exact()

    def test_unlimited_jobs_do_not_need_it(self):
        self.worker(slots=2)
        first = self.run_map("echo", data=seq(1, 100))
        self.redis.kill()
        self.assert_same(first.out(), seq(1, 100))
        run = self.run_map("echo", data=seq(1, 5000))
        self.assert_same(run.out(), seq(1, 5000))


class KafkaFaults(Fault):
    """With a Kafka of its own, since it dies."""

    def setUp(self):
        super().setUp()
        self.kafka = Kafka(self.folder + "/kafka").start()
        self.addCleanup(self.kafka.kill)
        self.redis = Redis(self.folder + "/redis").start()
        self.addCleanup(self.redis.kill)

    def test_broker_killed_and_restarted(self):
        self.under_way()
        self.kafka.kill()
        time.sleep(2)
        self.kafka.start()
        self.ends_exact(overlaps=0)

    def test_a_worker_without_kafka_ends_by_term(self):
        """What it could not say to Kafka would hold it for as long as Kafka is away. Each worker has something to say, and has more in
        hand than it can do in a session: so none asks the others for items, which, on their way when all lose their place, would run
        twice (docs/takeover.md)."""
        self.limit = 24
        self.under_way(worker_args=("--drain", "1s"), ms=100, session="6s")
        self.counted.wait_started(self.items // 5, 90)
        self.kafka.kill()
        worker = self.workers[0]
        wait_until(lambda: "cannot be reached" in worker.err(), 60 * PATIENCE, "the worker's word on Kafka")
        worker.process.send_signal(signal.SIGTERM)
        self.assertEqual(worker.wait(60), 0)
        self.assertIn("runs again elsewhere", worker.err())
        wait_until(lambda: "cannot be reached" in self.run_.err(), 60 * PATIENCE, "the map says it as well")
        self.kafka.start()
        self.ends_exact()

    def test_broker_stopped_for_a_while(self):
        self.under_way()
        self.kafka.pause()
        time.sleep(6)
        self.kafka.resume()
        self.ends_exact()


class WorkerFaults(Fault):
    def setUp(self):
        super().setUp()
        self.on_fleet()

    def test_term_drains(self):
        """Nothing that runs is lost or run again; the worker ends with 0 as soon as it is done."""
        self.items = 400
        self.under_way(ms=300, workers=2)
        began = time.monotonic()
        self.workers[0].signal(signal.SIGTERM)
        self.assertEqual(self.workers[0].wait(30), 0)
        self.assertLess(time.monotonic() - began, 15 * PATIENCE)
        self.ends_exact()
        self.assertEqual(self.counted.report()["starts"], self.items)

    def test_the_third_term_does_not_wait(self):
        worker = self.worker("--drain", "10m", "--exec", "long=sleep 600", tasks=None)
        run = self.start_map("long", data="1\n")
        wait_until(lambda: '"running":1' in self.run_fanmap("workers", "--json").out().decode().replace(" ", ""), 60 * PATIENCE, "it runs")
        for _ in range(2):
            worker.signal(signal.SIGTERM)
            wait_until(lambda: not self.is_pending(worker, signal.SIGTERM), 60 * PATIENCE, "it is taken: two that come at once are one")
            time.sleep(0.5)
            self.assertTrue(worker.alive())
        worker.signal(signal.SIGTERM)
        worker.wait(50)
        run.kill()

    @staticmethod
    def is_pending(program, signo):
        with open(f"/proc/{program.pid}/status") as f:
            masks = [int(line.split()[1], 16) for line in f if line.startswith(("SigPnd:", "ShdPnd:"))]
        return any(mask >> signo - 1 & 1 for mask in masks)

    def test_stopped_for_longer_than_its_lease_and_session(self):
        self.under_way()
        self.workers[0].signal(signal.SIGSTOP)
        time.sleep(16)
        self.workers[0].signal(signal.SIGCONT)
        self.ends_exact()

    def test_workers_join_and_leave(self):
        self.under_way(workers=1)
        for _ in range(3):
            self.workers.append(self.worker())
            time.sleep(2)
            self.workers.pop(0).signal(signal.SIGTERM)
        self.ends_exact()

    def test_map_killed_then_gathered(self):
        """A producer that dies after its input ended: the job goes on, and gather has the whole list."""
        self.counted = self.recorder()
        self.worker()
        submitted = self.finish(self.start_map("recorded", "-j", 3, "--job-id", "left", data=seq(1, 3000), command="submit"), 60)
        self.assertEqual(submitted.out(), b"left\n")
        watcher = self.start("gather", "left", name="gather")
        wait_until(lambda: watcher.out().count(b"\n") > 100, 60, "outcomes")
        watcher.kill()
        again = self.run_fanmap("gather", "left", bound_s=90)
        self.assert_same(again.out(), squares(3000))
