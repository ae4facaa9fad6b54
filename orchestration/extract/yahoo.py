"""Yahoo Finance chart v8 (unofficial): daily bars of indices and currencies.

A bar is stamped with the session's opening instant; the running session's bar is stamped "now" and marked live.
An empty window is an answer without `timestamp`, not an error.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, time
from urllib.parse import quote
from zoneinfo import ZoneInfo

from orchestration.extract.base import USER_AGENT, Exchange, Plan, Request, Rows, problem, read_json, require_keys

PRICES = ("open", "high", "low", "close")
SETTLE_SECONDS = 15 * 60
"""Index providers publish the official close within minutes of the bell."""


def requests(plan: Plan) -> Iterator[Request]:
    """One request per symbol and window; `range=max` would silently turn monthly, so instants are given."""
    for series in plan.series:
        window = plan.window_of(series.key)
        start = datetime.combine(window.start, time.min, UTC)
        end = datetime.combine(window.end, time.max, UTC)
        yield Request(
            "yahoo",
            f"symbol {series.key}",
            f"/v8/finance/chart/{quote(series.key, safe='')}",
            {
                "period1": str(int(start.timestamp())),
                "period2": str(int(min(end, plan.now).timestamp())),
                "interval": "1d",
                "events": "div|split",
                "includePrePost": "false",
            },
            # Clients that do not look like a browser are answered with 429.
            {"User-Agent": f"Mozilla/5.0 (compatible; {USER_AGENT})"},
            context={"symbol": series.key},
            required=series.required,
            may_be_empty=series.may_be_empty,
        )


def parse(exchange: Exchange) -> Rows:
    """The parallel arrays as rows of yahoo_chart."""
    body = read_json(exchange)
    result = (body.get("chart", {}).get("result") if isinstance(body, dict) else None) or []
    if not result:
        raise problem(exchange, "an answer without a result", "the symbol may be delisted: check catalog/yahoo.yml")
    meta, symbol = result[0]["meta"], exchange.request.context["symbol"]
    if meta["symbol"] != symbol:
        raise problem(exchange, f"the answer is about {meta['symbol']}, not {symbol}", "try again")
    stamps = result[0].get("timestamp", [])
    if not stamps:
        return {"yahoo_chart": []}
    quotes = result[0]["indicators"]["quote"][0]
    require_keys(exchange, "indicators.quote", quotes, PRICES)
    adjusted = result[0]["indicators"].get("adjclose") or [{}]
    columns = {**quotes, "adjclose": adjusted[0].get("adjclose")}
    uneven = [name for name, values in columns.items() if values is not None and len(values) != len(stamps)]
    if uneven:
        raise problem(exchange, f"{', '.join(uneven)} and timestamp differ in length", "try again")
    zone = ZoneInfo(meta["exchangeTimezoneName"])
    now = exchange.fetched_at
    closes_at = float(meta["currentTradingPeriod"]["regular"]["end"])
    today = now.astimezone(zone).date()
    session_open = now.timestamp() < closes_at + SETTLE_SECONDS
    rows = []
    for index, stamp in enumerate(stamps):
        live = session_open and datetime.fromtimestamp(float(stamp), zone).date() >= today
        rows.append(
            {
                "symbol": symbol,
                "timestamp": stamp,
                **{name: values[index] for name, values in columns.items() if values is not None},
                "currency": meta["currency"],
                "exchange_timezone": meta["exchangeTimezoneName"],
                "is_live": live or None,
            }
        )
    return {"yahoo_chart": rows}


def explain(status: int, text: str) -> tuple[str, bool] | None:
    """Remedies for Yahoo's own answers."""
    if status == 404:
        return "Yahoo does not know this symbol: check catalog/yahoo.yml", False
    if status == 429:
        return "Yahoo blocks this address for some minutes: run again later", True
    return None
