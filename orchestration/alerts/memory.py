"""What was told already: `alerts.jsonl` of a home, one line per thing that happened to an alert, and the lock around it.

Not part of the ledger: that is a hash chain written by the run that holds the home, and refuses to be read when a line is
damaged. Here several processes write side by side, and a damaged line must cost an alert at most, never a run.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from filelock import FileLock

from orchestration.alerts.models import RECURRING, Alert

log = logging.getLogger(__name__)

LOCK_SECONDS = 30.0
UNDELIVERED_FOR = timedelta(days=7)
"""An alert that the webhook did not take for this long is no news any more."""


@dataclass(frozen=True)
class Entry:
    """An alert and what became of it; instants by the clock of the reviews.

    Attributes:
        closed_at: when its cause was gone, None while it stands.
        sent_at: when it was handed to the webhook, None while it is owed.
        refusals: how often the webhook definitely did not take it.
        reason: what the webhook said last, empty when it took it.
    """

    alert: Alert
    closed_at: datetime | None = None
    sent_at: datetime | None = None
    refusals: int = 0
    reason: str = ""


class Memory:
    """The alerts of a home, oldest first, and the way to change them: only inside `held()`."""

    def __init__(self, home: Path) -> None:
        self.path = home / "alerts.jsonl"
        self._lock = home / "alerts.lock"
        self.entries: list[Entry] = []
        self._newest: dict[tuple[str, str], int] = {}

    @contextmanager
    def held(self) -> Iterator[None]:
        """Nobody else changes the memory until the block ends; it is read anew."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(self._lock, timeout=LOCK_SECONDS):
            self.read()
            yield

    def read(self) -> None:
        """Read the file; a line that cannot be understood is named in the log and passed over."""
        self.entries, self._newest = [], {}
        if not self.path.exists():
            return
        for number, text in enumerate(self.path.read_text("utf-8", "replace").split("\n"), 1):
            if not text.strip():
                continue
            try:
                self._apply(json.loads(text))
            except (ValueError, TypeError, KeyError, AttributeError):
                log.warning("%s: line %d is unreadable and passed over: its alert may come again", self.path, number)

    def news(self, alerts: Iterable[Alert]) -> list[Alert]:
        """Those whose cause was not told yet, or has come back."""
        return [alert for alert in alerts if self._is_news(alert)]

    def open(self, alerts: Iterable[Alert]) -> None:
        """Note these causes as standing."""
        self._append([{"event": "opened", **asdict(alert), "at": alert.at.isoformat()} for alert in alerts])

    def close(self, gone: Iterable[Entry], at: datetime) -> None:
        """Note that these causes are gone."""
        self._append([_line("closed", entry.alert, at) for entry in gone])

    def standing(self, kind: str) -> list[Entry]:
        """The open alerts of a kind."""
        return [entry for entry in self.entries if entry.alert.kind == kind and entry.closed_at is None]

    def claim(self, at: datetime) -> list[Alert]:
        """The next message the webhook is owed, noted as sent; empty when it is owed nothing.

        Noted before it is sent: whoever dies in between, or hears no answer, has told a cause at most once. What was
        refused before goes last, so that one message a webhook will not have does not hold up the others; errors go first.
        """
        # Of a cause that came back in the meantime only the last time is told; one that is over, only if it was tried.
        newest = [self.entries[position] for position in self._newest.values()]
        owed = [
            entry
            for entry in newest
            if entry.sent_at is None
            and (entry.closed_at is None or entry.refusals)
            and entry.alert.at > at - UNDELIVERED_FOR
        ]
        if not owed:
            return []
        first = min(owed, key=lambda entry: (entry.refusals, entry.alert.severity != "error")).alert
        alerts = [_as_it_stands(entry) for entry in owed]
        message = [alert for alert in alerts if (alert.kind, alert.subject) == (first.kind, first.subject)]
        self._append([_line("sent", alert, at) for alert in message])
        return message

    def take_back(self, message: Iterable[Alert], at: datetime, reason: str) -> None:
        """Note that the webhook definitely did not take a message: it is owed again."""
        self._append([_line("refused", alert, at, reason=reason) for alert in message])

    def doubt(self, message: Iterable[Alert], at: datetime, reason: str) -> None:
        """Note that nobody knows whether the webhook took a message: it counts as sent."""
        self._append([_line("in_doubt", alert, at, reason=reason) for alert in message])

    def _is_news(self, alert: Alert) -> bool:
        position = self._newest.get(alert.key)
        if position is None:
            return True
        return alert.kind in RECURRING and self.entries[position].closed_at is not None

    def _append(self, lines: list[dict[str, Any]]) -> None:
        if not lines:
            return
        with self.path.open("a+b") as file:
            # A line torn by a crash must not swallow the next one.
            file.seek(0, os.SEEK_END)
            is_torn = False
            if file.tell():
                file.seek(-1, os.SEEK_END)
                is_torn = file.read(1) != b"\n"
            text = "".join(json.dumps(line, sort_keys=True) + "\n" for line in lines)
            file.write(b"\n" * is_torn + text.encode())
            file.flush()
            os.fsync(file.fileno())
        for line in lines:
            self._apply(line)

    def _apply(self, line: dict[str, Any]) -> None:
        event, at = line["event"], datetime.fromisoformat(line["at"])
        if event == "opened":
            fields = {name: line[name] for name in Alert.__dataclass_fields__}
            alert = Alert(**{**fields, "at": at})
            self._newest[alert.key] = len(self.entries)
            self.entries.append(Entry(alert))
            return
        position = self._newest[(line["kind"], line["cause"])]
        entry = self.entries[position]
        self.entries[position] = {
            "closed": lambda: replace(entry, closed_at=at),
            "sent": lambda: replace(entry, sent_at=at, reason=""),
            "refused": lambda: replace(entry, sent_at=None, refusals=entry.refusals + 1, reason=line["reason"]),
            "in_doubt": lambda: replace(entry, reason=line["reason"]),
        }[event]()


def _line(event: str, alert: Alert, at: datetime, **more: str) -> dict[str, Any]:
    return {"event": event, "kind": alert.kind, "cause": alert.cause, "at": at.isoformat(), **more}


def _as_it_stands(entry: Entry) -> Alert:
    if entry.closed_at is None:
        return entry.alert
    return replace(entry.alert, text=f"{entry.alert.text} (over since {entry.closed_at:%Y-%m-%d %H:%M} UTC)")
