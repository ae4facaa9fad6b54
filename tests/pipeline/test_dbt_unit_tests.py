"""dbt's own unit tests: they prove the SQL on invented rows and are left out of pipeline runs."""

from __future__ import annotations

import pytest

from orchestration.settings import Settings

pytestmark = pytest.mark.slow


def test_every_dbt_unit_test_passes(home_copy: Settings, monkeypatch):
    from dbt.cli.main import dbtRunner

    monkeypatch.setenv("TIDEGAUGE_WAREHOUSE", str(home_copy.warehouse_path))
    project, target = str(home_copy.project_dir), str(home_copy.home / "unit")
    flags = ["--no-send-anonymous-usage-stats", "--no-version-check", "--quiet"]
    where = ["--project-dir", project, "--profiles-dir", project, "--target-path", target, "--log-path", target]
    result = dbtRunner().invoke([*flags, "test", "--select", "test_type:unit", *where])
    assert result.exception is None
    statuses = {each.node.name: str(each.status) for each in result.result.results}
    assert len(statuses) >= 15
    assert set(statuses.values()) == {"pass"}, {name: status for name, status in statuses.items() if status != "pass"}
