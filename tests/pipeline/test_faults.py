"""Runs over HTTP against a mirror that misbehaves in every way: complete, or the last release untouched."""

from __future__ import annotations

import dagster as dg
import pytest

from orchestration.assets import sources
from orchestration.catalog import Catalog, load_catalog
from orchestration.runner import DONE, GATE_CLOSED, SOURCE_FAILED, run_pipeline
from orchestration.warehouse import connect, release
from tests.pipeline.conftest import KEY, TO_MART_GATE, TO_RAW_GATE, live_settings, run_part

pytestmark = pytest.mark.slow

# Faults of the transport share a run; each fault of the data has its own.
FAULTS = (
    *("*:429=0@0.08,*:500@0.08,*:503@0.08,*:empty@0.08", "*:truncate@0.08,*:cut@0.08,*:html@0.08,*:reset@0.08"),
    *("*:slow=0.2@0.15,*:repeat@0.15", "*:units=1000@0.25", "*:rename@0.25", "*:future@0.25", "*:nan@0.25"),
    "*:negative@0.25",
)


@pytest.mark.parametrize("faults", FAULTS[1:])
def test_under_every_fault_what_is_stored_is_right_or_cannot_be_released(live_copy, mirror, faults):
    before = release.current(live_copy.releases_dir)
    mirror.control(faults=faults, today="2025-11-12T22:00Z")
    outcome = run_part(live_copy, TO_RAW_GATE)
    assert outcome.exit_code in (DONE, SOURCE_FAILED, GATE_CLOSED), outcome.errors
    if outcome.exit_code == DONE:
        # To the row what the release was built from, so nothing downstream can differ.
        with connect(live_copy.warehouse_path, read_only=True) as con:
            [stored] = con.execute(
                "select sum(rows_seen) > 1000, sum(rows_new), sum(rows_changed) from raw.loads where run_id = ?",
                [outcome.run_id],
            ).fetchall()
        assert stored == (True, 0, 0)
        return
    assert outcome.errors
    assert run_part(live_copy, dg.AssetSelection.assets("release")).exit_code == GATE_CLOSED
    assert release.current(live_copy.releases_dir) == before


def test_under_faults_a_whole_run_is_complete_or_leaves_the_release_alone(live_copy, mirror):
    before = release.current(live_copy.releases_dir)
    mirror.control(faults=FAULTS[0], today="2025-11-12T22:00Z")
    outcome = run_pipeline(live_copy)
    assert outcome.exit_code in (DONE, SOURCE_FAILED, GATE_CLOSED), outcome.errors
    if outcome.exit_code != DONE:
        assert outcome.errors
        assert release.current(live_copy.releases_dir) == before
        return
    after = release.read_manifest(release.current(live_copy.releases_dir))
    assert after["run_id"] == outcome.run_id
    with connect(live_copy.warehouse_path, read_only=True) as con:
        [tga] = con.execute("select tga_week_average_usd from marts.liquidity where day = '2025-10-29'").fetchall()
    assert tga == (957_990e6,)


def test_a_dead_required_source_fails_the_run_after_the_others_are_stored(tmp_path, mirror):
    mirror.control(faults="stablecoins:html@1", today="2025-11-12T22:00Z")
    settings = live_settings(tmp_path / "home", mirror)
    outcome = run_pipeline(settings, extract={"start": "2025-06-01"})
    assert outcome.exit_code == SOURCE_FAILED
    [error] = outcome.errors
    assert "stablecoins: all stablecoins" in error
    assert not settings.releases_dir.exists()
    with connect(settings.warehouse_path, read_only=True) as con:
        stored = dict(con.execute("select dataset, rows_new from raw.loads").fetchall())
    assert stored["stablecoins_charts"] == 0
    assert stored["yahoo_chart"] > 0
    assert stored["fredgraph_observations"] > 0


@pytest.mark.parametrize("kind", ["cut", "rename", "empty"])
def test_a_required_source_dead_in_another_way_fails_the_run_too(live_copy, mirror, kind):
    before = release.current(live_copy.releases_dir)
    mirror.control(faults=f"stablecoins:{kind}@1", today="2025-11-12T22:00Z")
    outcome = run_pipeline(live_copy, extract={"only": ["stablecoins"]})
    assert outcome.exit_code == SOURCE_FAILED
    [error] = outcome.errors
    assert "stablecoins: all stablecoins" in error
    assert release.current(live_copy.releases_dir) == before


def with_series(key: str, *, required: bool) -> Catalog:
    catalog = load_catalog()
    fred = catalog.provider("fred")
    extra = fred.series[0].model_copy(update={"key": key, "required": required})
    changed = fred.model_copy(update={"series": (*fred.series, extra)})
    return catalog.model_copy(update={"providers": {**catalog.providers, "fred": changed}})


def test_a_dead_optional_source_and_an_unknown_optional_series_leave_the_run_green(live_copy, mirror, monkeypatch):
    monkeypatch.setattr(sources, "load_catalog", lambda: with_series("WTREGENX", required=False))
    mirror.control(faults="llama:500@1", today="2025-11-12T22:00Z")
    settings = live_settings(live_copy.home, mirror, fred_api_key=KEY)
    outcome = run_part(settings, TO_MART_GATE, extract={"start": "2025-06-01"})
    assert outcome.exit_code == DONE, outcome.errors
    assert mirror.requests_of("llama") > 0
    with connect(settings.warehouse_path, read_only=True) as con:
        stored = dict(
            con.execute(
                "select dataset, rows_seen from raw.loads where run_id = ? and dataset in ('llama_emissions', 'fred_observations')",
                [outcome.run_id],
            ).fetchall()
        )
    assert stored.get("llama_emissions", 0) == 0
    assert stored["fred_observations"] > 0


def test_an_unknown_required_series_fails_the_run(live_copy, mirror, monkeypatch):
    monkeypatch.setattr(sources, "load_catalog", lambda: with_series("WTREGENX", required=True))
    settings = live_settings(live_copy.home, mirror, fred_api_key=KEY)
    before = release.current(live_copy.releases_dir)
    outcome = run_pipeline(settings, extract={"start": "2025-06-01", "only": ["fred"]})
    assert outcome.exit_code == SOURCE_FAILED
    [error] = outcome.errors
    assert 'fred: series WTREGENX: HTTP 400 "Bad Request. The series does not exist."' in error
    assert "catalog/fred.yml" in error
    assert release.current(live_copy.releases_dir) == before
