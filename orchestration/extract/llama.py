"""DefiLlama emission files: the vesting schedule of one token per request.

Served by the undocumented data host of DefiLlama's own site, or by the paid API when a key is set (the key is a segment of
its path). For a linear allocation the file gives weekly rates before and after an instant, not a volume; `documentedData`
holds cumulative tokens per section.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from orchestration.extract.base import Exchange, Page, Plan, Request, Row, Rows, read_json, require_keys, text


def requests(plan: Plan) -> Iterator[Request]:
    """One file per listed token, from the paid API when its key is set."""
    key = plan.settings.api_key("llama")
    for slug in plan.provider.slugs:
        if not re.fullmatch(r"[a-z0-9][a-z0-9.-]*", slug):
            raise ValueError(f"catalog/llama.yml: slug {slug!r} is not lower-case letters, digits, dots and hyphens")
        yield Request(
            "llama",
            f"emissions of {slug}",
            f"/{{key}}/api/emission/{slug}" if key else f"/emissions/{slug}",
            context={"slug": slug, "api": "pro"} if key else {"slug": slug},
            host="paid" if key else "",
            secret_path={"key": key.get_secret_value()} if key else {},
            required=plan.provider.dataset("llama_unlock_events").required,
        )


def parse(exchange: Exchange) -> Rows:
    """Events, cumulative sections and the token's own line."""
    slug = exchange.request.context["slug"]
    is_pro = exchange.request.context.get("api") == "pro"
    body = _opened(exchange) if is_pro else read_json(exchange)
    require_keys(exchange, "the file", body if isinstance(body, dict) else (), ("documentedData", "metadata"))
    # The paid API's documented example has no events at all; the marts then difference the cumulative series.
    require_keys(exchange, "metadata", body["metadata"], () if is_pro else ("unlockEvents",))
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
        "dynamic_sections": _dynamic_labels(body),
    }
    return {
        "llama_unlock_events": list(_events(exchange, metadata.get("unlockEvents", []))),
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


def listing(exchange: Exchange) -> Page:
    """A file names everything DefiLlama knows of its token."""
    return Page(exchange.request.context["slug"])


def _opened(exchange: Exchange) -> Any:
    """What the paid API wraps in `body`: an object, or the same object as a string of JSON."""
    answer = read_json(exchange)
    require_keys(exchange, "the answer", answer if isinstance(answer, dict) else (), ("body",))
    inner = answer["body"]
    return read_json(replace(exchange, body=inner.encode("utf-8", "replace"))) if isinstance(inner, str) else inner


def _dynamic_labels(body: Row) -> list[str] | None:
    """Sections that are not a fixed schedule: named incomplete, or with a series from the chain that differs."""
    documented = {section["label"]: section["data"] for section in body["documentedData"]["data"]}
    observed = (body.get("realTimeData") or {}).get("data") or []
    incomplete = body["metadata"].get("incompleteSections") or []
    differing = [s["label"] for s in observed if documented.get(s["label"], []) != s["data"]]
    return sorted({*differing, *(section["key"] for section in incomplete)}) or None


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
        return (
            "402 means that DefiLlama asks to be paid for emission schedules here: set TIDEGAUGE_LLAMA_API_KEY to a key "
            "whose plan includes them (defillama.com/subscription), or go without: unset TIDEGAUGE_LLAMA_API_KEY and "
            "TIDEGAUGE_LLAMA_BASE_URL for the free files, or keep the schedules yourself in schedules/*.yml",
            True,
        )
    if status == 401:
        return "check TIDEGAUGE_LLAMA_API_KEY; without a key, unset it: the free files are read then", True
    if status in (403, 404):
        return (
            "DefiLlama has no file of this name: check the slug in catalog/llama.yml (and the key, if one is set)",
            False,
        )
    return None
