"""Treasury Fiscal Data: the text "null", pages, and counts that must agree."""

from __future__ import annotations

import pytest

from orchestration.extract import fiscaldata
from orchestration.extract.errors import PayloadError
from tests.extract.helpers import BALANCES, SAMPLES, dumps, exchange, first_request, rows


def page(number: int = 1, pages: int = 1, **meta: object):
    body = {"data": BALANCES, "meta": {"count": 2, "total-pages": pages} | meta}
    return exchange("fiscaldata", dumps(body), params={"page[number]": str(number), "page[size]": "2"})


def test_the_text_null_stays_the_text_null():
    found = rows(SAMPLES["fiscaldata"].exchange)
    assert [row["close_today_bal"] for row in found] == ["null", "null"]
    assert [row["open_today_bal"] for row in found] == ["900000", "901000"]


def test_all_account_types_are_kept():
    assert [row["account_type"][-15:] for row in rows(page())] == ["Opening Balance", "Closing Balance"]


@pytest.mark.parametrize("count", [1, 3, 0])
def test_a_count_that_disagrees_with_the_rows_is_refused(count: int):
    with pytest.raises(PayloadError, match=f"announces {count} rows and holds 2"):
        rows(page(count=count))


def test_pages_follow_until_the_last():
    second = fiscaldata.following(page(1, 3))
    assert second is not None
    assert second.params == {"page[number]": "2", "page[size]": "2"}
    assert fiscaldata.following(page(3, 3)) is None


def test_the_window_is_in_the_filter_and_pages_are_whole():
    params = first_request("fiscaldata").params
    assert params["filter"] == "record_date:gte:2025-10-01,record_date:lte:2025-11-12"
    assert params["page[size]"] == "10000"


def test_a_refused_field_names_the_documentation():
    known = fiscaldata.explain(400, "Invalid Query Param")
    assert known is not None
    assert "fiscaldata.treasury.gov" in known[0]
