"""A terminal for a test: runs a command on one, and does what lines of JSON on stdin say.

{"type": text} types, {"size": [rows, cols]} resizes, {"close": true} closes the terminal as a window is closed.
What is printed goes to stdout as it is; the exit code is the command's.
"""

import fcntl
import json
import os
import pty
import select
import signal
import struct
import sys
import termios

pid, master = pty.fork()
if pid == 0:
    os.execvp(sys.argv[1], sys.argv[1:])


def resize(rows: int, cols: int) -> None:
    fcntl.ioctl(master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, cols, 0, 0))


resize(24, 80)
asked = b""
sources = [master, 0]
while True:
    ready, _, _ = select.select(sources, [], [])
    if master in ready:
        try:
            printed = os.read(master, 65536)
        except OSError:
            printed = b""
        if not printed:
            break
        sys.stdout.buffer.write(printed)
        sys.stdout.buffer.flush()
    if 0 in ready:
        chunk = os.read(0, 65536)
        if not chunk:
            sources.remove(0)
        asked += chunk
        *lines, asked = asked.split(b"\n")
        for line in lines:
            order = json.loads(line)
            if "type" in order:
                os.write(master, order["type"].encode())
            if "size" in order:
                resize(*order["size"])
            if "close" in order:
                os.close(master)
                os.kill(pid, signal.SIGHUP)
                os.waitpid(pid, 0)
                sys.exit(0)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) % 256)
