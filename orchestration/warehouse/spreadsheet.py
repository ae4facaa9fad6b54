"""Tables of a release as files a spreadsheet opens: CSV, or one workbook. Text from a provider never becomes a formula there."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb

from orchestration.warehouse.connection import connect_to_copy_from
from orchestration.warehouse.release import ReleaseError, quoted, tables_of

FORMATS = ("csv", "xlsx")
WORKBOOK = "tidegauge.xlsx"
COLUMNS = "columns"

FORMULA = r"^[=+\-@\t\r\n＝＋－＠]"
"""How a text starts that a spreadsheet takes for a formula (CWE-1236; the wide forms in Japanese locales)."""

MAX_ROWS = 1_048_575
"""Rows of an XLSX sheet below its heading."""

DESCRIBED = """
    select schema_name as "schema", table_name as "table", column_name as "column", data_type as "type", comment as meaning
    from duckdb_columns()
    where database_name = current_database() and schema_name in ('marts', 'analytics')
    order by "schema", "table", column_index
"""


def export(release: Path, target: Path, form: str = "csv", tables: Sequence[str] = ()) -> list[Path]:
    """Write tables of a release, and what their columns mean, into the folder `target`; earlier exports are replaced.

    CSV: a file for each table, UTF-8 with the mark Excel looks for, a decimal point, days as 2025-11-12 and instants as
    2025-11-12 22:00:00 in UTC; a text that starts as a formula gets an apostrophe before it. XLSX: one workbook with
    a sheet for each table, where text is marked as text and stays as it is.

    Args:
        release: folder of a release.
        target: made when it is missing.
        form: csv or xlsx.
        tables: `marts.liquidity` or `liquidity`; default: all.

    Raises:
        ReleaseError: an unknown table or form, a table too long for a sheet, or no library that writes workbooks.
    """
    if form not in FORMATS:
        raise ReleaseError(f"no format {form!r}: choose from {', '.join(FORMATS)}")
    with connect_to_copy_from(release.resolve() / "tidegauge.duckdb") as con:
        chosen = _chosen(tables_of(con), tables)
        con.execute(f"create temp view described as {DESCRIBED}")
        selects = {
            **{name: _select(con, quoted(table), is_csv=form == "csv") for name, table in chosen.items()},
            COLUMNS: _select(con, "described", is_csv=form == "csv"),
        }
        target.mkdir(parents=True, exist_ok=True)
        if form == "xlsx":
            return [_workbook(con, selects, target / WORKBOOK)]
        return [_csv(con, select, target / f"{name}.csv") for name, select in selects.items()]


def _chosen(found: Sequence[str], wanted: Sequence[str]) -> Mapping[str, str]:
    """File or sheet name -> table. A release has no two tables of one name: its Parquet files are named so too."""
    names = {table.split(".", 1)[1]: table for table in found}
    asked = [each.removeprefix("marts.").removeprefix("analytics.") for each in wanted] or list(names)
    if unknown := [each for each, name in zip(wanted, asked, strict=False) if name not in names]:
        raise ReleaseError(f"no table {', '.join(unknown)} in this release: choose from {', '.join(found)}")
    return {name: names[name] for name in asked}


def _select(con: duckdb.DuckDBPyConnection, table: str, *, is_csv: bool) -> str:
    """The table with its instants in UTC without a zone, which spreadsheets do not know, and in CSV harmless text."""
    columns = []
    for name, kind, *_ in con.execute(f"describe {table}").fetchall():
        column = quoted(name)
        if kind == "TIMESTAMP WITH TIME ZONE":
            # The connection's zone is UTC. Whole seconds: Excel shows a fraction as text.
            columns.append(f"date_trunc('second', {column})::timestamp as {column}")
        elif kind == "VARCHAR" and is_csv:
            columns.append(f"if(regexp_matches({column}, '{FORMULA}'), '''' || {column}, {column}) as {column}")
        else:
            columns.append(column)
    return f"select {', '.join(columns)} from {table}"


def _csv(con: duckdb.DuckDBPyConnection, select: str, path: Path) -> Path:
    with _replacing(path) as new:
        bare = new.with_suffix(".bare")
        con.execute(f"""copy ({select}) to '{str(bare).replace("'", "''")}' (format csv, header)""")
        with new.open("wb") as whole, bare.open("rb") as body:
            whole.write("\ufeff".encode())
            shutil.copyfileobj(body, whole)
    return path


def _workbook(con: duckdb.DuckDBPyConnection, selects: Mapping[str, str], path: Path) -> Path:
    try:
        from xlsxwriter import Workbook
    except ModuleNotFoundError:
        raise ReleaseError("XLSX needs a library: pip install 'tidegauge[excel]', or take --format csv") from None
    for name, select in selects.items():
        (rows,) = con.execute(f"select count(*) from ({select})").fetchone() or (0,)
        if rows > MAX_ROWS:
            raise ReleaseError(
                f"{name}: {rows:,} rows, a sheet holds {MAX_ROWS:,}: take --format csv, or name other tables"
            )
    with (
        _replacing(path) as new,
        Workbook(
            str(new),
            {
                "constant_memory": True,
                "nan_inf_to_errors": True,
                "default_date_format": "yyyy-mm-dd",
                # The constructor's defaults would turn a text into a formula or a link.
                "strings_to_formulas": False,
                "strings_to_urls": False,
            },
        ) as book,
    ):
        instant, heading = book.add_format({"num_format": "yyyy-mm-dd hh:mm:ss"}), book.add_format({"bold": True})
        for name, select in selects.items():
            sheet = book.add_worksheet(name)
            sheet.freeze_panes(1, 0)
            found = con.execute(select)
            columns = [(column, str(kind)) for column, kind, *_ in found.description or []]
            formats = [instant if kind == "TIMESTAMP" else None for _, kind in columns]
            for position, (column, kind) in enumerate(columns):
                sheet.set_column(position, position, 19 if kind == "TIMESTAMP" else max(11, min(len(column), 40)))
                sheet.write_string(0, position, column, heading)
            for number, row in enumerate(_rows(found), start=1):
                for position, value in enumerate(row):
                    sheet.write(number, position, value, formats[position])
    return path


def _rows(found: duckdb.DuckDBPyConnection) -> Iterator[tuple[Any, ...]]:
    while rows := found.fetchmany(10_000):
        yield from rows


@contextmanager
def _replacing(path: Path) -> Iterator[Path]:
    """A file of another folder that takes the place of `path` when all is well: a program never reads half of it."""
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".unfinished-") as folder:
        new = Path(folder) / path.name
        yield new
        new.replace(path)
