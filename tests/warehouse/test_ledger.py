"""The ledger: a chain that shows edits, survives a torn line, and remembers what the warehouse has lost."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from orchestration.assets.sources import refuse_lost_loads
from orchestration.warehouse import WarehouseError, connect, raw
from orchestration.warehouse.ledger import GENESIS, Ledger, LedgerError

from .helpers import hours, load_row


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    """Four lines in a folder that did not exist."""
    found = Ledger(tmp_path / "home" / "ledger.jsonl")
    for number in range(4):
        found.append("load", number=number, note="line\nbreak \u2028 and 'quote'")
    return found


def numbers(ledger: Ledger) -> list[int]:
    return [line["number"] for line in ledger.entries()]


def test_lines_read_back_in_order_each_naming_the_one_before(ledger: Ledger) -> None:
    lines = [json.loads(text) for text in ledger.path.read_text().splitlines()]
    assert numbers(ledger) == [0, 1, 2, 3]
    assert [line["previous"] for line in lines] == [GENESIS, *(line["hash"] for line in lines[:-1])]
    assert {line["note"] for line in ledger.entries()} == {"line\nbreak \u2028 and 'quote'"}


def test_a_ledger_that_was_never_written_is_empty(tmp_path: Path) -> None:
    assert list(Ledger(tmp_path / "ledger.jsonl").entries()) == []


def edited(lines: list[str]) -> list[str]:
    return [lines[0], lines[1].replace('"number": 1', '"number": 7'), *lines[2:]]


def forged(lines: list[str]) -> list[str]:
    line = json.loads(lines[1]) | {"previous": GENESIS}
    return [lines[0], json.dumps(line, sort_keys=True), *lines[2:]]


TAMPERING: dict[str, Callable[[list[str]], list[str]]] = {
    "edited": edited,
    "edited last": lambda lines: [*lines[:3], lines[3].replace('"number": 3', '"number": 9')],
    "removed": lambda lines: [lines[0], *lines[2:]],
    "first removed": lambda lines: lines[1:],
    "reordered": lambda lines: [lines[0], lines[2], lines[1], lines[3]],
    "repeated": lambda lines: [lines[0], lines[1], lines[1], *lines[2:]],
    "previous forged": forged,
    "not JSON": lambda lines: [lines[0], "{", *lines[2:]],
    "blank": lambda lines: [lines[0], "", *lines[1:]],
    "a list": lambda lines: [lines[0], "[]", *lines[2:]],
    "no hash": lambda lines: [lines[0], "{}", *lines[2:]],
    "no previous": lambda lines: [lines[0], '{"hash": "x"}', *lines[2:]],
}


@pytest.mark.parametrize("how", TAMPERING)
def test_a_line_that_was_touched_is_found(ledger: Ledger, how: str) -> None:
    lines = ledger.path.read_text().splitlines()
    ledger.path.write_text("\n".join(TAMPERING[how](lines)) + "\n")
    with pytest.raises(LedgerError, match=r"line \d (was changed or its predecessor removed|is unreadable)"):
        list(ledger.entries())


def test_bytes_that_are_no_text_are_unreadable_and_not_a_crash(ledger: Ledger) -> None:
    whole = ledger.path.read_bytes()
    ledger.path.write_bytes(b"\xff\xfe\x00" + whole[3:])
    with pytest.raises(LedgerError, match="line 1 is unreadable"):
        list(ledger.entries())


def test_an_append_after_an_unreadable_line_is_refused(ledger: Ledger) -> None:
    ledger.path.write_bytes(ledger.path.read_bytes() + b"\xff garbage\n")
    before = ledger.path.read_bytes()
    with pytest.raises(LedgerError, match="line 5 is unreadable"):
        ledger.append("load", number=4)
    assert ledger.path.read_bytes() == before


@pytest.mark.parametrize("torn", [b"{", b'{"event": "load", "numb', b"\x00\x00\x00", b"\xff\xfe"])
def test_a_torn_last_line_is_passed_over_and_gone_after_the_next(ledger: Ledger, torn: bytes) -> None:
    whole = ledger.path.read_bytes()
    ledger.path.write_bytes(whole + torn)
    assert numbers(ledger) == [0, 1, 2, 3]
    ledger.append("load", number=4)
    assert numbers(ledger) == [0, 1, 2, 3, 4]
    assert ledger.path.read_bytes().startswith(whole)
    assert torn not in ledger.path.read_bytes()[len(whole) :] or torn == b"{"
    assert len(ledger.path.read_bytes().splitlines()) == 5


@pytest.mark.parametrize("size", [1, 40])
def test_a_torn_first_line_starts_the_chain_anew(ledger: Ledger, size: int) -> None:
    ledger.path.write_bytes(ledger.path.read_bytes()[:size])
    assert list(ledger.entries()) == []
    ledger.append("load", number=9)
    assert numbers(ledger) == [9]


def test_a_cut_at_every_byte_of_the_last_line_loses_only_that_line(ledger: Ledger) -> None:
    whole = ledger.path.read_bytes()
    start = whole[:-1].rfind(b"\n") + 1
    for end in range(start, len(whole), 17):
        ledger.path.write_bytes(whole[:end])
        assert numbers(ledger) == [0, 1, 2]
        ledger.append("load", number=8)
        assert numbers(ledger) == [0, 1, 2, 8]


# ------------------------------------------------------------------ loads that are gone


def load_and_acknowledge(home: Path, value: str, hour: int, run_id: str = "run") -> None:
    with connect(home / "warehouse.duckdb") as con:
        raw.create_tables(con)
        done = load_row(con, "fred_observations", {"value": value}, at=hours(hour))
        Ledger(home / "ledger.jsonl").append("load", run_id=run_id, loads={done.load_id: done.new + done.changed})


def check(home: Path) -> None:
    with connect(home / "warehouse.duckdb") as con:
        raw.create_tables(con)
        refuse_lost_loads(con, Ledger(home / "ledger.jsonl"))


def test_a_warehouse_that_holds_every_acknowledged_load_passes(tmp_path: Path) -> None:
    check(tmp_path)
    for hour in range(3):
        load_and_acknowledge(tmp_path, str(hour), hour)
        check(tmp_path)


def test_a_load_that_was_never_acknowledged_is_no_loss(tmp_path: Path) -> None:
    with connect(tmp_path / "warehouse.duckdb") as con:
        raw.create_tables(con)
        load_row(con, "fred_observations")
    check(tmp_path)


def test_a_warehouse_restored_from_an_older_copy_is_refused(tmp_path: Path) -> None:
    load_and_acknowledge(tmp_path, "1", 0)
    shutil.copyfile(tmp_path / "warehouse.duckdb", tmp_path / "older")
    load_and_acknowledge(tmp_path, "2", 1)
    load_and_acknowledge(tmp_path, "3", 2)
    shutil.copyfile(tmp_path / "older", tmp_path / "warehouse.duckdb")
    with pytest.raises(WarehouseError, match=r"lacks 2 of the loads.*`tidegauge replay`"):
        check(tmp_path)


def test_a_warehouse_that_was_deleted_is_refused_until_it_was_replayed(tmp_path: Path) -> None:
    load_and_acknowledge(tmp_path, "1", 0)
    (tmp_path / "warehouse.duckdb").unlink()
    with pytest.raises(WarehouseError, match="lacks 1 of the loads"):
        check(tmp_path)
    load_and_acknowledge(tmp_path, "1", 0, run_id="the replay")
    Ledger(tmp_path / "ledger.jsonl").append("replayed", run_id="the replay", archive="archive")
    check(tmp_path)
    # What the replay brought back is guarded again.
    (tmp_path / "warehouse.duckdb").unlink()
    with pytest.raises(WarehouseError, match="lacks 1 of the loads"):
        check(tmp_path)
