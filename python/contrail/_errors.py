"""What can go wrong on the training side: the code, what happened, what to do.

``src/sdk/trial-errors.ts`` holds the same table; a test holds the two and the documentation to each other.
"""

from __future__ import annotations

from typing import Any, Dict, Mapping, Optional, Tuple

CATALOGUE: Dict[str, str] = {
    "runner_unreachable": (
        "CONTRAIL_SOCKET names {path}, but no runner answers there ({cause}). Start the script with "
        "`contrail run` or in an experiment, or unset CONTRAIL_SOCKET to run it alone."
    ),
    "environment_invalid": (
        "the environment variable {name} is {value}, which is not {expected}. Correct it, or unset it to "
        "use what init() was given."
    ),
    "option_invalid": "{call} was given {name} = {value}, which is not {expected}. Correct the call.",
    "step_invalid": (
        "{call} was given the step {value}; a step is a whole number from 0 to 2^53 - 1. Pass the number that "
        "steps() gave you."
    ),
    "metrics_invalid": (
        "report() was given {value} as metrics; it takes names with numbers, such as {example}. Correct "
        "the call."
    ),
    "metadata_invalid": (
        "checkpoint() was given {value} as {name}; metadata is made of names with numbers, text, true, false, "
        "nothing, lists and more names, at most {depth} levels deep and {bytes} bytes of JSON. Correct the call, or "
        "write it into a file of the checkpoint."
    ),
    "checkpoint_step_mismatch": (
        "checkpoint() was called for step {step} while step {current} runs; the trial would go on from "
        "the wrong place. Pass the step that runs."
    ),
    "checkpoint_empty": (
        "the save function for step {step} wrote nothing into {path}. Write the model's files into the "
        "folder that it is given."
    ),
    "restore_missing": (
        "the trial goes on after step {step}, but nothing loads its checkpoint, so it would train from "
        "the start under later step numbers. Pass restore to steps(), or load trial.restored yourself "
        "before the loop."
    ),
    "steps_twice": (
        "steps() was called a second time; a trial has one loop. Keep the first one, and start a new "
        "process for another."
    ),
    "unknown_parameter": (
        "there is no hyperparameter {name} here ({known}). Declare it under hyperparameters, give init() "
        "a default for it, or look whether its condition holds."
    ),
    "invalid_hyperparameters": (
        "these hyperparameters cannot work: {reason}. The search replaces this trial by another choice."
    ),
}


class TrialError(Exception):
    """Raised by the trial API; never for trouble between this process and the platform once it trains."""

    code: str

    def __init__(self, code: str, fields: Optional[Mapping[str, object]] = None) -> None:
        self.code = code
        self._fields = dict(fields or {})
        super().__init__(code + ": " + CATALOGUE[code].format_map(self._fields))

    # An exception is unpickled from its message alone. One that cannot be ends no worker of a multiprocessing.Pool:
    # whoever waits for it then waits for ever.
    def __reduce__(self) -> Tuple[Any, ...]:
        return type(self), (self.code, self._fields), self.__dict__


class UnknownParameter(TrialError, KeyError):
    """``trial.params`` has no such name; also a ``KeyError``, as dictionaries raise."""

    __str__ = Exception.__str__


class InvalidHyperparameters(SystemExit):
    """Ends the program after ``invalid_hyperparameters(reason)``: a ``SystemExit``, so that no
    ``except Exception`` on the way out keeps a hopeless trial alive."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        text = CATALOGUE["invalid_hyperparameters"].format(reason=reason)
        super().__init__("invalid_hyperparameters: " + text)

    def __reduce__(self) -> Tuple[Any, ...]:
        return type(self), (self.reason,), self.__dict__


def shown(value: object) -> str:
    """A value as a message shows it, shortened."""
    try:
        text = repr(value)
    except Exception:  # a whole number of too many digits, or whatever somebody else's object does
        text = "a %s that cannot be shown" % type(value).__name__
    return text if len(text) <= 120 else text[:117] + "..."
