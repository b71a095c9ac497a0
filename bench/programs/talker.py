"""Prints numbered, stamped lines of 80 bytes: RATE lines a second (0: as fast as they are taken), COUNT in all."""

import os
import sys
import time

LINE_BYTES = 80
TICK_S = 0.05

rate, count = float(sys.argv[1]), int(sys.argv[2])
start_s = time.monotonic()
number = 0
while number < count:
    due = count if rate == 0 else min(count, int((time.monotonic() - start_s) * rate) + 1)
    for number in range(number, due):
        head = b"%010d %016d " % (number, time.time_ns() // 1000)
        os.write(1, head.ljust(LINE_BYTES - 1, b".") + b"\n")
    number = max(number, due)
    if number < count:
        time.sleep(TICK_S)
os.write(2, b"took %d ms\n" % ((time.monotonic() - start_s) * 1000))
