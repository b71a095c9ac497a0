"""Test support: a runner without a server, on a real Unix socket, in a thread.

It answers as the contract says and does what the test tells it; checkpoints are moved into a folder of
its own, as the real one does, so that a trial which touches a folder after handing it over fails here.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import shutil
import socket
import tempfile
import threading
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, Optional, Tuple
from unittest import mock

import support  # noqa: F401  (puts the package on the path)

import contrail

Message = Dict[str, Any]
Answer = Callable[[Message], Optional[Message]]


def go_to(target: Optional[int]) -> Message:
    return {"target": target, "yield": None, "reason": "test"}


def yield_now(how: str, target: Optional[int] = None) -> Message:
    return {"target": target, "yield": how, "reason": "test"}


class FakeRunner:
    def __init__(
        self,
        orders: Message,
        *,
        welcome: Optional[Message] = None,
        on_wait: Answer = lambda message: None,
        on_report: Answer = lambda message: None,
        refuses: Callable[[int], Optional[str]] = lambda step: None,
    ) -> None:
        self.folder = tempfile.mkdtemp(prefix="contrail-fake-runner-")
        self.path = os.path.join(self.folder, "trial.sock")
        self.heard: List[Message] = []
        self.lines: List[str] = []
        self.kept: List[Tuple[int, str, Message]] = []
        # While cleared, nothing is read from any connection after the hello.
        self.hearing = threading.Event()
        self.hearing.set()
        self._orders = orders
        self._welcome = welcome or {}
        self._on_wait = on_wait
        self._on_report = on_report
        self._refuses = refuses
        self._agreed: Dict[int, Message] = {}
        self._news = threading.Condition()
        self._connections: List[socket.socket] = []
        self._threads: List[threading.Thread] = []
        for name in ("spool", "kept"):
            os.mkdir(os.path.join(self.folder, name))
        self._server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._server.bind(self.path)
        self._server.listen()
        self._start(self._accept)

    def __enter__(self) -> "FakeRunner":
        return self

    def __exit__(self, *_: object) -> None:
        self.die()
        shutil.rmtree(self.folder)

    @property
    def story(self) -> List[str]:
        """For example ["report 1", "checkpoint 1", "wait 1", "bye"]."""
        return [m["type"] + (" %d" % m["step"] if "step" in m else "") for m in self.heard]

    def push(self, orders: Message) -> None:
        self._orders = orders
        for connection in self._connections:
            self._tell(connection, {"type": "orders", **orders})

    def until(self, holds: Callable[[], bool]) -> None:
        """Waits for messages until the condition holds; half a minute is a failed test."""
        with self._news:
            if not self._news.wait_for(holds, 30):
                raise AssertionError("never happened; heard %r" % self.story)

    def die(self) -> None:
        """Connections break, the socket is gone. Files stay."""
        self.hearing.set()
        for sock in [self._server, *self._connections]:
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        self._server.close()
        for thread in self._threads:
            if thread is not threading.current_thread():
                thread.join()

    def _start(self, target: Callable[..., None], *args: object) -> None:
        thread = threading.Thread(target=target, args=args, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._server.accept()
            except OSError:
                return
            self._connections.append(connection)
            self._start(self._serve, connection)

    def _serve(self, connection: socket.socket) -> None:
        with connection, connection.makefile("rb") as lines:
            while True:
                try:
                    line = lines.readline()
                except OSError:
                    line = b""
                if not line:
                    return
                message = json.loads(line)
                if message["type"] != "hello":
                    self.hearing.wait()
                with self._news:
                    if message["type"] != "hello":
                        self.lines.append(line.decode())
                        self.heard.append(message)
                    self._answer(connection, message)
                    self._news.notify_all()

    def _answer(self, connection: socket.socket, message: Message) -> None:
        kind = message["type"]
        if kind == "hello":
            self._tell(connection, self._greeting(message["rank"]))
        elif kind == "agree":
            # Whoever asks first at a turn fixes the answer for all.
            orders = self._agreed.setdefault(message["turn"], self._orders)
            self._tell(connection, {"type": "agreed", "turn": message["turn"], **orders})
        elif kind == "checkpoint":
            self._tell(connection, self._keep(message))
        elif kind in ("report", "wait"):
            orders = (self._on_report if kind == "report" else self._on_wait)(message)
            if orders is not None:
                self.push(orders)

    def _keep(self, message: Message) -> Message:
        error = self._refuses(message["step"])
        if error is None:
            to = os.path.join(self.folder, "kept", str(len(self.kept)))
            os.rename(message["path"], to)
            self.kept.append((message["step"], to, message["metadata"]))
        return {"type": "checkpointed", "step": message["step"], "error": error}

    def _greeting(self, rank: int) -> Message:
        return {
            "type": "welcome",
            "experiment": 3,
            "trial": "3.12",
            "allocation": "3.12.1",
            "params": {},
            "seed": 7,
            "size": 1,
            "data": {},
            "unit": "epochs",
            "checkpointDir": os.path.join(self.folder, "spool"),
            "restore": None,
            **self._welcome,
            "rank": rank,
            "orders": self._orders,
        }

    @staticmethod
    def _tell(connection: socket.socket, message: Message) -> None:
        try:
            connection.sendall((json.dumps(message) + "\n").encode())
        except OSError:
            pass  # The trial has ended; tests look at what was heard.


@contextlib.contextmanager
def connected(runner: FakeRunner, rank: int = 0, **options: Any) -> Iterator[Tuple[Any, io.StringIO]]:
    """A trial under `runner`, and what it writes to stderr."""
    environment = {"CONTRAIL_SOCKET": runner.path, "CONTRAIL_RANK": str(rank)}
    with mock.patch.dict(os.environ, environment), contextlib.redirect_stderr(io.StringIO()) as stderr:
        trial = contrail.init(**options)
        try:
            yield trial, stderr
        finally:
            trial._platform._sock.close()


def save(path: Path) -> None:
    (path / "model").write_text("weights")


class Number:
    """What numpy's and torch's scalars have in common."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def item(self) -> Any:
        return self.value
