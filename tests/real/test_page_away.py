"""The page while Kafka, Redis or its server is away: each view says so, keeps what it knows, and goes on by itself when they are back."""
import json
import signal

import raw
from fleet import PATIENCE, wait_until
from page_case import PageCase

LONG_S = 120  # a question to Kafka may take 15 s, and some wait in line
SAYS = "document.getElementById('link').textContent"
WORKS = "document.querySelectorAll('.workers tbody tr').length === 1"


def tile(word, says):
    return f"[...document.querySelectorAll('.tile')].some((t) => t.lastChild.textContent.startsWith({json.dumps(word)}) && t.firstChild.textContent === {json.dumps(says)})"


class Away(PageCase):
    own_redis = True
    serve_args = ("--connect-timeout", "3s")

    def setUp(self):
        super().setUp()
        self.serve_tasks()
        self.submit("slow", "sleep_ms", "-j", "1", data=b"400\n" * 1000)
        self.open("#/jobs", "document.querySelectorAll('tbody tr').length === 1")

    def go(self, view, ready, what):
        self.browser.ask(f"location.hash = {json.dumps(view)}")
        self.browser.wait(ready, what, LONG_S * PATIENCE)

    def assert_moves(self):
        known = self.browser.ask("Number(document.querySelector('.tile b').textContent)")
        self.browser.wait(f"Number(document.querySelector('.tile b').textContent) > {known} && {SAYS} === ''", "it moves again, and nothing is said to be old", LONG_S * PATIENCE)

    def test_kafka_is_away(self):
        self.go("#/jobs/slow", "document.querySelectorAll('.tile').length === 8 && Number(document.querySelector('.tile b').textContent) > 0", "the job is shown")
        self.kafka.pause()
        self.addCleanup(self.kafka.resume)
        self.browser.wait(f"{SAYS}.startsWith('Not up to date: ')", "an open page says so", LONG_S * PATIENCE)
        self.assertEqual(self.browser.ask("document.querySelectorAll('.tile').length"), 8)
        self.picture("job-kafka-away")
        self.go("#/jobs", f"{SAYS}.startsWith('Not up to date: ')", "the list says so")
        self.assertEqual(self.browser.ask("document.querySelector('main p[role=status]').textContent"), "Asking…")
        self.picture("jobs-kafka-away")
        self.go("#/jobs/slow", "document.querySelector('.head .bad')?.textContent.includes('Kafka')", "a page that is opened now says why it is empty")
        self.picture("job-kafka-away-before")
        self.go("#/fleet", f"{tile('Kafka', 'away')} && {tile('Redis', 'answers')} && {WORKS}", "workers are those of Redis")
        self.browser.wait("document.querySelectorAll('.dead .bad, .shares .bad').length === 2", "what Kafka knows is missing, and why", LONG_S * PATIENCE)
        self.picture("fleet-kafka-away")
        self.kafka.resume()
        self.browser.wait(f"{tile('Kafka', 'answers')} && document.querySelectorAll('.shares tbody tr').length === 1", "it is back", LONG_S * PATIENCE)
        self.go("#/jobs/slow", "document.querySelectorAll('.tile').length === 8", "the job is shown")
        self.assert_moves()
        self.assertEqual([p for p in self.browser.problems() if "503" not in p], [])

    def test_kafka_is_away_from_a_stream(self):
        source, to = f"{self.namespace}-in", f"{self.namespace}-out"
        for topic in (source, to):
            raw.create_topic(self.kafka.port, topic, 2)
        self.start("stream", "echo", "--from", source, "--to", to, *self.connect_args())
        lanes = "document.querySelectorAll('.lanes tbody tr').length"
        self.go("#/jobs", "[...document.querySelectorAll('tbody a')].some((a) => a.textContent === 'echo')", "the stream is listed")
        self.go("#/jobs/echo", f"{lanes} === 2", "its lanes are shown")
        self.kafka.pause()
        self.addCleanup(self.kafka.resume)
        self.browser.wait(f"{SAYS}.startsWith('Not up to date: ')", "it says so", LONG_S * PATIENCE)
        self.assertEqual(self.browser.ask(lanes), 2)
        self.picture("stream-kafka-away")
        self.kafka.resume()
        self.browser.wait(f"{SAYS} === '' && {lanes} === 2", "it is back", LONG_S * PATIENCE)
        self.assertEqual([p for p in self.browser.problems() if "503" not in p], [])

    def test_redis_is_away(self):
        self.go("#/jobs/slow", "document.querySelectorAll('.running tbody tr').length === 1", "what runs is listed")
        self.redis.kill()
        self.browser.wait("document.querySelector('.running .bad')?.textContent.includes('As it was last known')", "what runs is what ran", LONG_S * PATIENCE)
        self.browser.wait("document.querySelector('.events').textContent.includes('Redis does not answer')", "and why", LONG_S * PATIENCE)
        self.assertEqual(self.browser.ask("document.querySelector('.state').textContent"), "running")
        self.picture("job-redis-away")
        self.go("#/jobs", f"document.querySelectorAll('tbody tr').length === 1 && {SAYS} === ''", "the list needs no Redis")
        self.go("#/fleet", f"{tile('Redis', 'away')} && {tile('Kafka', 'answers')} && {tile('workers', '–')}", "no number that nobody knows")
        self.browser.wait("document.querySelector('.dead').textContent.includes('every record could be used') && document.querySelectorAll('.shares tbody tr').length === 1", "what Kafka knows is there", LONG_S * PATIENCE)
        self.picture("fleet-redis-away")
        self.redis.start()
        self.browser.wait(f"{tile('Redis', 'answers')} && {WORKS}", "it is back", LONG_S * PATIENCE)
        self.go("#/jobs/slow", "document.querySelector('.events')?.textContent.includes('Redis answers again') && document.querySelectorAll('.tile').length === 8", "it is told")
        self.assert_moves()
        self.assertEqual([p for p in self.browser.problems() if "503" not in p], [])

    def test_the_server_is_begun_anew(self):
        self.go("#/jobs/slow?item=999", "document.querySelectorAll('.tile').length === 8 && document.querySelector('dialog')?.textContent.includes('no outcome yet')", "the job and an item are shown")
        self.server.signal(signal.SIGTERM)
        self.finish(self.server, 20)
        self.browser.wait(f"{SAYS}.startsWith('Not up to date: ')", "it says so", LONG_S * PATIENCE)
        self.browser.wait("document.querySelector('dialog').textContent.includes('It is asked for again')", "the item, too", LONG_S * PATIENCE)
        self.picture("item-server-away")
        before = self.address
        self.serve(before.removeprefix("http://"))
        self.assertEqual(self.address, before)
        self.browser.wait("!document.querySelector('dialog').textContent.includes('asked for again')", "the item goes on", LONG_S * PATIENCE)
        self.browser.ask("document.querySelector('dialog form button').click()")
        self.assert_moves()
        self.run_fanmap("cancel", "slow")
        self.browser.wait("document.querySelector('.state').textContent.startsWith('ended')", "and goes on", 30 * PATIENCE)
        wait_until(lambda: self.show("slow")["state"] == "ended", 30 * PATIENCE, "it has ended")
