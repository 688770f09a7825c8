"""Runs a command while no other process of this clone runs one this way.

`python3 local/bin/one_at_a_time.py COMMAND…`. Needs nothing but Python, whose fcntl is on every
Unix; the program flock is not on macOS. All that the command prints goes to stderr.
"""

import fcntl
import os
import sys
from pathlib import Path

state = Path(__file__).resolve().parents[2] / ".local"
state.mkdir(exist_ok=True)
lock = os.open(state / "setup.lock", os.O_RDWR | os.O_CREAT)
try:
    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
except BlockingIOError:
    print("Waiting for another process that installs into this clone ...", file=sys.stderr)
    fcntl.flock(lock, fcntl.LOCK_EX)
# The command and all that it starts keep the lock, whatever becomes of this process.
os.set_inheritable(lock, True)
os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
os.execvp(sys.argv[1], sys.argv[1:])  # noqa: S606 - as asked by the Makefile
