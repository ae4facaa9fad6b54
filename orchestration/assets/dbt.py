"""The dbt project as Dagster assets: prepare its manifest, run `dbt build` inside this process, report every model.

SQL and tests live in dbt_project/; whether the raw data may be built from at all is decided in orchestration/quality.
"""

import hashlib
import json
import os
import queue
import shutil
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg
from dagster_dbt import DagsterDbtTranslator, DagsterDbtTranslatorSettings, dbt_assets
from dagster_dbt.asset_utils import get_updated_cli_invocation_params_for_context
from dagster_dbt.core.dbt_cli_event import DbtCoreCliEventMessage
from sqlglot.errors import SqlglotError

from orchestration.assets.columns import Built
from orchestration.assets.sources import WAREHOUSE_POOL
from orchestration.quality import store
from orchestration.warehouse import connect

if TYPE_CHECKING:
    import duckdb
    from dbt.cli.main import dbtRunnerResult
    from dbt.contracts.graph.manifest import Manifest

WAREHOUSE_VARIABLE = "TIDEGAUGE_WAREHOUSE"
ROOMS = ("staging", "intermediate", "marts")
PARSED = "partial_parse.msgpack"
FINGERPRINT = "prepared.json"
# A copy: dbt rewrites manifest.json during every build, and a code location may be loading it just then.
PREPARED = "prepared_manifest.json"
PROJECT_SUFFIXES = frozenset({".sql", ".yml", ".yaml", ".csv", ".md", ".py"})
REPORTED_EVENTS = frozenset({"LogModelResult", "LogSeedResult", "LogSnapshotResult", "LogTestResult"})
GLOBAL_FLAGS = (
    "--no-use-colors",
    "--no-use-colors-file",
    "--no-version-check",
    "--no-send-anonymous-usage-stats",
    "--quiet",
    "--log-level=none",
)

# dbt keeps its flags, adapters and event manager in module globals and changes directory while it runs.
_ONE_AT_A_TIME = threading.Lock()


class ManifestError(Exception):
    """dbt's manifest is absent, stale or could not be made; the text says what to run."""


class DbtBuildError(Exception):
    """At least one model or test failed; the text names each, its message and its compiled SQL."""


class DbtBuildConfig(dg.Config):
    """`as_of`: ISO instant with zone; when set, only rows known by then are used anywhere."""

    as_of: str | None = None


class RoomTranslator(DagsterDbtTranslator):
    """Names and groups: `raw` sources are the extracted tables, all `catalog` sources the one `catalog` asset."""

    def __init__(self) -> None:
        super().__init__(DagsterDbtTranslatorSettings(enable_duplicate_source_asset_keys=True))

    def get_asset_key(self, dbt_resource_props: Mapping[str, Any]) -> dg.AssetKey:
        """`raw/<table>`, `catalog`, or `<schema>/<model>`."""
        if dbt_resource_props["resource_type"] == "source" and dbt_resource_props["source_name"] == "catalog":
            return dg.AssetKey(["catalog"])
        return super().get_asset_key(dbt_resource_props)

    def get_group_name(self, dbt_resource_props: Mapping[str, Any]) -> str | None:
        """The room a model stands in; seeds and snapshots are grouped by their kind."""
        folders = set(dbt_resource_props.get("fqn", [])[1:-1])
        for room in ROOMS:
            if room in folders:
                return room
        kind = str(dbt_resource_props["resource_type"])
        return None if kind in {"source", "model"} else f"{kind}s"

    def get_asset_spec(self, manifest: Mapping[str, Any], unique_id: str, project: Any) -> dg.AssetSpec:
        """The default spec, with its materialisation among the kinds."""
        spec = super().get_asset_spec(manifest, unique_id, project)
        materialized = self.get_resource_props(manifest, unique_id).get("config", {}).get("materialized")
        kinds = {"dbt", "duckdb", materialized} if materialized in {"view", "table", "incremental"} else spec.kinds
        return spec.replace_attributes(kinds=kinds)


# ------------------------------------------------------------------ manifest


