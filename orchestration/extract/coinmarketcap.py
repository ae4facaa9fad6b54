"""CoinMarketCap: the total market cap as it is now (official API), and the history behind its website's chart on request.

The website's endpoint is undocumented: it is asked only when TIDEGAUGE_COINMARKETCAP_WEBSITE says so, and its terms are
logged. Every answer has a `status` whose `error_code` decides, whatever the HTTP status says.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta

from orchestration.extract.base import Exchange, Plan, Request, Row, Rows, read_json, refusal, require_keys
from orchestration.extract.http import error_text

log = logging.getLogger(__name__)

WEBSITE = "/data-api/v3/global-metrics/quotes/historical"
FIRST_DAY = date(2013, 4, 29)
WINDOW_DAYS = 2000
"""The website refuses windows of more than about 2,200 days."""


def requests(plan: Plan) -> Iterator[Request]:
    """The snapshot, keyed or keyless; then the website's history in windows, when a person has opted in."""
    key = plan.settings.api_key("coinmarketcap")
    yield Request(
        "coinmarketcap",
        f"global metrics of {plan.now:%Y-%m-%d}",
        ("" if key else "/public-api") + "/v1/global-metrics/quotes/latest",
        {"convert": "USD"},
        secret_headers={"X-CMC_PRO_API_KEY": key.get_secret_value()} if key else {},
        required=plan.provider.dataset("coinmarketcap_global_metrics").required,
    )
    if not (plan.settings.coinmarketcap_website and plan.wants("coinmarketcap_history")):
        return
    terms = plan.provider.terms
    log.warning(
        "coinmarketcap: the website's history is on (TIDEGAUGE_COINMARKETCAP_WEBSITE). Terms: %s; redistribution %s. %s %s",
        *(terms.licence, terms.redistribution, terms.notes, terms.url),
    )
    window = plan.window_of(None)
    start = max(window.start, FIRST_DAY)
    while start <= window.end:
        end = min(start + timedelta(days=WINDOW_DAYS - 1), window.end)
        until = min(datetime.combine(end, time(23, 59, 59), UTC), plan.now)
        yield Request(
            "coinmarketcap",
            f"website history {start}..{end}",
            WEBSITE,
            {
                "format": "chart",
                "interval": "1d",
                "timeStart": str(int(datetime.combine(start, time.min, UTC).timestamp())),
                "timeEnd": str(int(until.timestamp())),
            },
            host="website",
            required=plan.provider.dataset("coinmarketcap_history").required,
        )
        start = end + timedelta(days=1)


def parse(exchange: Exchange) -> Rows:
    """The snapshot as a row of coinmarketcap_global_metrics, dated by the fetch, or `quotes` as coinmarketcap_history."""
    body = read_json(exchange)
    require_keys(exchange, "the answer", body if isinstance(body, dict) else (), ("status",))
    if body["status"]["error_code"] != "0":
        said = error_text(exchange.body)
        raise refusal(exchange, said, explain(200, said), is_transient=said.startswith(("429", "500", "1008", "1011")))
    require_keys(exchange, "the answer", body, ("data",))
    data = body["data"]
    if exchange.request.path == WEBSITE:
        return {"coinmarketcap_history": [_quote(exchange, quote) for quote in data["quotes"]]}
    usd = data["quote"]["USD"]
    require_keys(exchange, "quote.USD", usd, ("total_market_cap", "last_updated"))
    shares = ("btc_dominance", "eth_dominance", "active_cryptocurrencies", "total_cryptocurrencies")
    amounts = ("total_market_cap", "altcoin_market_cap", "total_volume_24h", "altcoin_volume_24h", "last_updated")
    row: Row = {name: data.get(name) for name in shares} | {name: usd.get(name) for name in amounts}
    day = exchange.fetched_at.astimezone(UTC).date().isoformat()
    return {"coinmarketcap_global_metrics": [{**row, "snapshot_date": day}]}


def _quote(exchange: Exchange, quote: Row) -> Row:
    (amounts,) = quote["quote"]
    require_keys(exchange, "a quote", amounts, ("totalMarketCap",))
    return {**amounts, **{name: value for name, value in quote.items() if name != "quote"}}


KNOWN = {
    "1001": ("the key is refused: check TIDEGAUGE_COINMARKETCAP_API_KEY, or unset it to ask without one", True),
    "1002": ("the endpoint wants a key: set TIDEGAUGE_COINMARKETCAP_API_KEY", True),
    "1003": ("the key's plan is not active: see its account, or unset TIDEGAUGE_COINMARKETCAP_API_KEY", True),
    "1004": ("the key's plan has ended: see its account, or unset TIDEGAUGE_COINMARKETCAP_API_KEY", True),
    "1005": ("the endpoint wants a key: set TIDEGAUGE_COINMARKETCAP_API_KEY", False),
    "1006": ("the key's plan does not include this endpoint", False),
    "1007": ("the key is disabled: see its account, or unset TIDEGAUGE_COINMARKETCAP_API_KEY", True),
    "1009": ("the day's credits are spent: run again tomorrow", True),
    "1010": ("the month's credits are spent: run again next month, or raise the plan", True),
}
"""CoinMarketCap's own codes (coinmarketcap.com/api, How to handle errors)."""


def explain(status: int, text: str) -> tuple[str, bool] | None:
    """Remedies for CoinMarketCap's own messages."""
    code = text.split(":", 1)[0]
    if code in KNOWN:
        return KNOWN[code]
    if status == 404:
        return "the endpoint is gone from this host: check TIDEGAUGE_COINMARKETCAP_BASE_URL", False
    return None
