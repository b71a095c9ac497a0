"""Needs torch and numpy, so it stands apart: python3 -m unittest discover -s python/torch_tests

A network with dropout and a shuffled order, paused after every possible step, ends with the same bytes in
`model.pt` as one that never was.
"""

from __future__ import annotations

import hashlib
import random
import tempfile
import unittest
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Dict, Optional, Set

from support import SEED, Noisy, network, numpy, torch

import contrail.torch
from contrail import Params

STEPS = 4


class Training:
    def __init__(self, optimizer: str) -> None:
        contrail.torch.seed_everything(SEED)
        layers = [torch.nn.Linear(6, 16), torch.nn.Dropout(0.5), torch.nn.Linear(16, 1)]
        self.model = torch.nn.Sequential(*layers)
        make = {"adam": torch.optim.AdamW, "sgd": torch.optim.SGD}[optimizer]
        options = {"momentum": 0.9} if optimizer == "sgd" else {}
        self.optimizer = make(self.model.parameters(), lr=0.01, **options)
        self.scheduler = torch.optim.lr_scheduler.ExponentialLR(self.optimizer, 0.8)

    def step(self) -> None:
        noise = random.random() + float(numpy.random.random())
        for batch in torch.randperm(32).split(8):
            self.optimizer.zero_grad()
            inputs = torch.sin(batch.float()[:, None] * torch.arange(6)) + noise
            self.model(inputs).square().mean().backward()
            self.optimizer.step()
        self.scheduler.step()

    def save(self, path: Path, **extra: Any) -> None:
        contrail.torch.save(path, self.model, self.optimizer, extra, scheduler=self.scheduler)

    def load(self, path: Path) -> Dict[str, Any]:
        return contrail.torch.load(path, self.model, self.optimizer, scheduler=self.scheduler)


def digest(path: Path) -> str:
    return hashlib.sha256((path / "model.pt").read_bytes()).hexdigest()


class Resume(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def train(self, optimizer: str, pause_at: Optional[int]) -> str:
        training = Training(optimizer)
        for step in range(1, STEPS + 1):
            training.step()
            if step == pause_at:
                training.save(self.folder, step=step)
                # Another process: whatever the generators held is gone.
                torch.manual_seed(999)
                random.seed(999)
                numpy.random.seed(999)
                training = Training(optimizer)
                self.assertEqual(training.load(self.folder), {"step": step})
        training.save(self.folder)
        return digest(self.folder)

    def test_pausing_anywhere_gives_the_same_bytes(self) -> None:
        for optimizer in ("adam", "sgd"):
            straight = self.train(optimizer, None)
            for pause_at in range(1, STEPS):
                with self.subTest(optimizer=optimizer, pause_at=pause_at):
                    self.assertEqual(self.train(optimizer, pause_at), straight)

    def test_what_is_saved_beside_is_read_again_as_plain_values(self) -> None:
        training = Training("adam")
        params = Params({"lr": 0.1, "net": {"width": 8}})
        best = {"loss": numpy.float64(0.5), "at": (numpy.int64(3), [numpy.bool_(True)]), "name": numpy.str_("a")}
        training.save(self.folder, params=params, best=best, weights=torch.ones(2), scalar=torch.tensor(2.0))
        extra = training.load(self.folder)
        self.assertEqual(extra["params"], {"lr": 0.1, "net": {"width": 8}})
        self.assertEqual(extra["best"], {"loss": 0.5, "at": (3, [True]), "name": "a"})
        self.assertIs(type(extra["best"]["loss"]), float)
        self.assertTrue(torch.equal(extra["weights"], torch.ones(2)))
        self.assertEqual(extra["scalar"], torch.tensor(2.0))

    def test_what_could_not_be_read_again_is_an_error_of_the_first_save(self) -> None:
        training = Training("adam")
        training.save(self.folder, step=1)
        place = r"extra\['config'\]\['files'\]\[1\] = .*Path\('x'\), a pathlib\..*which load\(\) would refuse"
        with self.assertRaisesRegex(TypeError, place):
            training.save(self.folder, step=2, config={"files": ["a", Path("x")]})
        foreign = SimpleNamespace(state_dict=lambda: {"rate": numpy.float64(0.1)})
        with self.assertRaisesRegex(TypeError, r"scaler\['rate'\] = .*0\.1.*, a numpy\.float64"):
            contrail.torch.save(self.folder, training.model, scaler=foreign)

    def test_other_objects_than_were_saved_are_refused(self) -> None:
        training = Training("adam")
        training.save(self.folder)
        with self.assertRaisesRegex(ValueError, "optimizer.*scheduler.*given.*nothing"):
            contrail.torch.load(self.folder, training.model)


class InTheMiddleOfAnEpoch(unittest.TestCase):
    """A CNN with dropout and batch statistics, shuffled loading with workers, noise drawn in the workers; steps of
    four batches, so that pauses come in the middle of epochs."""

    def train(self, folder: Path, pauses: Set[int], workers: int) -> str:
        def begin() -> Any:
            contrail.torch.seed_everything(SEED)
            model = network()
            optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
            loader = contrail.torch.loader(SEED, Noisy(), 4, workers=workers)
            scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 2, 0.7)
            return contrail.torch.prepare(model, optimizer, loader) + (scheduler,)

        model, optimizer, loader, scheduler = begin()
        for step in range(1, 8):
            for images, labels in loader.take(4):
                optimizer.zero_grad()
                torch.nn.functional.cross_entropy(model(images), labels).backward()
                optimizer.step()
            scheduler.step()
            if step in pauses:
                contrail.torch.save(folder, model, optimizer, loader=loader, scheduler=scheduler)
                contrail.torch.seed_everything(SimpleNamespace(seed=999))
                model, optimizer, loader, scheduler = begin()
                contrail.torch.load(folder, model, optimizer, loader=loader, scheduler=scheduler)
        contrail.torch.save(folder, model, optimizer, loader=loader, scheduler=scheduler)
        return digest(folder)

    def test_pausing_any_number_of_times_gives_the_same_bytes(self) -> None:
        with tempfile.TemporaryDirectory() as name:
            straight = self.train(Path(name), set(), workers=0)
            for workers, pauses in ((0, {3}), (2, {1, 2, 5}), (3, {1, 2, 3, 4, 5, 6})):
                with self.subTest(workers=workers, pauses=pauses):
                    self.assertEqual(self.train(Path(name), pauses, workers), straight)


if __name__ == "__main__":
    unittest.main()
