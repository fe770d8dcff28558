#!/usr/bin/env python3
"""An image in, a small one out: a command for streams and maps, with nothing but the standard library. Images are PPM (P6).

    fanmap worker --exec thumbnail='python3 examples/streams/thumbnail.py 64' --raw
    fanmap stream thumbnail --from images --to thumbnails --errors-to failed --from-format binary --to-format binary

With ImageMagick, for every format: --exec thumbnail='convert - -thumbnail 64x64 png:-'.
"""
import re
import sys


def main():
    most = int(sys.argv[1])
    data = sys.stdin.buffer.read()
    head = re.match(rb"P6\s+(\d+)\s+(\d+)\s+255\s", data)
    if head is None:
        sys.exit("not a PPM image")
    width, height = int(head[1]), int(head[2])
    pixels = data[head.end():]
    if len(pixels) < 3 * width * height or width * height == 0:
        sys.exit("the image is cut short")
    step = max(1, -(-max(width, height) // most))
    rows = range(0, height, step)
    columns = range(0, width, step)
    small = b"".join(pixels[3 * (y * width + x):][:3] for y in rows for x in columns)
    sys.stdout.buffer.write(b"P6 %d %d 255\n" % (len(columns), len(rows)) + small)


main()
