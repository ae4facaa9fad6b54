"""TradingView chart exports dropped into the inbox: no network, a person exports them by hand.

A file belongs to the catalog symbol whose name (":" written "_") its own name starts with. `time` is unix seconds or an ISO
date. Bars after the clock's day are left out: a build of the past must not see them.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime
from itertools import pairwise
from pathlib import Path

from orchestration.extract.base import Exchange, Plan, Request, Rows, problem, read_csv, require_keys


def files(plan: Plan) -> Iterator[tuple[Request, Path]]:
    """Every CSV of the inbox that belongs to a symbol, oldest first, so that a re-export becomes the newer version."""
    exports = (path for path in plan.settings.inbox_dir.glob("*.csv") if path.is_file())
    found = sorted(exports, key=lambda path: (path.stat().st_mtime, path.name))
    symbols = [series.key for series in plan.series]
    required = plan.provider.dataset("tradingview_bars").required
    for path in found:
        symbol = next((s for s in symbols if _belongs(path.stem, s.replace(":", "_"))), None)
        if symbol is not None:
            context = {"symbol": symbol, "file": path.name}
            yield Request("tradingview", f"file {path.name}", "", context=context, required=required), path


def _belongs(stem: str, name: str) -> bool:
    rest = stem[len(name) :]
    return stem.startswith(name) and (not rest or not (rest[0].isalnum() or rest[0] == "."))


def parse(exchange: Exchange) -> Rows:
    """The file's bars as rows of tradingview_bars."""
    header, lines = read_csv(exchange)
    require_keys(exchange, "the export", header, ("time", "close"))
    today = exchange.fetched_at.astimezone(UTC).date()
    context = exchange.request.context
    rows, days = [], []
    for line in lines:
        row = dict(zip(header, line, strict=True))
        day = _bar_date(exchange, row["time"])
        if day <= today:
            days.append(day)
            cells = {name: value or None for name, value in row.items()}
            rows.append({**cells, "symbol": context["symbol"], "file_name": context["file"]})
    steps = {(later - earlier).days for earlier, later in pairwise(sorted(days))}
    if (steps and 1 not in steps) or 0 in steps:
        # A weekly bar is stamped with the first day and holds the close of the last: read as daily it knows the future.
        raise problem(exchange, "the bars are not daily", "set the chart to 1D and export it again")
    return {"tradingview_bars": rows}


def _bar_date(exchange: Exchange, stamp: str) -> date:
    try:
        if stamp.lstrip("-").isdigit():
            return datetime.fromtimestamp(int(stamp), UTC).date()
        return datetime.fromisoformat(stamp).date()
    except (ValueError, OverflowError, OSError):
        raise problem(
            exchange,
            f"time {stamp!r} is neither unix seconds nor an ISO date",
            "export the chart again with ISO or UNIX time",
        ) from None
