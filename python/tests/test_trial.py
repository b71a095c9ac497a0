from __future__ import annotations

import contextlib
import io
import json
import os
import pickle
import random
import shutil
import tempfile
import unittest
from pathlib import Path
from typing import Any, Dict, Iterator, List, Optional, Tuple
from unittest import mock

import support  # noqa: F401  (puts the package on the path)
from fake_runner import FakeRunner, Number, connected, go_to, save, yield_now

import contrail
from contrail import _runner
from contrail._errors import CATALOGUE


class Loop(unittest.TestCase):
    def test_trains_to_the_target_saves_waits_goes_on_and_stops(self) -> None:
        answer = lambda m: go_to(5) if m["step"] < 5 else yield_now("stop", 5)  # noqa: E731
        with FakeRunner(go_to(2), on_wait=answer) as runner, connected(runner) as (trial, _):
            for step in trial.steps(save=save):
                trial.report(step, loss=1 / step)
            runner.until(lambda: runner.story[-1:] == ["bye"])
            self.assertEqual(
                runner.story,
                ["report 1", "report 2", "checkpoint 2", "wait 2", "report 3", "report 4"]
                + ["report 5", "checkpoint 5", "wait 5", "bye"],
            )
            self.assertEqual((Path(runner.kept[0][1]) / "model").read_text(), "weights")

    def test_without_a_length_it_ends_where_it_would_alone(self) -> None:
        for steps, environment, last in ((3, {}, 3), (3, {"CONTRAIL_STEPS": "2"}, 2), (None, {}, 1)):
            with mock.patch.dict(os.environ, environment), FakeRunner(
                go_to(None), welcome={"openEnded": True}
            ) as runner, connected(runner, steps=steps) as (trial, stderr):
                self.assertEqual(list(trial.steps(save=save)), list(range(1, last + 1)))
                runner.until(lambda: runner.story[-1:] == ["bye"])
                self.assertEqual(runner.story, ["checkpoint %d" % last, "bye"])
                said = "contrail: the experiment sets no length; training to step %d " % last
                self.assertEqual(stderr.getvalue().count(said), 1)

    def test_a_target_of_none_elsewhere_means_until_told(self) -> None:
        stop = lambda m: yield_now("stop") if m["step"] == 4 else None  # noqa: E731
        with FakeRunner(go_to(None), on_report=stop) as runner:
            with connected(runner, steps=2) as (trial, stderr):
                last = 0
                for last in trial.steps():
                    trial.report(last, loss=1)
                self.assertGreaterEqual(last, 4)
                self.assertEqual(stderr.getvalue(), "")

    def test_knows_its_facts(self) -> None:
        welcome = {"params": {"lr": 0.1, "net": {"width": 8}}, "data": {"names": "/data/names"}}
        with FakeRunner(go_to(1), welcome=welcome) as runner, connected(runner) as (trial, _):
            self.assertEqual(trial.params, welcome["params"])
            self.assertEqual((trial.id, trial.seed, trial.rank, trial.size), ("3.12", 7, 0, 1))
            self.assertEqual(trial.data, welcome["data"])
            self.assertIsNone(trial.restored)
            self.assertFalse(trial.should_stop)

    def test_a_pause_in_the_middle_is_taken_when_the_body_is_over(self) -> None:
        pause = lambda m: yield_now("pause", 100) if m["step"] == 3 else None  # noqa: E731
        with FakeRunner(go_to(100), on_report=pause) as runner, connected(runner) as (trial, _):
            model = 0
            for step in trial.steps():
                trial.report(step, loss=0)
                trial.checkpoint(step, lambda path: (path / "model").write_text(str(model)))
                if step == 3:
                    while not trial.should_stop:
                        pass
                model += 1
            self.assertEqual([step for step, _, _ in runner.kept], [3])
            self.assertEqual((Path(runner.kept[0][1]) / "model").read_text(), "3")

    def test_a_stop_ends_with_a_checkpoint_even_if_it_overtakes_that_of_the_target(self) -> None:
        for target in (100, 1):
            stop = lambda m: yield_now("stop", target)  # noqa: B023, E731
            with FakeRunner(go_to(target), on_report=stop) as runner:
                with connected(runner) as (trial, _):
                    seen = []
                    for step in trial.steps(save=save):
                        seen.append(step)
                        trial.report(step, loss=0)
                        while not trial.should_stop:
                            pass
                    self.assertEqual((seen, [step for step, _, _ in runner.kept]), ([1], [1]))

    def test_a_pause_before_any_step_changes_nothing(self) -> None:
        welcome = {"restore": {"step": 4, "path": "/nowhere"}}
        with FakeRunner(yield_now("pause", 9), welcome=welcome) as runner:
            with connected(runner) as (trial, stderr):
                self.assertEqual(list(trial.steps(restore=lambda path, step: None, save=save)), [])
                runner.until(lambda: runner.story == ["bye"])
                self.assertEqual(stderr.getvalue(), "")

    def test_a_target_reached_before_the_restart_is_waited_for_again(self) -> None:
        welcome = {"restore": {"step": 3, "path": "/nowhere"}}
        answer = lambda m: go_to(4) if m["step"] == 3 else yield_now("stop")  # noqa: E731
        with FakeRunner(go_to(3), welcome=welcome, on_wait=answer) as runner:
            with connected(runner) as (trial, _):
                loaded = []
                steps = trial.steps(restore=lambda path, step: loaded.append((path, step)))
                self.assertEqual(list(steps), [4])
                self.assertEqual(loaded, [(Path("/nowhere"), 3)])

    def test_when_the_runner_goes_away_training_goes_on_to_the_known_target(self) -> None:
        with FakeRunner(go_to(5)) as runner, connected(runner) as (trial, stderr):
            seen = []
            for step in trial.steps(save=save):
                seen.append(step)
                if step == 2:
                    runner.die()
                trial.report(step, loss=1)
            self.assertEqual(seen, [1, 2, 3, 4, 5])
            self.assertEqual(stderr.getvalue().count("the runner went away;"), 1)

    def test_when_the_runner_goes_away_while_reports_wait_training_goes_on(self) -> None:
        with FakeRunner(go_to(3)) as runner, connected(runner) as (trial, stderr):
            runner.hearing.clear()
            seen = []
            for step in trial.steps():
                seen.append(step)
                while step == 1 and not trial._platform._backlog:
                    trial.report(step, {"metric-%d" % i: i / 3 for i in range(500)})
                if step == 1:
                    runner.die()
                trial.report(step, loss=1)
            self.assertEqual(seen, [1, 2, 3])
            self.assertEqual(stderr.getvalue().count("the runner went away;"), 1)

    def test_when_the_runner_goes_away_during_a_wait_the_loop_ends(self) -> None:
        with FakeRunner(go_to(1)) as runner, connected(runner) as (trial, _):
            runner._on_wait = lambda m: runner._connections[0].shutdown(2)  # type: ignore[assignment]
            self.assertEqual(list(trial.steps()), [1])

    def test_ranks_leave_at_the_same_step_whenever_each_of_them_hears_of_it(self) -> None:
        pause = lambda m: yield_now("pause", 9) if m["step"] == 3 else None  # noqa: E731
        with FakeRunner(go_to(9), welcome={"size": 2}, on_report=pause) as runner:
            seen: Dict[int, List[int]] = {0: [], 1: []}
            for rank in (0, 1):
                with connected(runner, rank=rank) as (trial, _):
                    for step in trial.steps(save=save):
                        seen[rank].append(step)
                        trial.report(step, loss=1)
                        trial.checkpoint(step, save, always=rank == 1)
            # Rank 0 was told to pause in the middle; rank 1 heard of it before its first step.
            self.assertEqual(seen, {0: [1, 2, 3], 1: [1, 2, 3]})
            runner.until(lambda: runner.story.count("bye") == 2)
            self.assertEqual(len([line for line in runner.story if line.startswith("report")]), 3)
            self.assertEqual([step for step, _, _ in runner.kept], [3])

    def test_a_pause_without_anything_to_save_says_what_is_lost(self) -> None:
        pause = lambda m: yield_now("pause", 1)  # noqa: E731
        with FakeRunner(go_to(1), on_wait=pause) as runner, connected(runner) as (trial, stderr):
            list(trial.steps())
            self.assertRegex(stderr.getvalue(), "paused at step 1 without a checkpoint.*from the start")

    def test_a_loop_that_is_left_early_says_no_goodbye(self) -> None:
        with FakeRunner(go_to(5)) as runner, connected(runner) as (trial, _):
            for step in trial.steps():
                trial.report(step, loss=1)
                break
            runner.until(lambda: runner.story == ["report 1"])

    def test_a_runner_that_takes_nothing_costs_memory_up_to_a_bound(self) -> None:
        stop = lambda m: yield_now("stop")  # noqa: E731
        wide = {"metric-%d" % i: i / 3 for i in range(500)}
        with mock.patch.object(_runner, "BACKLOG_MAX_BYTES", 2**20):
            with FakeRunner(go_to(1), on_wait=stop) as runner, connected(runner) as (trial, stderr):
                runner.hearing.clear()
                for step in trial.steps():
                    for _ in range(300):
                        trial.report(step, wide)
                    runner.hearing.set()
                runner.until(lambda: runner.story[-1:] == ["bye"])
                heard = len([line for line in runner.story if line.startswith("report")])
                self.assertGreater(heard, 50)
                self.assertGreater(300 - heard, 0)
                self.assertIn("%d reports were dropped in all" % (300 - heard), stderr.getvalue())


