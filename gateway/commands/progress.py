"""Progress bars on stderr, on a terminal only. Used by long commands."""

from collections.abc import Callable
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn


class Bars:
    """The bars of one command: a context manager."""

    def __init__(self) -> None:
        console = Console(stderr=True)
        columns = (
            TextColumn("{task.description:<10}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[unit]}"),
            TimeElapsedColumn(),
        )
        self._progress = Progress(*columns, console=console, disable=not console.is_terminal)

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def add(self, title: str, total: int | None, unit: str) -> Callable[..., None]:
        """Add a bar and return the function that updates it with the units done and, once known, the `total`."""
        task = self._progress.add_task(title, total=total, unit=unit)
        return lambda done, total=None: self._progress.update(task, completed=done, total=total)
