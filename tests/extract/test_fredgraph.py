"""FRED's chart download: both headers, empty fields, and files that are not about what was asked for."""

from __future__ import annotations

import pytest

from orchestration.extract import fredgraph
from orchestration.extract.errors import PayloadError
from tests.extract.helpers import PAGE_OF_HTML, exchange, plan, rows


def download(body: bytes):
    return exchange("fredgraph", body, series_id="WALCL")


@pytest.mark.parametrize("header", [b"observation_date,WALCL\n", b"DATE,WALCL\n"])
def test_both_headers_give_the_same_rows(header: bytes):
    assert rows(download(header + b"2025-11-05,6587034\n")) == [
        {"series_id": "WALCL", "observation_date": "2025-11-05", "value": "6587034"}
    ]


def test_empty_fields_and_points_are_kept_as_served():
    found = rows(download(b"observation_date,WALCL\n2024-01-01,\n2024-01-02,.\n"))
    assert [row["value"] for row in found] == ["", "."]


def test_bom_and_windows_line_ends_are_accepted():
    assert len(rows(download(b"\xef\xbb\xbfobservation_date,WALCL\r\n2025-11-05,1\r\n"))) == 1


@pytest.mark.parametrize(
    ("body", "match"),
    [
        (PAGE_OF_HTML, "a web page came instead of data"),
        (b"observation_date,WTREGEN\n2025-11-05,1\n", "about WTREGEN, not WALCL"),
        (b"observation_date,WALCL,WTREGEN\n2025-11-05,1,2\n", "about WALCL, WTREGEN"),
        (b"day,WALCL\n2025-11-05,1\n", "no observation_date"),
        (b"observation_date,WALCL\n2025-11-05\n", "1 fields where the header has 2"),
        (b"observation_date,WALCL\n2025-11-05,1,2\n", "3 fields where the header has 2"),
        (b"PK\x03\x04daily.csv\n", "no observation_date"),
    ],
)
def test_another_file_is_refused(body: bytes, match: str):
    with pytest.raises(PayloadError, match=match):
        rows(download(body))


def test_it_asks_for_the_series_of_fred_one_at_a_time():
    asked = [request.params["id"] for request in fredgraph.requests(plan("fredgraph"))]
    assert asked == [series.key for series in plan("fred").series]
    assert not any("," in name for name in asked)


def test_an_unknown_series_points_to_the_catalog():
    assert fredgraph.explain(404, "") == ("FRED does not know this series: check the id in catalog/fred.yml", False)
    assert fredgraph.explain(500, "") is None
