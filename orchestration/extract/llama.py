"""DefiLlama emission files: the vesting schedule of one token per request.

Served by the undocumented data host of DefiLlama's own site; the official endpoint is paid. For a linear allocation the file
gives weekly rates before and after an instant, not a volume; `documentedData` holds cumulative tokens per section.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

from orchestration.extract.base import Exchange, Plan, Request, Row, Rows, read_json, require_keys, text


def requests(plan: Plan) -> Iterator[Request]:
    """One file per listed token."""
    for slug in plan.provider.slugs:
        if not re.fullmatch(r"[a-z0-9][a-z0-9.-]*", slug):
            raise ValueError(f"catalog/llama.yml: slug {slug!r} is not lower-case letters, digits, dots and hyphens")
        yield Request(
            "llama",
            f"emissions of {slug}",
            f"/emissions/{slug}",
            context={"slug": slug},
            required=plan.provider.dataset("llama_unlock_events").required,
        )


def parse(exchange: Exchange) -> Rows:
    """Events, cumulative sections and the token's own line."""
    slug = exchange.request.context["slug"]
    body = read_json(exchange)
    require_keys(exchange, "the file", body if isinstance(body, dict) else (), ("documentedData", "metadata"))
    require_keys(exchange, "metadata", body["metadata"], ("unlockEvents",))
    metadata = body["metadata"]
    protocol = {
        "slug": slug,
        "name": body.get("name"),
        "gecko_id": body.get("gecko_id"),
        "token": metadata.get("token"),
        "total": metadata.get("total"),
        "max_supply": (body.get("supplyMetrics") or {}).get("maxSupply"),
        "sources": metadata.get("sources"),
        "notes": metadata.get("notes"),
        "categories": body.get("categories"),
    }
    return {
        "llama_unlock_events": list(_events(exchange, metadata["unlockEvents"])),
        "llama_emissions": [
            {
                "slug": slug,
                "label": section["label"],
                "timestamp": point["timestamp"],
                "unlocked": point["unlocked"],
                "raw_emission": point.get("rawEmission"),
                "burned": point.get("burned"),
            }
            for section in body["documentedData"]["data"]
            for point in section["data"]
        ],
        "llama_protocols": [protocol],
    }


NEEDED = {"cliff": ("recipient", "amount"), "linear": ("recipient", "newRatePerWeek")}
"""Without these an allocation would silently be worth nothing."""


def _events(exchange: Exchange, events: list[Row]) -> Iterator[Row]:
    slug = exchange.request.context["slug"]
    seen: Counter[tuple[str | None, ...]] = Counter()
    for event in events:
        for kind in ("cliff", "linear"):
            for allocation in event.get(f"{kind}Allocations", []):
                require_keys(exchange, f"a {kind} allocation", allocation, NEEDED[kind])
                key = (text(event["timestamp"]), kind, text(allocation["recipient"]))
                yield {
                    "slug": slug,
                    "timestamp": event["timestamp"],
                    "allocation_kind": kind,
                    "recipient": allocation["recipient"],
                    "ordinal": str(seen[key]),
                    "category": allocation.get("category"),
                    "unlock_type": allocation.get("unlockType"),
                    "amount": allocation.get("amount"),
                    "previous_rate_per_week": allocation.get("previousRatePerWeek"),
                    "new_rate_per_week": allocation.get("newRatePerWeek"),
                    "end_timestamp": allocation.get("endTimestamp"),
                    "rate_duration_days": allocation.get("rateDurationDays"),
                }
                seen[key] += 1


def explain(status: int, text: str) -> tuple[str, bool] | None:
    """Remedies for DefiLlama's own answers."""
    if status == 402:
        return "this endpoint is paid now: take llama out with --only, or use another unlock source", True
    if status in (403, 404):
        return "DefiLlama has no file of this name: check the slug in catalog/llama.yml", False
    return None
