"""DefiLlama stablecoins: pegs, the running day, and answers without dollars."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from orchestration.extract.errors import PayloadError
from tests.extract.helpers import PEGS, SAMPLES, arrow, dumps, exchange, rows


def test_one_row_per_day_and_peg_with_totals_side_by_side():
    first = rows(SAMPLES["stablecoins"].exchange)[0]
    assert (first["date"], first["peg"], first["totalCirculating"], first["totalCirculatingUSD"]) == (
        "1762819200",
        "peggedUSD",
        "1000",
        "999",
    )


@pytest.mark.parametrize(
    ("instant", "marks"),
    [
        (datetime(2025, 11, 12, 0, 0, 1, tzinfo=UTC), [None, "true"]),
        (datetime(2025, 11, 12, 23, 59, 59, tzinfo=UTC), [None, "true"]),
        (datetime(2025, 11, 13, 0, 0, 0, tzinfo=UTC), [None, None]),
    ],
)
def test_the_running_day_is_provisional_until_it_ends(instant: datetime, marks: list[str | None]):
    table, _ = arrow(exchange("stablecoins", dumps(PEGS), at=instant))
    assert table["is_provisional"].to_pylist()[::2] == marks


def test_a_peg_of_one_total_only_is_kept():
    day = {"date": "1762819200", "totalCirculating": {"peggedVAR": 5}, "totalCirculatingUSD": {"peggedUSD": 7}}
    found = {row["peg"]: (row["totalCirculating"], row["totalCirculatingUSD"]) for row in _of(day)}
    assert found == {"peggedVAR": ("5", None), "peggedUSD": (None, "7")}


def test_a_new_total_is_reported():
    _, unknown = arrow(exchange("stablecoins", dumps([{**PEGS[0], "totalBurned": {"peggedUSD": 1}}])))
    assert unknown == {"totalBurned"}


@pytest.mark.parametrize(
    ("damage", "match"),
    [
        ({"totalCirculatingUSD": {"peggedEUR": 1}}, "totalCirculatingUSD of 1762819200 has no peggedUSD"),
        ({"totalCirculatingUSD": {"peggedUSD_new": 1}}, "has no peggedUSD"),
    ],
)
def test_a_day_without_dollars_is_refused(damage: dict[str, Any], match: str):
    with pytest.raises(PayloadError, match=match):
        _of({**PEGS[0], **damage})


@pytest.mark.parametrize("name", ["date", "totalCirculating", "totalCirculatingUSD"])
def test_a_day_without_a_part_is_refused(name: str):
    with pytest.raises(PayloadError, match=f"a day has no {name}"):
        _of({key: value for key, value in PEGS[0].items() if key != name})


def test_an_object_instead_of_the_list_is_refused():
    with pytest.raises(PayloadError, match="a list of days was expected"):
        rows(exchange("stablecoins", dumps({"message": "Internal server error"})))


def _of(day: dict[str, Any]):
    return rows(exchange("stablecoins", dumps([day])))
