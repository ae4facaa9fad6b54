"""dbt inside this process: nothing is parsed twice, nothing stays locked, and a failure names what failed."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import dagster as dg
import pytest
from small_warehouse import NOW

from orchestration.assets import dbt
from orchestration.quality import RAW_CHECKS, CheckResult, GateClosedError, store
from orchestration.warehouse import connect

FILES = {
    "dbt_project.yml": """
        name: small
        version: "1.0"
        profile: small
        flags: {send_anonymous_usage_stats: false}
        vars: {as_of: null}
        models:
          small:
            staging: {+schema: staging, +materialized: view}
            marts: {+schema: marts, +materialized: table}
    """,
    "profiles.yml": """
        small:
          target: duckdb
          outputs:
            duckdb: {type: duckdb, path: "{{ env_var('TIDEGAUGE_WAREHOUSE') }}", threads: 1}
    """,
    "macros/generate_schema_name.sql": """
        {% macro generate_schema_name(custom, node) %}{{ custom or target.schema }}{% endmacro %}
    """,
    "models/staging/sources.yml": """
        sources:
          - {name: raw, schema: raw, tables: [{name: cboe_vix_history}]}
          - {name: catalog, schema: catalog, tables: [{name: series}, {name: release_calendar}]}
    """,
    "models/staging/stg_vix.sql": """
        select "DATE" as day, cast("CLOSE" as double) as vix_index from {{ source('raw', 'cboe_vix_history') }}
        where (select count(*) from {{ source('catalog', 'series') }}) > 0
        {% if var('as_of') %} and _extracted_at <= cast('{{ var("as_of") }}' as timestamptz) {% endif %}
    """,
    "models/marts/vix.sql": """
        select day, vix_index from {{ ref('stg_vix') }}
        where (select count(*) from {{ source('catalog', 'release_calendar') }}) > 0
    """,
    "models/marts/calm_days.sql": "select day from {{ ref('vix') }} where vix_index < 18",
    "models/marts/models.yml": """
        models:
          - name: vix
            columns:
              - name: day
                data_tests: [not_null, unique]
        unit_tests:
          - name: would_fail
            model: calm_days
            given: [{input: ref('vix'), rows: [{day: a, vix_index: 1}]}]
            expect: {rows: [{day: b}]}
    """,
}


@pytest.fixture
def settings(path: Path, tmp_path: Path) -> SimpleNamespace:
    project = tmp_path / "project"
    for name, text in FILES.items():
        file = project / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(textwrap.dedent(text))
    # The small warehouse brings tables named like marts of the real project; this one makes its own.
    with connect(path) as con:
        con.execute("drop schema marts cascade")
    return SimpleNamespace(home=tmp_path, warehouse_path=path, project_dir=project, now=lambda: NOW)


def prepare(settings: SimpleNamespace) -> Path:
    return dbt.prepare_manifest(
        settings.project_dir, settings.home / "dbt" / "target", warehouse=settings.warehouse_path
    )


def run(settings: SimpleNamespace, selection: Any = None, *, gate: bool = False, **config: Any) -> Any:
    assets = dbt.build_dbt_assets(prepare(settings), require_raw_gate=gate)
    return dg.materialize(
        [assets],
        selection=selection,
        resources={"settings": settings},
        run_config={"ops": {"dbt": {"config": config}}},
        raise_on_error=False,
    )


def materialized(result: Any) -> set[str]:
    return {event.asset_key.to_user_string() for event in result.get_asset_materialization_events()}


def cause(result: Any) -> str:
    [failure] = [event for event in result.all_events if event.is_step_failure]
    return str(failure.step_failure_data.error.cause.message)


def value(path: Path, sql: str) -> Any:
    with connect(path, read_only=True) as con:
        return con.execute(sql).fetchall()[0][0]


def test_whole_build_then_one_model_then_as_of(settings: SimpleNamespace) -> None:
    manifest = prepare(settings)
    parsed = (manifest.parent / dbt.PARSED).stat().st_mtime_ns
    here = Path.cwd()

    whole = run(settings)
    assert whole.success
    assert materialized(whole) == {"staging/stg_vix", "marts/vix", "marts/calm_days"}
    assert {each.check_name for each in whole.get_asset_check_evaluations()} == {"not_null_vix_day", "unique_vix_day"}
    assert value(settings.warehouse_path, "select count(*) from marts.vix") > 50

    one = run(settings, dg.AssetSelection.assets(["marts", "vix"]))
    assert one.success
    assert materialized(one) == {"marts/vix"}
    assert len(one.get_asset_check_evaluations()) == 2

    # Nothing had been fetched then; the variable reaches the SQL without a second parse.
    past = run(settings, as_of="2025-11-12T20:00:00Z")
    assert past.success
    assert value(settings.warehouse_path, "select count(*) from marts.vix") == 0

    assert (manifest.parent / dbt.PARSED).stat().st_mtime_ns == parsed
    assert Path.cwd() == here
    assert dbt.WAREHOUSE_VARIABLE not in os.environ
    with connect(settings.warehouse_path, read_only=True) as con:
        builds = con.execute("select is_full, status, as_of from quality.builds order by ordinal").fetchall()
    assert [row[:2] for row in builds] == [(True, "succeeded"), (False, "succeeded"), (True, "succeeded")]
    assert builds[2][2] == datetime(2025, 11, 12, 20, 0, tzinfo=UTC)


@pytest.mark.parametrize("broken", [False, True], ids=["after success", "after failure"])
def test_warehouse_is_free_for_another_process_afterwards(settings: SimpleNamespace, broken: bool) -> None:
    if broken:
        (settings.project_dir / "models/marts/calm_days.sql").write_text("select 1 / 'x' as day from {{ ref('vix') }}")
    assert run(settings).success is not broken

    code = f"import duckdb; duckdb.connect({str(settings.warehouse_path)!r}).execute('create table other (a int)')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    assert value(settings.warehouse_path, "select count(*) from other") == 0


def test_tests_alone_are_no_build(settings: SimpleNamespace) -> None:
    assert run(settings).success

    result = run(settings, dg.AssetSelection.all_asset_checks())

    assert result.success
    assert materialized(result) == set()
    assert {each.check_name for each in result.get_asset_check_evaluations()} == {"not_null_vix_day", "unique_vix_day"}
    assert value(settings.warehouse_path, "select count(*) from quality.builds") == 1


def test_instant_without_zone_leaves_the_marts_as_they_are(settings: SimpleNamespace) -> None:
    assert run(settings).success

    result = run(settings, as_of="2025-11-12T20:00:00")

    assert "has no time zone" in cause(result)
    assert value(settings.warehouse_path, "select count(*) from quality.builds") == 1


def test_failed_model_is_named_with_its_message_and_compiled_sql(settings: SimpleNamespace) -> None:
    (settings.project_dir / "models/marts/calm_days.sql").write_text("select nonsense from {{ ref('vix') }}")

    result = run(settings)

    assert not result.success
    assert "marts/calm_days" not in materialized(result)
    assert "model marts.calm_days: error" in cause(result)
    assert "nonsense" in cause(result)
    compiled = cause(result).split("compiled SQL: ")[1].split(")")[0]
    assert "nonsense" in Path(compiled).read_text()


def test_failed_test_fails_the_step_and_shows_as_a_check(settings: SimpleNamespace) -> None:
    with connect(settings.warehouse_path) as con:
        con.execute("insert into raw.cboe_vix_history select * from raw.cboe_vix_history limit 1")

    result = run(settings)

    assert not result.success
    assert "test unique_vix_day: fail" in cause(result)
    [check] = [each for each in result.get_asset_check_evaluations() if not each.passed]
    assert (check.check_name, check.severity) == ("unique_vix_day", dg.AssetCheckSeverity.ERROR)
    assert "marts/calm_days" not in materialized(result)


def test_closed_raw_gate_refuses_to_build(settings: SimpleNamespace) -> None:
    result = run(settings, gate=True)
    assert not result.success
    assert GateClosedError.__name__ in cause(result)
    assert materialized(result) == set()

    with connect(settings.warehouse_path) as con:
        green = [CheckResult(c.gate, c.name, c.asset, True, "error", c.description, c.remedy) for c in RAW_CHECKS]
        store.store_results(con, green, gate="raw", run_id="run", state=store.raw_state(con), evaluated_at=NOW)
    assert run(settings, gate=True).success


def test_edited_project_must_be_prepared_again(settings: SimpleNamespace) -> None:
    assets = dbt.build_dbt_assets(prepare(settings), require_raw_gate=False)
    (settings.project_dir / "models/marts/calm_days.sql").write_text("select 1 as day")

    result = dg.materialize([assets], resources={"settings": settings}, raise_on_error=False)

    assert "ManifestError" in cause(result)
    assert "older than" in cause(result)
    prepare(settings)
    assert run(settings).success


def test_missing_manifest_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(dbt.ManifestError, match="run prepare_manifest"):
        dbt.build_dbt_assets(tmp_path / dbt.PREPARED)


def test_project_that_does_not_parse(settings: SimpleNamespace) -> None:
    (settings.project_dir / "models/marts/calm_days.sql").write_text("select 1 from {{ ref('absent') }}")

    with pytest.raises(dbt.ManifestError, match="absent"):
        prepare(settings)


def test_closing_early_stops_dbt_and_frees_the_file(settings: SimpleNamespace) -> None:
    slow = "select count(*) as day from range(100000000000) as t (n) where sqrt(n) > 3 and 'x' <> (select min(day) from {{ ref('vix') }})"
    (settings.project_dir / "models/marts/calm_days.sql").write_text(slow)
    prepare(settings)

    events = dbt.stream_build(settings.project_dir, settings.home / "dbt" / "target", warehouse=settings.warehouse_path)
    next(events)
    events.close()

    with connect(settings.warehouse_path) as con:
        assert con.execute("select 1").fetchall() == [(1,)]


def test_keys_and_groups(settings: SimpleNamespace) -> None:
    assets = dbt.build_dbt_assets(prepare(settings))

    assert {key.to_user_string(): spec.group_name for key, spec in assets.specs_by_key.items()} == {
        "staging/stg_vix": "staging",
        "marts/vix": "marts",
        "marts/calm_days": "marts",
    }
    assert {key.to_user_string() for key in assets.dependency_keys} >= {"raw/cboe_vix_history", "catalog"}
    assert all(check.blocking for check in assets.check_specs)


def test_instant_without_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="has no time zone"):
        dbt.utc_text(datetime(2025, 10, 30))
