"""What Lambda is around the function, as a program: `python -I -S bootstrap.py FOLDER < JSON`.

FOLDER has the package's content. Stdin is a list of [event, milliseconds left]; the last line of
stdout is what became of them. Only the standard library is there besides the package.
"""

import json
import resource
import sys
import time
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any


def no_semaphore(*_: object, **__: object) -> None:
    """Lambda has no /dev/shm, which locks between processes need."""
    raise OSError(38, "Function not implemented")


def main(task_root: str) -> None:
    import _multiprocessing

    _multiprocessing.SemLock = no_semaphore  # type: ignore[misc, assignment]
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
    usage = resource.getrusage(resource.RUSAGE_SELF)
    library = [path for path in sys.path if path != task_root]
    modules = [Path(file) for m in list(sys.modules.values()) if (file := getattr(m, "__file__", 0))]
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
                "peak_mb": usage.ru_maxrss / 1024,
                "cpu_seconds": usage.ru_utime + usage.ru_stime,
                "strangers": [path for path in strangers if path != __file__],
            }
        )
    )


if __name__ == "__main__":
    main(sys.argv[1])
