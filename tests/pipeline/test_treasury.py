"""Auctions as Fiscal Data serves them, through raw and dbt, to the question: how many bills settle on a day, net of what matures."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from orchestration.catalog.tables import RAW_TABLES
from orchestration.extract.base import to_arrow
from orchestration.settings import Settings
from orchestration.warehouse import connect, raw
from tests.extract.helpers import AUCTIONS, exchange, parsed, treasury
from tests.pipeline.conftest import build_models

pytestmark = pytest.mark.slow

READ = datetime(2025, 11, 12, 22, 0, tzinfo=UTC)
TUESDAY = date(2025, 11, 4)


def bill(settles: date, days: int, billions: int, *, held: bool = True) -> dict[str, str]:
    """An invented auction, five days before it settles."""
    return {
        **AUCTIONS[0],
        "cusip": f"bill of {settles + timedelta(days)}",
        "announcemt_date": f"{settles - timedelta(7)}",
        "auction_date": f"{settles - timedelta(5)}",
        "issue_date": f"{settles}",
        "maturity_date": f"{settles + timedelta(days)}",
        "offering_amt": f"{billions}000000000",
        "total_accepted": f"{billions + 1}000000000" if held else "null",
        "soma_accepted": "1000000000" if held else "null",
    }


def auctions() -> list[dict[str, str]]:
    """Every Tuesday of 14 months a 4-week and an 8-week bill, which are the same bill four weeks apart; one ahead."""
    tuesdays = [TUESDAY + timedelta(weeks=week) for week in range(-60, 2)]
    weekly = [bill(day, days, billions) for day in tuesdays for days, billions in ((28, 110), (56, 95))]
    return [*weekly, bill(date(2025, 11, 18), 28, 100, held=False)]


def settlements(settings: Settings, as_of: datetime | None = None) -> dict[str, tuple[object, ...]]:
    models = ("int_build_clock", "stg_fiscaldata__auctions+", "stg_fiscaldata__upcoming_auctions")
    build_models(settings, *models, as_of=as_of)
    with connect(settings.warehouse_path, read_only=True) as con:
        rows = con.execute(
            "select day, offered_usd / 1e9, issued_usd / 1e9, announced_usd / 1e9, maturing_usd / 1e9, net_usd / 1e9 "
            "from marts.treasury_settlements where day >= '2025-11-04' and security_type = 'bill' order by day"
        ).fetchall()
    return {str(day): tuple(figures) for day, *figures in rows}


def test_bills_of_a_day_are_answered_gross_and_net_and_as_they_were_known(home_copy: Settings):
    served = exchange("fiscaldata", treasury(auctions()), at=READ, table="fiscaldata_auctions")
    ((name, found),) = parsed(served).items()
    rows, _ = to_arrow(RAW_TABLES[name], found, served)
    with connect(home_copy.warehouse_path) as con:
        [loaded] = raw.load(con, raw.Load("auctions", "fiscaldata", 1, READ, READ), [raw.Batch(RAW_TABLES[name], rows)])
    assert (loaded.new, loaded.quarantined) == (len(found), 0)

    now = settlements(home_copy)
    # 110 + 95 offered, a billion each on top; the 4-week and the 8-week bill of earlier weeks mature together.
    assert now["2025-11-04"] == (205, 207, 0, 207, 0)
    # Veterans Day: what matures is paid a day later.
    assert now["2025-11-11"] == (205, 207, 0, 0, 207)
    assert now["2025-11-12"] == (0, 0, 0, 207, -207)
    assert now["2025-11-18"] == (100, 0, 100, 207, -107)

    # The bills of 4 November were announced on 28 October and auctioned on the 30th, with results by 21:00 UTC.
    before = settlements(home_copy, datetime(2025, 10, 30, 20, 59, tzinfo=UTC))
    assert before == {"2025-11-04": (205, 0, 205, 207, -2)}
    assert settlements(home_copy, datetime(2025, 10, 28, 14, 59, tzinfo=UTC)) == {}
