"""DefiLlama emission files: cliffs, rates, cumulative sections and repeated allocations."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest

from orchestration.catalog.tables import RAW_TABLES
from orchestration.extract import llama
from orchestration.extract.base import to_arrow
from orchestration.extract.errors import PayloadError
from tests.extract.helpers import EMISSIONS, SAMPLES, catalog, dumps, exchange, parsed, plan, settings


def tables(body: dict[str, Any]):
    return parsed(exchange("llama", dumps(body), slug="exampletoken"))


def test_cliffs_are_amounts_and_linear_entries_are_rates():
    events = parsed(SAMPLES["llama"].exchange)["llama_unlock_events"]
    cliff, linear = events[0], events[2]
    assert (cliff["allocation_kind"], cliff["amount"], cliff["new_rate_per_week"]) == ("cliff", "300", None)
    assert (linear["allocation_kind"], linear["amount"], linear["new_rate_per_week"]) == ("linear", None, "7")
    assert (linear["previous_rate_per_week"], linear["end_timestamp"]) == ("0", "1800000000")


def test_equal_keys_are_told_apart_by_their_ordinal():
    events = parsed(SAMPLES["llama"].exchange)["llama_unlock_events"]
    key = RAW_TABLES["llama_unlock_events"].key
    assert [event["ordinal"] for event in events] == ["0", "1", "0"]
    assert len({tuple(event[name] for name in key) for event in events}) == len(events)


def test_a_timestamp_as_text_counts_as_the_same_key():
    body = copy.deepcopy(EMISSIONS)
    first = body["metadata"]["unlockEvents"][0]
    body["metadata"]["unlockEvents"].append({**first, "timestamp": str(first["timestamp"])})
    ordinals = [
        event["ordinal"] for event in tables(body)["llama_unlock_events"] if event["allocation_kind"] == "cliff"
    ]
    assert ordinals == ["0", "1", "2", "3"]


def test_sections_stay_cumulative_per_label():
    points = parsed(SAMPLES["llama"].exchange)["llama_emissions"]
    assert [(point["label"], point["unlocked"]) for point in points] == [("Team", "0"), ("Team", "500")]


def test_the_token_has_its_own_line():
    ((row,), name) = (parsed(SAMPLES["llama"].exchange)["llama_protocols"], "llama_protocols")
    table, unknown = to_arrow(RAW_TABLES[name], [row], SAMPLES["llama"].exchange)
    assert table["slug"].to_pylist() == ["exampletoken"]
    assert table["max_supply"].to_pylist() == ["1000"]
    assert json.loads(table["categories"].to_pylist()[0]) == {"insiders": ["Team"]}
    assert not unknown


def test_sections_that_are_no_fixed_schedule_are_named():
    body = copy.deepcopy(EMISSIONS)
    assert tables(body)["llama_protocols"][0]["dynamic_sections"] is None
    documented = body["documentedData"]["data"][0]
    body["realTimeData"] = {"data": [documented, {"label": "Rewards", "data": [{"timestamp": 1700000000}]}]}
    body["metadata"]["incompleteSections"] = [{"key": "Farming", "lastRecord": 1700000000}]
    assert tables(body)["llama_protocols"][0]["dynamic_sections"] == ["Farming", "Rewards"]


PRO = settings(llama_api_key="llama-canary-0123456789")


def pro(body: Any):
    return parsed(exchange("llama", dumps(body), slug="exampletoken", api="pro"))


def test_with_a_key_the_paid_api_is_asked_and_the_key_is_only_in_what_is_sent():
    request = next(llama.requests(plan("llama", PRO, slugs=("sei",))))
    assert request.path == "/{key}/api/emission/sei"
    assert request.filled_path == "/llama-canary-0123456789/api/emission/sei"
    assert (request.host, catalog().provider("llama").hosts) == ("paid", {"paid": "https://pro-api.llama.fi"})
    free = next(llama.requests(plan("llama", slugs=("sei",))))
    assert (free.path, free.filled_path, free.host, free.secrets) == (
        "/emissions/sei",
        "/emissions/sei",
        "",
        frozenset(),
    )


@pytest.mark.parametrize("inner", [EMISSIONS, json.dumps(EMISSIONS)], ids=["object", "string of JSON"])
def test_the_paid_body_holds_the_same_file(inner: Any):
    assert pro({"body": inner, "lastModified": "2025-07-18T13:30:56.000Z"}) == tables(EMISSIONS)


def test_the_paid_file_may_have_no_events():
    """As in the provider's documented example."""
    metadata = {name: value for name, value in EMISSIONS["metadata"].items() if name != "unlockEvents"}
    found = pro({"body": {**EMISSIONS, "metadata": metadata}})
    assert found["llama_unlock_events"] == []
    assert len(found["llama_emissions"]) == 2


@pytest.mark.parametrize("answer", [{}, {"body": None}, {"body": "{"}, {"body": "<html>"}, {"body": ""}])
def test_a_paid_answer_without_its_body_is_refused(answer: Any):
    with pytest.raises(PayloadError):
        pro(answer)


def test_a_token_without_supply_metrics_or_events_is_accepted():
    body = {**EMISSIONS, "supplyMetrics": None, "metadata": {"unlockEvents": []}}
    found = tables(body)
    assert found["llama_unlock_events"] == []
    assert found["llama_protocols"][0]["max_supply"] is None


@pytest.mark.parametrize("part", ["documentedData", "metadata"])
def test_a_file_without_a_part_is_refused(part: str):
    with pytest.raises(PayloadError, match=f"the file has no {part}"):
        tables({name: value for name, value in EMISSIONS.items() if name != part})


def test_metadata_without_unlock_events_is_refused():
    with pytest.raises(PayloadError, match="metadata has no unlockEvents"):
        tables({**EMISSIONS, "metadata": {"token": "coingecko:exampletoken"}})


@pytest.mark.parametrize(("kind", "name"), [("cliff", "amount"), ("linear", "newRatePerWeek"), ("cliff", "recipient")])
def test_an_allocation_without_its_number_is_refused(kind: str, name: str):
    body = copy.deepcopy(EMISSIONS)
    for allocation in body["metadata"]["unlockEvents"][0][f"{kind}Allocations"]:
        allocation[f"{name}_new"] = allocation.pop(name)
    with pytest.raises(PayloadError, match=f"a {kind} allocation has no {name}"):
        tables(body)


@pytest.mark.parametrize("slug", ["../secrets", "a/b", "A", "", "a b", "a\n", "-a", "a?x=1"])
def test_a_slug_that_is_no_plain_name_never_becomes_a_path(slug: str):
    with pytest.raises(ValueError, match=r"catalog/llama\.yml: slug"):
        list(llama.requests(plan("llama", slugs=(slug,))))


@pytest.mark.parametrize(
    ("status", "word", "whole"),
    [
        (401, "TIDEGAUGE_LLAMA_API_KEY", True),
        (402, "set TIDEGAUGE_LLAMA_API_KEY to a key", True),
        (402, "go without", True),
        (403, "slug", False),
        (404, "slug", False),
    ],
)
def test_its_own_answers_have_a_remedy(status: int, word: str, whole: bool):
    known = llama.explain(status, "")
    assert known is not None
    assert word in known[0]
    assert known[1] is whole
