"""What a trial needs from whoever it trains for.

Two things answer: a runner at the other end of a socket (``_runner``), and nobody (``_standalone``). The
loop is the same for both, so a script that works alone works under the platform.
"""

from __future__ import annotations

import sys
from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, FrozenSet, Mapping, NamedTuple, Optional

Metrics = Mapping[str, Any]


class Restored(NamedTuple):
    """The checkpoint that a trial goes on from; its folder is read-only."""

    step: int
    path: Path


@dataclass(frozen=True)
class Session:
    """The facts of this run that do not change while it lasts."""

    trial: Optional[str]
    """For example "3.12"; None when the script runs alone."""
    params: Dict[str, Any]
    seed: int
    rank: int
    size: int
    data: Dict[str, Any]
    unit: str
    checkpoint_dir: Path
    """New checkpoint folders are made below this one."""
    restore: Optional[Restored]
    checkpoint_steps: FrozenSet[int] = frozenset()
    """A checkpoint is taken at each of these, whatever else asks for one."""


@dataclass(frozen=True)
class Orders:
    """Absolute: what to do now, whatever was said before."""

    target: Optional[int]
    """Train to this step; None: no limit."""
    yield_: Optional[str]
    """None: go on. "pause": checkpoint, then end. "stop": end, the trial is over."""
    reason: str

    def answers(self, step: int) -> bool:
        """True when a trial that has reached ``step`` knows what to do next."""
        return self.target is None or self.target > step or self.yield_ is not None


class Platform(ABC):
    session: Session
    orders: Orders
    """The last orders heard."""

    @abstractmethod
    def report(self, step: int, metrics: Metrics) -> None:
        """Returns at once and never raises, whatever the other side does."""

    @abstractmethod
    def checkpoint(self, step: int, path: Path, metadata: Mapping[str, Any]) -> Optional[str]:
        """Hands the complete folder over. Returns why it could not be kept, or None."""

    @abstractmethod
    def agree(self) -> Orders:
        """Of several ranks, between two steps: the orders that all of them follow now."""

    @abstractmethod
    def wait(self, step: int) -> bool:
        """Ends when ``orders`` answers ``step``. False: the platform has gone away and never will."""

    @abstractmethod
    def turn(self) -> None:
        """Sends what has waited and hears what has arrived, without waiting for either."""

    @abstractmethod
    def invalid_hyperparameters(self, reason: str) -> None: ...

    @abstractmethod
    def bye(self) -> None: ...

    @abstractmethod
    def flush(self) -> None:
        """Everything said so far has left this process, or a few seconds have passed."""


def warn(text: str) -> None:
    """One line on stderr: about the platform, never about the model."""
    try:
        print("contrail: " + text, file=sys.stderr, flush=True)
    except (OSError, ValueError):
        pass  # A closed stderr is no reason to end training, and there is nowhere left to say so.
