"""Files for spreadsheets: what a program reads back from them, and that no text of a provider becomes a formula."""

from __future__ import annotations

import csv
from datetime import date, datetime
from pathlib import Path

import duckdb
import pytest
from openpyxl import load_workbook

from orchestration.warehouse import spreadsheet
from orchestration.warehouse.release import ReleaseError

FORMULAS = ["=cmd|'/c calc'!A0", "+1", "-1+2", "@SUM(1)", "\t=1", "\r=1", "\n=1", "＝1", "＋1", "－1", "＠1"]
PLAIN = ["plain", "a=b", 'quoted "text", with comma', "two\nlines", "日本", "", "https://example.org/", "0012"]


@pytest.fixture
def release_folder(tmp_path: Path) -> Path:
    folder = tmp_path / "it's a release"
    folder.mkdir()
    with duckdb.connect(str(folder / "tidegauge.duckdb")) as con:
        con.execute("create schema marts; create schema analytics")
        con.execute(
            "create table marts.names (n bigint, name varchar, change_pct double, day date, known_at timestamptz, ok bool)"
        )
        rows = [
            (number, name, -1.5, date(2025, 11, 12), "2025-11-12 22:00:00.25+00", None)
            for number, name in enumerate(FORMULAS + PLAIN)
        ]
        con.executemany("insert into marts.names values (?, ?, ?, ?, ?, ?)", rows)
        con.execute("insert into marts.names values (99, null, 'nan', null, null, true)")
        con.execute("comment on column marts.names.change_pct is '-change; percent'")
        con.execute("create table analytics.empty (i integer)")
    return folder


def test_a_text_that_starts_as_a_formula_gets_an_apostrophe_in_csv_and_a_negative_number_none(release_folder, tmp_path):
    written = spreadsheet.export(release_folder, tmp_path / "out", tables=["names"])
    assert [path.name for path in written] == ["names.csv", "columns.csv"]
    assert written[0].read_bytes().startswith(b"\xef\xbb\xbf")
    with written[0].open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["name"] for row in rows[:-1]] == ["'" + text for text in FORMULAS] + PLAIN
    assert {row["change_pct"] for row in rows[:-1]} == {"-1.5"}
    assert {row["known_at"] for row in rows[:-1]} == {"2025-11-12 22:00:00"}
    assert rows[0]["day"] == "2025-11-12"
    with written[1].open(encoding="utf-8-sig", newline="") as file:
        meanings = {row["column"]: row["meaning"] for row in csv.DictReader(file)}
    assert meanings["change_pct"] == "'-change; percent"


def test_a_workbook_holds_text_as_text_and_numbers_days_and_instants_as_such(release_folder, tmp_path):
    (path,) = spreadsheet.export(release_folder, tmp_path / "out", "xlsx")
    book = load_workbook(path)
    assert book.sheetnames == ["empty", "names", "columns"]
    rows = list(book["names"].iter_rows(min_row=2))
    texts = [row[1] for row in rows[:-1]]
    # Excel ends lines with a line feed: a lone carriage return comes back as an escape, and an empty text as no cell.
    assert [(cell.value or "").replace("_x000D_", "\r") for cell in texts] == FORMULAS + PLAIN
    assert {cell.data_type for cell in texts if cell.value} == {"s"}
    assert not any(cell.hyperlink for cell in texts)
    assert (rows[0][2].value, rows[0][3].value) == (-1.5, datetime(2025, 11, 12))
    assert rows[0][4].value == datetime(2025, 11, 12, 22)
    assert [cell.value for cell in rows[-1]][3:] == [None, None, True]


def test_an_export_replaces_the_one_before_and_leaves_nothing_else(release_folder, tmp_path):
    target = tmp_path / "out"
    target.mkdir()
    (target / "names.csv").write_text("old")
    spreadsheet.export(release_folder, target, tables=["marts.names"])
    assert "old" not in (target / "names.csv").read_text("utf-8")
    assert {path.name for path in target.iterdir()} == {"names.csv", "columns.csv"}


@pytest.mark.parametrize(
    ("form", "tables", "said"),
    [("pdf", [], "choose from csv, xlsx"), ("csv", ["marts.nemes"], "choose from analytics.empty, marts.names")],
)
def test_a_wrong_word_is_answered_with_the_valid_ones(release_folder, tmp_path, form, tables, said):
    with pytest.raises(ReleaseError, match=said):
        spreadsheet.export(release_folder, tmp_path / "out", form, tables)
    assert not (tmp_path / "out").exists()


def test_a_table_too_long_for_a_sheet_is_named_before_anything_is_written(release_folder, tmp_path, monkeypatch):
    monkeypatch.setattr(spreadsheet, "MAX_ROWS", 3)
    with pytest.raises(ReleaseError, match=r"names: 20 rows, a sheet holds 3: take --format csv"):
        spreadsheet.export(release_folder, tmp_path / "out", "xlsx")
    assert list((tmp_path / "out").iterdir()) == []
