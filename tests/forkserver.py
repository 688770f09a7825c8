"""Python programs as forks of a process that has imported dbt and dlt, which takes seconds.

Each is a process of its own all the same, with its own arguments, variables, streams and exit code,
which can be killed. What a program does while it is imported is for tests that start `python`.
"""

import gc
import json
import os
import pkgutil
import runpy
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
# What the programs import, and what these import only when they are at work.
IMPORTS = (
    *("dbt.cli.main", "dbt.adapters.postgres", "dbt.task.build", "orchestrate.dbt"),
    *("boto3", "extract.load", "extract.steps", "extract.drops", "lake.publish", "psutil"),
)
_LENGTH = 8


class Forked:
    """A program that was started."""

    def __init__(self, status: socket.socket) -> None:
        self._status = status.makefile("r")
        status.close()
        self.pid = int(self._status.readline())

    def wait(self) -> int:
        """Waits for its end; returns its exit code (negative: the signal that killed it)."""
        with self._status:
            return int(self._status.readline())


class Repeated:
    """A program that does its task in a process of its own for each line on its stdin.

    It prints the id of that process, and its exit code when it is gone.
    """

    def __init__(self, start: Callable[[Sequence[int]], Forked]) -> None:
        """Starts the program by `start`, which takes its streams."""
        its_in, ours_out = os.pipe()
        ours_in, its_out = os.pipe()
        self._program = start([its_in, its_out, 2])
        os.close(its_in)
        os.close(its_out)
        self._lines, self._answers = os.fdopen(ours_out, "w"), os.fdopen(ours_in)

    def run(self, kill_after: float | None) -> int:
        """Does it once, killed after this time if it still runs; returns the exit code."""
        print(file=self._lines, flush=True)
        pid = int(self._answers.readline())
        if kill_after is not None:
            time.sleep(kill_after)
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        return int(self._answers.readline())

    def close(self) -> None:
        """Ends the program."""
        self._lines.close()
        self._answers.close()
        self._program.wait()


class Forkserver:
    """Starts programs, which are named as `python` is told of them."""

    def __init__(self) -> None:
        """Starts the process that is forked."""
        self._control, its = socket.socketpair()
        self._one_request = threading.Lock()
        with its:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.forkserver", str(its.fileno())],
                cwd=ROOT,
                pass_fds=[its.fileno()],
            )

    def start(
        self,
        arguments: Sequence[str],
        env: Mapping[str, str],
        streams: Sequence[int],
        timeout: int = 0,
    ) -> Forked:
        """Starts a program: its arguments, all its variables, and stdin, stdout and stderr.

        SIGALRM kills it after so many seconds, unless they are 0.
        """
        request = json.dumps([arguments, dict(env), timeout]).encode()
        status, its = socket.socketpair()
        with its, self._one_request:
            length = len(request).to_bytes(_LENGTH, "big")
            socket.send_fds(self._control, [length], [*streams, its.fileno()])
            self._control.sendall(request)
        return Forked(status)

    def run(
        self, arguments: Sequence[str], env: Mapping[str, str], timeout: int
    ) -> subprocess.CompletedProcess[str]:
        """Runs a program to its end, or to the end of its time."""
        with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
            with Path(os.devnull).open() as nothing:
                streams = [each.fileno() for each in (nothing, out, err)]
                code = self.start(arguments, env, streams, timeout).wait()
            for file in (out, err):
                file.seek(0)
            return subprocess.CompletedProcess(list(arguments), code, out.read(), err.read())

    def close(self) -> None:
        """Ends the process."""
        self._control.close()
        self._process.wait(60)


def _next_program(control: socket.socket) -> list[str] | None:
    """Forks for each request; returns in the fork, with the arguments, and None at the end."""
    while True:
        length, descriptors, _, _ = socket.recv_fds(control, _LENGTH, 4)
        if not length:
            return None
        *streams, status = descriptors
        with control.makefile("rb", buffering=0) as file:
            request = b""
            while len(request) < int.from_bytes(length, "big"):
                request += file.read(int.from_bytes(length, "big") - len(request)) or b""
        # One process that waits for the program and reports its end, and the program.
        if not os.fork():
            control.close()
            if pid := os.fork():
                for stream in streams:
                    os.close(stream)
                os.write(status, f"{pid}\n".encode())
                code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
                os.write(status, f"{code}\n".encode())
                os._exit(0)
            os.close(status)
            for number, stream in enumerate(streams):
                os.dup2(stream, number)
                os.close(stream)
            arguments, env, timeout = json.loads(request)
            os.environ.clear()
            os.environ.update(env)
            signal.alarm(timeout)
            return list(arguments)
        for descriptor in descriptors:
            os.close(descriptor)
        _reap(os.WNOHANG)


def _reap(options: int) -> None:
    """Waits for forks that are gone, so that their time is counted as this process' own."""
    try:
        while os.waitpid(-1, options)[0]:
            pass
    except ChildProcessError:
        pass


def _run(arguments: list[str]) -> None:
    """Does what `python` does with these arguments."""
    kind, *rest = arguments
    if kind == "-m":
        sys.argv = rest
        runpy.run_module(rest[0], run_name="__main__", alter_sys=True)
    elif kind == "-c":
        sys.argv = [kind, *rest[1:]]
        exec(rest[0], {"__name__": "__main__"})  # noqa: S102 - a test's own program
    else:
        sys.argv = arguments
        runpy.run_path(kind, run_name="__main__")


def _main(descriptor: str) -> None:
    for name in IMPORTS:
        pkgutil.resolve_name(name)
    # The collector need not look at it, nor copy its pages, in every fork.
    gc.freeze()
    control: Any = socket.socket(fileno=int(descriptor))
    arguments = _next_program(control)
    if arguments is None:
        _reap(0)
    else:
        _run(arguments)


if __name__ == "__main__":
    _main(sys.argv[1])
