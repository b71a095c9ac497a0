"""A shell that keeps a terminal for whoever attaches: the real program, a real terminal, a real shell."""

import json
import os
import re
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
import unittest

import support

HEAD = struct.Struct(">cI")


class Guest:
    def __init__(self, path: str) -> None:
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.settimeout(10)
        self.socket.connect(path)

    def say(self, kind: bytes, content: bytes = b"") -> None:
        self.socket.sendall(HEAD.pack(kind, len(content)) + content)

    def resize(self, rows: int, cols: int) -> None:
        self.say(b"r", json.dumps({"rows": rows, "cols": cols}).encode())

    def _exactly(self, count: int) -> bytes:
        read = b""
        while len(read) < count:
            chunk = self.socket.recv(count - len(read))
            if not chunk:
                raise EOFError
            read += chunk
        return read

    def hear(self) -> "tuple[bytes, bytes]":
        kind, length = HEAD.unpack(self._exactly(HEAD.size))
        return kind, self._exactly(length)

    def until(self, words: bytes) -> bytes:
        heard = b""
        while words not in heard:
            kind, content = self.hear()
            if kind == b"d":
                heard += content
        return heard

    def last(self) -> object:
        while True:
            kind, content = self.hear()
            if kind == b"x":
                return json.loads(content)


def is_sleeping(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            return b"sleep" in file.read()
    except OSError:
        return False


class Shell(unittest.TestCase):
    def setUp(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.path = os.path.join(self.folder.name, "s")
        self.start("/bin/sh")

    def start(self, shell: str) -> None:
        """With this in $SHELL."""
        env = {**os.environ, "PYTHONPATH": support.PACKAGE, "SHELL": shell, "PS1": "$ ", "CONTRAIL_TASK_SOCKET": self.path}
        self.process = subprocess.Popen([sys.executable, "-m", "contrail._shell"], env=env, cwd=self.folder.name, stdout=subprocess.DEVNULL)
        until = time.monotonic() + 10
        while not self._answers():
            self.assertLess(time.monotonic(), until, "the shell does not listen")
            time.sleep(0.05)

    def guest(self) -> Guest:
        guest = Guest(self.path)
        self.addCleanup(guest.socket.close)
        return guest

    def _answers(self) -> bool:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as asked:
            return asked.connect_ex(self.path) == 0

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()

    def tearDown(self) -> None:
        self.stop()
        self.folder.cleanup()

    def test_what_is_typed_is_run_on_a_terminal_of_the_size_that_was_told(self) -> None:
        guest = self.guest()
        guest.resize(33, 101)
        guest.say(b"d", b"stty size; tty | cut -c1-9; pwd\n")
        heard = guest.until(os.path.basename(self.folder.name).encode())
        self.assertIn(b"33 101", heard)
        self.assertIn(b"/dev/pts/", heard)
        guest.resize(10, 40)
        guest.say(b"d", b"stty size\n")
        guest.until(b"10 40")

    def test_it_outlives_who_left_and_shows_who_comes_what_was_printed(self) -> None:
        first = self.guest()
        first.resize(24, 80)
        first.say(b"d", b"kept=41; (sleep 0.3; echo said-$((kept+1))-meanwhile) &\n")
        first.until(b"kept")
        first.socket.close()
        time.sleep(0.8)
        second = self.guest()
        second.resize(24, 80)
        second.until(b"said-42-meanwhile")
        third = self.guest()
        third.resize(24, 80)
        second.say(b"d", b"echo both-$((kept+2))\n")
        second.until(b"both-43")
        third.until(b"both-43")

    def test_ctrl_c_interrupts_what_runs_and_not_the_shell(self) -> None:
        guest = self.guest()
        guest.resize(24, 80)
        # Said by the program itself: between a shell's own word and its next program Ctrl-C would meet the shell alone.
        guest.say(b"d", b"sh -c 'echo begun-$((1+1)); exec sleep 60'\n")
        guest.until(b"begun-2")
        guest.say(b"d", b"\x03")
        # What is typed before the shell has a prompt again goes with the line that was interrupted.
        guest.until(b"$ ")
        guest.say(b"d", b"echo alive-$((1+1))\n")
        guest.until(b"alive-2")

    def test_who_leaves_the_shell_ends_the_program_with_0_whatever_the_last_command_said(self) -> None:
        guest = self.guest()
        guest.resize(24, 80)
        guest.say(b"d", b"exit 3\n")
        self.assertEqual(guest.last(), {"signal": None})
        self.assertEqual(self.process.wait(10), 0)

    def test_sigterm_ends_the_shell_and_what_runs_in_it(self) -> None:
        guest = self.guest()
        guest.resize(24, 80)
        guest.say(b"d", b"sh -c 'echo pid=$$=; exec sleep 61'\n")
        found, heard = None, b""
        while found is None:
            heard += guest.until(b"=\r\n")
            found = re.search(rb"pid=(\d+)=", heard)
        pid = int(found.group(1))
        self.process.send_signal(signal.SIGTERM)
        self.assertEqual(self.process.wait(10), 143)
        until = time.monotonic() + 5
        while is_sleeping(pid):
            self.assertLess(time.monotonic(), until, "what ran in the shell outlived it")
            time.sleep(0.05)

    def test_it_says_how_long_nothing_was_typed_or_printed(self) -> None:
        guest = self.guest()
        guest.resize(24, 80)
        guest.say(b"d", b"echo here-$((1+1))\n")
        guest.until(b"here-2")
        time.sleep(0.7)
        other = self.guest()
        other.say(b"s")
        kind, content = other.hear()
        self.assertEqual(kind, b"s")
        self.assertGreaterEqual(json.loads(content)["idle_ms"], 400)

    def test_where_the_account_has_no_shell_of_its_own_one_of_the_machine_stands_in(self) -> None:
        for none in ("", "/usr/sbin/nologin", "/bin/false", "/no/such/shell", "no-path", "/"):
            with self.subTest(none):
                self.stop()
                os.unlink(self.path)
                self.start(none)
                guest = self.guest()
                guest.resize(24, 80)
                guest.say(b"d", b"echo in-$((1+1))\n")
                guest.until(b"in-2")

    def test_what_is_no_frame_is_cut_and_a_browser_gets_an_answer(self) -> None:
        for nonsense in (b"\xff" * 64, HEAD.pack(b"d", 2**31), HEAD.pack(b"r", 2) + b"[]", HEAD.pack(b"r", 1) + b"{"):
            guest = self.guest()
            guest.socket.sendall(nonsense)
            with self.assertRaises((EOFError, ConnectionResetError)):
                while True:
                    guest.hear()
        browser = self.guest()
        browser.socket.sendall(b"GET /api HTTP/1.1\r\nHost: localhost\r\n\r\n")
        self.assertTrue(browser.socket.recv(100).startswith(b"HTTP/1.1 400"))
        guest = self.guest()
        guest.resize(24, 80)
        guest.say(b"d", b"echo still-$((1+1))\n")
        guest.until(b"still-2")


if __name__ == "__main__":
    unittest.main()
