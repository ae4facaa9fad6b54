"""FRED API with a key: observations of one series per request, as revised today.

Contract: api.stlouisfed.org/docs/fred. Values are text and "." is missing; errors come as HTTP 400 with a JSON message,
a refused key included. Units are never touched here.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from orchestration.extract.base import Exchange, Plan, Request, Rows, problem, read_json, require_keys

PAGE = 100_000


def requests(plan: Plan) -> Iterator[Request]:
    """One request per series and window."""
    key = plan.settings.api_key("fred")
    for series in plan.series:
        window = plan.window_of(series.key)
        yield Request(
            "fred",
            f"series {series.key}",
            "/fred/series/observations",
            {
                "series_id": series.key,
                "file_type": "json",
                "observation_start": window.start.isoformat(),
                "observation_end": window.end.isoformat(),
                "limit": str(PAGE),
                "offset": "0",
            },
            context={"series_id": series.key},
            secret_params={"api_key": key.get_secret_value()} if key else {},
            required=series.required,
            may_be_empty=series.may_be_empty,
        )


def following(exchange: Exchange) -> Request | None:
    """The next page while `count` says there is one."""
    body = read_json(exchange)
    seen = int(body["offset"]) + len(body["observations"])
    if seen >= int(body["count"]):
        return None
    return replace(exchange.request, params={**exchange.request.params, "offset": str(seen)})


def parse(exchange: Exchange) -> Rows:
    """`observations` as rows of fred_observations."""
    body = read_json(exchange)
    require_keys(exchange, "the answer", body if isinstance(body, dict) else (), ("observations", "count", "offset"))
    rows = body["observations"]
    if not rows and int(body["offset"]) < int(body["count"]):
        raise problem(exchange, f"a page of {body['count']} observations came back empty")
    series = exchange.request.context["series_id"]
    return {"fred_observations": [{**row, "series_id": series} for row in rows]}


def explain(status: int, text: str) -> tuple[str, bool] | None:
    """Remedies for FRED's own messages."""
    if "api_key" in text:
        return (
            "set TIDEGAUGE_FRED_API_KEY to your 32-character key (free at fred.stlouisfed.org), "
            "or unset it to use the keyless downloads",
            True,
        )
    if "series does not exist" in text:
        return "check the id in catalog/fred.yml; a discontinued series belongs under retired:", False
    return None
