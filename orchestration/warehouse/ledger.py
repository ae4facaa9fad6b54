"""An append-only record of acknowledged loads and releases, one JSON line each, outside DuckDB.

DuckDB 1.5 loses the newest transaction without a word when its write-ahead log is cut short (measured: cut by 1, 7 or
100 bytes, the file opens and the last load is gone); the ledger is how that is noticed. Each line carries the hash of
the one before, so a removed or edited line shows.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

GENESIS = "0" * 64


class LedgerError(Exception):
    """The ledger does not read back as it was written."""


class Ledger:
    """The file `ledger.jsonl` of a home."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def append(self, event: str, **facts: Any) -> None:
        """Add a line and force it to disk."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        line = {"event": event, "written_at": datetime.now(UTC).isoformat(), **facts, "previous": self._last_hash()}
        line["hash"] = _digest(line)
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line, sort_keys=True, default=str) + "\n")
            file.flush()
            os.fsync(file.fileno())

    def entries(self) -> Iterator[dict[str, Any]]:
        """Every line, oldest first, checked against its hash and its predecessor's.

        A last line without its newline was never acknowledged and is passed over.

        Raises:
            LedgerError: a line was changed, removed or is unreadable.
        """
        previous = GENESIS
        for number, text in enumerate(self._lines(), 1):
            line = self._read(number, text)
            stated = line.pop("hash")
            if line["previous"] != previous or _digest(line) != stated:
                raise LedgerError(f"{self.path}: line {number} was changed or its predecessor removed")
            previous = stated
            yield line

    def _lines(self) -> list[str]:
        if not self.path.exists():
            return []
        data = self.path.read_bytes()
        return data[: data.rfind(b"\n") + 1].decode("utf-8", "replace").splitlines()

    def _read(self, number: int, text: str) -> dict[str, Any]:
        try:
            line = json.loads(text)
        except ValueError:
            line = None
        if not isinstance(line, dict) or not {"hash", "previous"} <= line.keys():
            raise LedgerError(f"{self.path}: line {number} is unreadable: restore the file from a backup")
        return line

    def _last_hash(self) -> str:
        if not self.path.exists():
            return GENESIS
        # A torn line left by a crash would glue itself to the next one. Cutting it off leaves the rest untouched.
        whole = self.path.read_bytes().rfind(b"\n") + 1
        if whole < self.path.stat().st_size:
            os.truncate(self.path, whole)
        lines = self._lines()
        return str(self._read(len(lines), lines[-1])["hash"]) if lines else GENESIS


def _digest(line: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(line, sort_keys=True, default=str).encode()).hexdigest()
