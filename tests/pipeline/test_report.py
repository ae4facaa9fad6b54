"""The report of a whole run: in the release, in a browser, and from the command line."""

from __future__ import annotations

import hashlib
import json

import dagster as dg
import pytest

from orchestration import cli
from orchestration.assets.report import BUILD, pages_of
from orchestration.quality import GateClosedError, store
from orchestration.runner import open_instance
from orchestration.warehouse import connect, release
from tests.browser import assert_reads_well
from tests.pipeline.test_command import command

pytestmark = pytest.mark.slow

EVERY = {"p1", "p2b", "p3", "p4", "p5a", "p5b", "p6", "p7", "p8a", "p8b", "p9", "p10a", "p10b"}


def test_the_release_holds_the_page_and_ten_pictures_with_their_hashes(demo):
    settings, _ = demo
    folder = release.current(settings.releases_dir)
    manifest = release.read_manifest(folder)
    assert manifest["is_excerpt"] is True
    names = set(manifest["files"])
    assert "report.html" in names
    assert len({name for name in names if name.endswith(".png")}) == 10
    assert len({name for name in names if name.endswith(".svg")}) == 10
    for name, digest in manifest["files"].items():
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == digest, name
    html = (folder / "report.html").read_text("utf-8")
    assert "EXCERPT" in html
    assert str(settings.home) not in html


def test_the_page_reads_well_in_a_browser(demo):
    settings, _ = demo
    assert_reads_well(release.report_of(release.current(settings.releases_dir)), EVERY)


def test_every_analysis_with_numbers_shows_a_small_picture_in_the_event_log(home_copy):
    names = (
        *("correlations", "correlation_breaks", "correlation_break_searches", "liquidity_lead_lag"),
        *("liquidity_lead_lag_stability", "capital_competition"),
    )
    with open_instance(home_copy) as instance:
        logged = {
            name: instance.get_latest_materialization_event(dg.AssetKey(["analytics", name])).asset_materialization
            for name in (*names, "unlock_event_study")
        }
    for name in names:
        picture = str(logged[name].metadata["picture"].value)
        assert picture.startswith("![picture](data:image/png;base64,iVBOR"), name
        assert len(picture) < 140_000, name
    # The sample has no daily prices of unlocking tokens: there is nothing to draw.
    assert "picture" not in logged["unlock_event_study"].metadata


def test_a_report_of_another_build_closes_the_release(home_copy):
    with connect(home_copy.warehouse_path, read_only=True) as con:
        build = store.mart_state(con)
    assert len(pages_of(home_copy.report_dir, build)) == 21
    for broken in ('{"build_id": "another"}', "{", "[]"):
        (home_copy.report_dir / BUILD).write_text(broken)
        with pytest.raises(GateClosedError, match="materialise `report` again"):
            pages_of(home_copy.report_dir, build)
    (home_copy.report_dir / BUILD).unlink()
    with pytest.raises(GateClosedError, match="missing"):
        pages_of(home_copy.report_dir, build)


def test_the_command_says_where_the_page_is_and_copies_it(monkeypatch, capsys, demo, tmp_path):
    settings, _ = demo
    home = str(settings.home)
    code, out, _ = command(monkeypatch, capsys, "report", "--home", home, "--lang", "ja")
    assert code == 0
    assert out.strip().endswith("/report.html?lang=ja")
    copy = tmp_path / "copy" / "page.html"
    code, out, _ = command(monkeypatch, capsys, "report", "--home", home, "--lang", "ja", "--output", str(copy))
    assert code == 0
    assert out.strip() == copy.as_uri()
    assert 'data-lang="ja"' in copy.read_text("utf-8")[:400]
    code, _, err = command(monkeypatch, capsys, "report", "--home", home, "--lang", "de")
    assert code == 2
    assert "choose from en, ja" in err


def test_a_report_of_the_past_comes_from_a_release_of_that_instant(monkeypatch, capsys, home_copy):
    folder = release.current(home_copy.releases_dir)
    manifest = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps({**manifest, "as_of": "2025-10-30 20:29:00+00:00"}))
    monkeypatch.setattr(cli, "_replay", lambda *_: pytest.fail("built again although a release is there"))
    code, out, err = command(
        monkeypatch, capsys, "report", "--home", str(home_copy.home), "--as-of", "2025-10-30T20:29Z"
    )
    assert code == 0
    assert "was built as of 2025-10-30 20:29 UTC" in err
    assert out.strip().endswith(f"{folder.name}/report.html")