def prepare_manifest(project_dir: Path, target_dir: Path, *, warehouse: Path) -> Path:
    """Parse the dbt project when anything it was parsed from has changed; return the path of its manifest.

    A change is any project file added, removed or touched, another version of dbt, or another warehouse path
    (dbt writes the file's name into every relation).

    Raises:
        ManifestError: dbt could not parse the project.
    """
    project_dir, target_dir = project_dir.resolve(), target_dir.resolve()
    manifest_path = target_dir / PREPARED
    wanted = _fingerprint(project_dir, warehouse)
    if _prepared_fingerprint(target_dir) == wanted:
        return manifest_path
    target_dir.mkdir(parents=True, exist_ok=True)
    (target_dir / FINGERPRINT).unlink(missing_ok=True)
    from dbt.cli.main import dbtRunner

    with _ONE_AT_A_TIME, _warehouse_variable(warehouse):
        result = dbtRunner().invoke(_arguments(["parse"], project_dir, target_dir))
    if not result.success:
        raise ManifestError(f"dbt: cannot parse {project_dir}: {result.exception}") from result.exception
    shutil.copyfile(target_dir / "manifest.json", target_dir / f"{PREPARED}.new")
    (target_dir / f"{PREPARED}.new").replace(manifest_path)
    (target_dir / FINGERPRINT).write_text(json.dumps({"fingerprint": wanted}))
    return manifest_path


def _fingerprint(project_dir: Path, warehouse: Path) -> str:
    seen = hashlib.sha256()
    for package in ("dbt-core", "dbt-duckdb"):
        seen.update(f"{package}=={version(package)}\n".encode())
    seen.update(f"{warehouse.resolve()}\n".encode())
    for directory, folders, names in os.walk(project_dir):
        folders[:] = sorted(f for f in folders if f not in {"target", "logs", "dbt_packages"} and f[0] != ".")
        for name in sorted(names):
            path = Path(directory, name)
            if path.suffix in PROJECT_SUFFIXES:
                about = path.stat()
                seen.update(f"{path.relative_to(project_dir)} {about.st_size} {about.st_mtime_ns}\n".encode())
    return seen.hexdigest()


def _prepared_fingerprint(target_dir: Path) -> str | None:
    if not all((target_dir / name).is_file() for name in (PREPARED, PARSED, FINGERPRINT)):
        return None
    try:
        found = json.loads((target_dir / FINGERPRINT).read_text())["fingerprint"]
    except (ValueError, KeyError, TypeError):
        return None
    return str(found)


def require_prepared(project_dir: Path, target_dir: Path, warehouse: Path) -> None:
    """Raise ManifestError when the project was edited, or was never parsed, since `prepare_manifest`."""
    if _prepared_fingerprint(target_dir) != _fingerprint(project_dir, warehouse):
        raise ManifestError(
            f"dbt: {target_dir / PREPARED} is missing or older than {project_dir}: "
            "reload the code location, or run prepare_manifest() before the build"
        )


def _load_manifest(target_dir: Path) -> "Manifest":
    """The parsed project as dbt's own object, so that a run, also one with `as_of`, never parses again."""
    from dbt.contracts.graph.manifest import Manifest

    return Manifest.from_msgpack((target_dir / PARSED).read_bytes())


# ------------------------------------------------------------------ running dbt


def _arguments(command: Sequence[str], project_dir: Path, target_dir: Path, *more: str) -> list[str]:
    return [
        *GLOBAL_FLAGS,
        f"--log-path={(target_dir.parent / 'logs').resolve()}",
        *command,
        f"--project-dir={project_dir.resolve()}",
        f"--profiles-dir={project_dir.resolve()}",
        f"--target-path={target_dir.resolve()}",
        *more,
    ]


@contextmanager
def _warehouse_variable(warehouse: Path) -> Iterator[None]:
    before = os.environ.get(WAREHOUSE_VARIABLE)
    os.environ[WAREHOUSE_VARIABLE] = str(warehouse.resolve())
    try:
        yield
    finally:
        if before is None:
            del os.environ[WAREHOUSE_VARIABLE]
        else:
            os.environ[WAREHOUSE_VARIABLE] = before


def close_duckdb() -> None:
    """Let go of the warehouse file.

    dbt-duckdb keeps its connection in a class attribute after a run; its own close_all_connections() only drops the
    reference, so the file stays locked for as long as anything else still points at the environment.
    """
    from dbt.adapters.duckdb.connections import DuckDBConnectionManager

    with DuckDBConnectionManager._LOCK:
        if DuckDBConnectionManager._ENV is not None:
            DuckDBConnectionManager._ENV.close()
        DuckDBConnectionManager.close_all_connections()


@contextmanager
def _reading_beside_dbt() -> "Iterator[duckdb.DuckDBPyConnection]":
    """A cursor of the database dbt holds open: what one model has committed is read while the next is built."""
    from dbt.adapters.duckdb.connections import DuckDBConnectionManager

    handle = DuckDBConnectionManager.env().handle()
    try:
        yield handle.cursor()
    finally:
        handle.close()


def _interrupt_queries() -> None:
    from dbt.adapters.factory import FACTORY

    for adapter in list(FACTORY.adapters.values()):
        adapter.cancel_open_connections()


