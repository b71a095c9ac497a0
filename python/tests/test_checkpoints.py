"""Which checkpoints of a trial are made, what is said of each, and what becomes of one that is refused."""

from __future__ import annotations

import contextlib
import io
import os
import tempfile
import unittest
from pathlib import Path
from typing import Any, List, Optional
from unittest import mock

import support  # noqa: F401  (puts the package on the path)
from fake_runner import FakeRunner, Number, connected, go_to, save, yield_now

import contrail


class Checkpoints(unittest.TestCase):
    def test_saves_at_each_step_that_the_experiment_wants(self) -> None:
        with FakeRunner(
            go_to(6), welcome={"checkpointSteps": [2, 3, 9]}, on_wait=lambda _: yield_now("stop", 6)
        ) as runner, connected(runner) as (trial, _):
            for step in trial.steps():
                trial.checkpoint(step, save)
            runner.until(lambda: runner.story[-1:] == ["bye"])
            self.assertEqual([step for step, *_ in runner.kept], [2, 3, 6])

    def test_an_offer_is_taken_when_the_last_one_is_old_and_at_once_when_always(self) -> None:
        stop = lambda m: yield_now("stop", 6)  # noqa: E731
        with FakeRunner(go_to(6), on_wait=stop) as runner, connected(runner) as (trial, _):
            now_s = 0.0
            trial._monotonic_s = lambda: now_s
            for step in trial.steps():
                trial.checkpoint(step, save, metadata={"of": step})
                self.assertNotIn(step, [kept[0] for kept in runner.kept])
                now_s += 25
                if step == 4:
                    trial.checkpoint(step, save, always=True)
                    self.assertEqual(runner.kept[-1][0], 4)
            kept = [(step, metadata) for step, _, metadata in runner.kept]
            self.assertEqual(kept, [(3, {"of": 3}), (4, {}), (6, {"of": 6})])

    def test_a_note_is_shown_with_the_checkpoint_of_its_own_step(self) -> None:
        stop = lambda m: yield_now("stop", 3)  # noqa: E731
        with FakeRunner(go_to(3), welcome={"checkpointSteps": [1, 2]}, on_wait=stop) as runner:
            with connected(runner) as (trial, _):
                for step in trial.steps(save=save):
                    if step == 1:
                        trial.checkpoint(step, save, metadata={"of": step})
                kept = [(step, metadata) for step, _, metadata in runner.kept]
                self.assertEqual(kept, [(1, {"of": 1}), (2, {}), (3, {})])

    def test_one_that_is_saved_at_once_leaves_what_the_loop_saves_by_as_it_is(self) -> None:
        stop = lambda m: yield_now("stop", 2)  # noqa: E731
        other = lambda path: (path / "best").write_text("best")  # noqa: E731
        # With nothing else to save by, it is better than nothing.
        for own, names in ((save, ["best", "model"]), (None, ["best", "best"])):
            with FakeRunner(go_to(2), on_wait=stop) as runner, connected(runner) as (trial, _):
                for step in trial.steps(save=own):
                    if step == 1:
                        trial.checkpoint(step, other, always=True, metadata={"of": step})
                self.assertEqual([os.listdir(path)[0] for _, path, _ in runner.kept], names)
                self.assertEqual([metadata for *_, metadata in runner.kept], [{"of": 1}, {}])

    def test_one_that_is_saved_at_once_and_not_kept_is_tried_again_as_it_was(self) -> None:
        refusals = ["the disk is full"]
        refuses = lambda step: refusals.pop() if step == 2 and refusals else None  # noqa: E731
        stop = lambda m: yield_now("stop", 2)  # noqa: E731
        with FakeRunner(go_to(2), on_wait=stop, refuses=refuses) as runner, connected(runner) as (trial, _):
            for step in trial.steps():

                def of_step(path: Path, step: int = step) -> None:
                    (path / ("model-%d" % step)).write_text("weights")

                trial.checkpoint(step, of_step, always=True, metadata={"of": step})
            kept = [(step, os.listdir(path), metadata) for step, path, metadata in runner.kept]
            self.assertEqual(kept, [(1, ["model-1"], {"of": 1}), (2, ["model-2"], {"of": 2})])

    def test_a_checkpoint_that_is_not_kept_is_a_warning_and_tried_again(self) -> None:
        answers: List[Optional[str]] = ["the disk is full", None]
        pause = lambda m: yield_now("pause", 1)  # noqa: E731
        with FakeRunner(go_to(1), on_wait=pause, refuses=lambda step: answers.pop(0)) as runner:
            with connected(runner) as (trial, stderr):
                for step in trial.steps(save=save):
                    trial.report(step, loss=1)
                self.assertIn("step 1 was not kept: the disk is full", stderr.getvalue())
                self.assertEqual([step for step, _, _ in runner.kept], [1])


class Metadata(unittest.TestCase):
    NOTES = {
        "nan": float("nan"),
        "best": {"loss": Number(0.5), "at": (1, Number(2))},
        "huge": 2**53 + 1,
        "text": "x" * 1000,
        "none": None,
        7: True,
    }

    def test_travels_with_its_checkpoint_whatever_made_its_numbers(self) -> None:
        stop = lambda m: yield_now("stop", 1)  # noqa: E731
        with FakeRunner(go_to(1), on_wait=stop) as runner, connected(runner) as (trial, _):
            for step in trial.steps():
                trial.checkpoint(step, save, metadata=self.NOTES)
            self.assertEqual(
                runner.kept[0][2],
                {
                    "nan": "NaN",
                    "best": {"loss": 0.5, "at": [1, 2]},
                    "huge": "9007199254740993",
                    "text": "x" * 1000,
                    "none": None,
                    "7": True,
                },
            )

    def refuses(self, trial: Any, step: int) -> None:
        loop: List[Any] = []
        loop.append(loop)
        cases = (
            ({"best": {"of": [object]}}, "object'> as metadata.best.of.0"),
            ({"a": {1}}, "{1} as metadata.a"),
            ({"loop": loop}, "at most 32 levels deep"),
            (3, "3 as metadata"),
            ({"text": "ü" * 524_283}, "1048577 bytes of JSON as metadata"),
        )
        for metadata, text in cases:
            with self.subTest(text), self.assertRaises(contrail.TrialError) as caught:
                trial.checkpoint(step, lambda path: self.fail("was saved"), always=True, metadata=metadata)
            self.assertEqual(caught.exception.code, "metadata_invalid")
            self.assertIn(text, str(caught.exception))

    def test_that_is_none_is_refused_before_anything_is_saved(self) -> None:
        with FakeRunner(go_to(1)) as runner, connected(runner) as (trial, _):
            self.refuses(trial, next(trial.steps()))
            self.assertEqual(runner.story, [])

    def test_is_read_by_the_rank_that_saves_alone(self) -> None:
        loss = mock.Mock()
        loss.item.return_value = 0.5
        with FakeRunner(go_to(1), welcome={"size": 2}) as runner, connected(runner, rank=1) as (trial, _):
            step = next(trial.steps())
            for always in (False, True):
                trial.checkpoint(step, save, always=always, metadata={"loss": loss})
            loss.item.assert_not_called()

    def test_is_the_same_alone(self) -> None:
        with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stderr(io.StringIO()):
            trial = contrail.init(checkpoints=folder)
            trial.checkpoint(1, save, always=True, metadata=self.NOTES)
            self.refuses(trial, 2)
            self.assertEqual(os.listdir(folder), ["step-1"])


if __name__ == "__main__":
    unittest.main()
