"""Contrail's trial API for Python: the standard library is all it needs.

    import contrail
    trial = contrail.init()
    for step in trial.steps(restore=load):
        ...
        trial.report(step, loss=loss)
        trial.checkpoint(step, save)

Without a platform the same script runs alone and prints. Same names in TypeScript; both are described in
``docs/trial-api.md``.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, Dict, Mapping, Optional, Union

from ._errors import InvalidHyperparameters, TrialError, UnknownParameter, shown
from ._platform import Platform, Restored
from ._query import QueryError, ServerUnreachable, query
from ._runner import connect_runner
from ._standalone import StandalonePlatform
from ._trial import Trial
from ._values import Params, filled
from ._version import __version__

__all__ = [
    "InvalidHyperparameters",
    "Params",
    "QueryError",
    "Restored",
    "ServerUnreachable",
    "Trial",
    "TrialError",
    "UnknownParameter",
    "__version__",
    "init",
    "query",
]

_WHOLE = "a whole number from 0 on"


def init(
    params: Optional[Mapping[str, Any]] = None,
    *,
    seed: Optional[int] = None,
    data: Optional[Mapping[str, Any]] = None,
    steps: Optional[int] = None,
    resume: bool = False,
    checkpoints: Union[str, "os.PathLike[str]"] = "checkpoints",
    checkpoint_interval_s: float = 60.0,
) -> Trial:
    """Finds out for whom this process trains, and returns its trial.

    ``params`` are used when running alone, and under the platform for names that the experiment does not
    declare. ``steps`` (else 1; CONTRAIL_STEPS overrides it) is where the loop ends when running alone, or in
    an experiment that sets no length. ``seed`` (else 0), ``data``, ``resume`` (go on from the latest folder
    in ``checkpoints``) count only when running alone. A checkpoint on offer is taken when the last one is
    older than ``checkpoint_interval_s``.

    Raises TrialError runner_unreachable, environment_invalid, option_invalid. A socket that is named but
    does not answer is an error, not a reason to run alone: hours of training that nobody records are
    worse than a script that stops in its first second.
    """
    defaults = dict(params or {})
    if not (isinstance(checkpoint_interval_s, (int, float)) and checkpoint_interval_s >= 0):
        expected = "a number of seconds from 0 on"
        raise _option_invalid("checkpoint_interval_s", checkpoint_interval_s, expected)

    def own_end() -> int:
        _check_count("steps", steps)
        return _first(_count("CONTRAIL_STEPS"), steps, 1)

    platform: Platform
    path = os.environ.get("CONTRAIL_SOCKET")
    if path:
        platform = connect_runner(path, _count("CONTRAIL_RANK") or 0, own_end)
    else:
        _check_count("seed", seed)
        platform = StandalonePlatform(
            params=filled(_object("CONTRAIL_PARAMS"), defaults),
            seed=_first(_count("CONTRAIL_SEED"), seed, 0),
            data=filled(_object("CONTRAIL_DATA_PATHS"), data or {}),
            steps=own_end(),
            resume=resume,
            checkpoints=Path(checkpoints),
        )
    return Trial(platform, filled(platform.session.params, defaults), checkpoint_interval_s)


def _first(*values: Optional[int]) -> int:
    return next(value for value in values if value is not None)


def _check_count(name: str, value: object) -> None:
    if value is not None and not (type(value) is int and value >= 0):
        raise _option_invalid(name, value, _WHOLE)


def _option_invalid(name: str, value: object, expected: str) -> TrialError:
    fields = {"call": "init()", "name": name, "value": shown(value), "expected": expected}
    return TrialError("option_invalid", fields)


def _count(name: str) -> Optional[int]:
    text = os.environ.get(name, "")
    if text == "":
        return None
    if text.isascii() and text.isdigit() and len(text) <= 15:
        return int(text)
    raise _environment_invalid(name, text, _WHOLE)


def _object(name: str) -> Dict[str, Any]:
    text = os.environ.get(name, "")
    if text == "":
        return {}
    try:
        value = json.loads(text)
    except ValueError:
        value = None
    if isinstance(value, dict):
        return value
    raise _environment_invalid(name, text, "a JSON object")


def _environment_invalid(name: str, value: str, expected: str) -> TrialError:
    fields = {"name": name, "value": shown(value), "expected": expected}
    return TrialError("environment_invalid", fields)
