"""A small CNN with dropout and batch statistics over a data set that augments at random."""

from __future__ import annotations

import random
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any, List, Tuple

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy  # noqa: E402
import torch  # noqa: E402

SEED: Any = SimpleNamespace(seed=5, rank=0, size=1)


class Noisy(torch.utils.data.Dataset[Tuple[Any, int]]):
    """Images that are a function of their number, with noise from all three generators."""

    def __init__(self, count: int = 22) -> None:
        self.count = count

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> Tuple[Any, int]:
        base = torch.sin(torch.arange(36, dtype=torch.float32) * (index + 1)).reshape(1, 6, 6)
        noise = random.random() + float(numpy.random.random()) + float(torch.rand(()))
        return base + noise, index % 3


class Numbers(torch.utils.data.Dataset[int]):
    """Each sample is its number, so that a test sees which were read."""

    def __init__(self, count: int) -> None:
        self.count = count

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> int:
        return index


def network() -> Any:
    nn = torch.nn
    return nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.Dropout(0.3),
        nn.Flatten(),
        nn.Linear(144, 3),
    )


def numbers(batches: Any) -> List[List[int]]:
    return [batch.tolist() for batch in batches]
