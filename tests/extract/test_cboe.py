"""Cboe's file: line ends, byte order mark, cut files and changed headers."""

from __future__ import annotations

import pytest

from orchestration.extract.errors import PayloadError
from tests.extract.helpers import SAMPLES, arrow, exchange, rows

BODY = SAMPLES["cboe"].body


@pytest.mark.parametrize(
    "body", [BODY, BODY.replace(b"\n", b"\r\n"), b"\xef\xbb\xbf" + BODY, b"\xef\xbb\xbf" + BODY.replace(b"\n", b"\r\n")]
)
def test_line_ends_and_byte_order_mark_change_nothing(body: bytes):
    found = rows(exchange("cboe", body))
    assert found[0] == {
        "DATE": "11/10/2025",
        "OPEN": "18.100000",
        "HIGH": "19.000000",
        "LOW": "17.500000",
        "CLOSE": "17.600000",
    }
    assert found[1]["CLOSE"] == "17.280000"


def test_a_cut_file_is_refused():
    with pytest.raises(PayloadError, match="stops in the middle of a line"):
        rows(exchange("cboe", BODY[:-1]))


def test_a_renamed_column_is_refused():
    with pytest.raises(PayloadError, match="no CLOSE"):
        arrow(exchange("cboe", BODY.replace(b"CLOSE", b"LAST")))


def test_a_column_given_twice_is_refused():
    with pytest.raises(PayloadError, match="CLOSE twice"):
        rows(exchange("cboe", BODY.replace(b"CLOSE\n", b"CLOSE,CLOSE\n").replace(b"000\n", b"000,1\n")))


def test_columns_in_another_order_land_in_their_places():
    table, _ = arrow(exchange("cboe", b"CLOSE,LOW,HIGH,OPEN,DATE\n1,2,3,4,11/10/2025\n"))
    assert [table[name].to_pylist() for name in ("DATE", "OPEN", "HIGH", "LOW", "CLOSE")] == [
        ["11/10/2025"],
        ["4"],
        ["3"],
        ["2"],
        ["1"],
    ]


def test_a_new_column_is_reported():
    body = b"DATE,OPEN,HIGH,LOW,CLOSE,VOLUME\n11/10/2025,1,1,1,1,5\n"
    table, unknown = arrow(exchange("cboe", body))
    assert unknown == {"VOLUME"}
    assert table["_extra"].to_pylist() == ['{"VOLUME": "5"}']
