"""The command line: what it prints, and its exit codes."""

from __future__ import annotations

import re
import shutil
import sys

import pytest
from filelock import FileLock

from orchestration import cli
from orchestration.runner import BUSY, DONE, SOURCE_FAILED, UNEXPECTED, USAGE
from orchestration.warehouse.ledger import Ledger
from tests.pipeline.conftest import SAMPLE
from tests.stub import Reply


def command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *arguments: str
) -> tuple[int, str, str]:
    monkeypatch.setattr(sys, "argv", ["tidegauge", *arguments])
    code = 0
    try:
        cli.main()
    except SystemExit as end:
        code = int(end.code or 0)
    said = capsys.readouterr()
    return code, said.out, said.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("run", "--only", "fredd"), "unknown provider fredd: choose from fred, fredgraph"),
        (("run", "--only", "fred"), "set TIDEGAUGE_FRED_API_KEY"),
        (("run", "--from", "2025-02-01", "--to", "2025-01-01"), "lies after --to"),
        (("run", "--mirror", "http://example.com"), "TIDEGAUGE_MIRROR"),
        (("replay", "nowhere"), "no archived responses in this folder"),
        (("query", "select 1"), "nothing has been released yet"),
    ],
)
def test_a_usage_error_is_one_line_with_the_remedy(monkeypatch, capsys, arguments, message):
    code, _, err = command(monkeypatch, capsys, *arguments)
    assert code == USAGE
    assert message in err
    assert "Traceback" not in err


def test_an_unreadable_setting_is_named(monkeypatch, capsys):
    monkeypatch.setenv("TIDEGAUGE_HTTP_ATTEMPTS", "many")
    code, _, err = command(monkeypatch, capsys, "query", "select 1")
    assert code == USAGE
    assert "TIDEGAUGE_HTTP_ATTEMPTS" in err


def test_a_home_in_use_is_exit_75_and_names_the_holder(monkeypatch, capsys, tmp_path):
    home = tmp_path / "home"
    home.mkdir()
    (home / "run.pid").write_text("tidegauge backfill (process 4711, since 2025-11-12 22:00 UTC)\n")
    monkeypatch.setenv("TIDEGAUGE_BUSY_TIMEOUT_SECONDS", "0.1")
    with FileLock(home / "run.lock", is_singleton=False):
        code, _, err = command(monkeypatch, capsys, "demo", "--home", str(home))
    assert code == BUSY
    assert "process 4711" in err


@pytest.mark.slow
def test_query_prints_the_release_and_cannot_leave_it(monkeypatch, capsys, demo):
    settings, _ = demo
    home = str(settings.home)
    code, out, _ = command(
        monkeypatch, capsys, "query", "--home", home, "--csv", "select count(*) as days from marts.liquidity"
    )
    assert code == 0
    assert int(out.splitlines()[1]) > 1000
    for sql in ("select * from read_text('/etc/hostname')", "copy (select 1) to 'x.csv'", "drop table marts.liquidity"):
        code, _, err = command(monkeypatch, capsys, "query", "--home", home, sql)
        assert code == USAGE, sql
        assert "the query failed" in err


@pytest.mark.slow
def test_release_export_writes_for_a_spreadsheet_and_names_the_tables_there_are(monkeypatch, capsys, demo):
    settings, _ = demo
    home = ["--home", str(settings.home)]
    code, out, _ = command(monkeypatch, capsys, "release", "export", "sheets", "liquidity", *home)
    assert (code, out.split()) == (0, ["sheets/liquidity.csv", "sheets/columns.csv"])
    code, _, err = command(monkeypatch, capsys, "release", "export", "sheets", "liquidities", *home)
    assert code == USAGE
    assert "no table liquidities in this release" in err
    assert "marts.liquidity" in err


