"""Topics that get more partitions, or are deleted and made anew, under a running fleet."""
import raw
from fleet import PATIENCE, Case, seq, squares, wait_until


class TopicsChange(Case):
    partitions = 2

    def setUp(self):
        super().setUp()
        self.on_fleet()

    def topic(self, name):
        return f"{self.namespace}.{name}"

    def test_more_partitions_of_results(self):
        """The worker learns of them when it has something to store there."""
        self.worker()
        self.run_map("trouble", data=seq(1, 5))
        raw.add_partitions(self.kafka.port, self.topic("results"), 16)
        for n in range(8):  # one of them, at least, is on a new partition
            run = self.run_map("trouble", "--job-id", f"more{n}", data=seq(1, 50))
            self.assert_same(run.out(), squares(50))
