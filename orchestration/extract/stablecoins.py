"""DefiLlama stablecoins: circulating amounts by peg and day, whole history in one answer.

The last row is the running day and changes until tomorrow; it is marked so that the final value becomes a version of its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from orchestration.extract.base import Exchange, Plan, Request, Row, Rows, problem, read_json, require_keys

MAPS = ("totalCirculating", "totalCirculatingUSD", "totalUnreleased", "totalMintedUSD", "totalBridgedToUSD")
DAY_SECONDS = 86_400


def requests(plan: Plan) -> Iterator[Request]:
    """The whole history, always: the endpoint knows no window."""
    required = any(series.required for series in plan.series)
    yield Request("stablecoins", "all stablecoins, whole history", "/stablecoincharts/all", required=required)


def parse(exchange: Exchange) -> Rows:
    """One row per day and peg of stablecoins_charts."""
    body = read_json(exchange)
    if not isinstance(body, list):
        raise problem(exchange, "a list of days was expected", "try again later")
    rows: list[Row] = []
    for day in body:
        require_keys(exchange, "a day", day, ("date", "totalCirculating", "totalCirculatingUSD"))
        require_keys(exchange, f"totalCirculatingUSD of {day['date']}", day["totalCirculatingUSD"], ("peggedUSD",))
        running = float(day["date"]) + DAY_SECONDS > exchange.fetched_at.timestamp()
        extra: dict[str, Any] = {name: value for name, value in day.items() if name not in (*MAPS, "date")}
        for peg in day["totalCirculating"] | day["totalCirculatingUSD"]:
            amounts = {name: day[name].get(peg) for name in MAPS if name in day}
            rows.append({"date": day["date"], "peg": peg, **amounts, "is_provisional": running or None, **extra})
    return {"stablecoins_charts": rows}
