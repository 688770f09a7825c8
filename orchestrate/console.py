"""How commands talk to people: as wide as the terminal, or as a log."""

import sys

from rich.console import Console


def new_console() -> Console:
    """Returns where a command says what it does."""
    return Console(width=None if sys.stdout.isatty() else 120)


def say(console: Console, text: str) -> None:
    """Prints a line as it is: names of files and tests are no markup, and are not broken."""
    console.print(text, highlight=False, markup=False, soft_wrap=True)
