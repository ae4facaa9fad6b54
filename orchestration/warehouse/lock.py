"""One run at a time per home, across processes and whoever launched it: the command, the web server, a schedule."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from orchestration.warehouse.connection import WarehouseBusyError


@contextmanager
def hold(home: Path, wait_seconds: float) -> Iterator[None]:
    """Hold a home until the block ends; a block inside, in the same thread, passes.

    Raises:
        WarehouseBusyError: another run stayed; the text names its process.
    """
    home.mkdir(parents=True, exist_ok=True)
    holder = home / "run.pid"
    # One object per file and process counts how often it is held.
    lock = FileLock(home / "run.lock", is_singleton=True)
    try:
        lock.acquire(timeout=wait_seconds)
    except Timeout:
        who = holder.read_text("utf-8").strip() if holder.exists() else "unknown"
        raise WarehouseBusyError(
            f"{home}: another run (process {who}) holds the warehouse: wait for it, or stop it"
        ) from None
    try:
        holder.write_text(f"{os.getpid()}\n", "utf-8")
        yield
    finally:
        if lock.lock_counter == 1:
            holder.unlink(missing_ok=True)
        lock.release()
