"""Coin Metrics community API v4: daily price, market cap and supply of a stated list of assets.

`time` is the start of a UTC day whose end the values describe. An asset or metric outside the community tier is left out of
the answer by request, so that one forbidden asset does not cost the others; the raw gate reports what is missing.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace

from orchestration.extract.base import Exchange, Plan, Request, Rows, Window, read_json, require_keys

METRICS = ("PriceUSD", "CapMrktCurUSD", "SplyCur")
PAGE = 10_000


def requests(plan: Plan) -> Iterator[Request]:
    """Assets that need the same window share a request."""
    required = {series.key.split(".")[0] for series in plan.series if series.required}
    batches: dict[Window, list[str]] = defaultdict(list)
    for asset in plan.provider.assets:
        batches[plan.window_of(asset)].append(asset)
    for window, assets in batches.items():
        yield Request(
            "coinmetrics",
            f"{len(assets)} assets ({', '.join(assets[:3])}{', ...' if len(assets) > 3 else ''})",
            "/v4/timeseries/asset-metrics",
            {
                "assets": ",".join(assets),
                "metrics": ",".join(METRICS),
                "frequency": "1d",
                "start_time": window.start.isoformat(),
                "end_time": window.end.isoformat(),
                "page_size": str(PAGE),
                "paging_from": "start",
                "ignore_forbidden_errors": "true",
                "ignore_unsupported_errors": "true",
            },
            required=not required.isdisjoint(assets),
            # Assets whose community coverage has ended have nothing new to say.
            may_be_empty=required.isdisjoint(assets),
        )


def following(exchange: Exchange) -> Request | None:
    """The next page by its token; the served URL is not followed, so that no answer can send us elsewhere."""
    token = read_json(exchange).get("next_page_token")
    if not token:
        return None
    return replace(exchange.request, params={**exchange.request.params, "next_page_token": token})


def parse(exchange: Exchange) -> Rows:
    """`data` as rows of coinmetrics_asset_metrics."""
    body = read_json(exchange)
    require_keys(exchange, "the answer", body if isinstance(body, dict) else (), ("data",))
    return {"coinmetrics_asset_metrics": body["data"]}


def explain(status: int, text: str) -> tuple[str, bool] | None:
    """Remedies for Coin Metrics' own messages."""
    if status in (401, 403):
        return "the community tier does not cover this: take the asset out of catalog/coinmetrics.yml", False
    if "time format" in text:
        return "start_time must be YYYY-MM-DD without an offset", True
    return None
