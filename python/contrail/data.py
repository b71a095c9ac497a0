"""Records of a dataset larger than memory: read in order or shuffled, shared among ranks, and taken up where one stopped.

    from contrail.data import Records
    records = Records(trial.data["train"], rank=trial.rank, world=trial.size, seed=trial.seed)
    for row in records.epoch(step):           # lines as str; .csv and .tsv as dict; .jsonl as its value
        ...
    state = records.state_dict()              # belongs into the checkpoint, and load_state_dict back

The files are cut into blocks of some megabytes, at the ends of lines. A block is what is shuffled, what a rank is
given, and all that is ever in memory; which blocks, in which order, follows from (seed, epoch, rank) alone. So two
ranks never read the same record of an epoch, together they read all of them, and a reader that is loaded from a state
goes on with the very next record. Reading every file in every rank and passing over the others' records was refused:
it reads everything as many times as there are ranks.

A record is a line. A cell with a line break in it is therefore an error and not two records.
"""

from __future__ import annotations

import csv
import json
import os
import random
from typing import Any, BinaryIO, Dict, Iterator, List, NamedTuple, Optional, Sequence, Tuple, Union

from ._errors import TrialError, shown

__all__ = ["Records"]

_STATE_VERSION = 1
_SEPARATORS = {".csv": ",", ".tsv": "\t"}
_SUFFIXES = (".csv", ".tsv", ".jsonl", ".ndjson", ".txt")


class _Block(NamedTuple):
    path: str
    start: int
    end: int


class Records:
    """The records of a file, or of all files below a folder, in the byte order of their paths.

    ``rank`` of ``world`` reads its share of the blocks. ``seed`` shuffles, differently in each epoch; None reads
    in order. ``block_bytes`` bounds memory: shuffling is over blocks, and over the records within one.
    ``suffixes`` chooses files of a folder; others are passed over.
    """

    def __init__(
        self,
        path: Union[str, "os.PathLike[str]"],
        *,
        rank: int = 0,
        world: int = 1,
        seed: Optional[int] = None,
        block_bytes: int = 4 * 1024 * 1024,
        suffixes: Sequence[str] = _SUFFIXES,
    ) -> None:
        _check("world", world, world >= 1, "a whole number from 1 on")
        _check("rank", rank, 0 <= rank < world, f"a whole number from 0 to {world - 1}")
        _check("block_bytes", block_bytes, block_bytes >= 1024, "a whole number from 1024 on")
        self._rank = rank
        self._world = world
        self._seed = seed
        self._block_bytes = block_bytes
        self._files = _files_of(os.fspath(path), tuple(suffixes))
        self._epoch = 0
        # Of this rank's blocks of the epoch, and of the records of the block: what comes next.
        self._block = 0
        self._record = 0

    def __iter__(self) -> Iterator[Any]:
        """The rest of the current epoch; at its end the next one is current."""
        blocks = self._blocks(self._epoch)
        while self._block < len(blocks):
            records = self._read(blocks[self._block])
            while self._record < len(records):
                record = records[self._record]
                # Counted before it is handed out: a state taken in the loop's body goes on after this record.
                self._record += 1
                yield record
            self._block += 1
            self._record = 0
        self._epoch += 1
        self._block = 0
        self._record = 0

    def epoch(self, number: int) -> Iterator[Any]:
        """Epoch ``number``; where the reader was loaded in the middle of that one, its rest."""
        if number != self._epoch:
            self._epoch, self._block, self._record = number, 0, 0
        return iter(self)

    def state_dict(self) -> Dict[str, Any]:
        """Where the next record is: numbers and short text, as JSON and ``torch.save`` take them."""
        return {
            "version": _STATE_VERSION,
            "epoch": self._epoch,
            "block": self._block,
            "record": self._record,
            "layout": self._layout(),
        }

    def load_state_dict(self, state: Dict[str, Any]) -> None:
        """Goes on from ``state``. In the middle of an epoch it has to come from the same share of the same files in the
        same blocks; at the end of one any will do, so that all ranks go on from what rank 0 has saved there."""
        call = "load_state_dict()"
        if state.get("version") != _STATE_VERSION:
            raise _invalid("the version", state.get("version"), f"{_STATE_VERSION}, the one that is read here", call)
        in_the_middle = state["block"] > 0 or state["record"] > 0
        # At the beginning of an epoch nothing depends on how the earlier ones were shared.
        if in_the_middle and state["layout"] != self._layout():
            expected = (
                f"this reader's ({self._layout()}), and in the middle of an epoch a place in one means nothing to "
                "another: save at the end of an epoch, as several ranks have to"
            )
            raise _invalid("the layout", state["layout"], expected, call)
        self._epoch = state["epoch"]
        self._block = state["block"]
        self._record = state["record"]

    def _layout(self) -> str:
        sizes = sum(size for _, size in self._files)
        return (
            f"rank {self._rank} of {self._world}, seed {self._seed}, blocks of {self._block_bytes}, "
            f"{len(self._files)} files, {sizes} bytes"
        )

    def _blocks(self, epoch: int) -> List[_Block]:
        """This rank's. Dealt out after shuffling, so that a rank has other blocks in each epoch."""
        size = self._block_bytes
        blocks = [
            _Block(path, start, min(start + size, total))
            for path, total in self._files
            for start in range(0, total, size)
        ]
        if self._seed is not None:
            random.Random(f"{self._seed} {epoch}").shuffle(blocks)
        return blocks[self._rank :: self._world]

    def _read(self, block: _Block) -> List[Any]:
        with open(block.path, "rb") as file:
            first = file.readline() if _separator(block.path) is not None else b""
            lines = _lines(file, block, skipped=len(first))
        records = _parse(block.path, first, lines)
        if self._seed is not None:
            key = f"{self._seed} {self._epoch} {os.path.basename(block.path)} {block.start}"
            random.Random(key).shuffle(records)
        return records


