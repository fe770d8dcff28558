"""Several items at once for a function in C, in maps and in streams: an outcome for each, and the guilty one alone."""
import json
import os
import subprocess

import raw
from fleet import BUILD, ROOT, Case, seq
from test_stream import StreamCase

SIZES = r"""
#include <fanmap/task.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int has(const fanmap_attempt_t *a, const char *text)
{
    return strstr(a->in, text) != NULL; /* JSON has a NUL behind it */
}

static int shares_key(const fanmap_attempt_t *a)
{
    for (const fanmap_attempt_t *b = a->next; a->record && b; b = b->next)
        if (a->record->key_len == b->record->key_len && memcmp(a->record->key, b->record->key, a->record->key_len) == 0)
            return 1;
    return 0;
}

static int sizes(fanmap_attempt_t *first)
{
    int of = 0;
    for (fanmap_attempt_t *a = first; a; a = a->next) {
        of++;
        if (has(a, ":13}"))
            return a->fail(a, 0, "RuntimeError", "thirteen");
        if (has(a, ":22}"))
            abort();
    }
    for (fanmap_attempt_t *a = first; a; a = a->next) {
        char text[64];
        if (has(a, ":5}")) {
            a->fail(a, 1, "ValueError", "five");
            continue;
        }
        int n = snprintf(text, sizeof text, "{\"of\":%d,\"shares\":%d,\"offset\":%lld}", of, shares_key(a),
                         a->record ? (long long)a->record->offset : -1);
        a->out(a, text, (size_t)n);
    }
    return 0;
}

FANMAP_TASKS({FANMAP_TASK_ABI, FANMAP_TASK_JSON | FANMAP_TASK_BATCH, "sizes", "", sizes, NULL, NULL});
"""


def library(folder):
    source, made = (os.path.join(folder, "sizes" + end) for end in (".c", ".so"))
    with open(source, "w") as f:
        f.write(SIZES)
    subprocess.run(["cc", "-shared", "-fPIC", "-Wall", "-Werror", "-I", os.path.join(ROOT, "include"), source, "-o", made], check=True)
    return made


class Maps(Case):
    def check(self, out):
        records = [json.loads(line) for line in out.splitlines()]
        self.assertEqual([(r["index"], r["error"]["kind"], r["error"].get("message")) for r in records if "error" in r][:2],
                         [(5, "exception", "five"), (13, "exception", "thirteen")])
        self.assertEqual([(r["index"], r["error"]["kind"]) for r in records if "error" in r][2:], [(22, "crashed")])
        self.assertEqual({r["attempts"] for r in records}, {1})
        sizes = [r["value"]["of"] for r in records if "value" in r]
        self.assertEqual((max(sizes), len(sizes)), (8, 37))

    def sizes(self, *args):
        items = b"".join(b'{"n":%d}\n' % n for n in range(40))
        return self.run_fanmap("map", "sizes", *args, "--records", "--batch", 8, "--within", "500ms", "--crash-cap", 1, data=items,
                               exit_status=1).out()

    def test_embedded(self):
        self.check(self.sizes("--local", "--slots", 4, "--tasks", library(self.folder)))

    def test_on_a_fleet(self):
        self.on_fleet()
        self.worker(slots=4, tasks=library(self.folder))
        self.check(self.sizes(*self.connect_args()))

    def test_what_takes_one_at_a_time(self):
        """Its items come one by one, whatever --batch says."""
        out = self.run_fanmap("map", "square", "--local", "--tasks", os.path.join(BUILD, "examples", "numbers.so"), "--batch", 8,
                              data=seq(1, 100)).out()
        self.assertEqual(out, b"".join(b"%d\n" % (n * n) for n in range(1, 101)))


class Streams(StreamCase):
    def batches(self, *args):
        """The values that came, with their keys, and everything else as it has to be."""
        self.worker(slots=4, tasks=library(self.folder))
        for lane in range(self.lanes):
            raw.produce(self.kafka.brokers, self.source, lane,
                        [(b"%d" % lane, b'{"n":%d}' % n) for n in range(80) if n % self.lanes == lane])
        self.start("stream", "sizes", "--from", self.source, "--to", self.to, "--errors-to", self.errors, "--batch", 8, "--within", "50ms",
                   "--crash-cap", 1, *args, *self.connect_args(), "--session-timeout", "10s")
        got = self.read(self.to, self.lanes, 77)
        bad = {json.loads(value)["n"]: headers["fanmap-error-kind"] for _, _, value, headers in self.read(self.errors, 1, 3, quiet_s=0)}
        self.assertEqual(bad, {5: b"exception", 13: b"exception", 22: b"crashed"})
        for _, _, value, headers in got:
            self.assertEqual(json.loads(value)["offset"], int(headers["fanmap-source-offset"]))
        self.assertGreater(max(json.loads(value)["of"] for _, _, value, _ in got), 1)
        return got

    def test_records(self):
        got = self.batches()
        self.in_order(got)
        self.assertTrue(any(json.loads(value)["shares"] for _, _, value, _ in got))

    def test_by_key(self):
        """No call has two records of a key, and each key is in its order."""
        got, at = self.batches("--order", "key"), {}
        for _, key, value, headers in got:
            self.assertFalse(json.loads(value)["shares"])
            self.assertGreater(int(headers["fanmap-source-offset"]), at.get(key, -1))
            at[key] = int(headers["fanmap-source-offset"])
