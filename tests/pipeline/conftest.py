"""Homes that a whole run has filled, and cheaper ways on from there.

A whole run costs half a minute of processor time, a third of it for analyses and report. So `demo` and `live` are built once
for all workers of a session; a test that changes something copies one (`home_copy`, `live_copy`) and runs only the stages
it asserts something of (`run_part`, `build_models`).
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from filelock import FileLock

from orchestration import runner
from orchestration.assets import dbt
from orchestration.definitions import build_definitions
from orchestration.extract.archive import Archive
from orchestration.runner import DONE, Outcome, open_instance, run_pipeline
from orchestration.settings import PACKAGE_ROOT, Settings, load_settings

SAMPLE = PACKAGE_ROOT / "sample"
FROM = "2020-10-01"
KEY = "canary0canary0canary0canary0cana"

TO_RAW_GATE = dg.AssetSelection.groups("catalog", "raw")
TO_MART_GATE = dg.AssetSelection.all() - dg.AssetSelection.groups("analytics", "report", "release")
MODELS = TO_MART_GATE - TO_RAW_GATE


def replay(home: Path, archive: Path = SAMPLE, as_of: str | None = None) -> tuple[Settings, Outcome]:
    settings = load_settings(home=home).at(Archive(archive).last_fetch())
    return settings, run_pipeline(settings, extract={"archive": str(archive)}, as_of=as_of)


def live_settings(home, mirror, **more) -> Settings:
    return load_settings(home=home, mirror=mirror.url, http_backoff_seconds=0.02, http_backoff_max_seconds=0.2, **more)


def run_part(
    settings: Settings,
    selection: dg.AssetSelection,
    *,
    extract: dict[str, Any] | None = None,
    as_of: str | None = None,
) -> Outcome:
    """Materialise these assets with their gates; the outcome says what `run_pipeline` would of the same stages."""
    configs = {"extract": extract, "dbt": as_of and {"as_of": as_of}}
    settings = settings.stopped()
    definitions = build_definitions(settings)
    with open_instance(settings) as instance:
        result = dg.materialize(
            [*definitions.assets, *definitions.asset_checks],
            instance=instance,
            selection=selection,
            resources={"settings": settings},
            run_config={"ops": {name: {"config": config} for name, config in configs.items() if config}},
            raise_on_error=False,
        )
        return runner._outcome(result, settings)


def build_models(settings: Settings, *models: str, as_of: datetime | None = None) -> None:
    """Have dbt build these models alone, without their tests: some span all marts, and the others stand as they were."""
    project, target = settings.project_dir, settings.dbt_target_dir
    selection = ["--select", *models, "--exclude-resource-type", "test"]
    dbt.prepare_manifest(project, target, warehouse=settings.warehouse_path)
    for _ in dbt.stream_build(project, target, warehouse=settings.warehouse_path, as_of=as_of, selection=selection):
        pass


def _built_once(
    tmp_path_factory: pytest.TempPathFactory, name: str, build: Callable[[Path], Outcome]
) -> tuple[Path, Outcome]:
    """A home and how its run ended: built by the first worker that asks, the others wait for it."""
    base = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        base = base.parent
    home, ended = base / name, base / f"{name}.json"
    with FileLock(base / f"{name}.lock", is_singleton=False):
        if not ended.is_file():
            ended.write_text(json.dumps(asdict(build(home))))
        return home, Outcome(**json.loads(ended.read_text()))


def copy_of(settings: Settings, home: Path) -> Settings:
    """A home of one's own with everything that another one holds."""
    shutil.copytree(settings.home, home, symlinks=True)
    copy = settings.model_copy(update={"home": home})
    # No path stands in what dbt parsed: the copy is not parsed again.
    parsed = dbt._fingerprint(copy.project_dir, copy.warehouse_path)
    (copy.dbt_target_dir / dbt.FINGERPRINT).write_text(json.dumps({"fingerprint": parsed}))
    return copy


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> tuple[Settings, Outcome]:
    """The demo's home and how its run ended. Read only, also for files that Dagster keeps: use `home_copy` to change it."""
    home, outcome = _built_once(tmp_path_factory, "demo", lambda home: replay(home)[1])
    return load_settings(home=home).at(Archive(SAMPLE).last_fetch()), outcome


@pytest.fixture
def home_copy(demo: tuple[Settings, Outcome], tmp_path: Path) -> Settings:
    """A copy of the demo's home with its release."""
    settings, outcome = demo
    assert outcome.exit_code == DONE, outcome.errors
    return copy_of(settings, tmp_path / "home")


@pytest.fixture(scope="session")
def live(mirror_process, tmp_path_factory) -> tuple[Settings, Outcome]:
    """A home filled from the mirror by one run from October 2020 on. Read only: use `live_copy` to change it."""

    def build(home: Path) -> Outcome:
        mirror_process.control(faults="", today="2025-11-12T22:00Z")
        return run_pipeline(live_settings(home, mirror_process), extract={"start": FROM})

    home, outcome = _built_once(tmp_path_factory, "live", build)
    return live_settings(home, mirror_process), outcome


@pytest.fixture
def live_copy(live, tmp_path) -> Settings:
    """A copy of that home with its release, asking this worker's mirror."""
    settings, outcome = live
    assert outcome.exit_code == DONE, outcome.errors
    return copy_of(settings, tmp_path / "home")
