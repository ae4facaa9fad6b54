"""The bundled sample through the whole pipeline, with the network off."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from fnmatch import fnmatchcase

import dagster as dg
import duckdb
import pytest
from filelock import FileLock
from icalendar import Calendar

from orchestration import open_release
from orchestration.automation.jobs import PIPELINE
from orchestration.catalog import load_catalog
from orchestration.catalog.origins import Permission, RowsBy, load_origins
from orchestration.definitions import build_definitions
from orchestration.extract.archive import Archive
from orchestration.runner import DONE, GATE_CLOSED
from orchestration.settings import Settings
from orchestration.warehouse import calendar_file, connect, release
from tests.pipeline.conftest import MODELS, SAMPLE, TO_MART_GATE, replay, run_part

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def con(demo):
    settings, _ = demo
    with connect(release.current(settings.releases_dir) / "tidegauge.duckdb", read_only=True) as con:
        yield con


def one(con: duckdb.DuckDBPyConnection, sql: str):
    return con.execute(sql).fetchone()


def test_a_green_run_materialises_every_asset(demo):
    settings, outcome = demo
    definitions = build_definitions(settings)
    expected = {key.to_user_string() for key in definitions.resolve_asset_graph().materializable_asset_keys}
    assert outcome.exit_code == 0, outcome.errors
    assert set(outcome.materialized) == expected
    analyses = {
        "analytics/correlations",
        "analytics/correlation_breaks",
        "analytics/liquidity_lead_lag",
        "analytics/claims",
    }
    assert {"raw/fredgraph_observations", "marts/liquidity", *analyses, "release"} <= expected
    running = {each.name for each in definitions.sensors or [] if each.default_status.name == "RUNNING"}
    assert {"alerts_after_success", "alerts_after_failure"} <= running


def test_the_three_treasury_balances_are_three_numbers(con):
    day = "from marts.liquidity where day = '2025-10-29'"
    week, wednesday, close = one(con, f"select tga_week_average_usd, tga_wednesday_usd, tga_daily_close_usd {day}")
    # Rounded to five digits in the sample: 957.99, 983.859 and 983.859 bn USD at the source.
    assert week == pytest.approx(957.99e9, abs=1e6)
    assert wednesday == pytest.approx(983.86e9, abs=1e6)
    assert close == pytest.approx(983.86e9, abs=1e6)


def test_no_fact_lies_after_the_clock(con, demo):
    settings, _ = demo
    clock = settings.now()
    for table, column in (
        ("market_caps", "day"),
        ("market_cap_totals", "day"),
        ("market_cap_changes", "day"),
        ("liquidity", "day"),
        ("unlock_pressure", "day"),
        ("equity_returns", "session_date"),
    ):
        newest, known = one(con, f"select max({column}), max(known_at) from marts.{table}")
        assert newest <= clock.date(), table
        assert known <= clock, table


def test_the_crash_pairs_with_friday_by_utc_day_and_with_monday_by_session(demo):
    settings, _ = demo
    with connect(settings.warehouse_path, read_only=True) as con:
        worst = con.execute(
            "select bar, session_date, benchmark_log_return from intermediate.int_session_returns "
            "where asset = 'TOTAL3' and session_date between '2025-10-06' and '2025-10-17' "
            "qualify row_number() over (partition by bar order by asset_log_return) = 1 order by bar"
        ).fetchall()
    by_bar = {bar: (str(day), round(100 * move, 1)) for bar, day, move in worst}
    assert by_bar == {"nyse_session": ("2025-10-13", 1.5), "utc_day": ("2025-10-10", -2.7)}


def test_a_year_of_the_total_is_explained_without_a_rest(con):
    first, last, price, supply, minted, entry, left, dilution = one(
        con,
        "select arg_min(market_cap_usd, day), arg_max(market_cap_usd, day), sum(price_effect_usd), "
        "sum(supply_effect_usd), sum(mint_redeem_effect_usd), sum(entry_effect_usd), sum(exit_effect_usd), "
        "arg_max(dilution_pct, day) from marts.market_cap_changes "
        "where source = 'tidegauge_coingecko' and index_id = 'TOTAL' and base_day = '2024-11-01'",
    )
    assert last - first == pytest.approx(price + supply + entry + left, abs=1e-9 * last)
    # Computed apart from the SQL, with the textbook quotient for the logarithmic mean.
    assert (price, supply, minted) == pytest.approx((1177.98e9, 160.847e9, 107.043e9), rel=1e-5)
    assert (entry, left) == pytest.approx((121.41e9, -99.493e9), rel=1e-5)
    assert dilution == pytest.approx(5.5627, abs=1e-4)


def test_correlations_carry_their_band(con):
    rows, inside = one(
        con,
        "select count(*), count(*) filter (r_low_95 <= r and r <= r_high_95 and n > 0) from analytics.correlations "
        "where method in ('pearson', 'spearman')",
    )
    assert rows > 1000
    assert inside == rows
    assets = con.execute("select distinct asset from analytics.correlations order by 1").fetchall()
    assert [asset for (asset,) in assets] == ["BTC", "ETH", "TOTAL", "TOTAL3"]
    methods = con.execute(
        "select method, count(*), count(r_low_95), count(verdict) from analytics.correlations group by method order by 1"
    ).fetchall()
    assert methods[0][:3] == ("pearson", rows // 2, rows // 2)
    assert [(method, bands) for method, _, bands, _ in methods[1:3]] == [("pearson_async", 0), ("pearson_levels", 0)]
    assert methods[2][3] == 0, "levels support no verdict"
    assert methods[3][:3] == ("spearman", rows // 2, rows // 2)
    # Four assets, two bars, four windows, three methods that have one: one newest session each.
    assert one(
        con,
        "select count(r_low_95_bootstrap), count(*) filter (r_low_95_bootstrap < r and r < r_high_95_bootstrap) "
        "from analytics.correlations",
    ) == (96, 96)


def test_breaks_are_tested_under_both_bars_with_and_without_the_crash(con):
    rows, groups, tested, valid = one(
        con,
        "select count(*), count(distinct (asset, bar, includes_crash, method)), count(p_value), "
        "count(*) filter (p_value between 0 and 1 and r_before_low_95 < r_before and r_after < r_after_high_95) "
        "from analytics.correlation_breaks",
    )
    assert rows == groups == tested == valid == 4 * 2 * 2 * 3
    # The demo ends on 12 November 2025: 22 or 23 sessions are too few to be confident in.
    assert one(con, "select min(n_after), max(n_after) from analytics.correlation_breaks") == (22, 23)
    assert one(con, "select max(n_before) from analytics.correlation_breaks")[0] <= 250


def test_every_lag_of_liquidity_has_its_n_band_and_p(con):
    rows, valid, assets = one(
        con,
        "select count(*), count(*) filter (n >= 20 and r_low_95_bootstrap < r and r < r_high_95_bootstrap "
        "and p_value_family between 0 and 1), string_agg(distinct asset, ' ' order by asset) "
        "from analytics.liquidity_lead_lag",
    )
    assert (rows, valid, assets) == (2 * 53, 2 * 53, "BTC TOTAL")


def test_searches_for_a_break_say_that_they_cannot_see_the_crash(con):
    rows, seen, inconclusive, newest = one(
        con,
        "select count(*), count(*) filter (can_see_crash), count(*) filter (verdict = 'inconclusive'), "
        "max(newest_testable_date) from analytics.correlation_break_searches",
    )
    assert (rows, seen, inconclusive) == (4 * 2 * 2 * 2, 0, 0)
    assert str(newest) == "2025-09-22"


def test_two_years_apart_do_not_show_a_stable_lag(con):
    rows = con.execute(
        "select asset, verdict, count(*) from analytics.liquidity_lead_lag_stability where method <> 'rolling' "
        "group by asset, verdict order by asset"
    ).fetchall()
    assert rows == [("BTC", "inconclusive", 6), ("TOTAL", "inconclusive", 6)]


def test_capital_competition_has_the_worked_figures_and_a_row_for_what_is_missing(con):
    members = con.execute(
        "select member, currency_view, return_pct, n > 200 from analytics.capital_competition "
        "where window_name = 'since_2024_11_12' and member in ('KOSPI', 'NIKKEI', 'SPX') order by all"
    ).fetchall()
    # ^KS11 4150.39 / 2482.57 and ^GSPC 6850.92 / 5983.99 between 12 November 2024 and 2025.
    returns = {(member, view): value for member, view, value, _ in members}
    assert returns["KOSPI", "local"] == pytest.approx(67.2, abs=0.1)
    assert returns["KOSPI", "usd"] == pytest.approx(60.8, abs=0.1)
    assert returns["SPX", "usd"] == pytest.approx(14.5, abs=0.1)
    assert returns["NIKKEI", "usd"] is None
    assert one(con, "select count(*), count(distinct note) > 1 from analytics.capital_competition") == (88, True)


def test_unlocks_of_tokens_without_daily_prices_are_counted_and_not_studied(con):
    rows, studied, inconclusive = one(
        con,
        "select count(*), sum(n), count(*) filter (verdict = 'inconclusive' and excluded like '%no daily price%') "
        "from analytics.unlock_event_study where grouping = 'all'",
    )
    assert (rows, studied, inconclusive) == (2 * 4 * 2 * 3 * 2, 0, 2 * 4 * 2 * 3 * 2)


def test_the_claims_come_out_as_the_sample_has_it(con, demo):
    settings, _ = demo
    verdicts = dict(con.execute("select claim_number, verdict from analytics.claims").fetchall())
    assert sorted(verdicts) == list(range(1, 20))
    named = {"supported": (2, 4, 14, 15, 16), "contradicted": (1, 5, 12), "inconclusive": (7, 9, 10, 11, 17, 19)}
    assert {number: verdicts[number] for numbers in named.values() for number in numbers} == {
        number: verdict for verdict, numbers in named.items() for number in numbers
    }
    # Twenty years of rates are not in the sample; earnings are nowhere.
    assert verdicts[6] == verdicts[13] == "not testable with these data"
    ratio, low, high = one(
        con, "select value / article_value, value_low, value_high from analytics.claims where claim_number = 1"
    )
    assert round(ratio, 2) == 10.0
    assert (low, high) == pytest.approx((957.99e9, 983.86e9), rel=1e-5)
    assert one(con, "select max(as_of) from analytics.claims")[0] <= settings.now()


def test_every_query_of_the_ledger_runs_on_the_release_and_gives_its_number(demo, con):
    settings, _ = demo
    asked = con.execute(
        "select claim_number, query, value, n from analytics.claims where query is not null and value is not null"
    ).fetchall()
    assert len(asked) > 10
    with open_release(home=settings.home) as release_con:
        for number, query, value, n in asked:
            [row] = release_con.execute(f"select value, n from ({query})").fetchall()
            assert row == (pytest.approx(value), n), number


def test_the_manifest_counts_what_is_in_the_release(demo, con):
    settings, outcome = demo
    manifest = release.read_manifest(release.current(settings.releases_dir))
    assert manifest["run_id"] == outcome.run_id
    for name, table in manifest["tables"].items():
        assert one(con, f"select count(*) from {name}") == (table["rows"],)
        # The sample holds no auctions, and one read of each schedule: nothing has changed between two.
        is_empty = name in ("marts.treasury_settlements", "marts.unlock_schedule_changes")
        assert (table["rows"] == 0) is is_empty, name
    assert str(settings.home) not in (release.current(settings.releases_dir) / "manifest.json").read_text()


def test_the_calendar_knows_what_was_public_on_12_november_2025_and_no_more(con):
    decided = "select target_lower_pct, target_upper_pct, target_change_pct from marts.events where event_id = "
    assert one(con, decided + "'fomc:2025-10-29'") == (3.75, 4.0, -0.25)
    assert one(con, decided + "'fomc:2025-12-10'") == (None, None, None)
    # Signed into law that night.
    assert one(con, "select end_date from marts.events where event_id = 'shutdown:shutdown-2025-10'") == (None,)
    assert one(
        con,
        "select count(*), count(distinct kind), max(known_at) <= timestamptz '2025-11-12 22:00:00+00', "
        "count(*) filter (is_conflict) from marts.events",
    ) == (one(con, "select count(*) from marts.events")[0], 5, True, 24)
    # DefiLlama steps Arbitrum's cliffs by a mean month, the schedule kept by hand unlocks on the 16th.
    disagreeing = "select distinct conflict_reason, asset_id from marts.events where is_conflict"
    assert con.execute(disagreeing).fetchall() == [("sources_disagree", "arbitrum")]
    released = one(con, "select event_at from marts.events where event_id = 'macro_release:fred.h41:2025-11-05'")
    assert released[0].astimezone(UTC) == datetime(2025, 11, 6, 21, 30, tzinfo=UTC)


def test_what_is_ahead_is_in_the_release_as_a_calendar(demo, con):
    folder = release.current(demo[0].releases_dir)
    content = (folder / "calendar.ics").read_bytes()
    assert release.read_manifest(folder)["files"]["calendar.ics"] == hashlib.sha256(content).hexdigest()
    events = {str(e["UID"]): e for e in Calendar.from_ical(content).walk("VEVENT")}
    assert events["fomc:2025-12-10@tidegauge"]["DTSTART"].dt == datetime(2025, 12, 10, 19, 0, tzinfo=UTC)
    assert "fomc:2025-10-29@tidegauge" not in events
    assert len(events) > 100


def test_playing_the_archive_again_adds_no_row_and_starts_no_process(home_copy, monkeypatch):
    """One process from the first step to the last; the release asks git for its commit, nothing else is started."""
    started: list[str] = []
    real = subprocess.Popen.__init__

    def recorded(self, args, *more, **named):
        started.append(str(args))
        real(self, args, *more, **named)

    monkeypatch.setattr(subprocess.Popen, "__init__", recorded)
    monkeypatch.setattr(os, "fork", lambda: pytest.fail("a step forked"))
    settings, outcome = replay(home_copy.home)
    assert outcome.exit_code == DONE, outcome.errors
    # Python's own platform.uname() asks `uname -p` the first time in a process.
    assert [command for command in started if "git" not in command and command != "['uname', '-p']"] == []
    with connect(settings.warehouse_path, read_only=True) as con:
        new, changed = one(
            con, f"select sum(rows_new), sum(rows_changed) from raw.loads where run_id = '{outcome.run_id}'"
        )
    assert (new, changed) == (0, 0)
    first, second = (
        release.read_manifest(settings.releases_dir / name)["tables"]
        for name in release.names(settings.releases_dir)[-2:]
    )
    assert {name: table["content_hash"] for name, table in first.items()} == {
        name: table["content_hash"] for name, table in second.items()
    }
    calendars = [
        (settings.releases_dir / name / "calendar.ics").read_bytes()
        for name in release.names(settings.releases_dir)[-2:]
    ]
    assert calendars[0] == calendars[1]


def assert_knows_nothing_after(settings: Settings, instant: datetime, *, newest_wednesday: str) -> None:
    """Every mart and analysis was known at `instant`; WDTGAL, of Wednesdays, ends on the newest one public then."""
    with connect(settings.warehouse_path, read_only=True) as con:
        for table in (
            "market_caps",
            "market_cap_totals",
            "market_cap_changes",
            "liquidity",
            "unlocks",
            "unlock_pressure",
            "unlock_schedule_changes",
            "equity_returns",
            "events",
        ):
            rows, known = one(con, f"select count(*), max(known_at) from marts.{table}")
            assert known is None or known <= instant, table
            assert rows or table.startswith("unlock")
        known, after = one(con, "select max(known_at), max(n_after) from analytics.correlation_breaks")
        assert known <= instant
        assert after == 14
        for table in (
            "correlations",
            "correlation_break_searches",
            "liquidity_lead_lag",
            "liquidity_lead_lag_stability",
            "capital_competition",
            "unlock_event_study",
        ):
            known = one(con, f"select max(known_at) from analytics.{table}")[0]
            assert known is None or known <= instant, table
        assert one(con, "select max(as_of) from analytics.claims")[0] <= instant
        # The balance of 29 October is public from 20:30 on that Thursday.
        treasury = one(con, "select verdict from analytics.claims where claim_number = 1")
        assert (treasury == ("contradicted",)) == (newest_wednesday == "2025-10-29")
        newest = one(con, "select max(period_date) from intermediate.int_observations where series_id = 'fred.WDTGAL'")
    assert str(newest[0]) == newest_wednesday


# The balance of Wednesday 29 October is public on Thursday at 16:30 in New York: a minute later and a minute before.
def test_a_build_of_the_past_knows_nothing_of_the_future(home_copy):
    instant = datetime(2025, 10, 30, 20, 31, tzinfo=UTC)
    settings, outcome = replay(home_copy.home, as_of=instant.isoformat())
    assert outcome.exit_code == DONE, outcome.errors
    assert_knows_nothing_after(settings, instant, newest_wednesday="2025-10-29")


def test_a_release_never_mixes_marts_of_the_past_with_analyses_of_another_build(home_copy):
    before = release.current(home_copy.releases_dir)
    settings = home_copy.at(Archive(SAMPLE).last_fetch())
    instant = datetime(2025, 10, 30, 20, 29, tzinfo=UTC)
    built = run_part(settings, MODELS, as_of=instant.isoformat())
    assert built.exit_code == DONE, built.errors
    alone = dg.AssetSelection.assets("release")
    mixed = run_part(settings, alone)
    assert mixed.exit_code == GATE_CLOSED
    assert "belong to another build: materialise them again" in mixed.errors[0]
    assert release.current(settings.releases_dir) == before

    again = run_part(settings, dg.AssetSelection.groups("analytics", "report"))
    assert again.exit_code == DONE, again.errors
    assert run_part(settings, alone).exit_code == DONE
    assert release.built_as_of(settings.releases_dir, instant) == release.current(settings.releases_dir)
    assert_knows_nothing_after(settings, instant, newest_wednesday="2025-10-22")


def test_every_released_table_column_and_source_has_a_registered_origin(con):
    origins, permission = load_origins(), Permission(load_catalog())
    released = {
        f"{schema}.{name}"
        for schema, name in con.execute("select schema_name, table_name from duckdb_tables()").fetchall()
    }
    assert released == set(origins)
    for table, origin in origins.items():
        columns = [name for name, *_ in con.execute(f"describe {table}").fetchall()]
        _, left = permission.columns(origin, columns)
        assert "origin not registered" not in left.values(), table
        unmatched = [name for name in origin.columns if not any(fnmatchcase(column, name) for column in columns)]
        assert not unmatched, table
        if isinstance(origin.rows, RowsBy):
            values = {value for (value,) in con.execute(f"select distinct {origin.rows.by} from {table}").fetchall()}
            assert values <= set(origin.rows.values), table


def test_a_run_that_the_command_did_not_start_respects_a_held_home_too(home_copy):
    impatient = home_copy.model_copy(update={"queue_timeout_seconds": 0.1})
    job = build_definitions(impatient).resolve_job_def(PIPELINE)
    with FileLock(impatient.home / "run.lock", is_singleton=False):
        result = job.execute_in_process(raise_on_error=False)
    assert not result.success
    assert not [event for event in result.all_events if event.is_step_start]
    said = [str(event.event_specific_data) for event in result.all_events if event.is_failure]
    assert any("another run" in text and "holds the warehouse" in text for text in said)


def test_a_dropped_calendar_is_listed_with_what_contradicts_it(home_copy):
    folder = home_copy.inbox_dir / "calendar"
    folder.mkdir(parents=True)
    (folder / "published.csv").write_text(
        "title,description,start,asset,uid\n"
        "X 上の AMA,3月13日18:00 UTC,2025-11-12,SUSHI,1\n"
        "sub0,11月14日から16日,2025-11-15,DOT,2\n"
        "トークンのアンロック,11月29日,2025-11-28,HYPE,3\n"
        "no day,,someday,DOT,4\n",
        "utf-8",
    )
    (folder / "team.ics").write_text(
        "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nBEGIN:VEVENT\r\nUID:a\r\nSUMMARY:<b>Upgrade</b>\r\n"
        "DTSTART;TZID=Asia/Tokyo:20251120T090000\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
    )
    settings = home_copy.at(Archive(SAMPLE).last_fetch())
    outcome = run_part(settings, TO_MART_GATE, extract={"only": ["calendar"]})
    assert outcome.exit_code == DONE, outcome.errors
    with connect(settings.warehouse_path, read_only=True) as con:
        rows = con.execute(
            "select source, title, asset_id, kind, start_date::varchar, conflict_reason from marts.events "
            "where source like 'calendar:%' order by start_date"
        ).fetchall()
        assert one(con, "select count(*) from marts.events where conflict_reason = 'sources_disagree'")[0] >= 1
        assert one(con, "select reason from raw.quarantine where dataset = 'calendar_events'") == (
            "start_date is not a time",
        )
        ahead = Calendar.from_ical(calendar_file.calendar_ahead(con, settings.now(), stamped=settings.now()))
    one_day, unlock = "dated_one_day_before_end", "dated_one_day_before_end, sources_disagree"
    assert rows == [
        ("calendar:published", "X 上の AMA", "sushi", "other", "2025-11-12", "words_name_another_month"),
        ("calendar:published", "sub0", "polkadot", "other", "2025-11-15", one_day),
        ("calendar:team", "<b>Upgrade</b>", None, "other", "2025-11-20", None),
        ("calendar:published", "トークンのアンロック", "hyperliquid", "unlock", "2025-11-28", unlock),
    ]
    [upgrade] = [event for event in ahead.walk("VEVENT") if "Upgrade" in event["SUMMARY"]]
    assert upgrade["DTSTART"].dt == datetime(2025, 11, 20, 0, 0, tzinfo=UTC)


def test_an_event_that_its_source_takes_out_leaves_the_schedule_and_a_row_of_the_change(home_copy, tmp_path):
    archive = Archive(tmp_path / "archive")
    shutil.copytree(SAMPLE, archive.root)
    read = next(each for each in archive.read(frozenset({"llama"})) if each.request.context["slug"] == "arbitrum")
    file = json.loads(read.body)
    *kept, last = (event for event in file["metadata"]["unlockEvents"] if event["cliffAllocations"])
    assert kept
    gone = last["cliffAllocations"].pop()
    archive.write(
        replace(read, body=json.dumps(file).encode(), fetched_at=read.fetched_at + timedelta(minutes=30)), rejected=None
    )
    settings = home_copy.at(archive.last_fetch())
    outcome = run_part(settings, TO_MART_GATE, extract={"archive": str(archive.root)})
    assert outcome.exit_code == DONE, outcome.errors
    with connect(settings.warehouse_path, read_only=True) as con:
        changes = con.execute(
            "select token_id, source, recipient, change, old_amount_tokens, seen_at from marts.unlock_schedule_changes"
        ).fetchall()
        left = one(
            con,
            "select count(*) from marts.unlocks inner join marts.unlock_schedule_changes using (event_id)",
        )
        booked = con.execute(
            "select source, kind, sum(amount_tokens) from marts.unlocks "
            "where token_id = 'hyperliquid' and lower(recipient) = 'core contributors' group by all order by all"
        ).fetchall()
    seen_at = read.fetched_at + timedelta(minutes=30)
    assert changes == [
        ("arbitrum", "defillama", gone["recipient"], "removed", pytest.approx(float(gone["amount"])), seen_at)
    ]
    assert left == (0,)
    # One allocation, two bookings: side by side, never added.
    assert [(source, kind) for source, kind, _ in booked] == [("defillama", "linear"), ("schedules", "cliff")]
    assert [tokens for *_, tokens in booked] == pytest.approx([238e6, 238e6], rel=1e-4)
