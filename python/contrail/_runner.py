"""The training side of the socket: one JSON object a line to the runner beside this process.

A report is one non-blocking ``send`` from the thread that trains: 14 us in the middle, 84 us at p99, with a
live peer (``bench/report_cost.py``, two busy cores). Handing it to a background thread takes 1 us of the
caller, and was refused: in a loop of plain Python the thread gets the interpreter so rarely that a report
left 3.6 ms late in the middle and 14 ms at p99; it does not survive ``fork`` in data loaders; and a crash
loses what it still holds. What the runner does not take in time waits in memory up to a bound; beyond that
reports are dropped, counted and said, because a training loop must neither wait for the platform nor die
of it.
"""

from __future__ import annotations

import atexit
import json
import os
import select
import socket
import threading
import time
from collections import deque
from dataclasses import replace
from pathlib import Path
from typing import Any, Callable, Deque, Dict, Mapping, Optional, Tuple

from ._errors import TrialError
from ._observe import observed
from ._outside import Outside
from ._platform import Metrics, Orders, Platform, Restored, Session, warn
from ._values import encode, wire_metrics
from ._version import __version__

BACKLOG_MAX_BYTES = 16 * 1024 * 1024
FLUSH_TIMEOUT_S = 5.0
WELCOME_TIMEOUT_S = 60.0
OBSERVED_AGAIN_S = 10.0
_READ_BYTES = 65536


def connect_runner(path: str, rank: int, own_end: Callable[[], int] = lambda: 1) -> "RunnerPlatform":
    """Says hello and waits for the welcome. ``own_end`` gives the step to train to where the experiment
    sets no length; it is asked only then. Raises TrialError runner_unreachable, and what it raises."""
    if not hasattr(socket, "AF_UNIX"):
        raise _unreachable(path, "this Python has no Unix sockets")
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        sock.connect(path)
    except OSError as cause:
        sock.close()
        raise _unreachable(path, str(cause)) from cause
    platform = RunnerPlatform(sock, path, rank)
    platform.end_by_itself(own_end)
    return platform


def _unreachable(path: str, cause: str) -> TrialError:
    return TrialError("runner_unreachable", {"path": path, "cause": cause})


