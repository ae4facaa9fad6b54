"""The data dictionary of a release: dbt's documentation as one file, and who it says reads which table."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import yaml

from orchestration.assets import dictionary
from orchestration.assets.dbt import ManifestError
from orchestration.settings import PACKAGE_ROOT
from orchestration.warehouse import connect, release
from tests.browser import Visit, chromium

EXPOSURES = yaml.safe_load((PACKAGE_ROOT / "dbt_project/models/exposures.yml").read_text("utf-8"))["exposures"]
RELEASED = re.compile(r"\b(marts|analytics)\.([a-z_]+)\b")
PARQUET = re.compile(r"parquet/([a-z_]+)\.parquet")


@pytest.mark.slow
def test_the_dictionary_of_the_release_names_no_folder_and_explains_every_column(demo):
    settings, outcome = demo
    assert outcome.exit_code == 0, outcome.errors
    folder = release.current(settings.releases_dir)
    page = folder / dictionary.NAME
    text = page.read_text("utf-8")
    assert dictionary.NAME in release.read_manifest(folder)["files"]
    for place in (settings.home, PACKAGE_ROOT, Path.home()):
        assert str(place) not in text
    with connect(folder / "tidegauge.duckdb", read_only=True) as con:
        columns = con.execute(
            "select table_name, column_name, data_type, comment from duckdb_columns() where not internal"
        )
        wanted = {table: {} for table in ("liquidity", "correlations")}
        for table, column, kind, comment in columns.fetchall():
            assert comment, f"{table}.{column} has no description beside it in a BI tool"
            if table in wanted:
                wanted[table][column] = kind
    with chromium() as browser:
        for kind, name, table in (
            ("model", "model.tidegauge.liquidity", "liquidity"),
            ("source", "source.tidegauge.analytics.correlations", "correlations"),
        ):
            visit = Visit(browser, page, query=f"#!/{kind}/{name}")
            visit.page.wait_for_selector("text=known_at")
            shown = visit.page.eval_on_selector_all(
                "tr.column-row, tr", "rows => rows.map(row => [...row.cells].slice(0, 3).map(c => c.innerText.trim()))"
            )
            explained = {cells[0]: cells[1:] for cells in shown if len(cells) == 3}
            for column, type_ in wanted[table].items():
                assert explained[column][0] == type_, column
                assert len(explained[column][1]) > 3, column
            assert visit.complaints == []
            assert [url for url in visit.requests if not url.startswith(("file:", "data:"))] == []


def test_text_that_ends_a_script_stays_text():
    page = '<script>var n={manifest:"MANIFEST.JSON INLINE DATA",catalog:"CATALOG.JSON INLINE DATA"}</script>'
    evil = {"nodes": {"a": {"description": "</script><img src=x onerror=alert(1)>"}}}
    made = dictionary.inlined(page, evil, {})
    assert made.count("</script>") == 1
    assert "<img" not in made
    assert json.loads(re.search(r"manifest:(\{.*\}),catalog", made)[1]) == evil


def test_a_page_of_dbt_that_has_changed_is_an_error_and_no_empty_dictionary():
    with pytest.raises(ManifestError, match="no place for"):
        dictionary.inlined("<html></html>", {}, {})


def released_tables(path: Path) -> set[tuple[str, str]]:
    """Tables of a release that code, a notebook or a guide's SQL names."""
    files = [path] if path.is_file() else sorted(path.glob("*.py"))
    texts = [each.read_text("utf-8") for each in files]
    if path.suffix == ".md":
        texts = re.findall(r"```\w*\n(.*?)```", texts[0], re.DOTALL)
    named = {(schema, table) for text in texts for schema, table in RELEASED.findall(text)}
    return named | {("marts", table) for text in texts for table in PARQUET.findall(text)}


@pytest.mark.parametrize("exposure", EXPOSURES, ids=lambda each: each["name"])
def test_an_exposure_depends_on_the_tables_its_consumer_names(exposure):
    path = PACKAGE_ROOT / exposure["config"]["meta"]["path"]
    stated = set()
    for each in exposure["depends_on"]:
        names = re.findall(r"'(\w+)'", each)
        stated.add(tuple(names) if each.startswith("source(") else ("marts", names[0]))
    assert stated == released_tables(path)
    assert exposure["owner"] == {"name": "Tidegauge maintainers", "email": "data@tidegauge.example"}


def test_every_guide_is_an_exposure():
    guides = {f"docs/bi/{path.name}" for path in (PACKAGE_ROOT / "docs/bi").glob("*.md")} - {"docs/bi/README.md"}
    assert guides
    assert guides == {each["config"]["meta"]["path"] for each in EXPOSURES if "docs/" in each["config"]["meta"]["path"]}