class Metrics(unittest.TestCase):
    def test_travel_as_what_they_are(self) -> None:
        stop = lambda m: yield_now("stop")  # noqa: E731
        with FakeRunner(go_to(1), on_wait=stop) as runner, connected(runner) as (trial, _):
            odd = {
                "nan": float("nan"),
                "up": 1e400,
                "down": -1e400,
                "zero": -0.0,
                "exact": 2**60,
                "inexact": 2**53 + 1,
                "huge": 10**400,
                "label": 'a "b"\n',
                "yes": True,
                "nothing": None,
                "deep": {"a": [1]},
                "scalar": Number(1.5),
                "scalar_nan": Number(float("nan")),
                "object": object,
            }
            for step in trial.steps():
                trial.report(Index(step), odd, step=3, metrics=4)
            (line, *_) = runner.lines
            self.assertIn('"zero":-0.0', line)
            self.assertEqual(
                json.loads(line),
                {
                    "type": "report",
                    "step": 1,
                    "metrics": {
                        "nan": "NaN",
                        "up": "Infinity",
                        "down": "-Infinity",
                        "zero": 0,
                        "exact": 2**60,
                        "inexact": "9007199254740993",
                        "huge": "a whole number of 1329 bits",
                        "label": 'a "b"\n',
                        "yes": True,
                        "nothing": None,
                        "deep": {"a": [1]},
                        "scalar": 1.5,
                        "scalar_nan": "NaN",
                        "object": "<class 'object'>",
                        "step": 3,
                        "metrics": 4,
                    },
                },
            )


