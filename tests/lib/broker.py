#!/usr/bin/env python3
"""A Kafka of a test's own, driven through pipes: says `ADDRESS SASL_ADDRESS` when it is ready, then obeys one word a line and
answers `ok`: kill, start, pause, resume. Ends with its standard input and leaves nothing. Exit status 77: no Kafka here."""
import os
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "real"))
import services


def main():
    with tempfile.TemporaryDirectory(prefix="fanmap-broker.") as folder:
        kafka = services.Kafka(os.path.join(folder, "kafka"))
        try:
            kafka.start()
        except services.Unavailable as e:
            print(e, file=sys.stderr)
            return 77
        try:
            print(kafka.brokers, kafka.sasl_brokers, flush=True)
            for line in sys.stdin:
                getattr(kafka, line.strip())()
                print("ok", flush=True)
        finally:
            kafka.kill()
    return 0


if __name__ == "__main__":
    sys.exit(main())
