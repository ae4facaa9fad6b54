"""Other processes: one that loads a fixed sequence of answers and may be told to die, one that holds the warehouse.

How to die: `never`, `call:N` (SIGKILL before the Nth call on the connection), `after:N` (right after it), `timer:S` (S
seconds after opening, wherever that is).
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import random
import signal
import threading
from collections.abc import Callable
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, cast

import duckdb

from orchestration.catalog.tables import RAW_TABLES
from orchestration.warehouse import connect, raw
from orchestration.warehouse.ledger import Ledger

from .helpers import AT, GOOD, arrow, hours

LOADS = 6


def answer(number: int) -> list[raw.Batch]:
    """Answer `number`: events and emissions with revisions and a few bad rows, the same in every process."""
    rng = random.Random(number)
    rows: dict[str, list[dict[str, str | None]]] = {"llama_unlock_events": [], "llama_emissions": []}
    for point in range(40):
        moment = str(1760000000 + 86400 * point)
        rows["llama_unlock_events"].append({"timestamp": moment, "amount": rng.choice(["1", "2", "3", "NaN"])})
        rows["llama_emissions"].append({"timestamp": moment, "unlocked": rng.choice(["1", "2", "inf"])})
    return [
        raw.Batch(RAW_TABLES[name], arrow(name, [(GOOD[name] | row, hours(number), f"{number}") for row in found]))
        for name, found in rows.items()
    ]


class Mortal:
    """A connection that counts calls and ends the process at one of them."""

    def __init__(self, con: duckdb.DuckDBPyConnection, how: str) -> None:
        self._con, self._calls = con, 0
        self._when, _, at = how.partition(":")
        self._at = int(at) if self._when in ("call", "after") else -1

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._con, name)

        def call(*args: Any, **kwargs: Any) -> Any:
            self._calls += 1
            if self._when == "call" and self._calls == self._at:
                die()
            result = method(*args, **kwargs)
            if self._when == "after" and self._calls == self._at:
                die()
            return result

        return call

    @property
    def calls(self) -> int:
        """Calls so far."""
        return self._calls


def die() -> None:
    """End like a power cut for this process."""
    os.kill(os.getpid(), signal.SIGKILL)


def work(home: Path, how: str) -> int:
    """Load every answer from the first on, as a re-run after a crash does; returns calls on the connection."""
    with connect(home / "warehouse.duckdb", wait_seconds=0) as con:
        raw.create_tables(con)
        if how.startswith("timer:"):
            timer = threading.Timer(float(how.removeprefix("timer:")), die)
            timer.daemon = True
            timer.start()
        mortal = Mortal(con, how)
        for number in range(LOADS):
            circumstances = raw.Load(f"run {number}", "llama", 1, AT, AT)
            done = raw.load(cast(duckdb.DuckDBPyConnection, mortal), circumstances, answer(number))
            Ledger(home / "ledger.jsonl").append(
                "load", run_id="run", loads={one.load_id: one.new + one.changed for one in done}
            )
        return mortal.calls


def hold(path: Path, channel: Connection) -> None:
    """Open the warehouse, say so, and let go when told."""
    with connect(path, wait_seconds=0):
        channel.send("open")
        with contextlib.suppress(EOFError):
            channel.recv()


def process(target: Callable[..., object], *args: object) -> BaseProcess:
    """Start a function of this module in a process of its own that shares no state with this one.

    A fork server, because a fresh interpreter takes longer to import than the loads take.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["pytest", "pandas", __name__])
    started = context.Process(target=target, args=args)
    started.start()
    return started
