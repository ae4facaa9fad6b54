"""Tokenomist: cliff unlocks of one token, all of its events, paged. A paid API; built from its documentation.

USD values use the price at query time, so they and the query's own instant say nothing about the schedule: a change of
them alone makes no new version.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

from orchestration.extract.base import Exchange, Page, Plan, Request, Row, Rows, problem, read_json, require_keys, text

PAGE_SIZE = 100


def requests(plan: Plan) -> Iterator[Request]:
    """The first page of every listed token's events."""
    key = plan.settings.api_key("tokenomist")
    for token_id in plan.provider.slugs:
        yield Request(
            "tokenomist",
            f"unlock events of {token_id}",
            f"/v5/unlock/events/{token_id}",
            {"page": "1", "pageSize": str(PAGE_SIZE)},
            context={"token_id": token_id, "pages_before": ""},
            secret_headers={"x-api-key": key.get_secret_value()} if key else {},
            required=plan.provider.dataset("tokenomist_unlock_events").required,
        )


def following(exchange: Exchange) -> Request | None:
    """The next page while `totalPages` says there is one; it carries the digests of the pages before it."""
    body, request = read_json(exchange), exchange.request
    number = int(request.params["page"])
    if number >= int(body["metadata"]["totalPages"]):
        return None
    before = " ".join([*request.context["pages_before"].split(), _digest(body)])
    return replace(
        request,
        params={**request.params, "page": str(number + 1)},
        context={**request.context, "pages_before": before},
    )


def parse(exchange: Exchange) -> Rows:
    """One row per event and allocation."""
    body = read_json(exchange)
    require_keys(exchange, "the answer", body if isinstance(body, dict) else (), ("metadata", "data"))
    require_keys(exchange, "metadata", body["metadata"], ("queryDate", "page", "pageSize", "totalPages", "total"))
    _check_page(exchange, body)
    return {"tokenomist_unlock_events": list(_rows(exchange, body))}


def listing(exchange: Exchange) -> Page:
    """All pages together name every event of the token; a listing that grew while it was read is none."""
    metadata = read_json(exchange)["metadata"]
    token_id = exchange.request.context["token_id"]
    return Page(token_id, int(metadata["page"]), int(metadata["totalPages"]), edition=f"{metadata['total']} events")


def _check_page(exchange: Exchange, body: Row) -> None:
    metadata, events = body["metadata"], body["data"]
    number, size, total = (int(metadata[name]) for name in ("page", "pageSize", "total"))
    if str(number) != exchange.request.params.get("page", "1"):
        asked = exchange.request.params.get("page")
        raise problem(
            exchange, f"page {number} came instead of page {asked}", "the source is at fault: try again later"
        )
    if len(events) != max(0, min(size, total - (number - 1) * size)):
        raise problem(
            exchange, f"page {number} holds {len(events)} of {total} events at {size} a page", "try again later"
        )
    if _digest(body) in exchange.request.context.get("pages_before", "").split():
        raise problem(exchange, f"page {number} repeats an earlier page", "the source is at fault: try again later")


def _digest(body: Row) -> str:
    return hashlib.sha256(json.dumps(body["data"], sort_keys=True).encode()).hexdigest()[:16]


def _rows(exchange: Exchange, body: Row) -> Iterator[Row]:
    seen: Counter[tuple[str | None, ...]] = Counter()
    for event in body["data"]:
        require_keys(exchange, "an event", event, ("unlockDate", "cliffUnlocks"))
        cliff = event["cliffUnlocks"]
        require_keys(exchange, "cliffUnlocks", cliff, ("cliffAmount", "allocationBreakdown"))
        totals = {"eventCliffAmount": cliff["cliffAmount"], "eventCliffValue": cliff.get("cliffValue")}
        totals["valueToMarketCap"] = cliff.get("valueToMarketCap")
        about = {name: value for name, value in event.items() if name not in ("cliffUnlocks", "linearUnlocks")}
        if not cliff["allocationBreakdown"]:
            raise problem(
                exchange, "an event has no allocations", "the format has changed: compare with its documentation"
            )
        for allocation in cliff["allocationBreakdown"]:
            require_keys(exchange, "an allocation", allocation, ("allocationName", "cliffAmount"))
            row = about | totals | allocation
            key = (text(row["unlockDate"]), text(row["allocationName"]))
            yield row | {
                "token_id": exchange.request.context["token_id"],
                "ordinal": str(seen[key]),
                "queryDate": body["metadata"]["queryDate"],
            }
            seen[key] += 1


def explain(status: int, text: str) -> tuple[str, bool] | None:
    """Remedies for Tokenomist's own answers."""
    if status in (401, 403):
        return (
            "Tokenomist refuses the key, or its plan has no unlock events: check TIDEGAUGE_TOKENOMIST_API_KEY; unset it to "
            "go without",
            True,
        )
    if status == 404:
        return "Tokenomist knows no such token: compare catalog/tokenomist.yml with its /v4/token/list", False
    return None