class RunnerPlatform(Platform):
    def __init__(self, sock: socket.socket, path: str, rank: int) -> None:
        sock.setblocking(False)
        self._sock = sock
        self._pid = os.getpid()
        self._lock = threading.RLock()
        self._backlog: Deque[bytes] = deque()
        self._backlog_bytes = 0
        self._tail = b""
        self._gone = False
        self._goodbye = False
        self._dropped_reports = 0
        self._outside: Optional[Outside] = None
        self._observed_at: Optional[float] = None
        self._facts: Dict[str, Any] = {}
        self._welcome: Optional[Dict[str, Any]] = None
        # Where the program ends by itself, because nobody else says how far to train.
        self._own_end: Optional[int] = None
        self._checkpointed: Dict[int, Optional[str]] = {}
        # How often this rank has asked what all of them do, and the answer that came last.
        self._turns = 0
        self._agreed: Tuple[int, Optional[Orders]] = (0, None)
        # This program has trained as many steps as it asks for itself.
        self._finished = False
        self._say({"type": "hello", "rank": rank, "sdk": "python/" + __version__})
        self._until(lambda: self._welcome is not None, WELCOME_TIMEOUT_S)
        if self._welcome is None:
            sock.close()
            slow = "no welcome within %d s" % WELCOME_TIMEOUT_S
            raise _unreachable(path, "it closed the connection" if self._gone else slow)
        self.session = _session(self._welcome)
        if self.session.rank == 0 and self._welcome.get("observes"):
            own = [str(self.session.checkpoint_dir), os.path.dirname(path)]
            own += [value for value in self.session.data.values() if isinstance(value, str)]
            own += [] if self.session.restore is None else [str(self.session.restore.path)]
            self._outside = Outside(own).watch()
        atexit.register(self._leave)

    def end_by_itself(self, own_end: Callable[[], int]) -> None:
        """As alone: without a length the script's own number of steps is the end, and it says so."""
        if self._welcome is None or self._welcome.get("openEnded") is not True:
            return
        self._own_end = own_end()
        self.orders = self._heeded(self.orders)
        if self.session.rank == 0:
            warn(
                "the experiment sets no length; training to step %d (searcher.max_length, or "
                "CONTRAIL_STEPS, or init's steps change the end)" % self._own_end
            )

    def _heeded(self, orders: Orders) -> Orders:
        if self._own_end is None or orders.target is not None:
            return orders
        return Orders(self._own_end, orders.yield_, orders.reason)

    def report(self, step: int, metrics: Metrics) -> None:
        self._observe()
        if self._backlog_bytes > BACKLOG_MAX_BYTES:
            self.turn()
        if self._backlog_bytes > BACKLOG_MAX_BYTES:
            self._drop()
            return
        self._say({"type": "report", "step": step, "metrics": wire_metrics(metrics)})

    def checkpoint(self, step: int, path: Path, metadata: Mapping[str, Any]) -> Optional[str]:
        self._checkpointed.pop(step, None)
        message = {"type": "checkpoint", "step": step, "path": str(path), "metadata": dict(metadata)}
        self._say(message)
        self._until(lambda: step in self._checkpointed)
        return self._checkpointed.pop(step, "the runner went away")

    def agree(self) -> Orders:
        # Every rank comes to this by itself, at the same step.
        if self._finished:
            return self.orders
        self._turns += 1
        self._say({"type": "agree", "turn": self._turns})
        self._until(lambda: self._agreed[0] == self._turns)
        turn, orders = self._agreed
        if turn == self._turns and orders is not None:
            return self._heeded(orders)
        # With the runner gone nobody can agree on anything any more: on to the target that all know.
        return self._heeded(replace(orders or self.orders, yield_=None))

    def wait(self, step: int) -> bool:
        if self._own_end is not None and step >= self._own_end == self.orders.target:
            self.orders = Orders(step, "stop", "all steps are done")
            self._finished = True
            return True
        if not self.orders.answers(step):
            self._say({"type": "wait", "step": step})
            self._until(lambda: self.orders.answers(step))
        return self.orders.answers(step)

    def turn(self) -> None:
        if os.getpid() != self._pid:
            return
        with self._lock:
            self._push()
            self._pull()

    def invalid_hyperparameters(self, reason: str) -> None:
        self._say({"type": "invalid_hyperparameters", "reason": reason})

    def _observe(self, last: bool = False) -> None:
        """A runner that says so wants to know what the program sees: with the first report, and later once more for what
        it has reached for since."""
        if self._outside is None or (self._observed_at is not None and not self._outside.changed):
            return
        now = time.monotonic()
        if self._observed_at is None:
            self._facts = observed(self.session.restore is None)
        elif not last and now < self._observed_at + OBSERVED_AGAIN_S:
            return
        self._observed_at = now
        self._say({"type": "observed", "facts": {**self._facts, "outside": self._outside.facts()}})

    def bye(self) -> None:
        self._observe(last=True)
        if self._outside is not None:
            self._outside.silence()
        self._say({"type": "bye"})
        self._goodbye = True
        if self._dropped_reports > 0:
            warn("%d reports were dropped in all" % self._dropped_reports)

    def flush(self) -> None:
        if self._gone or not self._backlog or os.getpid() != self._pid:
            return
        self._until(lambda: not self._backlog, FLUSH_TIMEOUT_S)
        if self._backlog and not self._gone:
            self._gone = True
            lost = "the runner took nothing for %g s; %d bytes of reports are lost"
            warn(lost % (FLUSH_TIMEOUT_S, self._backlog_bytes))

    def _leave(self) -> None:
        self.flush()
        if os.getpid() == self._pid:
            self._gone = True
            self._sock.close()

    def _say(self, message: Mapping[str, Any]) -> None:
        line = (encode(message) + "\n").encode()
        # A forked child (a data loader's worker) shares the socket; its words would tear our lines.
        if self._gone or os.getpid() != self._pid:
            return
        with self._lock:
            if not self._backlog:
                line = line[self._send(line) :]
            if line and not self._gone:
                self._backlog.append(line)
                self._backlog_bytes += len(line)
                if len(self._backlog) > 1:
                    self._push()

    def _send(self, data: bytes) -> int:
        """Returns how many bytes were taken, 0 when the other side is slow or gone."""
        try:
            return self._sock.send(data)
        except (BlockingIOError, InterruptedError):
            return 0
        except OSError:
            self._lose()
            return 0

    def _push(self) -> None:
        while self._backlog and not self._gone:
            line = self._backlog[0]
            sent = self._send(line)
            # What had waited went with the connection.
            if self._gone:
                return
            self._backlog_bytes -= sent
            if sent < len(line):
                self._backlog[0] = line[sent:]
                return
            self._backlog.popleft()

    def _pull(self) -> None:
        while not self._gone:
            try:
                data = self._sock.recv(_READ_BYTES)
            except (BlockingIOError, InterruptedError):
                return
            except OSError:
                data = b""
            if not data:
                self._lose()
                return
            lines = (self._tail + data).split(b"\n")
            self._tail = lines.pop()
            for line in lines:
                self._take(line)

    def _take(self, line: bytes) -> None:
        try:
            message = json.loads(line)
            kind = message["type"]
            if kind == "welcome":
                self.orders = _orders(message["orders"])
                self._welcome = message
            elif kind == "orders":
                self.orders = self._heeded(_orders(message))
            elif kind == "agreed":
                self._agreed = (message["turn"], _orders(message))
            elif kind == "checkpointed":
                self._checkpointed[message["step"]] = message["error"]
            # Anything else comes from a newer runner and is not for us.
        except (ValueError, KeyError, TypeError):
            warn("the runner sent a line that was not understood, ignored: %r" % line[:80])

    def _lose(self) -> None:
        if self._gone:
            return
        self._gone = True
        self._backlog.clear()
        self._backlog_bytes = 0
        if self._welcome is not None and not self._goodbye:
            warn("the runner went away; training goes on to the last target, later reports are lost")

    def _drop(self) -> None:
        if self._dropped_reports == 0:
            size = BACKLOG_MAX_BYTES // 2**20
            warn(
                "the runner has taken nothing for %d MiB of reports; training goes on, "
                "reports are dropped until it does" % size
            )
        self._dropped_reports += 1

    def _until(self, done: Callable[[], bool], limit_s: Optional[float] = None) -> None:
        """Waits until ``done()``, the end of the connection, or the limit; the caller looks which."""
        ends_at = None if limit_s is None else time.monotonic() + limit_s
        poll = select.poll()
        while True:
            self.turn()
            if done() or self._gone or os.getpid() != self._pid:
                return
            left_ms = None if ends_at is None else (ends_at - time.monotonic()) * 1000
            if left_ms is not None and left_ms <= 0:
                return
            poll.register(self._sock, select.POLLIN | (select.POLLOUT if self._backlog else 0))
            poll.poll(left_ms)


def _session(welcome: Mapping[str, Any]) -> Session:
    restore = welcome["restore"]
    return Session(
        trial=welcome["trial"],
        params=welcome["params"],
        seed=welcome["seed"],
        rank=welcome["rank"],
        size=welcome["size"],
        data=welcome["data"],
        unit=welcome["unit"],
        checkpoint_dir=Path(welcome["checkpointDir"]),
        restore=None if restore is None else Restored(restore["step"], Path(restore["path"])),
        checkpoint_steps=frozenset(welcome.get("checkpointSteps", ())),
    )


def _orders(message: Mapping[str, Any]) -> Orders:
    return Orders(message["target"], message["yield"], message["reason"])