def invoke(command: Sequence[str], project_dir: Path, target_dir: Path, *, output: Path, warehouse: Path) -> None:
    """Run one dbt command on the prepared manifest, writing below `output`, and let go of the warehouse again.

    Raises:
        ManifestError: the manifest is not prepared, or dbt failed.
    """
    from dbt.cli.main import dbtRunner

    project_dir, target_dir, warehouse = project_dir.resolve(), target_dir.resolve(), warehouse.resolve()
    with _ONE_AT_A_TIME, _warehouse_variable(warehouse):
        require_prepared(project_dir, target_dir, warehouse)
        try:
            result = dbtRunner(manifest=_load_manifest(target_dir)).invoke(_arguments(command, project_dir, output))
        finally:
            close_duckdb()
    if not result.success:
        raise ManifestError(f"dbt: {' '.join(command)} failed: {result.exception}") from result.exception


def stream_build(
    project_dir: Path,
    target_dir: Path,
    *,
    warehouse: Path,
    as_of: datetime | None = None,
    selection: Sequence[str] = (),
) -> Iterator[dict[str, Any]]:
    """Run `dbt build` in a worker thread and yield its result events, in dbt's JSON log shape, as they happen.

    The DuckDB file is closed again when the iterator ends, whatever the outcome. Closing the iterator early
    interrupts the running query and waits for dbt to stop.

    Raises:
        DbtBuildError: a model or a test failed.
        ManifestError: the manifest is not prepared.
    """
    from dbt.cli.main import dbtRunner
    from dbt_common.events.functions import msg_to_dict

    project_dir, target_dir, warehouse = project_dir.resolve(), target_dir.resolve(), warehouse.resolve()
    arguments = _arguments(
        ["build"],
        project_dir,
        target_dir,
        # Unit tests prove the SQL, not the data: they run in CI.
        "--exclude-resource-type=unit_test",
        *selection,
    )
    if as_of is not None:
        arguments += ["--vars", json.dumps({"as_of": utc_text(as_of)})]
    events: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()
    outcome: list[dbtRunnerResult | BaseException] = []

    def listen(event: Any) -> None:
        if event.info.name in REPORTED_EVENTS:
            events.put(msg_to_dict(event))

    def work() -> None:
        try:
            outcome.append(dbtRunner(manifest=manifest, callbacks=[listen]).invoke(arguments))
        finally:
            events.put(None)

    with _ONE_AT_A_TIME, _warehouse_variable(warehouse):
        require_prepared(project_dir, target_dir, warehouse)
        manifest = _load_manifest(target_dir)
        worker = threading.Thread(target=work, name="dbt", daemon=True)
        worker.start()
        try:
            while (event := events.get()) is not None:
                yield event
        finally:
            while worker.is_alive() and not outcome:
                # A connection may close between being listed and being interrupted; the next round sees the rest.
                with suppress(Exception):
                    _interrupt_queries()
                worker.join(0.1)
            worker.join()
            close_duckdb()
    if not outcome:
        raise DbtBuildError("dbt: its thread ended without a result")
    _raise_on_failure(outcome[0], project_dir, target_dir)


def _raise_on_failure(result: "dbtRunnerResult", project_dir: Path, target_dir: Path) -> None:
    if result.success:
        return
    if result.exception is not None:
        raise DbtBuildError(f"dbt: {result.exception}") from result.exception
    failures = [
        _describe(each, project_dir, target_dir)
        for each in getattr(result.result, "results", [])
        if str(each.status) in {"error", "fail", "runtime error", "partial success"}
    ]
    if not failures:
        raise DbtBuildError(
            f"dbt: the build failed without naming a node: see {target_dir.parent / 'logs' / 'dbt.log'}"
        )
    raise DbtBuildError(f"dbt: {len(failures)} failed\n" + "\n".join(failures))


def _describe(each: Any, project_dir: Path, target_dir: Path) -> str:
    node = each.node
    kind = str(node.resource_type)
    name = f"{node.schema}.{node.name}" if kind == "model" else node.name
    compiled = getattr(node, "compiled_path", None)
    where = project_dir / compiled if compiled else None
    # A node that fails while compiling leaves no compiled SQL: point at its source.
    sql = f"compiled SQL: {where}" if where and where.exists() else f"source: {project_dir / node.original_file_path}"
    message = " ".join(str(each.message or "no message").split())
    return f"{kind} {name}: {each.status}: {message} ({sql})"


def utc_text(instant: datetime) -> str:
    """`2025-11-12T22:00:00+00:00`: one spelling, and nothing else can reach SQL through it."""
    if instant.tzinfo is None:
        raise ValueError(f"as_of {instant.isoformat()} has no time zone: write 2025-11-12T22:00:00Z")
    return instant.astimezone(UTC).isoformat()


