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
        ("orchestration.analytics.break_search", ("statsmodels", "arch", "scipy", "dagster")),
        ("orchestration.analytics.breaks", ("statsmodels", "arch", "scipy", "dagster")),
        ("orchestration.analytics.competition", ("statsmodels", "arch", "scipy", "dagster")),
        ("orchestration.analytics.event_study", ("statsmodels", "arch", "scipy", "dagster")),
        ("orchestration.analytics.lag_stability", ("statsmodels", "arch", "scipy", "dagster")),
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
