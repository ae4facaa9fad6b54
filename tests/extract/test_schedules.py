"""Hand-kept schedules: what an entry becomes, and errors that name file, entry and field."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import pytest

from orchestration.extract.archive import Archive
from orchestration.extract.errors import PayloadError
from orchestration.extract.progress import Progress
from orchestration.extract.run import Harvest, active_providers, harvest_archive, harvest_live
from orchestration.settings import PACKAGE_ROOT
from tests.extract.helpers import NOW, SCHEDULE, WINDOW, catalog, exchange, rows, settings

OURS = sorted((PACKAGE_ROOT / "schedules").glob("*.yml"))


def read(body: str, name: str = "hyperliquid.yml"):
    return rows(exchange("schedules", body.encode(), file=name, number="1", of="1"))


def with_unlock(unlock: str) -> str:
    return SCHEDULE.replace("{kind: cliff, at: 2025-11-29, amount: 100}", unlock)


def test_each_kind_of_entry_keeps_its_amount():
    cliff, *steps, linear = read(
        with_unlock(
            "{kind: cliff, at: 2024-03-16T13:00:00Z, amount: 1.5}\n"
            "      - {kind: steps, first: 2024-01-31, every: month, count: 4, amount: 10}\n"
            "      - {kind: linear, start: 2025-01-01, end: 2025-01-11, amount: 7}"
        )
    )
    assert (cliff["kind"], cliff["unlock_at"], cliff["amount"]) == ("cliff", "2024-03-16T13:00:00Z", "1.5")
    assert [step["unlock_at"][:10] for step in steps] == ["2024-01-31", "2024-02-29", "2024-03-31", "2024-04-30"]
    assert [step["amount"] for step in steps] == ["2.5"] * 4
    assert (linear["unlock_at"], linear["ends_at"], linear["amount"]) == (
        "2025-01-01T00:00:00Z",
        "2025-01-11T00:00:00Z",
        "7",
    )
    assert {row["source_url"] for row in (cliff, *steps, linear)} == {"https://example.org/paper"}


@pytest.mark.parametrize(
    ("every", "second"),
    [("day", "2024-01-02"), ("2 weeks", "2024-01-15"), ("3 months", "2024-04-01"), ("year", "2025-01-01")],
)
def test_steps_follow_the_calendar(every: str, second: str):
    found = read(with_unlock(f"{{kind: steps, first: 2024-01-01, every: {every}, count: 2, amount: 2}}"))
    assert found[1]["unlock_at"] == f"{second}T00:00:00Z"


def test_equal_unlocks_are_told_apart():
    twice = "{kind: cliff, at: 2025-11-29, amount: 1}\n      - {kind: cliff, at: 2025-11-29, amount: 2}"
    assert [row["ordinal"] for row in read(with_unlock(twice))] == ["0", "1"]


def test_twenty_four_monthly_steps_of_hype_sum_to_238_million():
    body = (PACKAGE_ROOT / "schedules" / "hyperliquid.yml").read_text()
    found = read(body)
    assert len(found) == 24
    assert {round(float(row["amount"])) for row in found} == {9_916_667}
    assert sum(float(row["amount"]) for row in found) == pytest.approx(238_000_000, abs=1)
    # Booked as linear over the schedule's 731 days the same tokens are 325,581.4 a day.
    assert pytest.approx(325_581.4, abs=0.05) == 238_000_000 / 731


def test_arbitrum_sums_to_its_allocations_and_to_the_monthly_step_others_publish():
    found = read((PACKAGE_ROOT / "schedules" / "arbitrum.yml").read_text(), "arbitrum.yml")
    total = {
        name: sum(float(r["amount"]) for r in found if r["allocation"] == name)
        for name in ("Investors", "Team and advisors")
    }
    assert total == pytest.approx({"Investors": 1_753e6, "Team and advisors": 2_694e6})
    september = [float(row["amount"]) for row in found if row["unlock_at"] == "2024-09-16T00:00:00Z"]
    # Tokenomist's documentation shows this event: 92,645,833.3 in all, 36,520,833.3 for investors.
    assert sum(september) == pytest.approx(92_645_833.3, abs=0.1)
    assert min(september) == pytest.approx(36_520_833.3, abs=0.1)


@pytest.mark.parametrize("path", OURS, ids=lambda path: path.name)
def test_the_schedules_of_the_checkout_are_good(path: Path):
    assert read(path.read_text(), path.name)


BROKEN = {
    "no token": (("token: hyperliquid\n", ""), "field token: is missing"),
    "another name": (("token: hyperliquid", "token: aptos"), "it must equal the file's name"),
    "no source": (("source: https://example.org/paper\n", ""), "field source: is missing"),
    "no link": (("https://example.org/paper", "a friend"), "field source: must be the link"),
    "no day": (("read_on: 2025-11-01", "read_on: soon"), "field read_on"),
    "a typing slip": (("group: insiders", "grup: insiders"), "allocations Team: field group: is missing"),
    "an unknown field": (("    basis:", "    colour: red\n    basis:"), "allocations Team: field colour: unknown"),
    "no name": (("  - name: Team\n    group", "  - group"), "allocations entry 1: field name: is missing"),
    "an unknown kind": (("kind: cliff", "kind: clif"), "allocations Team: field unlocks.0"),
    "a negative amount": (("amount: 100", "amount: -100"), "field unlocks.0.cliff.amount: must be a positive number"),
    "an amount in words": (("amount: 100", "amount: 100m"), "field unlocks.0.cliff.amount: must be a positive number"),
    "no amount": ((", amount: 100", ""), "field unlocks.0.cliff.amount: is missing"),
    "no date": (("at: 2025-11-29", "at: 29.11.2025"), "field unlocks.0.cliff.at: must be a date"),
    "an hour without zone": (("at: 2025-11-29", "at: 2025-11-29T12:00:00"), "needs its zone"),
    "no unlocks": (
        ("    unlocks:\n      - {kind: cliff, at: 2025-11-29, amount: 100}\n", ""),
        "field unlocks: is missing",
    ),
    "inferred without saying what": (("basis: stated", "basis: inferred"), "notes: say what the source states"),
    "no YAML": (("token: hyperliquid", "token: [hyperliquid"), "not YAML"),
    "a field twice": (("read_on:", "token: hyperliquid\nread_on:"), "key token is given twice"),
    "a list": ((SCHEDULE, "- token: hyperliquid\n"), "must be a mapping"),
}


@pytest.mark.parametrize(("change", "says"), BROKEN.values(), ids=BROKEN)
def test_an_error_names_file_entry_and_field(change: tuple[str, str], says: str):
    assert change[0] in SCHEDULE
    with pytest.raises(PayloadError) as caught:
        read(SCHEDULE.replace(*change))
    assert "schedules/hyperliquid.yml" in str(caught.value)
    assert says in str(caught.value)


@pytest.mark.parametrize(
    ("unlock", "says"),
    [
        ("{kind: linear, start: 2025-01-02, end: 2025-01-02, amount: 1}", "end: must lie after start"),
        ("{kind: steps, first: 2025-01-01, every: fortnight, count: 2, amount: 1}", "every"),
        ("{kind: steps, first: 2025-01-01, every: month, count: 0, amount: 1}", "count"),
        ("{kind: steps, first: 2025-01-01, every: month, count: 100000, amount: 1}", "count"),
    ],
)
def test_an_impossible_entry_is_refused(unlock: str, says: str):
    with pytest.raises(PayloadError, match=says):
        read(with_unlock(unlock))


def test_the_same_allocation_twice_is_refused():
    with pytest.raises(PayloadError, match="allocations Team: is listed twice"):
        read(SCHEDULE + SCHEDULE.split("allocations:\n")[1])


def test_an_unknown_token_says_how_to_add_it():
    with pytest.raises(PayloadError, match=r"no asset 'nobody': write an asset_id of catalog/assets\.yml, or add"):
        read(SCHEDULE.replace("hyperliquid", "nobody"), "nobody.yml")


# ------------------------------------------------------------------ the folder as a whole


def harvested(folder: Path, hours: int = 0) -> Harvest:
    given = settings(schedules=folder).at(NOW + timedelta(hours=hours))
    (found,) = harvest_live(catalog(), given, lambda p, k: WINDOW, {"schedules": None}, Progress())
    return found


def replayed() -> Harvest:
    return {h.provider: h for h in harvest_archive(Archive(settings().archive_dir), Progress())}["schedules"]


def whole(harvest: Harvest) -> list[datetime]:
    return [each.at for each in harvest.listings.get("schedules_unlocks", [])]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "mine").mkdir()
    for path in OURS:
        (tmp_path / "mine" / path.name).write_bytes(path.read_bytes())
    return tmp_path / "mine"


def test_no_file_means_skipped_with_the_folder_named(tmp_path: Path):
    assert str(tmp_path) in str(active_providers(settings(schedules=tmp_path))["schedules"])
    assert active_providers(settings())["schedules"] is None


def test_all_files_are_one_whole_listing_which_the_archive_repeats(folder: Path):
    first = harvested(folder)
    (folder / "arbitrum.yml").unlink()
    second = harvested(folder, hours=1)
    assert whole(first) == [NOW]
    assert whole(second) == [NOW + timedelta(hours=1)]
    assert whole(replayed()) == whole(first) + whole(second)


def test_a_file_with_an_error_leaves_the_listing_with_a_hole(folder: Path):
    (folder / "arbitrum.yml").write_text("token: arbitrum\n")
    found = harvested(folder)
    assert len(found.failures) == 1
    assert found.tables["schedules_unlocks"].num_rows == 24
    assert whole(found) == whole(replayed()) == []


def test_a_schedule_without_allocations_is_a_statement(folder: Path):
    (folder / "arbitrum.yml").unlink()
    (folder / "hyperliquid.yml").write_text(SCHEDULE.split("allocations:")[0] + "allocations: []\n")
    found = harvested(folder)
    assert found.failures == []
    assert found.tables["schedules_unlocks"].num_rows == 0
    assert whole(found) == [NOW]
