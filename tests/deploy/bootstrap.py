"""What Lambda is around the function, as a program: `python -I -S bootstrap.py FOLDER < JSON`.

FOLDER has the package's content. Stdin is a list of [event, milliseconds left]; the last line of
stdout is what became of them. Only the standard library is there besides the package.
"""

import _multiprocessing  # type: ignore[import-not-found]
import json
import re
import sys
import time
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any


class NoSemaphore(_multiprocessing.SemLock):  # type: ignore[misc]
    """Lambda has no /dev/shm, which locks between processes need."""

    def __new__(cls, *_: object, **__: object) -> Any:
        raise OSError(38, "Function not implemented")


def main(task_root: str) -> None:
    _multiprocessing.SemLock = NoSemaphore
    sys.path.insert(0, task_root)
    handle = import_module("deploy.handler").handle
    answers: list[dict[str, Any]] = []
    for event, left in json.load(sys.stdin):
        started = time.monotonic()
        context = SimpleNamespace(get_remaining_time_in_millis=lambda left=left: left)
        try:
            answers.append({"answer": handle(event, context)})
        except Exception as error:  # noqa: BLE001
            answers.append({"error": f"{type(error).__name__}: {error}"})
        answers[-1]["seconds"] = time.monotonic() - started
    # Of this program alone: what getrusage says includes whoever started it.
    peak = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert peak is not None
    library = [path for path in sys.path if path != task_root]
    files = [getattr(module, "__file__", None) for module in list(sys.modules.values())]
    modules = [Path(file) for file in files if file]
    strangers = [
        str(path)
        for path in modules
        if not path.is_relative_to(task_root)
        and ("site-packages" in path.parts or not any(path.is_relative_to(p) for p in library))
    ]
    print(
        json.dumps(
            {
                "answers": answers,
                "peak_mb": int(peak[1]) / 1024,
                "cpu_seconds": time.process_time(),
                "strangers": [path for path in strangers if path != __file__],
            }
        )
    )


if __name__ == "__main__":
    main(sys.argv[1])
