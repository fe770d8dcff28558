#!/usr/bin/env python3
"""A batch of images: the brightness of every PPM file of a folder, 8 at a time; a broken file fails alone.

python3 images.py FOLDER
"""

import pathlib
import re
import sys

import fanmap


@fanmap.task(memory="1GiB", timeout=30)
def brightness(path: str) -> float:
    """The mean of an image's samples, 0 to 1. Of a binary PPM (P6), which takes no library to read."""
    data = pathlib.Path(path).read_bytes()
    head = re.match(rb"P6\s+(\d+)\s+(\d+)\s+(\d+)\s", data)
    width, height, top = map(int, head.groups()) if head else (0, 0, 0)
    size = width * height * 3
    pixels = data[head.end() :][:size] if head else b""
    if not size or len(pixels) < size:
        fanmap.fail(f"{path} is no whole binary PPM")
    return sum(pixels) / size / top


def main(folder: str) -> int:
    paths = sorted(str(p) for p in pathlib.Path(folder).glob("*.ppm"))
    failed = 0
    for path, value in zip(paths, fanmap.map(brightness, paths, concurrency=8, return_exceptions=True)):
        if isinstance(value, fanmap.TaskError):
            failed += 1
            print(f"{path}: {value.message}", file=sys.stderr)
        else:
            print(f"{path}\t{value:.3f}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1] if len(sys.argv) > 1 else "."))
