"""What nobody sent in good faith, or by mistake: records and keys that this version would never write."""
import fleet
from fleet import Case


class Keys(Case):
    def test_keys_of_another_type_hide_no_workers(self):
        """Another program's strings stand where presence has its sorted sets and hashes."""
        self.on_fleet()
        for key in ("serve.default.echo", "bounds.default.echo", "workers", "workers.seen"):
            self.redis.ask("SET", f"{self.namespace}.{key}", "x")
        self.worker()
        self.run_map("echo", "--no-wait", "-j", "2", data=fleet.seq(1, 20))
        self.assertIn("echo", self.run_fanmap("workers").out().decode())