# ------------------------------------------------------------------ Dagster


def build_dbt_assets(manifest_path: Path, *, require_raw_gate: bool = True) -> dg.AssetsDefinition:
    """One subsettable asset per model, one asset check per dbt test, from a prepared manifest.

    require_raw_gate: refuse to build from raw tables whose gate is closed or was not evaluated, also when a model is
    materialised alone.
    """
    if not manifest_path.is_file():
        raise ManifestError(f"dbt: {manifest_path} does not exist: run prepare_manifest() first")
    manifest = json.loads(manifest_path.read_text())
    translator = RoomTranslator()

    @dbt_assets(
        manifest=manifest,
        dagster_dbt_translator=translator,
        name="dbt",
        pool=WAREHOUSE_POOL,
        required_resource_keys={"settings"},
    )
    def models(context: dg.AssetExecutionContext, config: DbtBuildConfig) -> Iterator[Any]:
        settings = context.resources.settings
        yield from run_models(
            context,
            manifest,
            translator,
            project_dir=settings.project_dir,
            home=settings.home,
            warehouse=settings.warehouse_path,
            now=settings.now(),
            as_of=datetime.fromisoformat(config.as_of) if config.as_of else None,
            require_raw_gate=require_raw_gate,
        )

    return models


def run_models(
    context: dg.AssetExecutionContext,
    manifest: Mapping[str, Any],
    translator: DagsterDbtTranslator,
    *,
    project_dir: Path,
    home: Path,
    warehouse: Path,
    now: datetime,
    as_of: datetime | None,
    require_raw_gate: bool,
) -> Iterator[Any]:
    """Build what the context selected and yield Dagster events; record the build, so that gates know what they saw."""
    chosen = get_updated_cli_invocation_params_for_context(context, manifest, translator)
    selection = list(chosen.selection_args)
    if chosen.indirect_selection:
        selection.append(f"--indirect-selection={chosen.indirect_selection}")
    target_dir = home / "dbt" / "target"
    require_prepared(project_dir.resolve(), target_dir.resolve(), warehouse)
    if as_of is not None:
        utc_text(as_of)
    build_id = None
    with connect(warehouse) as con:
        if require_raw_gate:
            store.require_open(con, "raw")
        built = Built(con, manifest, translator, target_dir.resolve() / "compiled")
        if context.selected_asset_keys:  # tests alone change nothing
            build_id = store.start_build(
                con, run_id=context.run_id, as_of=as_of, is_full=_is_full(context), started_at=now
            )
    for event in stream_build(project_dir, target_dir, warehouse=warehouse, as_of=as_of, selection=selection):
        _log(context, event)
        for each in DbtCoreCliEventMessage(raw_event=event, event_history_metadata={}).to_default_asset_events(
            manifest=manifest,
            dagster_dbt_translator=translator,
            context=context,
            target_path=target_dir.resolve(),
        ):
            yield _described(context, built, event, each) if isinstance(each, dg.Output) else each
    if build_id:
        with connect(warehouse) as con:
            store.finish_build(con, build_id)


def _described(
    context: dg.AssetExecutionContext, built: Built, event: Mapping[str, Any], output: dg.Output[None]
) -> dg.Output[None]:
    """The output with rows, columns and their lineage among its metadata."""
    unique_id = event["data"]["node_info"]["unique_id"]
    with _reading_beside_dbt() as con:
        found = built.metadata(con, unique_id)
    try:
        found |= built.lineage(unique_id)
    except SqlglotError as problem:
        # The model is built and right all the same.
        context.log.warning(f"{unique_id}: no column lineage: {problem}")
    return output.with_metadata({**output.metadata, **found})


def _is_full(context: dg.AssetExecutionContext) -> bool:
    """True when every model is built and every test of it is run."""
    everything = context.assets_def
    models = set(everything.node_keys_by_output_name.values())
    tests = {spec.key for spec in everything.node_check_specs_by_output_name.values()}
    return set(context.selected_asset_keys) == models and set(context.selected_asset_check_keys) == tests


def _log(context: dg.AssetExecutionContext, event: Mapping[str, Any]) -> None:
    node, data = event["data"]["node_info"], event["data"]
    line = f"{node['resource_type']} {node['node_name']}: {node['node_status']} in {data['execution_time']:.2f} s"
    if node["node_status"] in {"error", "fail", "runtime error"}:
        context.log.error(line)
    elif node["resource_type"] != "test" or node["node_status"] != "pass":
        context.log.info(line)
