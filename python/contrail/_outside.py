"""What the program reaches for that no record holds: other machines, files that are neither its code nor its data, and
programs that it starts. Whoever repeats the run from its record does not have what came from there.

Seen by an audit hook of the interpreter (PEP 578), which is called for each such event and costs 0.1 us for all others;
nothing is wrapped and nothing is refused. It cannot be taken away again, so it goes silent. Not seen: what other
processes do (workers of a data loader are some), what libraries in C open by themselves, reads of the clock.
"""

from __future__ import annotations

import os
import sys
from typing import Any, Callable, Dict, List, Tuple

SHOWN_MAX = 20

Sink = Dict[str, None]


class Outside:
    """``changed`` is true when more was seen than ``facts`` has told."""

    def __init__(self, own: List[str]) -> None:
        """``own``: folders whose files are recorded, or are the platform's."""
        self.changed = False
        self._silent = False
        self._pid = os.getpid()
        self._cwd = os.getcwd()
        self._own = _roots([self._cwd, *own, *sys.path, *_SYSTEM])
        self._written: Sink = {}
        self._seen: Dict[str, Sink] = {"network": {}, "files": {}, "programs": {}}
        self._handlers: Dict[str, Callable[[Tuple[Any, ...]], None]] = {
            "socket.getaddrinfo": lambda args: self._machine(args[0], args[1]),
            "socket.connect": lambda args: self._address(args[1]),
            "open": self._open,
            "subprocess.Popen": lambda args: self._program(args[0]),
            "os.posix_spawn": lambda args: self._program(args[0]),
            "os.system": lambda args: self._program(_text(args[0]).split()[0]),
        }

    def watch(self) -> "Outside":
        sys.addaudithook(self._hear)
        return self

    def silence(self) -> None:
        self._silent = True

    def facts(self) -> Dict[str, str]:
        self.changed = False
        return {kind: _listed(list(seen)) for kind, seen in self._seen.items() if seen}

    def _hear(self, event: str, args: Tuple[Any, ...]) -> None:
        handler = self._handlers.get(event)
        if handler is None or self._silent or os.getpid() != self._pid:
            return
        try:
            handler(args)
        except Exception:
            # An exception here would be one of the program's own call.
            return

    def _note(self, kind: str, what: str) -> None:
        seen = self._seen[kind]
        if what not in seen and len(seen) < 10 * SHOWN_MAX:
            seen[what] = None
            self.changed = True

    def _machine(self, host: Any, port: Any) -> None:
        name = _text(host) if host else ""
        if name and not is_here(name):
            self._note("network", name if port in (None, 0, "") else "%s:%s" % (name, port))

    def _address(self, address: Any) -> None:
        # By name it was looked up before, and then only the name says anything.
        if isinstance(address, tuple) and not self._seen["network"]:
            self._machine(address[0], address[1])

    def _program(self, executable: Any) -> None:
        name = os.path.basename(_text(executable))
        if name and name not in _LOOK_AT_THE_MACHINE:
            self._note("programs", name)

    def _open(self, args: Tuple[Any, ...]) -> None:
        path, mode, flags = args
        if isinstance(path, int):
            return
        place = os.path.normpath(os.path.join(self._cwd, _text(path)))
        if place.endswith(_CODE) or place.startswith(self._own):
            return
        if mode is None:
            writes = bool(flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT))
        else:
            writes = any(letter in mode for letter in "wax+")
        if writes:
            # What it reads back later it has made itself.
            if len(self._written) < 1000:
                self._written[place] = None
        elif place not in self._written and os.path.isfile(place):
            self._note("files", place)


_SYSTEM = [
    *(sys.prefix, sys.base_prefix, sys.exec_prefix, os.path.dirname(os.path.dirname(__file__))),
    *("/proc", "/sys", "/dev", "/etc", "/usr", "/lib", "/lib64", "/bin", "/sbin", "/run"),
]
_CODE = (".py", ".pyc", ".so")
_LOOK_AT_THE_MACHINE = frozenset(["ldconfig", "uname", "lscpu", "nvidia-smi", "file", "lsb_release"])


def _roots(folders: List[str]) -> Tuple[str, ...]:
    real = {os.path.realpath(folder) for folder in folders if folder}
    named = {os.path.abspath(folder) for folder in folders if folder}
    return tuple(root.rstrip("/") + "/" for root in real | named if root != "/")


def is_here(host: str) -> bool:
    """Whether it names this machine."""
    return host == "localhost" or host.startswith("127.") or host in ("::1", "0.0.0.0", "::")


def _text(value: Any) -> str:
    return os.fsdecode(value)


def _listed(names: List[str]) -> str:
    more = len(names) - SHOWN_MAX
    shown = ", ".join(names[:SHOWN_MAX])
    return shown if more <= 0 else "%s and %d more" % (shown, more)
