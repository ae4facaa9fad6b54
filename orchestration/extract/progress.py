"""Shows how far the sources are: a bar each on a terminal, log lines otherwise."""

from __future__ import annotations

import logging
import sys
import threading
from types import TracebackType
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from rich.progress import TaskID

log = logging.getLogger(__name__)


class Progress:
    """Thread-safe; used as a context manager around one extraction or replay."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._bar = None
        self._tasks: dict[str, TaskID] = {}
        if sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
            from rich.progress import Progress as Bars

            self._bar = Bars(
                TextColumn("{task.description:<12}"),
                BarColumn(),
                MofNCompleteColumn(),
                TimeElapsedColumn(),
                TextColumn("{task.fields[now]}"),
                console=Console(stderr=True),
            )

    def __enter__(self) -> Self:
        if self._bar:
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar:
            self._bar.stop()

    def at(self, provider: str, done: int, total: int, doing: str) -> None:
        """`done` of `total` requests of a provider are through; `doing` names the next one."""
        with self._lock:
            if self._bar is None:
                if done == total:
                    log.info("%s: %d of %d requests done", provider, done, total)
                return
            if provider not in self._tasks:
                self._tasks[provider] = self._bar.add_task(provider, total=total, now="")
            self._bar.update(self._tasks[provider], completed=done, total=total, now=doing[:48])