class Index:
    """An integer of another library."""

    def __init__(self, value: int) -> None:
        self.value = value

    def __index__(self) -> int:
        return self.value


class Mistakes(unittest.TestCase):
    @contextlib.contextmanager
    def refused(self, code: str, text: str = "") -> Iterator[None]:
        with self.assertRaises(contrail.TrialError) as caught:
            yield
        self.assertEqual(caught.exception.code, code)
        self.assertTrue(str(caught.exception).startswith(code + ": "))
        self.assertIn(text, str(caught.exception))

    def test_are_named(self) -> None:
        welcome = {"restore": {"step": 3, "path": "/nowhere"}, "params": {"learning_rate": 1}}
        with FakeRunner(go_to(9), welcome=welcome) as runner, connected(runner) as (trial, _):
            for step in (1.5, -1, True, "1", 2**53, 10**5000):
                with self.refused("step_invalid"):
                    trial.report(step, loss=1)
            with self.refused("metrics_invalid"):
                trial.report(1, 3)
            with self.refused("unknown_parameter"):
                trial.params["learningrate"]
            with self.refused("restore_missing"):
                list(trial.steps())
            with self.refused("steps_twice"):
                trial.steps()
            with self.assertRaises(SystemExit) as caught:
                trial.invalid_hyperparameters("too wide")
            self.assertIn("too wide", str(caught.exception))
            runner.until(lambda: len(runner.heard) == 1)
            said = {"type": "invalid_hyperparameters", "reason": "too wide"}
            self.assertEqual(runner.heard, [said])

    def test_of_the_hyperparameters_may_be_found_by_any_rank(self) -> None:
        with FakeRunner(go_to(9), welcome={"size": 2}) as runner, connected(runner, rank=1) as (trial, _):
            with self.assertRaises(contrail.InvalidHyperparameters):
                trial.invalid_hyperparameters("too wide")
            runner.until(lambda: runner.story == ["invalid_hyperparameters"])

    def test_inside_the_loop_are_named_and_leave_no_folder(self) -> None:
        def broken(path: Path) -> None:
            raise ArithmeticError

        with FakeRunner(go_to(9)) as runner, connected(runner) as (trial, _):
            for step in trial.steps():
                with self.refused("checkpoint_step_mismatch"):
                    trial.checkpoint(step + 1, save)
                with self.refused("checkpoint_empty"):
                    trial.checkpoint(step, lambda path: None, always=True)
                with self.assertRaises(ArithmeticError):
                    trial.checkpoint(step, broken, always=True)
                break
            self.assertEqual(os.listdir(os.path.join(runner.folder, "spool")), [])

    def test_in_the_environment_and_in_options_are_refused_with_name_and_value(self) -> None:
        cases: List[Tuple[Dict[str, str], Dict[str, Any], str, str]] = [
            ({"CONTRAIL_STEPS": "ten"}, {}, "environment_invalid", "CONTRAIL_STEPS is 'ten'"),
            ({"CONTRAIL_SEED": "-1"}, {}, "environment_invalid", "CONTRAIL_SEED"),
            ({"CONTRAIL_PARAMS": "[1]"}, {}, "environment_invalid", "CONTRAIL_PARAMS is '[1]'"),
            ({"CONTRAIL_PARAMS": "{"}, {}, "environment_invalid", "CONTRAIL_PARAMS"),
            ({"CONTRAIL_SOCKET": "/nowhere.sock"}, {}, "runner_unreachable", "/nowhere.sock"),
            ({}, {"steps": 1.5}, "option_invalid", "steps = 1.5"),
            ({}, {"seed": -1}, "option_invalid", "seed = -1"),
            ({}, {"checkpoint_interval_s": -1}, "option_invalid", "checkpoint_interval_s = -1"),
        ]
        for environment, options, code, text in cases:
            with self.subTest(text), mock.patch.dict(os.environ, environment):
                with self.refused(code, text):
                    contrail.init(**options)

    def test_come_out_of_another_process_as_they_went_in(self) -> None:
        errors = {
            contrail.TrialError("step_invalid", {"call": "report()", "value": "-1"}),
            contrail.UnknownParameter("unknown_parameter", {"name": "lr", "known": "there are none"}),
            contrail.InvalidHyperparameters("too wide"),
            contrail.QueryError("not_found", "there is no experiment 9", "List them.", 404),
            contrail.ServerUnreachable("cut_off", "the answer ended too early", "Ask again."),
        }
        exported = [getattr(contrail, name) for name in contrail.__all__]
        kinds = {one for one in exported if isinstance(one, type) and issubclass(one, BaseException)}
        self.assertEqual({type(error) for error in errors}, kinds)
        for error in errors:
            with self.subTest(type(error).__name__):
                again = pickle.loads(pickle.dumps(error))
                self.assertIs(type(again), type(error))
                self.assertEqual(str(again), str(error))
                self.assertEqual(again.__dict__, error.__dict__)

    def test_every_message_says_what_to_do(self) -> None:
        for code, text in CATALOGUE.items():
            self.assertRegex(text, r"[^.]\. [A-Z][^.]*.*\.$", code)