@pytest.mark.slow
def test_status_shows_releases_gates_and_ages_against_the_release_rules(monkeypatch, capsys, demo):
    settings, _ = demo
    monkeypatch.setenv("COLUMNS", "220")

    def line_of(series: str, now: str) -> str:
        monkeypatch.setenv("TIDEGAUGE_NOW", now)
        code, out, _ = command(monkeypatch, capsys, "status", "--home", str(settings.home))
        assert code == 0
        for expected in ("← current", "raw gate", "mart gate"):
            assert expected in out
        return next(line for line in out.splitlines() if f" {series} " in line)

    # The H.4.1 of Wednesday 12 November is public on Thursday 16:30 New York, two days of grace later it is late.
    assert "2025-11-05" in line_of("fred.WALCL", "2025-11-13T21:29Z")
    assert "on time" in line_of("fred.WALCL", "2025-11-13T21:29Z")
    assert " due " in line_of("fred.WALCL", "2025-11-13T21:31Z")
    assert "days late" in line_of("fred.WALCL", "2025-11-20T21:31Z")


def test_status_terms_needs_no_home(monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "220")
    code, out, _ = command(monkeypatch, capsys, "status", "--terms")
    assert code == 0
    lines = {line.split()[1]: line for line in out.splitlines() if line.startswith("│")}
    assert "forbidden" in lines["yahoo"]
    assert "Department of the Treasury" in lines["fiscaldata"]
    assert "forbidden" in lines["fred.SP500"], "a series whose owner has terms of its own is listed by itself"


def test_doctor_ends_with_3_when_a_source_is_down_and_shows_no_key(monkeypatch, capsys, stub):
    monkeypatch.setenv("COLUMNS", "220")
    key = "abcdefghijklmnopqrstuvwxyz012345"
    monkeypatch.setenv("TIDEGAUGE_FRED_BASE_URL", stub.url)
    monkeypatch.setenv("TIDEGAUGE_FRED_API_KEY", key)
    stub.script(
        Reply(b'{"error_code":400,"error_message":"Bad Request.  The value for api_key is not registered."}', 400)
    )
    code, out, err = command(monkeypatch, capsys, "doctor", "--only", "fred")
    assert code == SOURCE_FAILED
    assert "key refused" in out
    assert key not in out + err


def test_help_lists_the_exit_codes(monkeypatch, capsys):
    code, out, _ = command(monkeypatch, capsys, "--help")
    assert code == 0
    assert "75" in out
    assert "demo" in out


def test_a_home_is_read_back_whole(monkeypatch, capsys, home_copy):
    shutil.copytree(SAMPLE, home_copy.archive_dir)
    code, out, err = command(monkeypatch, capsys, "verify", "--home", str(home_copy.home))
    assert (code, err) == (DONE, "")
    for what in ("lines of the ledger", "archived responses", "loads in the warehouse", "files of releases"):
        assert re.search(rf"^{what}: [1-9][\d,]*, as they were written$", out, re.M)


@pytest.mark.parametrize(
    ("file", "message"),
    [
        ("ledger.jsonl", "lines of the ledger: .* line 1 was changed"),
        ("archive/bodies/*/*.gz", "archived responses: .* unreadable"),
        ("releases/current/parquet/liquidity.parquet", r"files of releases: .* changed: parquet/liquidity\.parquet"),
        ("releases/current/report.html", r"files of releases: .* changed: report\.html"),
    ],
)
def test_what_was_changed_in_a_home_is_named(monkeypatch, capsys, home_copy, file, message):
    shutil.copytree(SAMPLE, home_copy.archive_dir)
    path = min(home_copy.home.glob(file))
    path.write_bytes(path.read_bytes().replace(b'"event"', b'"Event"', 1)[:-1] + b"\n")
    code, out, err = command(monkeypatch, capsys, "verify", "--home", str(home_copy.home))
    assert code == UNEXPECTED
    assert re.search(message, err)
    assert out.count("as they were written") >= 2


def test_a_warehouse_older_than_its_ledger_is_named(monkeypatch, capsys, home_copy):
    Ledger(home_copy.ledger_path).append("load", run_id="later", provider="fred", loads={"gone": 1})
    code, out, err = command(monkeypatch, capsys, "verify", "--home", str(home_copy.home))
    assert code == UNEXPECTED
    assert "lacks 1 of the loads that were acknowledged" in err
    assert "lines of the ledger" in out
