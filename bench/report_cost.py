"""The Python half of report-cost.ts: prints the cost of each report() in microseconds, as JSON.

`--way thread` measures the alternative that was refused: hand the report to a background thread, which
serialises and sends it; cheap in the call, but see `python/contrail/_runner.py` for the lag. Run through report-cost.ts, or beside any runner: CONTRAIL_SOCKET names it.
"""

from __future__ import annotations

import argparse
import json
import os
import queue
import sys
import threading
import time
from pathlib import Path
from typing import Any, Callable, Dict, List

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "python"))

import contrail  # noqa: E402

METRICS = {"loss": 0.123456789, "accuracy": 0.987654321, "learning_rate": 0.001}
PACED_WORK_US = 200
WARMUP = 500


def through_thread(trial: contrail.Trial) -> Callable[..., None]:
    waiting: "queue.SimpleQueue[Any]" = queue.SimpleQueue()

    def send() -> None:
        while True:
            step, metrics = waiting.get()
            trial.report(step, metrics)

    threading.Thread(target=send, daemon=True).start()
    return lambda step, **metrics: waiting.put((step, metrics))


def measure(trial: contrail.Trial, *, reports: int, pace: str, way: str) -> List[float]:
    report: Callable[..., None] = trial.report if way == "direct" else through_thread(trial)
    costs_us: List[float] = []
    for step in trial.steps():
        if step > reports + WARMUP:
            break
        if pace == "paced":
            end_ns = time.perf_counter_ns() + PACED_WORK_US * 1000
            while time.perf_counter_ns() < end_ns:
                pass
        start_ns = time.perf_counter_ns()
        report(step, **METRICS)
        costs_us.append((time.perf_counter_ns() - start_ns) / 1000)
    return costs_us[WARMUP:]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--socket", help="default: CONTRAIL_SOCKET")
    parser.add_argument("--pace", choices=["burst", "paced"], default="paced")
    parser.add_argument("--way", choices=["direct", "thread"], default="direct")
    parser.add_argument("--reports", type=int, default=5000)
    given: Dict[str, Any] = vars(parser.parse_args())
    socket = given.pop("socket")
    if socket:
        os.environ["CONTRAIL_SOCKET"] = socket
    print(json.dumps(measure(contrail.init(), **given)))


if __name__ == "__main__":
    main()
