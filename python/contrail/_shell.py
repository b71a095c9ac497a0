"""A shell in a task: ``python3 -m contrail._shell`` keeps one on a terminal of its own, for whoever attaches.

It listens on the Unix socket that CONTRAIL_TASK_SOCKET names. The shell outlives every connection: a terminal that is
closed leaves it running, and who attaches again sees the end of what it printed meanwhile. Several may be attached
at a time and see the same. Nothing but the standard library is needed, and no compiled part.

Frames, either way: one byte of kind, four of length (big endian), then the content.

    d  bytes typed, or printed
    r  to the shell: {"rows": n, "cols": n}, the size of the terminal
    s  to the shell: nothing; from it {"idle_ms": n}: how long nothing was typed or printed
    x  from the shell: {"signal": name or null}; it has ended, and so does this program
"""

from __future__ import annotations

import fcntl
import json
import os
import pty
import selectors
import signal
import socket
import struct
import sys
import termios
import time
from typing import Any, Dict, Iterator, Optional

HEAD = struct.Struct(">cI")
#: What is typed at once; a longer frame is no terminal's.
FRAME_MAX = 1024 * 1024
#: Of what was printed, for who attaches later.
SCROLLBACK_MAX = 256 * 1024
#: What somebody who does not read may leave unread before the connection is cut; the shell waits for nobody.
UNREAD_MAX = 8 * 1024 * 1024
CHUNK = 64 * 1024
#: Between SIGHUP to the shell and our own end.
HANGUP_SECONDS = 3.0
#: For the last words to reach who is attached.
FAREWELL_SECONDS = 1.0


def frame(kind: bytes, content: bytes) -> bytes:
    return HEAD.pack(kind, len(content)) + content


