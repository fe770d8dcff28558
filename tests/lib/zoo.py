"""The command of the hostile tests: an item is the name of a creature, or is harmless. See tests/real/test_hostile.py."""
import json
import os
import resource
import signal
import subprocess
import sys
import time


def forever():
    while True:
        time.sleep(60)


def flood(fd):
    block = b"x" * 65536
    while True:
        os.write(fd, block)


def flood_stdout():
    flood(1)


def ignore_term():
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    forever()


def stop_itself():
    os.kill(os.getpid(), signal.SIGSTOP)
    forever()


def close_stdout():
    os.close(1)
    forever()


def bad_json():
    print("{not json")


def allocate():
    blocks = []
    while True:
        blocks.append(bytearray(b"x" * (1 << 20)))


def kill_parent():
    os.kill(os.getppid(), signal.SIGKILL)
    forever()


def leave_daemon():
    subprocess.Popen(["setsid", "sh", "-c", "setsid sleep 654321 & exec sleep 654321"])
    time.sleep(0.1)
    print(json.dumps("left"))


def unread_stdin():
    print(json.dumps("unread"))


def flood_stderr():
    for _ in range(64):
        os.write(2, b"y" * 65536)
    print(json.dumps("cried"))


def invalid_utf8():
    sys.stdout.buffer.write(b"\xff\xfe")


def fork_and_count():
    n = 1
    try:
        while n < 500:
            if os.fork() == 0:
                forever()
            n += 1
    except OSError:
        pass
    print(json.dumps(n))


def fork_bomb():
    while True:
        try:
            os.fork()
        except OSError:
            pass


def open_and_count():
    n = 3
    try:
        while n < 5000:
            os.open("/dev/null", os.O_RDONLY)
            n += 1
    except OSError:
        pass
    print(json.dumps(n))


def fill_file():
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
    with open(os.path.join(os.environ["TMPDIR"], "filled"), "wb") as f:
        while True:
            f.write(b"z" * 65536)


def spin():
    while True:
        pass


def main():
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    creature = globals().get(sys.argv[1]) if sys.argv[1] != "main" else None
    if creature:
        creature()
    else:
        print(json.dumps("fine"))


main()
