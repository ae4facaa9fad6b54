"""What must not be paid for before it is needed."""

from __future__ import annotations

import subprocess
import sys

import pytest

from orchestration.settings import PACKAGE_ROOT


@pytest.mark.parametrize(
    ("imported", "spared"),
    [
        ("orchestration", ("duckdb", "pandas", "pydantic")),
        ("orchestration.definitions", ("great_expectations", "exchange_calendars", "statsmodels", "arch", "scipy")),
        ("orchestration.cli", ("dagster", "great_expectations", "pandas", "dbt.cli.main")),
        ("orchestration.analytics.correlation", ("statsmodels", "arch", "scipy", "dagster")),
        ("orchestration.analytics.breaks", ("statsmodels", "arch", "scipy", "dagster")),
        ("orchestration.analytics.lead_lag", ("statsmodels", "arch", "scipy", "dagster")),
        ("orchestration.analytics.claims", ("statsmodels", "arch", "scipy", "dagster")),
        ("orchestration.catalog", ("pandas", "dagster", "duckdb", "requests")),
        ("orchestration.extract.run", ("dagster", "duckdb", "great_expectations")),
    ],
)
def test_an_import_spares_what_it_does_not_need(imported, spared):
    script = f"import sys, {imported}; print(*(name for name in {spared!r} if name in sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=PACKAGE_ROOT, capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.split() == []


def test_nothing_of_the_pipeline_starts_another_process(demo, home_copy, monkeypatch):
    """One process from the first step to the last; the release asks git for its commit, nothing else is started."""
    import os

    from tests.pipeline.conftest import replay

    started: list[str] = []
    real = subprocess.Popen.__init__

    def recorded(self, args, *more, **named):
        started.append(str(args))
        real(self, args, *more, **named)

    monkeypatch.setattr(subprocess.Popen, "__init__", recorded)
    monkeypatch.setattr(os, "fork", lambda: pytest.fail("a step forked"))
    _, outcome = replay(home_copy.home)
    assert outcome.exit_code == 0, outcome.errors
    assert [command for command in started if "git" not in command] == []