class Guest:
    """One connection."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self.read = bytearray()
        self.unsent = bytearray()
        #: It has shown itself to be a terminal, so it is shown what is printed.
        self.attached = False


class Shell:
    def __init__(self, path: str) -> None:
        self.selector = selectors.DefaultSelector()
        self.guests: Dict[int, Guest] = {}
        self.scrollback = bytearray()
        self.untyped = bytearray()
        self.used = time.monotonic()
        self.hung_up: Optional[float] = None
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.listener.bind(path)
        os.chmod(path, 0o600)
        self.pid, self.master = start_shell()
        os.set_blocking(self.master, False)
        self.resize(24, 80)
        self.listener.listen(16)
        self.listener.setblocking(False)
        self.selector.register(self.listener, selectors.EVENT_READ)
        self.selector.register(self.master, selectors.EVENT_READ)

    # ---- the loop

    def serve(self) -> Optional[int]:
        """Until the shell has ended. Returns its wait status."""
        while True:
            for key, events in self.selector.select(0.5):
                if key.fileobj is self.listener:
                    self.welcome()
                elif key.fd == self.master:
                    self.terminal(events)
                elif key.fd in self.guests:
                    self.guest(self.guests[key.fd], events)
            status = self.ended()
            if status is not None:
                return status

    def ended(self) -> Optional[int]:
        pid, status = os.waitpid(self.pid, os.WNOHANG)
        if pid == self.pid:
            self.printed()
            return status
        if self.hung_up is not None and time.monotonic() - self.hung_up > HANGUP_SECONDS:
            os.kill(self.pid, signal.SIGKILL)
        return None

    def hang_up(self) -> None:
        if self.hung_up is None:
            self.hung_up = time.monotonic()
            try:
                os.kill(self.pid, signal.SIGHUP)
                # One that is stopped would never hear it.
                os.kill(self.pid, signal.SIGCONT)
            except ProcessLookupError:
                # It has ended by itself, and we are about to.
                pass

    def farewell(self, status: int) -> None:
        name = signal.Signals(os.WTERMSIG(status)).name if os.WIFSIGNALED(status) else None
        last = frame(b"x", json.dumps({"signal": name}).encode())
        until = time.monotonic() + FAREWELL_SECONDS
        for guest in list(self.guests.values()):
            if not guest.attached:
                continue
            guest.unsent += last
            guest.connection.settimeout(max(0.01, until - time.monotonic()))
            try:
                guest.connection.sendall(guest.unsent)
            except OSError:
                pass
            guest.connection.close()

    # ---- the terminal

    def terminal(self, events: int) -> None:
        if events & selectors.EVENT_READ:
            self.printed()
        if events & selectors.EVENT_WRITE:
            self.type_on()

    def printed(self) -> None:
        while True:
            try:
                chunk = os.read(self.master, CHUNK)
            except BlockingIOError:
                return
            except OSError:
                chunk = b""
            if not chunk:
                # Nobody has the terminal open any more; how the shell ended is found out by waiting for it.
                self.forget(self.master)
                return
            self.used = time.monotonic()
            self.scrollback += chunk
            del self.scrollback[:-SCROLLBACK_MAX]
            for guest in list(self.guests.values()):
                if guest.attached:
                    self.tell(guest, frame(b"d", chunk))
            if len(chunk) < CHUNK:
                return

    def typed(self, content: bytes) -> None:
        self.used = time.monotonic()
        self.untyped += content
        self.type_on()

    def type_on(self) -> None:
        try:
            if self.untyped:
                del self.untyped[: os.write(self.master, self.untyped[:4096])]
        except BlockingIOError:
            pass
        except OSError:
            self.untyped.clear()
        events = selectors.EVENT_READ | (selectors.EVENT_WRITE if self.untyped else 0)
        if self.master in self.selector.get_map():
            self.selector.modify(self.master, events)

    def resize(self, rows: int, cols: int) -> None:
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, cols, 0, 0))

    # ---- guests

    def welcome(self) -> None:
        try:
            connection, _ = self.listener.accept()
        except OSError:
            return
        connection.setblocking(False)
        self.guests[connection.fileno()] = Guest(connection)
        self.selector.register(connection, selectors.EVENT_READ)

    def guest(self, guest: Guest, events: int) -> None:
        if events & selectors.EVENT_WRITE:
            self.tell(guest, b"")
        if not events & selectors.EVENT_READ or guest.connection.fileno() == -1:
            return
        try:
            chunk = guest.connection.recv(CHUNK)
        except BlockingIOError:
            return
        except OSError:
            chunk = b""
        if not chunk:
            self.part(guest)
            return
        guest.read += chunk
        try:
            self.frames(guest)
        except (ValueError, KeyError, TypeError, struct.error):
            self.part(guest)

    def frames(self, guest: Guest) -> None:
        if guest.read[:4] == b"GET ":
            # A browser, or whoever asks whether anything answers here.
            answer = b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
            guest.read.clear()
            self.tell(guest, answer)
            return
        while len(guest.read) >= HEAD.size:
            kind, length = HEAD.unpack_from(guest.read)
            if length > FRAME_MAX or kind not in b"drs":
                raise ValueError("this is no frame")
            if len(guest.read) < HEAD.size + length:
                return
            content = bytes(guest.read[HEAD.size : HEAD.size + length])
            del guest.read[: HEAD.size + length]
            self.take(guest, kind, content)

    def take(self, guest: Guest, kind: bytes, content: bytes) -> None:
        if kind == b"s":
            idle_ms = int((time.monotonic() - self.used) * 1000)
            self.tell(guest, frame(b"s", json.dumps({"idle_ms": idle_ms}).encode()))
            return
        if not guest.attached:
            guest.attached = True
            self.used = time.monotonic()
            self.tell(guest, frame(b"d", bytes(self.scrollback)))
        if kind == b"d":
            self.typed(content)
            return
        size: Dict[str, Any] = json.loads(content)
        self.resize(*(max(1, min(10_000, int(size[name]))) for name in ("rows", "cols")))

    def tell(self, guest: Guest, content: bytes) -> None:
        guest.unsent += content
        try:
            if guest.unsent:
                del guest.unsent[: guest.connection.send(guest.unsent)]
        except BlockingIOError:
            pass
        except OSError:
            self.part(guest)
            return
        if len(guest.unsent) > UNREAD_MAX:
            self.part(guest)
            return
        events = selectors.EVENT_READ | (selectors.EVENT_WRITE if guest.unsent else 0)
        self.selector.modify(guest.connection, events)

    def part(self, guest: Guest) -> None:
        self.guests.pop(guest.connection.fileno(), None)
        self.forget(guest.connection)
        guest.connection.close()

    def forget(self, what: Any) -> None:
        try:
            self.selector.unregister(what)
        except (KeyError, ValueError):
            pass


def start_shell() -> "tuple[int, int]":
    """The person's own shell on a new terminal, in the folder of the task."""
    pid, master = pty.fork()
    if pid != 0:
        return pid, master
    os.environ.setdefault("TERM", "xterm-256color")
    os.environ.pop("CONTRAIL_TASK_SOCKET", None)
    for path in shells():
        # Not as a login shell: /etc/profile would put another PATH in place of the task's.
        try:
            os.execv(path, [os.path.basename(path), "-i"])
        except (OSError, ValueError):
            continue
    os._exit(127)


def shells() -> Iterator[str]:
    """
    The person's own first. Where the server runs as a service there is none, or one that lets nobody in
    (nologin, false): such an account may well start a shell on its slots, so the machine's own stand in.
    """
    own = os.environ.get("SHELL", "")
    if os.path.basename(own) not in ("", "nologin", "false"):
        yield own
    yield from ("/bin/bash", "/bin/sh")


def main() -> int:
    path = os.environ.get("CONTRAIL_TASK_SOCKET")
    if not path:
        print("CONTRAIL_TASK_SOCKET is not set: this is the program of `contrail shell start`.", file=sys.stderr)
        return 2
    shell = Shell(path)
    asked = [False]

    def end(*_: Any) -> None:
        asked[0] = True
        shell.hang_up()

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, end)
    print(f"a shell waits on {path}", flush=True)
    status = shell.serve()
    shell.farewell(status or 0)
    if asked[0]:
        return 128 + signal.SIGTERM
    if status is not None and os.WIFEXITED(status) and os.WEXITSTATUS(status) == 127:
        print("the shell ended with code 127; if it never began, none of $SHELL, /bin/bash and /bin/sh is there", file=sys.stderr)
    # Whatever the last command in it ended with, who leaves a shell has failed at nothing.
    return 0


if __name__ == "__main__":
    sys.exit(main())
