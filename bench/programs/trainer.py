"""A trial that trains at a pace: so many reports of ten values a second, so many printed lines, a fixed piece of work a step.

It goes on until the file named by --stop exists, and then leaves in --notes how much it made, so that what arrived can
be compared with it. With --gauge it also notes how long each step of its own took, report included: wall clock and CPU.
"""

import argparse
import json
import os
import sys
import time
from pathlib import Path

import contrail

VALUES = 10
LINE_BYTES = 80
LOOK_EVERY_S = 0.5


def work(rounds: int) -> int:
    total = 0
    for number in range(rounds):
        total += number * number
    return total


def say(first: int, count: int) -> None:
    """Each line by a write of its own, as a training loop does."""
    for number in range(first, first + count):
        head = b"%010d %016d " % (number, time.time_ns() // 1000)
        os.write(1, head.ljust(LINE_BYTES - 1, b".") + b"\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rate", type=float, required=True, help="reports a second")
    parser.add_argument("--lines", type=float, default=0, help="lines a second")
    parser.add_argument("--rounds", type=int, default=0, help="of work a step")
    parser.add_argument("--gauge", type=int, default=0, help="this many of the trials note their steps")
    parser.add_argument("--notes", type=Path, required=True)
    parser.add_argument("--stop", type=Path, required=True)
    args = parser.parse_args()
    trial = contrail.init()
    name = trial.id or "alone"
    number = int(name.split(".")[-1])
    gauged = number <= args.gauge
    rounds = args.rounds if gauged else 0
    steps = (args.notes / (name + ".steps")).open("w") if gauged else None
    start_s = time.monotonic() + (number % 100) / 100 / args.rate
    made = lines = 0
    looked_s = start_s
    for step in trial.steps():
        now_s = time.monotonic()
        if now_s - looked_s > LOOK_EVERY_S:
            looked_s = now_s
            if args.stop.exists():
                break
        time.sleep(max(0.0, start_s + made / args.rate - now_s))
        began_ns, cpu_ns = time.perf_counter_ns(), time.thread_time_ns()
        work(rounds)
        metrics = {"metric_%d" % index: step / index for index in range(1, VALUES)}
        trial.report(step, loss=1 / step, **metrics)
        took_ns, took_cpu_ns = time.perf_counter_ns() - began_ns, time.thread_time_ns() - cpu_ns
        made += 1
        if steps is not None:
            steps.write("%d %d %d\n" % (time.time_ns() // 1_000_000, took_ns, took_cpu_ns))
        due = int((time.monotonic() - start_s) * args.lines) - lines
        if due > 0:
            say(lines, due)
            lines += due
    if steps is not None:
        steps.close()
    (args.notes / (name + ".made")).write_text(json.dumps({"reports": made, "lines": lines}))
    sys.stdout.flush()


if __name__ == "__main__":
    main()
