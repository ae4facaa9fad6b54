"""Cboe: the VIX history file, whole each time. Old rows have been restated once (August 2024), so all of it is compared."""

from __future__ import annotations

from collections.abc import Iterator

from orchestration.extract.base import Exchange, Plan, Request, Rows, read_csv, require_keys


def requests(plan: Plan) -> Iterator[Request]:
    """The one file."""
    required = any(series.required for series in plan.series)
    yield Request("cboe", "VIX history", "/api/global/us_indices/daily_prices/VIX_History.csv", required=required)


def parse(exchange: Exchange) -> Rows:
    """The file's lines as rows of cboe_vix_history."""
    header, lines = read_csv(exchange)
    require_keys(exchange, "the file", header, ("DATE", "OPEN", "HIGH", "LOW", "CLOSE"))
    return {"cboe_vix_history": [dict(zip(header, line, strict=True)) for line in lines]}
