"""A loader that is killed at any point leaves whole loads behind, and a re-run ends where a clean run ends."""

from __future__ import annotations

import random
import signal
from pathlib import Path

import pytest

from orchestration.assets.sources import refuse_lost_loads
from orchestration.warehouse import WarehouseError, connect, raw
from orchestration.warehouse.ledger import Ledger

from . import crashing
from .helpers import assert_loads_add_up, everything

Content = dict[str, list[tuple[object, ...]]]


def run_loader(home: Path, how: str) -> int | None:
    """Load in a process of its own; returns its exit code, -9 when it was killed."""
    loader = crashing.process(crashing.work, home, how)
    loader.join(60)
    return loader.exitcode


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> tuple[int, Content]:
    """Calls and content of a run that nobody interrupts."""
    home = tmp_path_factory.mktemp("clean")
    calls = crashing.work(home, "never")
    with connect(home / "warehouse.duckdb") as con:
        assert_loads_add_up(con)
        return calls, everything(con)


def assert_consistent(home: Path) -> None:
    """What must hold after any crash: whole loads only, and every acknowledged one."""
    path = home / "warehouse.duckdb"
    if not path.exists():
        return
    with connect(path) as con:
        raw.create_tables(con)
        assert_loads_add_up(con)
        refuse_lost_loads(con, Ledger(home / "ledger.jsonl"))
        copies = con.execute(
            "select count(*) - count(distinct (slug, timestamp, allocation_kind, recipient, ordinal, _extracted_at)) "
            "from raw.llama_unlock_events"
        ).fetchone()
        assert copies == (0,)
        per_run = con.execute("select count(*) from raw.loads group by run_id").fetchall()
        assert all(datasets[0] % 2 == 0 for datasets in per_run), "both tables of a load or neither"


def test_twenty_kills_lose_nothing_and_the_rerun_equals_a_clean_run(tmp_path: Path, clean: tuple[int, Content]) -> None:
    calls, expected = clean
    rng = random.Random(20251010)
    points = [f"{rng.choice(['call', 'after'])}:{rng.randint(1, calls)}" for _ in range(12)]
    points += [f"timer:{rng.uniform(0.0, 0.2):.3f}" for _ in range(8)]
    rng.shuffle(points)
    killed = 0
    for how in points:
        ended = run_loader(tmp_path, how)
        assert ended in (0, -signal.SIGKILL)
        killed += ended == -signal.SIGKILL
        assert_consistent(tmp_path)
    assert killed >= 12
    crashing.work(tmp_path, "never")
    assert_consistent(tmp_path)
    with connect(tmp_path / "warehouse.duckdb") as con:
        assert everything(con) == expected


def test_a_kill_around_the_commit_leaves_all_of_the_load_or_nothing(tmp_path: Path, clean: tuple[int, Content]) -> None:
    per_load = clean[0] // crashing.LOADS
    for how, held in ((f"call:{per_load}", 0), (f"after:{per_load}", 2)):
        home = tmp_path / how.replace(":", "-")
        assert run_loader(home, how) == -signal.SIGKILL
        assert_consistent(home)
        with connect(home / "warehouse.duckdb") as con:
            assert con.execute("select count(*) from raw.loads").fetchone() == (held,)
        # Killed after the commit but before the acknowledgement: loading again changes nothing.
        assert not (home / "ledger.jsonl").exists()


@pytest.mark.parametrize("cut", [1, 7, 100])
def test_a_write_ahead_log_that_was_cut_is_noticed(tmp_path: Path, clean: tuple[int, Content], cut: int) -> None:
    log = tmp_path / "warehouse.duckdb.wal"
    per_load = clean[0] // crashing.LOADS
    assert run_loader(tmp_path, f"call:{3 * per_load + 2}") == -signal.SIGKILL
    log.write_bytes(log.read_bytes()[:-cut])
    with connect(tmp_path / "warehouse.duckdb") as con:
        assert_loads_add_up(con)
        with pytest.raises(WarehouseError, match=r"lacks 2 of the loads.*tidegauge replay"):
            refuse_lost_loads(con, Ledger(tmp_path / "ledger.jsonl"))
