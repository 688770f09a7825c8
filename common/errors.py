"""The ways in which a command can go wrong for a reason that the user can act on."""

import sys
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec

P = ParamSpec("P")


class ConfigurationError(Exception):
    """Something was declared or set wrongly: nothing was attempted (exit code 2)."""


class LoadError(Exception):
    """A load failed; what was loaded before is untouched (exit code 1)."""


class FileError(LoadError):
    """A load failed because of one file, which has this id in audit.files, if it is there yet.

    If it `is_unread`, its bucket could not hand it over, and nothing is known against its content.
    """

    def __init__(self, message: str, file_id: int | None = None, is_unread: bool = False) -> None:
        super().__init__(message)
        self.file_id = file_id
        self.is_unread = is_unread


def exit_codes(*failures: type[Exception]) -> Callable[[Callable[P, int]], Callable[P, int]]:
    """Makes of what a command line raises one line on stderr and what it returns.

    That is 2 for a ConfigurationError, 1 for a LoadError and for `failures`, and 130 for Ctrl-C.
    """
    known: tuple[type[Exception], ...] = (ConfigurationError, LoadError, *failures)

    def decorate(main: Callable[P, int]) -> Callable[P, int]:
        @wraps(main)
        def guarded(*args: P.args, **kwargs: P.kwargs) -> int:
            try:
                return main(*args, **kwargs)
            except known as error:
                print(f"error: {error}", file=sys.stderr)
                return 2 if isinstance(error, ConfigurationError) else 1
            except KeyboardInterrupt:
                print("stopped", file=sys.stderr)
                return 130

        return guarded

    return decorate
