"""What the UI knows of every asset: its owner, its columns with type and meaning, and where a model's columns come from.

The words are taken from where they are kept: dbt's YAML, catalog/tables.py, warehouse/analyses.py.
"""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb
from dagster_dbt import DagsterDbtTranslator
from sqlglot import exp, parse_one
from sqlglot.lineage import lineage
from sqlglot.optimizer import build_scope
from sqlglot.optimizer.qualify import qualify

from orchestration.catalog.tables import RAW_TABLES, RawTable
from orchestration.warehouse import analyses, definitions

OWNERS = ["team:tidegauge"]

BOOKKEEPING = {
    "_extra": ("varchar", "columns served but not declared, as JSON"),
    "_extracted_at": ("timestamptz", "when the answer that held the row arrived"),
    "_response_sha256": ("varchar", "digest of that answer's body, its name in the archive"),
    "_run_id": ("varchar", "run that loaded the row"),
}
REMOVAL = {"_is_removed": ("boolean", "true: a whole listing of the source no longer names this key")}

READS = {
    "text": "text",
    "number": "a number",
    "date": "a date, YYYY-MM-DD",
    "us_date": "a date, MM/DD/YYYY",
    "compact_date": "a date, YYYYMMDD",
    "unix": "an instant, seconds since 1970",
    "unix_ms": "an instant, milliseconds since 1970",
    "instant": "an instant, ISO 8601",
    "unix_or_date": "an instant, seconds since 1970, or a date",
}
"""What stands in a raw column of each kind; all of them are kept as text."""

Described = Mapping[str, tuple[str, str | None]]
"""Column name -> (SQL type, meaning with its unit)."""


def describe(assets: Iterable[dg.AssetsDefinition], manifest: Path) -> list[dg.AssetsDefinition]:
    """The same assets, each with its owner; raw tables, the catalog and analyses with their columns.

    dbt's models bring theirs along from the manifest.
    """
    sources = {
        (source["source_name"], source["name"]): source
        for source in json.loads(manifest.read_text())["sources"].values()
    }

    def complete(spec: dg.AssetSpec) -> dg.AssetSpec:
        room, name = spec.key.path[0], spec.key.path[-1]
        if room == "raw":
            source = sources[room, name]
            columns = _raw_columns(RAW_TABLES[name], source["columns"])
            spec = spec.replace_attributes(description=f"{source['description']}\n\n{spec.description}")
            spec = spec.merge_attributes(metadata=_schema(columns))
        elif room == "catalog":
            words = {table: source.get("description") for (of, table), source in sources.items() if of == room}
            spec = spec.merge_attributes(metadata=_schema(_catalog_columns(words)))
        elif room == "analytics":
            spec = spec.merge_attributes(metadata=_schema(analyses.TABLES[name]))
        return spec.replace_attributes(owners=OWNERS)

    return [each.map_asset_specs(complete) for each in assets]


def _schema(columns: Described) -> dict[str, Any]:
    described = [dg.TableColumn(name, kind, description=words) for name, (kind, words) in columns.items()]
    return {"dagster/column_schema": dg.TableSchema(described)}


def _raw_columns(table: RawTable, documented: Mapping[str, Any]) -> Described:
    served = {
        column.name: (
            "varchar",
            documented.get(column.name, {}).get("description") or f"{READS[column.kind]}, as served",
        )
        for column in table.columns
    }
    return served | BOOKKEEPING | (REMOVAL if table.keeps_removals else {})


def _catalog_columns(words: Mapping[str, str]) -> Described:
    found: dict[str, tuple[str, str | None]] = {}
    for table, columns in definitions.TABLES.items():
        for column in columns.split(","):
            name, kind = column.split()
            found[f"{table}.{name.strip(chr(34))}"] = (kind, words.get(table))
    return found


