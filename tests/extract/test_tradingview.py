"""Chart exports: which symbol a file belongs to, both kinds of time, and bars after the clock."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from orchestration.extract import tradingview
from orchestration.extract.errors import PayloadError
from tests.extract.helpers import SAMPLES, arrow, exchange, plan, rows, settings


def export(body: bytes):
    return exchange("tradingview", body, symbol="CRYPTOCAP:TOTAL", file="CRYPTOCAP_TOTAL.csv")


def symbols_of(tmp_path: Path, *names: str) -> dict[str, str]:
    for age, name in enumerate(names):
        (tmp_path / name).write_bytes(SAMPLES["tradingview"].body)
        os.utime(tmp_path / name, (1_000_000 + age, 1_000_000 + age))
    found = tradingview.files(plan("tradingview", settings(inbox=tmp_path)))
    return {path.name: request.context["symbol"] for request, path in found}


@pytest.mark.parametrize("stamp", ["1762732800", "2025-11-10", "2025-11-10T00:00:00Z", "2025-11-10T09:00:00+09:00"])
def test_unix_seconds_and_iso_dates_are_both_read(stamp: str):
    (row,) = rows(export(f"time,open,high,low,close\n{stamp},10,12,9,11\n".encode()))
    assert (row["time"], row["close"], row["symbol"]) == (stamp, "11", "CRYPTOCAP:TOTAL")


@pytest.mark.parametrize("stamp", ["1762732800000", "10/11/2025", "n/a", "", "99999999999999999999"])
def test_any_other_time_is_refused(stamp: str):
    with pytest.raises(PayloadError, match="neither unix seconds nor an ISO date"):
        rows(export(f"time,close\n{stamp},11\n".encode()))


def test_bars_after_the_clock_are_left_out():
    found = rows(export(b"time,close\n2025-11-11,1\n2025-11-12,2\n2025-11-13,3\n1763078400,4\n"))
    assert [row["close"] for row in found] == ["1", "2"]


def test_empty_cells_are_null_and_unknown_columns_are_kept_aside():
    table, unknown = arrow(export(b"time,open,close,MA\n2025-11-10,,11,9.5\n"))
    assert table["open"].to_pylist() == [None]
    assert unknown == {"MA"}
    assert table["_extra"].to_pylist() == ['{"MA": "9.5"}']


def test_a_column_called_symbol_does_not_replace_ours():
    (row,) = rows(export(b"time,symbol,close\n2025-11-10,OTHER,11\n"))
    assert row["symbol"] == "CRYPTOCAP:TOTAL"


@pytest.mark.parametrize(
    ("header", "match"),
    [(b"time,last\n", "no close"), (b"date,close\n", "no time"), (b"time,close,close\n", "close twice")],
)
def test_another_header_is_refused(header: bytes, match: str):
    line = b",".join([b"2025-11-10"] + [b"1"] * header.count(b",")) + b"\n"
    with pytest.raises(PayloadError, match=match):
        rows(export(header + line))


def test_two_plots_of_the_same_name_do_no_harm():
    assert len(rows(export(b"time,close,MA,MA\n2025-11-10,11,1,2\n"))) == 1


@pytest.mark.parametrize(
    ("name", "symbol"),
    [
        ("CRYPTOCAP_TOTAL.csv", "CRYPTOCAP:TOTAL"),
        ("CRYPTOCAP_TOTAL3.csv", "CRYPTOCAP:TOTAL3"),
        ("CRYPTOCAP_TOTAL, 1D.csv", "CRYPTOCAP:TOTAL"),
        ("CRYPTOCAP_TOTAL3, 1D_0a1b2.csv", "CRYPTOCAP:TOTAL3"),
        ("CRYPTOCAP_TOTAL (1).csv", "CRYPTOCAP:TOTAL"),
        ("CRYPTOCAP_BTC.D.csv", "CRYPTOCAP:BTC.D"),
        ("CRYPTOCAP_ETH.D, 1D.csv", "CRYPTOCAP:ETH.D"),
        ("TVC_DXY.csv", "TVC:DXY"),
    ],
)
def test_a_file_belongs_to_the_symbol_its_name_starts_with(tmp_path: Path, name: str, symbol: str):
    assert symbols_of(tmp_path, name) == {name: symbol}


@pytest.mark.parametrize(
    "name", ["CRYPTOCAP_TOTAL2.csv", "CRYPTOCAP_TOTALDEFI.csv", "CRYPTOCAP_TOTAL.D.csv", "notes.csv"]
)
def test_a_file_of_no_symbol_belongs_to_none(tmp_path: Path, name: str):
    assert symbols_of(tmp_path, name) == {}


def test_older_exports_come_first(tmp_path: Path):
    names = ("CRYPTOCAP_TOTAL, 1D.csv", "CRYPTOCAP_TOTAL.csv")
    assert list(symbols_of(tmp_path, *names)) == list(names)


def test_what_is_no_csv_is_left_alone(tmp_path: Path):
    assert symbols_of(tmp_path, "CRYPTOCAP_TOTAL.xlsx", "CRYPTOCAP_TOTAL.csv.part") == {}


@pytest.mark.parametrize(("interval", "seconds"), [("1W", 7 * 86_400), ("1h", 3_600)])
def test_bars_that_are_not_daily_are_refused(interval: str, seconds: int) -> None:
    """A weekly bar carries the first day's date and the last day's close: taken as daily it knows the future."""
    start = 1_751_328_000
    lines = [f"{start + n * seconds},1,1,1,{n + 1}" for n in range(30)]
    body = "time,open,high,low,close\n" + "\n".join(lines) + "\n"
    with pytest.raises(PayloadError, match="the bars are not daily: set the chart to 1D"):
        rows(export(body.encode()))
