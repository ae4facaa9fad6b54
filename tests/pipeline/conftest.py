"""Homes that a whole pipeline run has filled: built once, copied for tests that change them."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from orchestration.extract.archive import Archive
from orchestration.runner import DONE, Outcome, run_pipeline
from orchestration.settings import PACKAGE_ROOT, Settings, load_settings

SAMPLE = PACKAGE_ROOT / "sample"


def replay(home: Path, archive: Path = SAMPLE, as_of: str | None = None) -> tuple[Settings, Outcome]:
    settings = load_settings(home=home).at(Archive(archive).last_fetch())
    return settings, run_pipeline(settings, extract={"archive": str(archive)}, as_of=as_of)


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> tuple[Settings, Outcome]:
    """The demo's home and how its run ended. Read only: use `home_copy` to change it."""
    return replay(tmp_path_factory.mktemp("demo") / "home")


@pytest.fixture
def home_copy(demo: tuple[Settings, Outcome], tmp_path: Path) -> Settings:
    """A copy of the demo's home with its release."""
    settings, outcome = demo
    assert outcome.exit_code == 0, outcome.errors
    shutil.copytree(settings.home, tmp_path / "home", symlinks=True)
    return settings.model_copy(update={"home": tmp_path / "home"})


FROM = "2020-10-01"
KEY = "canary0canary0canary0canary0cana"


def live_settings(home, mirror, **more) -> Settings:
    return load_settings(home=home, mirror=mirror.url, http_backoff_seconds=0.02, http_backoff_max_seconds=0.2, **more)


@pytest.fixture(scope="session")
def live(mirror_process, tmp_path_factory) -> tuple[Settings, Outcome]:
    """A home filled from the mirror by one run from October 2020 on."""
    mirror_process.control(faults="", today="2025-11-12T22:00Z")
    settings = live_settings(tmp_path_factory.mktemp("live") / "home", mirror_process)
    return settings, run_pipeline(settings, extract={"start": FROM})


@pytest.fixture
def live_copy(live, tmp_path) -> Settings:
    settings, outcome = live
    assert outcome.exit_code == DONE, outcome.errors
    shutil.copytree(settings.home, tmp_path / "home", symlinks=True)
    return settings.model_copy(update={"home": tmp_path / "home"})
