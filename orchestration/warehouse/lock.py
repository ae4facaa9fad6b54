"""One run at a time per home, across processes and whoever launched it: the command, the web server, a schedule."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from filelock import FileLock, Timeout

from orchestration.warehouse.connection import WarehouseBusyError

log = logging.getLogger(__name__)


@contextmanager
def hold(home: Path, wait_seconds: float, what: str = "a run") -> Iterator[None]:
    """Hold a home until the block ends; a block inside, in the same thread, passes. `what` is shown to those who wait.

    Raises:
        WarehouseBusyError: another run stayed; the text names it and its process.
    """
    home.mkdir(parents=True, exist_ok=True)
    holder = home / "run.pid"
    # One object per file and process counts how often it is held.
    lock = FileLock(home / "run.lock", is_singleton=True)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        if wait_seconds:
            log.warning("%s: waiting up to %.0f s for %s, which holds the warehouse", home, wait_seconds, _who(holder))
        try:
            lock.acquire(timeout=wait_seconds)
        except Timeout:
            raise WarehouseBusyError(f"{home}: {_who(holder)} holds the warehouse: wait for it, or stop it") from None
    try:
        if lock.lock_counter == 1:
            holder.write_text(
                f"{what} (process {os.getpid()}, since {datetime.now(UTC):%Y-%m-%d %H:%M} UTC)\n", "utf-8"
            )
        yield
    finally:
        if lock.lock_counter == 1:
            holder.unlink(missing_ok=True)
        lock.release()


def _who(holder: Path) -> str:
    try:
        return holder.read_text("utf-8").strip()
    except OSError:
        return "another run"