class Built:
    """Columns, rows and column lineage of each model as a build makes it; parents come before their children."""

    def __init__(
        self,
        con: duckdb.DuckDBPyConnection,
        manifest: Mapping[str, Any],
        translator: DagsterDbtTranslator,
        compiled: Path,
    ) -> None:
        """`con` shows what stands before the build, `compiled` is the folder of its compiled SQL."""
        self._manifest, self._translator, self._compiled = manifest, translator, compiled
        self._tables: dict[str, dict[str, dict[str, str]]] = {}
        for schema, table, column, kind in con.execute(
            "select schema_name, table_name, column_name, lower(data_type) from duckdb_columns() "
            "where database_name = current_database() and not internal"
        ).fetchall():
            self._tables.setdefault(schema, {}).setdefault(table, {})[column] = kind

    def metadata(self, con: duckdb.DuckDBPyConnection, unique_id: str) -> dict[str, Any]:
        """Columns and rows of a model that was just built."""
        node = self._manifest["nodes"][unique_id]
        schema, name = node["schema"], node["alias"]
        types = {row[0]: row[1].lower() for row in con.execute(f"describe {schema}.{name}").fetchall()}
        self._tables.setdefault(schema, {})[name] = types
        rows = con.execute(f"select count(*) from {schema}.{name}").fetchone() or (0,)
        documented = node["columns"]
        return {
            **_schema({each: (types[each], documented.get(each, {}).get("description")) for each in types}),
            "dagster/row_count": dg.MetadataValue.int(rows[0]),
        }

    def lineage(self, unique_id: str) -> dict[str, Any]:
        """Which columns of its parents each column of a model is computed from, for programs and for readers.

        Dagster's open-source web server keeps column lineage and answers queries for it, but draws none of it.

        Raises:
            SqlglotError: its SQL cannot be followed.
        """
        node, parents = self._manifest["nodes"][unique_id], {}
        if node["resource_type"] != "model":  # a seed is computed from nothing
            return {}
        for each in node["depends_on"]["nodes"]:
            parent = self._manifest["sources" if each.startswith("source.") else "nodes"][each]
            parents[parent["schema"], parent.get("alias") or parent["identifier"]] = parent
        sql = (self._compiled / node["package_name"] / node["original_file_path"]).read_text()
        tables: dict[str, dict[str, dict[str, str]]] = {}
        for schema, name in parents:
            tables.setdefault(schema, {})[name] = self._tables[schema][name]
        found = {
            column: [self._dependency(parents[schema, table], origin) for schema, table, origin in sorted(origins)]
            for column, origins in origins_of_columns(sql, tables).items()
        }
        lines = [f"| {column} | {_words(above)} |" for column, above in found.items()]
        return {
            "dagster/column_lineage": dg.TableColumnLineage(found),
            "computed_from": dg.MetadataValue.md("\n".join(["| column | computed from |", "|---|---|", *lines])),
        }

    def _dependency(self, parent: Mapping[str, Any], column: str) -> dg.TableColumnDep:
        key = self._translator.get_asset_key(parent)
        # The catalog is one asset of many tables.
        return dg.TableColumnDep(key, f"{parent['name']}.{column}" if len(key.path) == 1 else column)


def _words(above: Iterable[dg.TableColumnDep]) -> str:
    return ", ".join(f"{dep.asset_key.to_user_string()}.{dep.column_name}" for dep in above) or "no column"


def origins_of_columns(
    sql: str, tables: Mapping[str, Mapping[str, Mapping[str, str]]]
) -> dict[str, set[tuple[str, str, str]]]:
    """For each column of a query, the (schema, table, column) whose values it is computed from, conditions left out.

    tables: schema -> table -> column -> type of everything it reads. Names are lower case in the answer.

    Raises:
        SqlglotError: the SQL is not understood.
    """
    query = parse_one(sql, dialect="duckdb")
    for table in query.find_all(exp.Table):
        table.set("catalog", None)
    # Validation refuses the columns that `unpivot` makes; a scope given, and nothing trimmed, is ten times as quick.
    query = qualify(query, schema=dict(tables), dialect="duckdb", validate_qualify_columns=False)
    roots = lineage(None, query, {}, dialect="duckdb", scope=build_scope(query), trim_selects=False, copy=False)
    found: dict[str, set[tuple[str, str, str]]] = {}
    for column, root in roots.items():
        found[column] = set()
        for leaf in root.walk():
            source = None if leaf.downstream else leaf.expression.find(exp.Table)
            if source is not None and source.name in tables.get(source.db, {}):
                found[column].add((source.db, source.name, exp.to_column(leaf.name).name.lower()))
    return found
