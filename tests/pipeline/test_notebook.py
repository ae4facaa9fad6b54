"""The notebook runs from top to bottom on the demo's release and shows what it says."""

from __future__ import annotations

import nbformat
import pytest
from nbclient import NotebookClient

from orchestration.settings import PACKAGE_ROOT

NOTEBOOK = PACKAGE_ROOT / "notebooks" / "why_crypto_falls.ipynb"


def test_no_output_is_committed():
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    nbformat.validate(notebook)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert code
    assert all(cell.outputs == [] and cell.execution_count is None for cell in code)


@pytest.mark.slow
def test_the_notebook_draws_its_three_pictures_from_the_release(demo, tmp_path, monkeypatch):
    settings, _ = demo
    monkeypatch.setenv("TIDEGAUGE_HOME", str(settings.home))
    for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR"):
        monkeypatch.setenv(name, str(tmp_path / name))
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(tmp_path)}}).execute()
    outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    assert not [output for output in outputs if output.output_type in ("error", "stream")]
    charts = [
        value
        for output in outputs
        for kind, value in output.get("data", {}).items()
        if kind.startswith("application/vnd.vegalite")
    ]
    drawn = []
    for chart in charts:
        [rows] = chart["datasets"].values()
        drawn.append({row[chart["encoding"]["color"]["field"]] for row in rows})
        assert len(rows) > 20
        assert all(row[chart["encoding"]["y"]["field"]] is not None for row in rows)
    assert drawn == [
        {"S&P 500", "TOTAL", "TOTAL3"},
        {"week average", "Wednesday level", "daily close"},
        {"price", "stablecoins minted", "other supply", "coins in and out"},
    ]
