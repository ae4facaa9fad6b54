"""The BI guides: their SQL runs on a release, their links lead somewhere, and their pictures are small."""

from __future__ import annotations

import re

import pytest

from orchestration.settings import PACKAGE_ROOT
from orchestration.warehouse import connect, release

GUIDES = sorted((PACKAGE_ROOT / "docs/bi").glob("*.md"))
SQL = [
    pytest.param(sql, id=f"{guide.stem}-{number}")
    for guide in GUIDES
    for number, sql in enumerate(re.findall(r"^```sql\n(.*?)^```", guide.read_text("utf-8"), re.DOTALL | re.MULTILINE))
]


@pytest.mark.slow
@pytest.mark.parametrize("sql", SQL)
def test_the_sql_of_a_guide_finds_rows_in_the_demo(demo, sql):
    settings, _ = demo
    with connect(release.current(settings.releases_dir) / "tidegauge.duckdb", read_only=True, sandboxed=True) as con:
        assert con.execute(sql).fetchmany(2)


@pytest.mark.parametrize("guide", GUIDES, ids=lambda each: each.stem)
def test_links_of_a_guide_lead_somewhere(guide):
    for target in re.findall(r"\]\(([^)#]+)\)", guide.read_text("utf-8")):
        assert (guide.parent / target).is_file(), target


def test_every_guide_and_picture_is_reached_and_pictures_are_small():
    index = (PACKAGE_ROOT / "docs/bi/README.md").read_text("utf-8")
    texts = "".join(guide.read_text("utf-8") for guide in GUIDES)
    for path in (PACKAGE_ROOT / "docs/bi").iterdir():
        if path.suffix == ".md" and path.name != "README.md":
            assert f"({path.name})" in index
        elif path.suffix == ".png":
            assert f"({path.name})" in texts
            assert path.stat().st_size <= 150_000
