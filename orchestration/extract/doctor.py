"""One small request to each source: does its key work, does it answer, is the answer built as it should be, how new is it.

Nothing is archived or loaded. Windows and cursors play no part: every source is asked for its last weeks.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Literal

import pyarrow as pa

from orchestration.catalog import Catalog
from orchestration.catalog.tables import RAW_TABLES, RawTable
from orchestration.extract.base import Exchange, Plan, Window
from orchestration.extract.errors import ExtractError, PayloadError, PermanentError, TransientError
from orchestration.extract.http import Client
from orchestration.extract.run import MODULES, Basket
from orchestration.settings import Settings

WINDOW = timedelta(days=35)
"""Long enough for a monthly figure, short enough to be small."""

TRIES = 2
"""A single reset connection says nothing about a source."""

State = Literal["ok", "not asked", "unreachable", "rate limited", "key refused", "refused", "shape changed"]


@dataclass(frozen=True)
class Diagnosis:
    """What one source said.

    key: "not needed", "not set", "set" (never tried), "ok" or "refused".
    newest: the newest day in the answer, None when the answer has none.
    detail: why it was not asked, or what went wrong with the remedy.
    """

    provider: str
    state: State
    key: str
    newest: date | None
    detail: str
    is_required: bool

    @property
    def is_ill(self) -> bool:
        """True when the source was asked and would not yield rows now."""
        return self.state not in ("ok", "not asked")


def diagnose(catalog: Catalog, settings: Settings, reasons: Mapping[str, str | None]) -> Iterator[Diagnosis]:
    """Ask every source that has no reason against it, all at the same time; yields in the order of `reasons`."""
    patient = settings.model_copy(update={"http_attempts": min(TRIES, settings.http_attempts)})
    with ThreadPoolExecutor(max_workers=len(reasons) or 1, thread_name_prefix="doctor") as pool:
        yield from pool.map(lambda name: _examine(catalog, patient, name, reasons[name]), reasons)


def _examine(catalog: Catalog, settings: Settings, name: str, reason: str | None) -> Diagnosis:
    provider = catalog.provider(name)
    key = "not needed" if provider.key.policy == "none" else "set" if settings.api_key(name) else "not set"
    if reason:
        return Diagnosis(name, "not asked", key, None, reason, provider.is_required)
    now = settings.now()
    today = now.astimezone(UTC).date()
    plan = Plan(provider, catalog.series_of(name), settings, now, lambda _: Window(today - WINDOW, today))
    try:
        rows = _files(name, plan) if hasattr(MODULES[name], "files") else {}
        rows |= _first_answer(name, plan) if hasattr(MODULES[name], "requests") else {}
    except ExtractError as error:
        state = _state(error, key)
        return Diagnosis(
            name, state, "refused" if state == "key refused" else key, None, str(error), provider.is_required
        )
    return Diagnosis(name, "ok", "ok" if key == "set" else key, _newest(rows), "", provider.is_required)


def _first_answer(name: str, plan: Plan) -> dict[str, pa.Table]:
    """The tables of the source's first request, a required one if it has any."""
    asked = list(MODULES[name].requests(plan))
    if not asked:
        return {}
    request = next((each for each in asked if each.required), asked[0])
    found: dict[str, pa.Table] = {}

    def judge(exchange: Exchange) -> None:
        tables = Basket(name).judge(exchange)[1]
        found.update({table: rows for table, (rows, _) in tables.items()})

    client = Client(plan.settings, plan.provider, explain=getattr(MODULES[name], "explain", lambda status, text: None))
    try:
        client.get(request, judge)
    finally:
        client.close()
    return found


def _files(name: str, plan: Plan) -> dict[str, pa.Table]:
    """The tables of the newest file."""
    found = list(MODULES[name].files(plan))
    if not found:
        return {}
    request, path = found[-1]
    try:
        body = path.read_bytes()
    except OSError as trouble:
        raise PermanentError(name, request.label, f"the file cannot be read ({trouble.strerror})") from None
    tables = Basket(name).judge(Exchange(request, 200, body, plan.now))[1]
    return {table: rows for table, (rows, _) in tables.items()}


def _state(error: ExtractError, key: str) -> State:
    if isinstance(error, PayloadError):
        return "shape changed"
    if error.status == 429:
        return "rate limited"
    if isinstance(error, TransientError):
        return "unreachable"
    # A refusal that concerns the whole provider, of a request that carried a key, is about the key.
    return "key refused" if error.whole_provider and error.status and key == "set" else "refused"


def _newest(tables: Mapping[str, pa.Table]) -> date | None:
    days = [
        day
        for name, rows in tables.items()
        for text in (rows.column(RAW_TABLES[name].period or "").to_pylist() if RAW_TABLES[name].period else [])
        if (day := _day(RAW_TABLES[name], text))
    ]
    return max(days, default=None)


def _day(table: RawTable, text: str | None) -> date | None:
    """The UTC day of a period as served; None for what a load would quarantine."""
    if not text:
        return None
    kind = table.column(table.period or "").kind
    try:
        if kind == "unix" or (kind == "unix_or_date" and text.lstrip("-").isdigit()):
            return datetime.fromtimestamp(float(text), UTC).date()
        if kind == "unix_ms":
            return datetime.fromtimestamp(float(text) / 1000, UTC).date()
        if kind == "us_date":
            return datetime.strptime(text, "%m/%d/%Y").replace(tzinfo=UTC).date()
        return date.fromisoformat(text[:10])
    except (ValueError, OverflowError, OSError):
        return None
