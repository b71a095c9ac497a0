"""The platform of a script that runs alone: on a laptop, in a debugger, in a test.

Same loop, same calls; reports are printed, checkpoints lie in ``./checkpoints/step-N``, and the search is
a fixed number of steps. Nothing is guessed about servers: a script run by hand leaves nothing elsewhere.
"""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path
from typing import Any, Dict, Mapping, Optional

from ._errors import shown
from ._platform import Metrics, Orders, Platform, Restored, Session, warn
from ._values import wire_metrics


class StandalonePlatform(Platform):
    def __init__(
        self,
        *,
        params: Dict[str, Any],
        seed: int,
        data: Dict[str, Any],
        steps: int,
        resume: bool,
        checkpoints: Path,
    ) -> None:
        folder = checkpoints.absolute()
        restore = _latest(folder) if resume else None
        if resume and restore is None:
            warn("nothing to resume in %s; training starts at step 1" % folder)
        self.session = Session(
            trial=None,
            params=params,
            seed=seed,
            rank=0,
            size=1,
            data=data,
            unit="steps",
            checkpoint_dir=folder,
            restore=restore,
        )
        self.orders = Orders(steps, None, "running alone")
        start = "" if restore is None else ", going on after step %d" % restore.step
        warn(
            "running alone to step %d with seed %d%s (CONTRAIL_STEPS or init's steps change the end)"
            % (steps, seed, start)
        )

    def report(self, step: int, metrics: Metrics) -> None:
        parts = ["step %d" % step]
        parts += ["%s=%s" % (name, _readable(value)) for name, value in wire_metrics(metrics).items()]
        print("  ".join(parts), flush=True)

    def checkpoint(self, step: int, path: Path, metadata: Mapping[str, Any]) -> Optional[str]:
        final = self.session.checkpoint_dir / ("step-%d" % step)
        shutil.rmtree(final, ignore_errors=True)
        os.replace(path, final)
        return None

    def agree(self) -> Orders:
        return self.orders

    def wait(self, step: int) -> bool:
        self.orders = Orders(step, "stop", "all steps are done")
        return True

    def turn(self) -> None:
        pass

    def invalid_hyperparameters(self, reason: str) -> None:
        pass

    def bye(self) -> None:
        pass

    def flush(self) -> None:
        pass


def _latest(folder: Path) -> Optional[Restored]:
    found = [re.fullmatch(r"step-([0-9]+)", name) for name in (os.listdir(folder) if folder.is_dir() else [])]
    steps = [int(match.group(1)) for match in found if match]
    if not steps:
        return None
    return Restored(max(steps), folder / ("step-%d" % max(steps)))


def _readable(value: Any) -> str:
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return "%.6g" % value
    return value if value in ("NaN", "Infinity", "-Infinity") else shown(value)
