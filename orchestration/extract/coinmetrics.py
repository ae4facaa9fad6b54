"""Coin Metrics community API v4: daily price, market cap and supply of a stated list of assets.

`time` is the start of a UTC day whose end the values describe. What the community tier covers is asked first: an asset
without a price or a cap there is reported by name and left out, so that it does not cost the others their request.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace

from orchestration.extract.base import Exchange, Plan, Request, Row, Rows, Window, read_json, require_keys
from orchestration.extract.errors import ExtractError, PermanentError

METRICS = ("PriceUSD", "CapMrktCurUSD", "SplyCur")
PAGE = 10_000
CATALOG = "/v4/catalog-v2/asset-metrics"


def probe(plan: Plan) -> Request:
    """What the community tier has of all our assets, in one request."""
    return Request(
        "coinmetrics",
        "catalog of the community tier",
        CATALOG,
        {"assets": ",".join(plan.provider.assets), "page_size": str(PAGE)},
        required=False,
    )


def narrow(plan: Plan, answers: list[Exchange]) -> tuple[Plan, list[tuple[ExtractError, bool]]]:
    """The plan without assets the tier does not cover, and a complaint for each gap with whether it fails the run."""
    covered: dict[str, set[str]] = defaultdict(set)
    for exchange in answers:
        for row in parse(exchange)["coinmetrics_catalog"]:
            if row["frequency"] == "1d" and row["community"] is not False:
                covered[row["asset"]].add(row["metric"])
    gaps: list[tuple[ExtractError, bool]] = []
    kept = []
    for asset in plan.provider.assets:
        missing = [metric for metric in METRICS if metric not in covered[asset]]
        if len(missing) < len(METRICS):
            kept.append(asset)
        if missing:
            error = PermanentError(
                "coinmetrics",
                f"asset {asset}",
                f"the community tier has no daily {', '.join(missing)} of it",
                "that is left out: retire the asset in catalog/coinmetrics.yml, or wait until it is covered again",
            )
            gaps.append((error, asset in _required(plan)))
    return replace(plan, provider=plan.provider.model_copy(update={"assets": tuple(kept)})), gaps


def _required(plan: Plan) -> set[str]:
    return {series.key.split(".")[0] for series in plan.series if series.required}


def requests(plan: Plan) -> Iterator[Request]:
    """Assets that need the same window share a request."""
    required = _required(plan)
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
    """`data` as rows of coinmetrics_asset_metrics, or of coinmetrics_catalog with a row per metric and frequency."""
    body = read_json(exchange)
    require_keys(exchange, "the answer", body if isinstance(body, dict) else (), ("data",))
    if exchange.request.path != CATALOG:
        return {"coinmetrics_asset_metrics": body["data"]}
    rows: list[Row] = [
        {
            "asset": asset["asset"],
            "metric": metric["metric"],
            **{name: frequency.get(name) for name in ("frequency", "community", "min_time", "max_time")},
        }
        for asset in body["data"]
        for metric in asset["metrics"]
        for frequency in metric["frequencies"]
    ]
    return {"coinmetrics_catalog": rows}


def explain(status: int, text: str) -> tuple[str, bool] | None:
    """Remedies for Coin Metrics' own messages."""
    if status in (401, 403):
        return "the community tier does not cover this: retire the asset in catalog/coinmetrics.yml", False
    if "'assets'" in text:
        return "Coin Metrics does not know this asset: correct or retire it in catalog/coinmetrics.yml", False
    if "time format" in text:
        return "start_time must be YYYY-MM-DD without an offset", True
    return None
