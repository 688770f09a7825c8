"""Shows on a terminal what a load is busy with; says nothing into a pipe or a file."""

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bars


class Progress:
    """One line per task on stderr, while the task runs; safe to use from several threads."""

    def __init__(self, enabled: bool | None = None) -> None:
        """Shows tasks if `enabled`; None means: if stderr is a terminal."""
        console = Console(stderr=True)
        self._bars = Bars(
            SpinnerColumn(finished_text="✓"),
            TextColumn("{task.description}"),
            BarColumn(bar_width=20),
            TimeElapsedColumn(),
            console=console,
            disable=not (console.is_terminal if enabled is None else enabled),
        )

    def __enter__(self) -> "Progress":
        self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bars.stop()

    @contextmanager
    def task(self, description: str) -> Iterator[None]:
        """Shows `description` while the block runs, and a mark when it is done."""
        bar = self._bars.add_task(description, total=None)
        yield
        self._bars.update(bar, total=1, completed=1)
