"""The notebook runs from top to bottom on the demo's release and shows what it says."""

from __future__ import annotations

import json

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
    summary = "frame.groupby(frame.columns[KEY])[frame.columns[-1]].agg(['count', 'min', 'max']).T.to_json()"
    for frame, key in (("rebased", 0), ("tga", 1), ("effects", 1)):
        notebook.cells.append(
            nbformat.v4.new_code_cell(f"print({summary.replace('frame', frame).replace('KEY', str(key))})")
        )
    NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(tmp_path)}}).execute()
    outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    assert not [output for output in outputs if output.output_type == "error"]
    assert sum("image/svg+xml" in output.get("data", {}) for output in outputs) == 3
    rebased, tga, effects = (json.loads(output.text) for output in outputs[-3:])
    assert set(rebased) == {"S&P 500", "TOTAL", "TOTAL3"}
    assert all(series["count"] > 200 and series["min"] < 101 for series in rebased.values())
    assert set(tga) == {"week average", "Wednesday level", "daily close"}
    assert tga["week average"]["max"] == pytest.approx(957.99)
    assert set(effects) == {"price", "stablecoins minted", "other supply", "coins in and out"}
    assert effects["stablecoins minted"]["max"] == pytest.approx(107.043, rel=1e-5)