class Parameters(unittest.TestCase):
    def test_declared_ones_win_and_defaults_fill_at_every_depth(self) -> None:
        welcome = {"params": {"lr": 0.5, "net": {"width": 8}, "list": [1]}}
        defaults = {"lr": 0.1, "decay": 0.01, "net": {"width": 4, "depth": 2}, "list": [7, 8]}
        with FakeRunner(go_to(1), welcome=welcome) as runner:
            with connected(runner, params=defaults) as (trial, _):
                net = {"width": 8, "depth": 2}
                expected = {"lr": 0.5, "decay": 0.01, "net": net, "list": [1]}
                self.assertEqual(trial.params, expected)
                self.assertEqual(json.loads(json.dumps(trial.params)), expected)
                self.assertEqual(trial.params["net.depth"], trial.params["net"]["depth"])
                with self.assertRaises(KeyError):
                    trial.params["net.height"]


class Alone(unittest.TestCase):
    def setUp(self) -> None:
        self.folder = tempfile.mkdtemp(prefix="contrail-alone-")
        self.checkpoints = os.path.join(self.folder, "checkpoints")
        self.addCleanup(shutil.rmtree, self.folder)

    def run_alone(self, **options: Any) -> Tuple[List[str], str]:
        with contextlib.redirect_stdout(io.StringIO()) as stdout:
            with contextlib.redirect_stderr(io.StringIO()) as stderr:
                trial = contrail.init(checkpoints=self.checkpoints, **options)
                total = 0

                def load(path: Path, step: int) -> None:
                    nonlocal total
                    total = int((path / "sum").read_text())

                for step in trial.steps(restore=load):
                    total += step
                    trial.report(step, sum=total, third=step / 3, loss=float("nan"))
                    trial.checkpoint(step, lambda path: (path / "sum").write_text(str(total)))
        return stdout.getvalue().splitlines(), stderr.getvalue()

    def test_reports_are_lines_checkpoints_are_folders_and_resume_goes_on(self) -> None:
        lines, _ = self.run_alone(steps=2)
        self.assertEqual(
            lines,
            ["step 1  sum=1  third=0.333333  loss=NaN", "step 2  sum=3  third=0.666667  loss=NaN"],
        )
        self.assertEqual(os.listdir(self.checkpoints), ["step-2"])
        self.run_alone(steps=10, resume=True)
        lines, stderr = self.run_alone(steps=11, resume=True)
        self.assertEqual(lines, ["step 11  sum=66  third=3.66667  loss=NaN"])
        self.assertIn("going on after step 10", stderr)
        self.assertEqual(len(self.run_alone(steps=2)[0]), 2)
        self.assertEqual(sorted(os.listdir(self.checkpoints)), ["step-10", "step-11", "step-2"])

    def test_resuming_with_nothing_there_says_so(self) -> None:
        lines, stderr = self.run_alone(resume=True)
        self.assertEqual(len(lines), 1)
        self.assertIn("nothing to resume", stderr)

    def test_the_environment_wins_over_init(self) -> None:
        environment = {
            "CONTRAIL_PARAMS": '{"lr":0.5}',
            "CONTRAIL_SEED": "41",
            "CONTRAIL_STEPS": "2",
            "CONTRAIL_DATA_PATHS": '{"names":"/data"}',
        }
        with mock.patch.dict(os.environ, environment), contextlib.redirect_stderr(io.StringIO()):
            trial = contrail.init({"lr": 1, "width": 3}, seed=5, steps=9)
        self.assertEqual(trial.params, {"lr": 0.5, "width": 3})
        self.assertEqual((trial.seed, trial.rank, trial.size, trial.id), (41, 0, 1, None))
        self.assertEqual(trial.data, {"names": "/data"})
        self.assertEqual(list(trial.steps()), [1, 2])


