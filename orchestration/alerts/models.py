"""An alert, and what a review is told about the run that has just ended."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

Kind = Literal["run_failed", "gate_closed", "source_stale", "unlock_ahead", "tga_change", "test"]
Severity = Literal["error", "warning"]

RECURRING: frozenset[str] = frozenset({"run_failed", "gate_closed", "source_stale"})
"""Kinds that alert anew when their cause comes back. The others are about a date: told once, however a figure wobbles
around its threshold afterwards."""


@dataclass(frozen=True)
class Alert:
    """One thing a person should know.

    Attributes:
        kind: which condition; docs/alerts.md says what each means and what to do.
        cause: stable name of what is wrong, without run ids or counts: the same trouble has the same cause.
        severity: error for what stops or spoils releases, warning for what is worth knowing.
        title: one line.
        text: source and thing, one line where it can be.
        remedy: what to do or where to look; said once where several alerts share it.
        subject: what is told in one message: the late series of one source, the failures of one run.
        at: the run's clock (UTC).
        facts: the figures behind it, for programs; JSON values.
    """

    kind: Kind
    cause: str
    severity: Severity
    title: str
    text: str
    remedy: str
    subject: str
    at: datetime
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> tuple[str, str]:
        """What the memory knows it by."""
        return (self.kind, self.cause)


@dataclass(frozen=True)
class Failure:
    """One failed step: its name, the class of the error that ended it (empty: the run died), and its message."""

    step: str
    error_class: str
    message: str


@dataclass(frozen=True)
class RunEnded:
    """A run that is over. `ended_at`: by the machine's clock, which orders runs; `failures`: empty after a success."""

    run_id: str
    job: str
    is_success: bool
    ended_at: datetime
    failures: tuple[Failure, ...] = ()
