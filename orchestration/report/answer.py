"""The answer in five sentences: numbers read from marts and analyses, the wording chosen by them.

A sentence whose numbers are missing says what it needs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import pandas as pd

from orchestration.report import frames
from orchestration.report.frames import ARTICLE_DAY, Connection, Facts
from orchestration.report.pictures import EFFECTS, rebased
from orchestration.report.texts import Both, joined, number, percent, same, say, usd

SIGNIFICANT = 0.05
VERDICTS = ("supported", "contradicted", "inconclusive", "not testable with these data")


@dataclass(frozen=True)
class Sentence:
    """One sentence and the pictures that show it."""

    text: Both
    pictures: Sequence[int]


def five_sentences(con: Connection, facts: Facts, claims: pd.DataFrame | None) -> list[Sentence]:
    """Performance, supply, liquidity, co-movement, and what the ledger says of the article."""
    return [
        Sentence(_performance(con, facts.today), (1, 8)),
        Sentence(_supply(con, facts.today), (10, 2)),
        Sentence(_liquidity(con, facts.today), (3, 4)),
        Sentence(_break(con), (1,)),
        Sentence(_ledger(claims), ()),
    ]


def _needs(what: str) -> Both:
    return say("missing_input", what=say(what))


def _performance(con: Connection, today: date) -> Both:
    base = (pd.Timestamp(ARTICLE_DAY) - pd.DateOffset(years=1)).date()
    other, end = base.replace(day=1), min(ARTICLE_DAY, today)
    crypto = frames.totals(con, other, end)
    stocks = frames.equities(con, ["^GSPC"], other, end, "close_local")
    both = pd.concat([crypto, stocks], ignore_index=True)
    both = both.assign(day=pd.to_datetime(both["day"])).dropna(subset=["value"]).sort_values("day")
    first = [_changes(rebased(both, day)) for day in (base, other)]
    if any(set(found) != {"TOTAL", "TOTAL3", "^GSPC"} for found in first):
        return _needs("need_totals")
    year, month = first
    gap = year["TOTAL"] - year["^GSPC"]
    return say(
        f"answer_performance_{'ahead' if gap >= 0 else 'behind'}",
        base=base,
        end=f"{both['day'].max():%Y-%m-%d}",
        total=percent(year["TOTAL"]),
        total3=percent(year["TOTAL3"]),
        stocks=percent(year["^GSPC"]),
        gap=number(abs(gap), 1),
        base2=other,
        total2=percent(month["TOTAL"]),
        stocks2=percent(month["^GSPC"]),
    )


def _changes(frame: pd.DataFrame) -> dict[str, float]:
    return {str(name): value - 100 for name, value in frame.groupby("series")["value"].last().items()}


def _supply(con: Connection, today: date) -> Both:
    rows = frames.changes(con, today)
    if len(rows) < 2 or pd.isna(rows.iloc[-1]["price_index"]):
        return _needs("need_changes")
    first, last = rows.iloc[0], rows.iloc[-1]
    price, minted, other, entry, left = rows[list(EFFECTS)].iloc[1:].sum()
    growth = last["market_cap_usd"] / first["market_cap_usd"]
    index = last["price_index"] / first["price_index"]
    dilution = 100 * (growth / index - 1)
    return say(
        f"answer_supply_{'diluted' if dilution > 0 else 'not_diluted'}",
        base=f"{first['day']:%Y-%m-%d}",
        end=f"{last['day']:%Y-%m-%d}",
        change=usd(last["market_cap_usd"] - first["market_cap_usd"], signed=True),
        cap=percent(100 * (growth - 1)),
        price=usd(price, signed=True),
        minted=usd(minted, signed=True),
        other=usd(other, signed=True),
        listed=usd(entry + left, signed=True),
        index=percent(100 * (index - 1)),
        dilution=percent(dilution),
        below=percent(last["below_year_ago_pct"], 0, signed=False),
        n=number(last["year_ago_assets"], 0),
    )


def _liquidity(con: Connection, today: date) -> Both:
    year_ago = (pd.Timestamp(today) - pd.DateOffset(years=1)).date()
    row = frames.one(
        con,
        """
        with spans as (select * from marts.liquidity where day between ?::date - 10 and ?)
        select
            max(day) filter (net_liquidity_wednesday_usd is not null) as day,
            arg_max(policy_rate_upper_pct, day) as upper_now,
            arg_min(policy_rate_upper_pct, day) filter (day >= ?) as upper_then,
            arg_max(net_liquidity_wednesday_usd, day) as net_now,
            arg_min(net_liquidity_wednesday_usd, day) as net_then,
            arg_max(tga_wednesday_usd, day) filter (tga_wednesday_age_days = 0) as tga_now,
            arg_min(tga_wednesday_usd, day) filter (tga_wednesday_age_days = 0) as tga_then
        from spans
        """,
        year_ago,
        today,
        year_ago,
    )
    if row is None or any(value is None for value in row.values()):
        return _needs("need_liquidity")
    return say(
        "answer_liquidity",
        end=row["day"],
        from_=number(row["upper_then"]),
        to=number(row["upper_now"]),
        net=usd(row["net_now"] - row["net_then"], signed=True),
        tga=usd(row["tga_now"] - row["tga_then"], signed=True),
        lead=_lead(con),
    )


def _lead(con: Connection) -> Both:
    if not frames.has_table(con, "analytics.liquidity_lead_lag"):
        return say("lead_unknown")
    row = frames.one(
        con,
        "select asset, lag_weeks, n, r, r_low_95_bootstrap, r_high_95_bootstrap, p_value_family "
        "from analytics.liquidity_lead_lag where p_value_family is not null order by asset = 'TOTAL' desc, p_value_family, "
        "lag_weeks limit 1",
    )
    if row is None:
        return say("lead_unknown")
    return say(
        "lead_found" if row["p_value_family"] < SIGNIFICANT else "lead_not_found",
        asset=frames.clean(row["asset"]),
        lag=number(row["lag_weeks"], 0, signed=True),
        r=number(row["r"]),
        low=number(row["r_low_95_bootstrap"]),
        high=number(row["r_high_95_bootstrap"]),
        n=row["n"],
        p=number(row["p_value_family"], 3),
    )


def _break(con: Connection) -> Both:
    if not frames.has_table(con, "analytics.correlation_breaks"):
        return _needs("need_breaks")
    tests = con.execute(
        "select bar, includes_crash, method, n_before, n_after, r_before, r_before_low_95, r_before_high_95, r_after, "
        "r_after_low_95, r_after_high_95, p_value from analytics.correlation_breaks "
        "where asset = 'TOTAL' and p_value is not null and r_after is not null order by bar, includes_crash desc, method"
    ).df()
    shown = tests[tests["includes_crash"]]
    if shown.empty:
        return _needs("need_breaks")
    row, p = shown.iloc[0], tests["p_value"]
    significant = int((p < SIGNIFICANT).sum())
    kind = "found" if significant == len(p) else "mixed" if significant else "none"
    return say(
        f"answer_break_{kind}",
        bar=row["bar"],
        before=number(row["r_before"]),
        before_low=number(row["r_before_low_95"]),
        before_high=number(row["r_before_high_95"]),
        n_before=row["n_before"],
        after=number(row["r_after"]),
        after_low=number(row["r_after_low_95"]),
        after_high=number(row["r_after_high_95"]),
        n_after=row["n_after"],
        tests=len(p),
        significant=significant,
        p_low=number(p.min(), 3),
        p_high=number(p.max(), 3),
    )


def _ledger(claims: pd.DataFrame | None) -> Both:
    if claims is None or claims.empty:
        return _needs("need_claims")
    counts = claims["verdict"].value_counts()
    wrong = claims[claims["verdict"] == "contradicted"]["claim_number"]
    return say(
        "answer_ledger",
        n=len(claims),
        supported=counts.get(VERDICTS[0], 0),
        contradicted=counts.get(VERDICTS[1], 0),
        inconclusive=counts.get(VERDICTS[2], 0),
        untestable=counts.get(VERDICTS[3], 0),
        contradicted_list=joined([same(f"#{each}") for each in wrong]) if len(wrong) else say("none_"),
    )