class Model:
    """Momentum descent on noisy data: weights, velocity and the generator are all state."""

    def __init__(self, seed: int) -> None:
        self.noise = random.Random(seed)
        self.weights = [0.0] * 4
        self.velocity = [0.0] * 4

    def train(self) -> float:
        loss = 0.0
        for i in range(4):
            error = self.weights[i] - i / 3 + self.noise.gauss(0, 0.1)
            self.velocity[i] = 0.9 * self.velocity[i] - 0.05 * error
            self.weights[i] += self.velocity[i]
            loss += error * error
        return loss

    def save(self, path: Path) -> None:
        state = [self.weights, self.velocity, self.noise.getstate()]
        (path / "state.json").write_text(json.dumps(state))

    def load(self, path: Path, step: int) -> None:
        self.weights, self.velocity, noise = json.loads((path / "state.json").read_text())
        self.noise.setstate((noise[0], tuple(noise[1]), noise[2]))


class BitForBit(unittest.TestCase):
    STEPS = 9

    def session(self, start: Optional[Tuple[int, str]], target: int, pause_at: int) -> FakeRunner:
        """One process's life. `pause_at` 0: never."""

        def on_wait(message: Dict[str, Any]) -> Dict[str, Any]:
            if message["step"] >= self.STEPS:
                return yield_now("stop")
            return yield_now("pause") if message["step"] == pause_at else go_to(self.STEPS)

        restore = None if start is None else {"step": start[0], "path": start[1]}
        pause = lambda m: yield_now("pause", self.STEPS) if m["step"] == pause_at else None  # noqa: E731
        welcome = {"restore": restore, "seed": 11}
        runner = FakeRunner(go_to(target), welcome=welcome, on_wait=on_wait, on_report=pause)
        self.addCleanup(runner.__exit__)
        with connected(runner) as (trial, _):
            model = Model(trial.seed)
            for step in trial.steps(restore=model.load):
                # Offered before the step is trained: what is saved must be the model after the body.
                trial.checkpoint(step, model.save)
                trial.report(step, loss=model.train())
        runner.die()
        return runner

    def test_pausing_never_changes_the_result_nor_the_reports(self) -> None:
        straight = self.session(None, self.STEPS, 0)
        expected = (Path(straight.kept[-1][1]) / "state.json").read_text()
        reports = [line for line in straight.lines if '"report"' in line]
        generator = random.Random(20_260_701)
        for _ in range(20):
            pauses = sorted(generator.sample(range(1, self.STEPS), generator.randint(1, 4)))
            target = generator.randint(1, self.STEPS)
            with self.subTest(pauses=pauses, target=target):
                start: Optional[Tuple[int, str]] = None
                lines: List[str] = []
                for pause_at in [*pauses, 0]:
                    if start is not None and 0 < pause_at <= start[0]:
                        continue
                    runner = self.session(start, target, pause_at)
                    start = runner.kept[-1][:2]
                    lines += [line for line in runner.lines if '"report"' in line]
                    if start[0] == self.STEPS:
                        break
                assert start is not None
                self.assertEqual((Path(start[1]) / "state.json").read_text(), expected)
                self.assertEqual(lines, reports)


if __name__ == "__main__":
    unittest.main()
