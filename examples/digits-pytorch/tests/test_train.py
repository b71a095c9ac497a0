"""Needs torch and scikit-learn: python3 -m unittest discover -s examples/digits-pytorch/tests"""

from __future__ import annotations

import os
import subprocess
import sys
import unittest
from pathlib import Path
from typing import Any, Dict

HERE = Path(__file__).resolve().parent
PACKAGE = HERE.parents[2] / "python"
sys.path.insert(0, str(PACKAGE / "tests"))

from fake_runner import FakeRunner, go_to, yield_now  # noqa: E402

PARAMS = {"optimizer": "sgd", "learning_rate": 0.1, "momentum": 0.8, "batch_size": 32}


def run(script: str, *args: str, **environment: str) -> str:
    return subprocess.run(
        [sys.executable, str(HERE.parent / script), *args],
        env={**os.environ, "PYTHONPATH": str(PACKAGE), "PYTHONDONTWRITEBYTECODE": "1", **environment},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    ).stdout


class Digits(unittest.TestCase):
    def train(self, start: Any, pause_at: int, end: int) -> FakeRunner:
        def on_wait(message: Dict[str, Any]) -> Dict[str, Any]:
            return yield_now("pause" if message["step"] == pause_at else "stop")

        welcome = {"params": PARAMS, "restore": start}
        runner = FakeRunner(go_to(pause_at or end), welcome=welcome, on_wait=on_wait)
        self.addCleanup(runner.__exit__)
        run("train.py", CONTRAIL_SOCKET=runner.path)
        runner.until(lambda: runner.story[-1:] == ["bye"])
        return runner

    def test_pausing_gives_the_same_bytes_and_a_model_that_reads(self) -> None:
        straight = self.train(None, 0, 3)
        first = self.train(None, 2, 3)
        step, path, _ = first.kept[-1]
        second = self.train({"step": step, "path": path}, 0, 3)
        model = (Path(straight.kept[-1][1]) / "model.pt").read_bytes()
        self.assertEqual((Path(second.kept[-1][1]) / "model.pt").read_bytes(), model)
        reports = [line for line in straight.lines if '"report"' in line]
        again = [line for line in first.lines + second.lines if '"report"' in line]
        self.assertEqual(again, reports)
        printed = run("evaluate.py", second.kept[-1][1])
        self.assertGreater(float(printed.split("=")[1]), 0.85)


if __name__ == "__main__":
    unittest.main()