def _lines(file: BinaryIO, block: _Block, *, skipped: int) -> List[bytes]:
    """The lines whose first byte is in the block, whole, without their ends."""
    start = max(block.start, skipped)
    if start > skipped:
        # Whoever has the block before reads the line that reaches into this one; one that ends there is not.
        file.seek(start - 1)
        start += len(file.readline()) - 1
    file.seek(start)
    if start >= block.end:
        return []
    data = file.read(block.end - start)
    if not data.endswith(b"\n"):
        data += file.readline()
    return [line for line in (part.rstrip(b"\r") for part in data.split(b"\n")) if line]


def _parse(path: str, first: bytes, lines: List[bytes]) -> List[Any]:
    separator = _separator(path)
    if separator is not None:
        return _rows(path, first, lines, separator)
    texts = [_text(path, line) for line in lines]
    if path.lower().endswith((".jsonl", ".ndjson")):
        return [json.loads(text) for text in texts]
    return list(texts)


def _rows(path: str, first: bytes, lines: List[bytes], separator: str) -> List[Any]:
    def cells(line: bytes) -> List[str]:
        text = _text(path, line)
        try:
            return next(csv.reader([text], delimiter=separator, strict=True))
        except (csv.Error, StopIteration):
            raise _invalid("a row", text, f"a whole row of {path}: no cell with a line break") from None

    names = cells(first.rstrip(b"\r\n"))
    rows = []
    for line in lines:
        values = cells(line)
        if len(values) != len(names):
            raise _invalid("a row", values, f"{len(names)} cells, as many as {path} has names")
        rows.append(dict(zip(names, values)))
    return rows


def _separator(path: str) -> Optional[str]:
    return _SEPARATORS.get(os.path.splitext(path)[1].lower())


def _text(path: str, line: bytes) -> str:
    try:
        return line.decode("utf-8-sig" if line[:3] == b"\xef\xbb\xbf" else "utf-8")
    except UnicodeDecodeError:
        raise _invalid("a line", line[:100], f"UTF-8, as all of {path}") from None


def _files_of(path: str, suffixes: Tuple[str, ...]) -> List[Tuple[str, int]]:
    if os.path.isfile(path):
        return [(path, os.path.getsize(path))]
    found = [
        os.path.join(folder, name)
        for folder, _, names in os.walk(path)
        for name in names
        if name.lower().endswith(suffixes)
    ]
    if not found:
        raise _invalid("path", path, f"a file, or a folder with files of {', '.join(suffixes)}")
    return [(each, os.path.getsize(each)) for each in sorted(found, key=os.fsencode)]


def _check(name: str, value: object, holds: bool, expected: str) -> None:
    if not holds:
        raise _invalid(name, value, expected)


def _invalid(name: str, value: object, expected: str, call: str = "Records()") -> TrialError:
    fields = {"call": call, "name": name, "value": shown(value), "expected": expected}
    return TrialError("option_invalid", fields)
