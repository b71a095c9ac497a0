"""Metrics, parameters and the notes of checkpoints as JSON.

Numbers of other libraries (numpy, torch, jax) are asked for their plain value by ``item()``; nothing is
imported for that. What is not a number is sent as what it is, so that the runner refuses it by name and
the person sees on the trial's page what was wrong: a label among the metrics must not end a training run.
A checkpoint's note is refused where it is given: said later, it would cost what had been saved.
"""

from __future__ import annotations

import json
from math import isfinite
from typing import Any, Dict, Iterable, Mapping

from ._errors import TrialError, UnknownParameter, shown

_TEXT_MAX_CHARS = 200
_EXACT_MAX = 2**53
METADATA_DEPTH_MAX = 32
METADATA_BYTES_MAX = 2**20
encode = json.JSONEncoder(separators=(",", ":"), allow_nan=False).encode
_encode_plain = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False).encode


def wire(value: Any) -> Any:
    """One metric as JSON carries it: a number, a word for what JSON lacks, or the thing itself."""
    kind = type(value)
    if kind is float:
        return value if isfinite(value) else _word(value)
    if kind is int:
        return value if -_EXACT_MAX <= value <= _EXACT_MAX else _large(value)
    if value is None or kind is bool:
        return value
    if kind is str:
        return value[:_TEXT_MAX_CHARS]
    return _foreign(value)


def wire_metrics(metrics: Mapping[Any, Any]) -> Dict[str, Any]:
    return {name if type(name) is str else str(name): wire(value) for name, value in metrics.items()}


def wire_metadata(metadata: Any) -> Dict[str, Any]:
    """A checkpoint's note as JSON carries it: numbers as in metrics, text whole. Raises TrialError metadata_invalid."""
    if not isinstance(metadata, Mapping):
        raise _metadata_invalid("metadata", shown(metadata))
    note = {str(name): _note("metadata.%s" % name, value, 1) for name, value in metadata.items()}
    size = len(_encode_plain(note).encode("utf-8", "surrogatepass"))
    if size > METADATA_BYTES_MAX:
        raise _metadata_invalid("metadata", "%d bytes of JSON" % size)
    return note


def _note(name: str, value: Any, depth: int) -> Any:
    if depth > METADATA_DEPTH_MAX:
        raise _metadata_invalid(name, shown(value))
    if isinstance(value, Mapping):
        return {str(key): _note("%s.%s" % (name, key), inner, depth + 1) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_note("%s.%d" % (name, i), inner, depth + 1) for i, inner in enumerate(value)]
    if isinstance(value, str):
        return str.__str__(value)
    if value is None:
        return None
    number = _number(value)
    if number is None:
        raise _metadata_invalid(name, shown(value))
    return wire(number)


def _metadata_invalid(name: str, value: str) -> TrialError:
    limits = {"depth": METADATA_DEPTH_MAX, "bytes": METADATA_BYTES_MAX}
    return TrialError("metadata_invalid", {"name": name, "value": value, **limits})


def _word(value: float) -> str:
    if value != value:
        return "NaN"
    return "Infinity" if value > 0 else "-Infinity"


def _large(value: int) -> Any:
    """A whole number that a double cannot hold would arrive as another number: sent as text instead."""
    try:
        return value if int(float(value)) == value else str(value)[:_TEXT_MAX_CHARS]
    except (OverflowError, ValueError):
        return "a whole number of %d bits" % value.bit_length()


def _foreign(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(name): wire(inner) for name, inner in list(value.items())[:_TEXT_MAX_CHARS]}
    if isinstance(value, (list, tuple)):
        return [wire(inner) for inner in value[:_TEXT_MAX_CHARS]]
    if isinstance(value, str):
        return str(value)[:_TEXT_MAX_CHARS]
    number = _number(value)
    if number is not None:
        return wire(number)
    try:
        return repr(value)[:_TEXT_MAX_CHARS]
    except Exception:
        return "a %s" % type(value).__name__


def _number(value: Any) -> Any:
    """A number of any library as Python's own; None where it is none."""
    if type(value) in (float, int, bool):
        return value
    for plain in ("item", "__float__"):
        try:
            found = getattr(value, plain)()
        except Exception:
            continue
        if type(found) in (float, int, bool):
            return found
    return None


class Params(Dict[str, Any]):
    """A plain dict of hyperparameters. Nested ones are reached as ``params["net"]["width"]`` or
    ``params["net.width"]``; a missing name says which ones there are."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        super().__init__(
            (name, Params(value) if isinstance(value, Mapping) else value)
            for name, value in values.items()
        )

    def __missing__(self, name: str) -> Any:
        if isinstance(name, str) and "." in name:
            first, rest = name.split(".", 1)
            inner = self.get(first)
            if isinstance(inner, Params):
                return inner[rest]
        raise UnknownParameter("unknown_parameter", {"name": name, "known": _known(name, self)})


def _known(name: object, names: Iterable[str]) -> str:
    from difflib import get_close_matches

    close = get_close_matches(str(name), list(names), 1)
    listed = "there are: " + ", ".join(sorted(names)) if names else "there are none"
    return ("perhaps " + close[0] + "; " if close else "") + listed


def filled(declared: Mapping[str, Any], defaults: Mapping[str, Any]) -> Dict[str, Any]:
    """``declared`` with the names that it lacks taken from ``defaults``, at every depth."""
    result = dict(defaults)
    for name, value in declared.items():
        below = defaults.get(name)
        nested = isinstance(value, Mapping) and isinstance(below, Mapping)
        result[name] = filled(value, below) if nested else value  # type: ignore[arg-type]
    return result
