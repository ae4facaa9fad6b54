"""The data dictionary: dbt's documentation site of the prepared project as one file that needs no network.

dbt writes the page and reads the catalog of column types; what the page is told is decided here.
"""

import json
import shutil
from pathlib import Path
from typing import Any

from orchestration.assets import dbt

NAME = "dictionary.html"
# Two addresses in dbt's page are templates that a browser asks for by name before they are filled in, or never are.
REPAIRS = {
    "${require('./assets/favicons/favicon.ico')}": "data:,",
    'xlink:href="{{': 'ng-attr-xlink:href="{{',
}


def build(project_dir: Path, target_dir: Path, *, warehouse: Path) -> bytes:
    """The page of the project that was prepared in `target_dir`, with the column types found in `warehouse`.

    Nothing is compiled: compiled SQL names folders of this machine.

    Raises:
        ManifestError: the manifest is not prepared, or dbt could not document it.
    """
    folder = target_dir.resolve().with_name("dictionary")
    folder.mkdir(parents=True, exist_ok=True)
    dbt.invoke(["docs", "generate", "--no-compile"], project_dir, target_dir, output=folder, warehouse=warehouse)
    manifest = json.loads((target_dir / dbt.PREPARED).read_text("utf-8"))
    catalog = json.loads((folder / "catalog.json").read_text("utf-8"))
    page = (folder / "index.html").read_text("utf-8")
    shutil.rmtree(folder)
    return inlined(page, shown(manifest, catalog), catalog).encode()


def shown(manifest: dict[str, Any], catalog: dict[str, Any]) -> dict[str, Any]:
    """What a reader looks up: no unit tests, no macros of dbt's own; sources described by the comments of their columns."""
    own = manifest["metadata"]["project_name"]
    kept = {key: macro for key, macro in manifest["macros"].items() if macro["package_name"] == own}
    sources = {
        key: source | {"columns": _commented(catalog["sources"].get(key, {})) | source["columns"]}
        for key, source in manifest["sources"].items()
    }
    return manifest | {"macros": kept, "unit_tests": {}, "sources": sources}


def _commented(table: dict[str, Any]) -> dict[str, Any]:
    return {
        name: {"name": name, "description": column["comment"], "meta": {}, "tags": []}
        for name, column in table.get("columns", {}).items()
        if column["comment"]
    }


def inlined(page: str, manifest: dict[str, Any], catalog: dict[str, Any]) -> str:
    """dbt's page with both artifacts inside.

    dbt's own `--static` writes them as they are: a description or a test that holds `</script>` ends the script there.

    Raises:
        ManifestError: the page has no such places, as after a change in dbt.
    """
    for broken, whole in REPAIRS.items():
        page = page.replace(broken, whole)
    for place, artifact in (("MANIFEST", manifest), ("CATALOG", catalog)):
        marker = f'"{place}.JSON INLINE DATA"'
        if page.count(marker) != 1:
            raise dbt.ManifestError(f"dbt: its documentation page has no place for {marker}: see assets/dictionary.py")
        page = page.replace(marker, json.dumps(artifact, separators=(",", ":")).replace("<", "\\u003c"))
    return page
