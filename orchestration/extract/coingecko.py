"""CoinGecko: the universe as it is now (`coins/markets`, the 250 largest), kept as one dated snapshot a day.

The free tier has no history of the universe, so a day that was not fetched cannot be had later. Errors may come with
status 200 in a `status` object.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC

from orchestration.extract.base import Exchange, Plan, Request, Rows, problem, read_json

UNIVERSE = 250
"""The largest page CoinGecko serves, and twice what the TOTAL index counts."""


def requests(plan: Plan) -> Iterator[Request]:
    """One page: the largest coins by market cap."""
    key = plan.settings.api_key("coingecko")
    pro = "pro-api." in plan.settings.base_url("coingecko", plan.provider.base_url or "")
    header = "x-cg-pro-api-key" if pro else "x-cg-demo-api-key"
    yield Request(
        "coingecko",
        f"universe snapshot of {plan.now:%Y-%m-%d}",
        "/api/v3/coins/markets",
        {
            "vs_currency": "usd",
            "order": "market_cap_desc",
            "per_page": str(UNIVERSE),
            "page": "1",
            "sparkline": "false",
        },
        secret_headers={header: key.get_secret_value()} if key else {},
        required=plan.provider.dataset("coingecko_markets").required,
    )


def parse(exchange: Exchange) -> Rows:
    """The coins as rows of coingecko_markets, dated by the UTC day of the fetch."""
    body = read_json(exchange)
    if not isinstance(body, list):
        raise problem(exchange, f"an error object came with status 200: {str(body)[:120]}", "try again later")
    day = exchange.fetched_at.astimezone(UTC).date().isoformat()
    return {"coingecko_markets": [{**row, "snapshot_date": day} for row in body]}


def explain(status: int, text: str) -> tuple[str, bool] | None:
    """Remedies for CoinGecko's own messages."""
    if status in (400, 401, 403):
        return (
            "check TIDEGAUGE_COINGECKO_API_KEY: a demo key belongs to api.coingecko.com, a pro key to "
            "pro-api.coingecko.com (set TIDEGAUGE_COINGECKO_BASE_URL); without a key, unset it",
            True,
        )
    return None
