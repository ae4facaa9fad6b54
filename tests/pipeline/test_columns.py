"""What the UI shows of every asset before and after it is materialised."""

from __future__ import annotations

from contextlib import nullcontext

import dagster as dg
import pytest

from orchestration.assets.columns import OWNERS, origins_of_columns
from orchestration.catalog.tables import RAW_TABLES
from orchestration.definitions import build_definitions
from orchestration.runner import open_instance
from orchestration.warehouse import connect

ROOMS = {"catalog", "raw", "staging", "intermediate", "marts", "analytics", "report", "release", "seeds"}
NOT_TABLES = {"report", "release"}


@pytest.fixture(scope="module")
def definitions(tmp_path_factory: pytest.TempPathFactory) -> dg.Definitions:
    return build_definitions(home=tmp_path_factory.mktemp("home"))


@pytest.fixture(scope="module")
def graph(definitions) -> dg.AssetGraph:
    return definitions.resolve_asset_graph()


def schema(node) -> dg.TableSchema | None:
    return node.metadata.get("dagster/column_schema")


def test_a_code_server_can_load_what_a_single_job_can(definitions):
    # A job resolves alone; a server loads all of them, and refuses two of one name.
    dg.Definitions.validate_loadable(definitions)


def test_every_asset_has_an_owner_a_description_kinds_and_its_room(graph):
    for key in graph.get_all_asset_keys():
        node = graph.get(key)
        assert node.owners == OWNERS, key
        assert len(node.description or "") > 20, key
        assert node.kinds, key
        room = key.path[0]
        assert node.group_name == room, key
        assert room in ROOMS, key


def test_every_table_names_its_columns_and_says_what_they_hold(graph):
    for key in graph.get_all_asset_keys():
        found = schema(graph.get(key))
        if key.path[0] in NOT_TABLES:
            continue
        assert found is not None, key
        assert found.columns, key
        assert [column.name for column in found.columns if not column.description] == [], key
        if key.path[0] in {"raw", "analytics", "catalog", "marts"}:
            # The others' types are known once they are built.
            assert [column.name for column in found.columns if column.type in ("", "?")] == [], key


def test_the_columns_of_raw_tables_are_those_that_are_loaded(graph, demo):
    settings, _ = demo
    with connect(settings.warehouse_path, read_only=True) as con:
        for name in RAW_TABLES:
            held = [row[0] for row in con.execute(f"describe raw.{name}").fetchall()]
            shown = [column.name for column in schema(graph.get(dg.AssetKey(["raw", name]))).columns]
            assert shown == held, name


@pytest.fixture(scope="module")
def materialised(demo) -> dict[str, dict[str, object]]:
    """Metadata of the newest materialisation of every asset of the demo."""
    settings, outcome = demo
    assert outcome.exit_code == 0, outcome.errors
    found = {}
    with open_instance(settings) as instance:
        for key in outcome.materialized:
            event = instance.get_latest_materialization_event(dg.AssetKey(key.split("/")))
            found[key] = {name: value.value for name, value in event.asset_materialization.metadata.items()}
    return found


def test_every_materialisation_has_a_number_to_plot_and_every_table_its_rows(demo, materialised):
    settings, _ = demo
    for key, metadata in materialised.items():
        if key != "report":
            assert isinstance(metadata["dagster/row_count"], int), key
        assert any(isinstance(value, int | float) and not isinstance(value, bool) for value in metadata.values()), key
    assert materialised["report"]["megabytes"] > 0
    assert materialised["release"]["megabytes"] > 0
    with connect(settings.warehouse_path, read_only=True) as con:
        for key in ("marts/liquidity", "staging/stg_fredgraph__observations", "analytics/claims"):
            [held] = con.execute(f"select count(*) from {key.replace('/', '.')}").fetchone()
            assert materialised[key]["dagster/row_count"] == held > 0, key


def test_the_columns_of_models_are_those_of_the_definition(graph, materialised):
    for key, metadata in materialised.items():
        if key.split("/")[0] not in {"staging", "intermediate", "marts"}:
            continue
        built = metadata["dagster/column_schema"].columns
        assert [column.name for column in built] == [
            column.name for column in schema(graph.get(dg.AssetKey(key.split("/")))).columns
        ], key
        assert all(column.type and column.description for column in built), key


def origins(materialised, key: str, column: str) -> set[tuple[str, str]]:
    """Columns that no lineage leads on from, upstream of a column."""
    deps = materialised.get(key, {}).get("dagster/column_lineage")
    above = deps.deps_by_column[column] if deps else ()
    if not above:
        return {(key, column)}
    return set().union(
        *(origins(materialised, dep.asset_key.to_user_string(), dep.column_name) for dep in above),
    )


def test_every_column_of_every_model_has_a_lineage_that_leads_to_columns_that_exist(graph, materialised):
    for key, metadata in materialised.items():
        if key.split("/")[0] not in {"staging", "intermediate", "marts"}:
            continue
        lineage = metadata["dagster/column_lineage"].deps_by_column
        assert set(lineage) == {column.name for column in metadata["dagster/column_schema"].columns}, key
        assert any(lineage.values()), key
        for column, above in lineage.items():
            for dep in above:
                names = {each.name.lower() for each in schema(graph.get(dep.asset_key)).columns}
                assert dep.column_name in names, (key, column, dep)


def test_net_liquidity_comes_from_what_the_sources_served(materialised):
    found = origins(materialised, "marts/liquidity", "net_liquidity_wednesday_usd")
    assert ("raw/fredgraph_observations", "value") in found
    assert ("raw/fiscaldata_operating_cash_balance", "close_today_bal") in found
    # CoinGecko's prices are no series: of them only the instant of the newest answer, which ends the calendar.
    assert {column for key, column in found if key.startswith("raw/coingecko")} == {"_extracted_at"}
    lineage = materialised["intermediate/int_observations"]["dagster/column_lineage"].deps_by_column["value"]
    assert dg.TableColumnDep(dg.AssetKey(["staging", "stg_fiscaldata__tga_close"]), "value_native") in lineage


def test_origins_follow_stars_ctes_and_renames_and_leave_conditions_out():
    tables = {"raw": {"prices": {"Day": "varchar", "close": "varchar", "kept": "boolean"}}, "catalog": {}}
    sql = """
        with source as (select * from "home"."raw"."prices" where kept),
        renamed as (select "Day" as day, cast(close as double) as price_usd from source)
        select day, price_usd * 2 as doubled_usd, 'x' as label from renamed
    """
    assert origins_of_columns(sql, tables) == {
        "day": {("raw", "prices", "day")},
        "doubled_usd": {("raw", "prices", "close")},
        "label": set(),
    }


def test_a_model_that_sqlglot_cannot_follow_is_built_all_the_same(monkeypatch):
    from sqlglot.errors import OptimizeError

    from orchestration.assets import dbt

    class Unfollowable:
        def metadata(self, con, unique_id):
            return {"dagster/row_count": 1}

        def lineage(self, unique_id):
            raise OptimizeError("no such thing")

    warned = []
    monkeypatch.setattr(dbt, "_reading_beside_dbt", nullcontext)
    context = type("C", (), {"log": type("L", (), {"warning": staticmethod(warned.append)})})
    event = {"data": {"node_info": {"unique_id": "model.tidegauge.x"}}}
    output = dbt._described(context, Unfollowable(), event, dg.Output(None, metadata={"a": 1}))
    assert output.metadata["dagster/row_count"].value == 1
    assert "dagster/column_lineage" not in output.metadata
    assert warned == ["model.tidegauge.x: no column lineage: no such thing"]
