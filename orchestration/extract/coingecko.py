"""CoinGecko: the universe as it is now (`coins/markets`), kept as one dated snapshot a day, and the last year of coins
that Coin Metrics does not cover (`coins/{id}/market_chart`).

No plan up to Demo has a history of the universe, so a day that was not fetched cannot be had later. Host, header of the key
and pace depend on the plan. Errors may come with status 200.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, timedelta

from orchestration.extract.base import Exchange, Plan, Request, Rows, problem, read_json, refusal, require_keys
from orchestration.extract.http import error_text

PAGE = 250
"""The largest page CoinGecko serves."""

HISTORY_DAYS = 365
"""What every plan below the paid ones may ask for; more is refused with 10012."""

MIDNIGHT = 86_400_000


def requests(plan: Plan) -> Iterator[Request]:
    """The universe page by page, then the daily history of single coins."""
    settings = plan.settings
    access = plan.provider.plans[settings.plan("coingecko")]
    key = settings.api_key("coingecko")
    secret = {access.key_header: key.get_secret_value()} if key and access.key_header else {}
    size = settings.coingecko_universe
    yield Request(
        "coingecko",
        f"universe snapshot of {plan.now:%Y-%m-%d}",
        "/api/v3/coins/markets",
        {
            "vs_currency": "usd",
            "order": "market_cap_desc",
            "per_page": str(min(size, PAGE)),
            "page": "1",
            "sparkline": "false",
        },
        context={"universe": str(size)} if size > PAGE else {},
        secret_headers=secret,
        required=plan.provider.dataset("coingecko_markets").required,
    )
    coins = settings.coingecko_history_coins
    if not plan.wants("coingecko_market_chart"):
        return
    for coin in plan.provider.assets[: access.history_coins if coins is None else coins]:
        window = plan.window_of(coin)
        today = plan.now.astimezone(UTC).date()
        if window.end < today - timedelta(days=HISTORY_DAYS):
            continue
        # `days` counts back from now; a day more than the window, since the point of D 00:00 is the close of D-1.
        days = min((today - window.start).days + 1, HISTORY_DAYS)
        yield Request(
            "coingecko",
            f"daily history of {coin}",
            f"/api/v3/coins/{coin}/market_chart",
            {"vs_currency": "usd", "days": str(days), "interval": "daily"},
            context={"id": coin},
            secret_headers=secret,
            required=plan.provider.dataset("coingecko_market_chart").required,
            # A coin may have been listed today.
            may_be_empty=True,
        )


def following(exchange: Exchange) -> Request | None:
    """The next page of the universe, while the last one was full and there are coins to come."""
    request = exchange.request
    page, wanted = int(request.params.get("page", 1)), int(request.context.get("universe", 0))
    if page * PAGE >= wanted or len(read_json(exchange)) < PAGE:
        return None
    return replace(request, params={**request.params, "page": str(page + 1)})


def parse(exchange: Exchange) -> Rows:
    """The coins as rows of coingecko_markets, dated by the UTC day of the fetch, or points as coingecko_market_chart."""
    body = read_json(exchange)
    context = exchange.request.context
    if "id" in context:
        return {"coingecko_market_chart": _points(exchange, body, context["id"])}
    if not isinstance(body, list):
        raise _refusal(exchange)
    day = exchange.fetched_at.astimezone(UTC).date().isoformat()
    if "universe" in context:
        body = body[: max(int(context["universe"]) - (int(exchange.request.params["page"]) - 1) * PAGE, 0)]
    return {"coingecko_markets": [{**row, "snapshot_date": day} for row in body]}


def _points(exchange: Exchange, body: object, coin: str) -> list[dict[str, object]]:
    """One row per stamp. The last point may be stamped now, all others are due at 00:00 UTC."""
    if not isinstance(body, dict) or "error" in body or "status" in body:
        raise _refusal(exchange)
    require_keys(exchange, "the answer", body, ("prices", "market_caps", "total_volumes"))
    caps, volumes = dict(body["market_caps"]), dict(body["total_volumes"])
    rows: list[dict[str, object]] = [
        {
            "id": coin,
            "timestamp": stamp,
            "price": price,
            "market_cap": caps.get(stamp),
            "total_volume": volumes.get(stamp),
        }
        for stamp, price in body["prices"]
    ]
    if any(int(stamp) % MIDNIGHT for stamp, _ in body["prices"][:-1]):
        raise problem(exchange, "the points are not daily", "interval=daily was not honoured: try again later")
    return rows


def _refusal(exchange: Exchange) -> Exception:
    said = error_text(exchange.body)
    return refusal(exchange, said, explain(200, said), is_transient=said.startswith("429"))


KNOWN = {
    "10002": ("no or a wrong key was sent: check TIDEGAUGE_COINGECKO_API_KEY", True),
    "10005": ("this plan does not include the endpoint: take what is asked for out, or raise the plan", False),
    "10010": ("a pro key on the demo host: set TIDEGAUGE_COINGECKO_PLAN=pro and no TIDEGAUGE_COINGECKO_BASE_URL", True),
    "10011": (
        "a demo key on the pro host: set TIDEGAUGE_COINGECKO_PLAN=demo and no TIDEGAUGE_COINGECKO_BASE_URL",
        True,
    ),
    "10012": (f"this plan has the last {HISTORY_DAYS} days only: ask for a later first day", False),
}
"""CoinGecko's own codes (docs.coingecko.com, Error Codes; 10012 as seen in its answers)."""


def explain(status: int, text: str) -> tuple[str, bool] | None:
    """Remedies for CoinGecko's own messages."""
    code = text.split(":", 1)[0]
    if code in KNOWN:
        return KNOWN[code]
    if status == 404:
        return (
            "CoinGecko does not know this coin: correct its id in catalog/assets.yml and catalog/coingecko.yml",
            False,
        )
    if status == 403:
        return "the address is blocked for a while: run again later", True
    if status in (400, 401):
        return "check TIDEGAUGE_COINGECKO_API_KEY and TIDEGAUGE_COINGECKO_PLAN; without a key, unset both", True
    return None
