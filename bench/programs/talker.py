"""Prints numbered, stamped lines of 80 bytes: RATE lines a second, each by a write of its own; COUNT in all.

With RATE 0 as fast as they are taken, a hundred to a write: one by one they would come no faster than they can be stored.
"""

import os
import sys
import time

LINE_BYTES = 80
TICK_S = 0.05
AT_ONCE = 100

rate, count = float(sys.argv[1]), int(sys.argv[2])


def lines(first: int, end: int) -> bytes:
    stamp = time.time_ns() // 1000
    heads = (b"%010d %016d " % (number, stamp) for number in range(first, end))
    return b"".join(head.ljust(LINE_BYTES - 1, b".") + b"\n" for head in heads)


start_s = time.monotonic()
number = 0
while number < count:
    due = count if rate == 0 else min(count, int((time.monotonic() - start_s) * rate) + 1)
    while number < due:
        end = min(due, number + (AT_ONCE if rate == 0 else 1))
        text = lines(number, end)
        while text:
            text = text[os.write(1, text) :]
        number = end
    if number < count:
        time.sleep(TICK_S)
os.write(2, b"took %d ms\n" % ((time.monotonic() - start_s) * 1000))
