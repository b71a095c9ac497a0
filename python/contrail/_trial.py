"""The loop of a trial: which step comes next, when a checkpoint is due, and when to end.

The one rule that users rely on: the body of the loop trains ONE step and reports it; everything the
platform wants happens between two bodies, when the model is whole. So an offer of a checkpoint made in
the body is only remembered there and taken, or not, when the body is over. (Taking it inside the body
would save whatever half of the step had been done by then, and pausing would change the result.)
"""

from __future__ import annotations

import operator
import os
import shutil
import tempfile
import time
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, Mapping, NoReturn, Optional, Tuple

from ._errors import InvalidHyperparameters, TrialError, shown
from ._platform import Orders, Platform, Restored, warn
from ._values import Params, wire_metadata

# Beyond it a number is not exact to those who count in doubles, the platform among them.
STEP_MAX = 2**53 - 1

Save = Callable[[Path], Any]
Restore = Callable[[Path, int], Any]


class Trial:
    def __init__(
        self,
        platform: Platform,
        params: Dict[str, Any],
        checkpoint_interval_s: float,
        monotonic_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._platform = platform
        self._params = Params(params)
        self._interval_s = checkpoint_interval_s
        self._monotonic_s = monotonic_s
        self._restored_read = False
        self._looping = False
        # The step whose body runs now; None between bodies and outside the loop.
        self._current: Optional[int] = None
        # What was offered last, and what was said of it: the note is that of one step, the function may save any.
        self._save: Optional[Save] = None
        self._metadata: Mapping[str, Any] = {}
        # What was saved at once last (step, function, note): where nothing is on offer, a pause is better saved by this.
        self._at_once: Optional[Tuple[int, Save, Mapping[str, Any]]] = None
        # Called with the number of each step before its body, for helpers.
        self._before_step: Optional[Callable[[int], None]] = None
        restore = platform.session.restore
        # The last step that is safe in a checkpoint.
        self._saved_step = 0 if restore is None else restore.step
        self._saved_at_s = monotonic_s()

    @property
    def params(self) -> Params:
        """The hyperparameters: a dict, nested ones as dicts in it."""
        return self._params

    @property
    def id(self) -> Optional[str]:
        """For example "3.12"; None when the script runs alone."""
        return self._platform.session.trial

    @property
    def seed(self) -> int:
        """Give it to every random generator: same seed, same trial."""
        return self._platform.session.seed

    @property
    def rank(self) -> int:
        """This process among the trial's processes, from 0. Only rank 0 reports and saves."""
        return self._platform.session.rank

    @property
    def size(self) -> int:
        return self._platform.session.size

    @property
    def data(self) -> Dict[str, Any]:
        """Name in ``data`` of the configuration: absolute path, or the free-form value."""
        return self._platform.session.data

    @property
    def restored(self) -> Optional[Restored]:
        """The checkpoint that the trial goes on from, ``(step, path)``, or None."""
        self._restored_read = True
        return self._platform.session.restore

    @property
    def should_stop(self) -> bool:
        """True once the platform wants the slots back or the trial over; steps() ends by itself then."""
        self._platform.turn()
        return self._platform.orders.yield_ is not None

    def report(
        self, step: int, metrics: Optional[Mapping[str, Any]] = None, /, **named: Any
    ) -> None:
        """Sends metrics at a step. Never waits, and never raises for the platform's sake.

        Raises TrialError step_invalid, metrics_invalid.
        """
        number = _step("report()", step)
        if metrics is not None:
            if not isinstance(metrics, Mapping):
                fields = {"value": shown(metrics), "example": "{'loss': 0.5} or loss=0.5"}
                raise TrialError("metrics_invalid", fields)
            named = {**metrics, **named} if named else metrics  # type: ignore[assignment]
        if self.rank == 0:
            self._platform.report(number, named)

    def checkpoint(
        self,
        step: int,
        save: Save,
        *,
        always: bool = False,
        metadata: Optional[Mapping[str, Any]] = None,
    ) -> None:
        """Offers a checkpoint of ``step``: ``save(path)`` writes it into a new, empty folder.

        Inside the loop it is decided when the body is over: taken when the step is the target or one
        that the experiment wants kept, when a pause or a stop was ordered, or when the last one is older than
        the interval; else it costs nothing.
        Outside the loop it is decided at once; with ``always`` it is taken at once.
        Raises TrialError step_invalid, metadata_invalid, checkpoint_step_mismatch, checkpoint_empty, and what save raises.
        """
        number = _step("checkpoint()", step)
        if self._current is not None and number != self._current:
            fields = {"step": number, "current": self._current}
            raise TrialError("checkpoint_step_mismatch", fields)
        if self.rank != 0:
            return  # It never saves, and to read a note may mean to wait for a GPU.
        note = wire_metadata({} if metadata is None else metadata)
        if always:
            # No offer, so that it takes nobody's place.
            self._at_once = (number, save, note)
            self._take(number, save, note)
            return
        self._save = save
        self._metadata = note
        if self._current is None and self._due(number, self._platform.orders):
            self._take(number, save, note)

    def steps(self, restore: Optional[Restore] = None, save: Optional[Save] = None) -> Iterator[int]:
        """The numbers of the steps to train: from the one after the checkpoint to wherever the search
        wants. ``restore(path, step)`` is called first when there is a checkpoint.

        Raises TrialError steps_twice, restore_missing, checkpoint_empty, and what restore and save raise.
        """
        if self._looping:
            raise TrialError("steps_twice")
        self._looping = True
        if save is not None:
            self._save = save
        return self._steps(restore)

    def invalid_hyperparameters(self, reason: str) -> NoReturn:
        """Says that these hyperparameters cannot work, so that the search replaces the trial, and ends
        the program (by InvalidHyperparameters, a SystemExit)."""
        self._platform.invalid_hyperparameters(reason)
        self._platform.flush()
        raise InvalidHyperparameters(reason)

    def _steps(self, restore: Optional[Restore]) -> Iterator[int]:
        step = self._restore(restore)
        self._saved_at_s = self._monotonic_s()
        try:
            while self._goes_past(step):
                step += 1
                self._current = step
                self._metadata = {}
                if self._before_step is not None:
                    self._before_step(step)
                yield step
                self._current = None
            self._platform.bye()
        finally:
            self._current = None
            self._platform.flush()

    def _restore(self, restore: Optional[Restore]) -> int:
        found = self._platform.session.restore
        if found is None:
            return 0
        if restore is not None:
            restore(found.path, found.step)
        elif not self._restored_read:
            raise TrialError("restore_missing", {"step": found.step})
        return found.step

    def _goes_past(self, step: int) -> bool:
        """Between two bodies: saves what is due, waits for the search at the target, decides."""
        while True:
            self._platform.turn()
            # Ranks must leave the loop together, whenever each of them hears of it.
            orders = self._platform.orders if self.size == 1 else self._platform.agree()
            at_target = orders.target is not None and step >= orders.target
            # Also before a stop: the order may overtake the last step's checkpoint, the trial's result.
            if self._due(step, orders):
                self._take(step, *self._offer(step))
            if orders.yield_ is not None:
                if orders.yield_ == "pause":
                    self._warn_unless_saved(step)
                return False
            if not at_target:
                return True
            if not self._platform.wait(step):
                return False

    def _offer(self, step: int) -> Tuple[Optional[Save], Mapping[str, Any]]:
        if self._save is not None or self._at_once is None:
            return self._save, self._metadata
        of, save, metadata = self._at_once
        return save, metadata if of == step else {}

    def _due(self, step: int, orders: Orders) -> bool:
        if self.rank != 0 or step <= self._saved_step:
            return False
        at_target = orders.target is not None and step >= orders.target
        leaving = orders.yield_ is not None
        wanted = step in self._platform.session.checkpoint_steps
        old = self._monotonic_s() - self._saved_at_s >= self._interval_s
        return at_target or leaving or wanted or old

    def _take(self, step: int, save: Optional[Save], metadata: Mapping[str, Any]) -> None:
        """Saves and hands over. A folder that the platform cannot keep is a warning: the model in memory
        is whole, and an older checkpoint is still there."""
        if self.rank != 0 or save is None:
            return
        below = self._platform.session.checkpoint_dir
        below.mkdir(parents=True, exist_ok=True)
        path = Path(tempfile.mkdtemp(prefix="new-step-%d-" % step, dir=below))
        try:
            save(path)
            if not os.listdir(path):
                raise TrialError("checkpoint_empty", {"step": step, "path": path})
        except BaseException:
            shutil.rmtree(path, ignore_errors=True)
            raise
        # From here on the folder belongs to the platform, even if it cannot keep it.
        error = self._platform.checkpoint(step, path, metadata)
        if error is None:
            self._saved_step = step
        else:
            warn("the checkpoint of step %d was not kept: %s" % (step, error))
        self._saved_at_s = self._monotonic_s()

    def _warn_unless_saved(self, step: int) -> None:
        if self.rank != 0 or step <= self._saved_step:
            return
        start = "from the start" if self._saved_step == 0 else "from step %d" % self._saved_step
        warn(
            "paused at step %d without a checkpoint of it; the trial will go on %s. Pass save to "
            "steps(), or call checkpoint() in the loop" % (step, start)
        )


def _step(call: str, step: Any) -> int:
    try:
        number = operator.index(step)
    except TypeError:
        number = -1
    if not 0 <= number <= STEP_MAX or isinstance(step, bool):
        raise TrialError("step_invalid", {"call": call, "value": shown(step)})
    return number
