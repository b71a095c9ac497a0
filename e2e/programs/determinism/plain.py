"""Knows nothing of Contrail, asks another machine for something, and writes an unseeded number into its result."""

import random
import socket

with socket.socket() as asked:
    asked.settimeout(0.05)
    try:
        # An address that belongs to nobody.
        asked.connect(("192.0.2.1", 80))
    except OSError:
        pass
with open("result.txt", "w", encoding="utf-8") as file:
    file.write("accuracy %r\n" % random.random())
print("done")
