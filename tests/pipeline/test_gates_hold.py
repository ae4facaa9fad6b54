"""Broken data must not get past a gate: not in the same run, not in a later one."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import dagster as dg
import pytest

from orchestration.extract.archive import Archive
from orchestration.runner import DONE, GATE_CLOSED
from orchestration.warehouse import connect, release
from tests.pipeline.conftest import SAMPLE, TO_MART_GATE, replay, run_part

pytestmark = pytest.mark.slow


def tampered(folder: Path, label: str, change: Callable[[str], str]) -> Path:
    """The sample with one body changed."""
    shutil.copytree(SAMPLE, folder)
    archive = Archive(folder)
    [exchange] = [e for e in archive.read() if e.request.label == label]
    body = change(exchange.body.decode()).encode()
    assert body != exchange.body
    for sidecar in folder.glob("*/*/*.json"):
        if json.loads(sidecar.read_text())["request"]["label"] == label:
            sidecar.unlink()
    # An hour later: a revision is a later fetch, not a second truth of the same instant.
    archive.write(replace(exchange, body=body, fetched_at=exchange.fetched_at + timedelta(hours=1)))
    return folder


def times(factor: float, date: str) -> Callable[[str], str]:
    """Multiplies the value of one day of a two-column CSV."""

    def change(body: str) -> str:
        lines = body.split("\n")
        at = next(i for i, line in enumerate(lines) if line.startswith(date))
        day, value = lines[at].split(",")
        lines[at] = f"{day},{float(value) * factor:.10g}"
        return "\n".join(lines)

    return change


@pytest.mark.parametrize(
    ("label", "change", "series", "date"),
    [
        # A slip that was published: 95.78 bn for a balance of 957.8 bn.
        ("series WTREGEN", times(0.1, "2025-10-29"), "fred.WTREGEN", "2025-10-29"),
        ("series WALCL", times(10, "2025-10-29"), "fred.WALCL", "2025-10-29"),
    ],
)
def test_a_ten_fold_slip_stops_everything_downstream_now_and_later(home_copy, tmp_path, label, change, series, date):
    before = release.current(home_copy.releases_dir)
    settings, outcome = replay(home_copy.home, tampered(tmp_path / "archive", label, change))
    assert outcome.exit_code == GATE_CLOSED
    assert not {"analytics/correlations", "release"} & set(outcome.materialized)
    assert not any(key.startswith("marts/") for key in outcome.materialized)
    assert "raw/fredgraph_observations" in outcome.materialized
    assert release.current(settings.releases_dir) == before
    assert len(release.names(settings.releases_dir)) == 1
    with connect(settings.warehouse_path, read_only=True) as con:
        [failing] = con.execute(
            "select failing_rows from quality.results where gate = 'raw' and name = 'jump' and not is_passed"
        ).fetchall()
    assert any(row["series_id"] == series and row["period_date"].startswith(date) for row in json.loads(failing[0]))

    # Dagster's own blocking ends with the run: what is materialised alone starts, and must stop by itself.
    for alone in ("release", "analytics/correlations"):
        later = run_part(settings, dg.AssetSelection.assets(alone))
        assert later.exit_code == GATE_CLOSED, alone
        assert "gate is closed" in later.errors[0]
    assert release.current(settings.releases_dir) == before


def test_a_bad_row_is_quarantined_and_the_run_goes_on(home_copy, tmp_path):
    def negative(body: str) -> str:
        lines = body.split("\n")
        lines[-2] = lines[-2].rsplit(",", 1)[0] + ",NaN"
        return "\n".join(lines)

    archive = tampered(tmp_path / "archive", "VIX history", negative)
    settings = home_copy.at(Archive(archive).last_fetch())
    outcome = run_part(settings, TO_MART_GATE, extract={"archive": str(archive)})
    assert outcome.exit_code == DONE, outcome.errors
    assert "marts/liquidity" in outcome.materialized
    with connect(settings.warehouse_path, read_only=True) as con:
        rows = con.execute("select dataset, reason from raw.quarantine").fetchall()
    assert rows == [("cboe_vix_history", "CLOSE is not a finite number")]


def test_more_bad_rows_than_the_limit_close_the_gate(home_copy, tmp_path):
    def spoilt(body: str) -> str:
        head, *lines = body.split("\n")
        return "\n".join([head, *(line.rsplit(",", 1)[0] + ",NaN" if i < 60 else line for i, line in enumerate(lines))])

    _, outcome = replay(home_copy.home, tampered(tmp_path / "archive", "VIX history", spoilt))
    assert outcome.exit_code == GATE_CLOSED
    assert "release" not in outcome.materialized
    assert any("quarantine" in error for error in outcome.errors)


def test_a_ten_fold_price_of_one_large_coin_does_not_reach_a_release(home_copy, tmp_path):
    def ten_times(body: str) -> str:
        coins = json.loads(body)
        [solana] = [coin for coin in coins if coin["id"] == "solana"]
        solana["current_price"] *= 10
        solana["market_cap"] *= 10
        return json.dumps(coins)

    _, outcome = replay(home_copy.home, tampered(tmp_path / "archive", "universe snapshot of 2025-11-12", ten_times))
    assert outcome.exit_code == GATE_CLOSED
    assert any("coverage" in error for error in outcome.errors)
