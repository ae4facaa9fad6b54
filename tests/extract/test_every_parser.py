"""What holds for all parsers alike: what is not the documented answer is refused, and a cut body is noticed."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import pytest

from orchestration.catalog.tables import RAW_TABLES, tables_of
from orchestration.extract.base import empty_arrow, to_arrow
from orchestration.extract.errors import PayloadError
from orchestration.extract.run import MODULES, Basket
from tests.extract.helpers import PAGE_OF_HTML, SAMPLES_OF_TABLES, Sample, dumps, parsed

EVERY = pytest.mark.parametrize("sample", SAMPLES_OF_TABLES.values(), ids=SAMPLES_OF_TABLES)
JSON = {name: sample for name, sample in SAMPLES_OF_TABLES.items() if sample.body[:1] in (b"{", b"[")}
CSV = {name: sample for name, sample in SAMPLES_OF_TABLES.items() if name not in JSON}


def judged(sample: Sample, body: bytes):
    """What the run makes of a body in place of the good one."""
    return Basket(sample.provider).judge(sample.with_body(body))


def count(sample: Sample, body: bytes) -> int | None:
    """Rows found in a body, None when it is refused."""
    try:
        return sum(len(found) for found in parsed(sample.with_body(body)).values())
    except PayloadError:
        return None


def test_every_provider_and_every_table_is_covered():
    assert {sample.provider for sample in SAMPLES_OF_TABLES.values()} == set(MODULES)
    assert {table for sample in SAMPLES_OF_TABLES.values() for table in sample.rows} == set(RAW_TABLES)


@EVERY
def test_a_good_body_fills_its_tables(sample: Sample):
    found = parsed(sample.exchange)
    assert {name: len(rows) for name, rows in found.items()} == sample.rows
    assert set(found) <= {table.name for table in tables_of(sample.provider)}


@EVERY
def test_filled_and_empty_tables_have_the_same_columns(sample: Sample):
    for name, rows in parsed(sample.exchange).items():
        table, unknown = to_arrow(RAW_TABLES[name], rows, sample.exchange)
        assert table.schema == empty_arrow(RAW_TABLES[name]).schema
        assert not unknown
        assert set(table["_response_sha256"].to_pylist()) == {sample.exchange.sha256}
        assert set(table["_extracted_at"].to_pylist()) == {sample.exchange.fetched_at}


@EVERY
def test_keys_of_a_good_body_are_complete_and_unique(sample: Sample):
    for name, rows in parsed(sample.exchange).items():
        table, _ = to_arrow(RAW_TABLES[name], rows, sample.exchange)
        keys = list(zip(*(table[column].to_pylist() for column in RAW_TABLES[name].key), strict=True))
        assert len(set(keys)) == len(keys)
        assert all(part is not None for key in keys for part in key)


NOT_DATA: dict[str, bytes] = {
    "empty": b"",
    "blank": b" \r\n\t",
    "byte order mark": b"\xef\xbb\xbf\n",
    "web page": PAGE_OF_HTML,
    "web page after a byte order mark": b"\xef\xbb\xbf" + PAGE_OF_HTML,
    "xml": b'<?xml version="1.0"?><observations/>',
    "object": b"{}\n",
    "list": b"[]\n",
    "null": b"null\n",
    "number": b"42\n",
    "text": b'"data"\n',
    "numbers": b"[1, 2]\n",
    "lists": b"[[1], [2]]\n",
    "error": b'{"error": {"message": "no"}}\n',
    "nothing in its parts": dumps(
        {
            "data": None,
            "meta": None,
            "observations": None,
            "count": None,
            "offset": None,
            "chart": {"result": [None]},
            "metadata": None,
            "documentedData": None,
        }
    ),
    "words in its parts": dumps(
        {
            "data": ["x"],
            "meta": {"count": 1, "total-pages": 1},
            "observations": ["x"],
            "count": 1,
            "offset": 0,
            "chart": {"result": ["x"]},
            "metadata": {"unlockEvents": ["x"]},
            "documentedData": {"data": ["x"]},
        }
    ),
    "nested too deep": b"[" * 100_000 + b"]" * 100_000,
    "a field of 10 MB": b"time,close\n" + b"9" * 10_000_000 + b",1\n",
    "carriage returns inside": b"time,close\n2025-11-10\rx,1\n",
    "binary": bytes(range(256)) + b"\n",
    "utf-16": "DATE,CLOSE\n11/10/2025,1\n".encode("utf-16"),
    "nul": b"\0\0\0\0\n",
}


@EVERY
@pytest.mark.parametrize("body", NOT_DATA.values(), ids=NOT_DATA)
def test_what_is_not_data_is_refused_by_name(sample: Sample, body: bytes):
    with pytest.raises(PayloadError) as caught:
        judged(sample, body)
    assert caught.value.provider == sample.provider
    assert str(caught.value).startswith(f"{sample.provider}: the thing: ")
    assert len(str(caught.value)) < 600


ODD: list[Any] = [None, "", "x", "1e400", "NaN", [], {}, True, -1, "\ud800", 10**400, "9" * 5000]


@pytest.mark.parametrize("sample", JSON.values(), ids=JSON)
@pytest.mark.parametrize("odd", ODD, ids=lambda odd: repr(odd)[:12])
def test_an_odd_value_anywhere_is_a_row_or_a_refusal(sample: Sample, odd: Any):
    """Every node of the good body is replaced in turn; nothing but PayloadError may come of it."""
    good = json.loads(sample.body)
    for path in _paths(good):
        with contextlib.suppress(PayloadError):
            judged(sample, dumps(_with(good, path, odd)))


def _paths(value: Any, so_far: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    found = [so_far] if so_far else []
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        found += _paths(item, (*so_far, key))
    return found


def _with(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    if not path:
        return new
    copy = value.copy()
    copy[path[0]] = _with(value[path[0]], path[1:], new)
    return copy


@pytest.mark.parametrize("sample", JSON.values(), ids=JSON)
def test_a_json_body_cut_at_any_byte_is_refused(sample: Sample):
    assert count(sample, sample.body) == sum(sample.rows.values())
    for length in range(len(sample.body)):
        assert count(sample, sample.body[:length]) is None, sample.body[:length][-40:]


@pytest.mark.parametrize("sample", CSV.values(), ids=CSV)
@pytest.mark.parametrize("ending", [b"\n", b"\r\n"])
def test_a_csv_body_cut_anywhere_but_at_a_line_end_is_refused(sample: Sample, ending: bytes):
    """A cut exactly at a line end looks like a shorter file: only Content-Length or the volume gate can tell.

    The header alone is no answer either: the run refuses an answer without rows.
    """
    body = sample.body.replace(b"\n", ending)
    for length in range(len(body)):
        at_line_end = body[:length].endswith(b"\n")
        assert (count(sample, body[:length]) is None) is not at_line_end, body[:length][-40:]
    with pytest.raises(PayloadError, match="no rows in the window"):
        judged(sample, body[: body.index(b"\n") + 1])


@pytest.mark.parametrize("sample", CSV.values(), ids=CSV)
def test_an_open_quote_never_swallows_the_lines_after_it(sample: Sample):
    """Every field in turn gets a quotation mark in front of it."""
    body = sample.body
    starts = [index + 1 for index, byte in enumerate(body[:-1]) if byte in b",\n"]
    for start in starts:
        assert count(sample, body[:start] + b'"' + body[start:]) is None, body[start : start + 20]
