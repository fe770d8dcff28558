"""A stream whose task is one of the Python package's, and takes several records at once."""
import json
import os
import sys

from fleet import ROOT
from test_stream import StreamCase

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
TASKS = """
import fanmap

@fanmap.task(batch=8)
def double(orders):
    if any(o.get("poison") for o in orders):
        raise RuntimeError("one of them is poison")
    contexts = fanmap.context().each
    assert contexts[0].record == fanmap.context().record and len(contexts) == len(orders)
    return [ValueError("five") if o["n"] == 5 else {"n": o["n"], "twice": 2 * o["n"], "of": len(orders), "at": [c.record.partition, c.record.offset],
                                                    "trace": c.traceparent} for o, c in zip(orders, contexts)]
"""


class Batches(StreamCase):
    def test_lists_of_records(self):
        """Every record has its own outcome, in the order of its partition; an error in a list is one record's, and so is what
        makes a whole call fail."""
        with open(os.path.join(self.folder, "doubling.py"), "w") as f:
            f.write(TASKS)
        self.worker("--serve", f"double={sys.executable} -m fanmap slot doubling", tasks=None,
                    env={"PYTHONPATH": os.pathsep.join([os.path.join(ROOT, "python"), self.folder])})
        self.write(0, 79, poison=lambda n: n == 33)
        self.stream("--batch", "8", "--within", "50ms", "--traceparent", TRACE)
        records = self.read(self.to, self.lanes, 78, quiet_s=0)
        got = [(partition, json.loads(value)) for partition, _, value, _ in records]
        for (_, v), (_, _, _, headers) in zip(got, records):
            self.assertEqual(v["at"], [int(headers["fanmap-source-partition"]), int(headers["fanmap-source-offset"])])
        spans = {v["trace"] for _, v in got}
        self.assertEqual(({span[:36] for span in spans}, len(spans)), ({TRACE[:36]}, 78))  # each its own, of one trace
        self.assertEqual(sorted(v["n"] for _, v in got), [n for n in range(80) if n not in (5, 33)])
        self.assertTrue(all(v["twice"] == 2 * v["n"] for _, v in got))
        self.assertGreater(max(v["of"] for _, v in got), 1)
        bad = {json.loads(value)["n"]: headers["fanmap-error-message"] for _, _, value, headers in self.read(self.errors, 1, 2, quiet_s=0)}
        self.assertEqual(bad, {5: b"five", 33: b"one of them is poison"})
