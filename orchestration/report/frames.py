"""What the report reads: one small query per picture on marts and analytics, texts from data made harmless.

Every frame of lines is long: `day`, `series`, `value`, `known_at`, with an empty value where a gap must show.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

import duckdb
import pandas as pd

LONGEST_LABEL = 60
ARTICLE_DAY = date(2025, 11, 12)
"""The day of the article whose pictures are rebuilt."""

Connection = duckdb.DuckDBPyConnection


@dataclass(frozen=True)
class Facts:
    """What is true of the whole report.

    clock: the run's clock; as_of: instant of an as-of build, None for everything known; run_id: the run that built it;
    is_excerpt: the data are the demo's excerpts.
    """

    clock: datetime
    as_of: datetime | None
    run_id: str
    is_excerpt: bool

    @property
    def today(self) -> date:
        """Last day the report may know anything about."""
        return (self.as_of or self.clock).date()


def clean(text: object, longest: int = 600) -> str:
    """A text from data as it may be shown: one line, no control or direction signs, cut when longer."""
    if text is None or (isinstance(text, float) and text != text):
        return ""
    kept = "".join(c if unicodedata.category(c)[0] not in "CZ" else " " for c in str(text)[: 4 * longest])
    kept = re.sub(r" +", " ", kept).strip()
    return kept if len(kept) <= longest else kept[: longest - 1] + "…"


def label(text: object) -> str:
    """A name from data as it may stand in a chart and in its CSV file.

    A spreadsheet takes a cell that starts with = + - or @ for a formula, so these get an apostrophe.
    """
    kept = clean(text, LONGEST_LABEL)
    return f"'{kept}" if kept[:1] in ("=", "+", "-", "@") else kept


def has_table(con: Connection, name: str) -> bool:
    """Whether `schema.table` exists."""
    schema, table = name.split(".")
    found = con.execute(
        "select 1 from duckdb_tables() where database_name = current_database() and schema_name = ? and table_name = ?",
        [schema, table],
    )
    return found.fetchone() is not None


def with_gaps(frame: pd.DataFrame, longest_step: int) -> pd.DataFrame:
    """After a value that is followed by none for more than `longest_step` days, a row without one: the line ends there."""
    if frame.empty:
        return frame
    ordered = frame.assign(day=pd.to_datetime(frame["day"])).sort_values(["series", "day"])
    following = ordered.groupby("series")["day"].shift(-1)
    last = ordered[(following - ordered["day"]) > timedelta(days=longest_step)]
    ends = last.assign(day=last["day"] + timedelta(days=1), value=float("nan"))
    return pd.concat([ordered, ends]).sort_values(["series", "day"], kind="stable").reset_index(drop=True)


def last_held(con: Connection) -> dict[str, date | None]:
    """Newest period of every series of the catalog; None: nothing held."""
    return dict(con.execute("select series_id, last_period_date from marts.dim_series").fetchall())


def totals(con: Connection, start: date, end: date) -> pd.DataFrame:
    """TradingView's TOTAL and TOTAL3, UTC-day closes, USD."""
    return con.execute(
        "select day, index_id as series, market_cap_usd as value, known_at from marts.market_cap_totals "
        "where source = 'tradingview' and index_id in ('TOTAL', 'TOTAL3') and day between ? and ? order by series, day",
        [start, end],
    ).df()


def equities(con: Connection, indices: Sequence[str], start: date, end: date, column: str) -> pd.DataFrame:
    """Closes of `column` (close_local or close_usd) per session; a missing session leaves a row without value."""
    return con.execute(
        f"""
        with sessions as (
            select session_date, index_id, {column} as value, sessions_missing, known_at from marts.equity_returns
            where index_id in (select unnest($indices)) and session_date between $start and $end
        )
        select session_date as day, index_id as series, value, known_at from sessions
        union all
        select session_date - 1, index_id, null, known_at from sessions where sessions_missing > 0
        order by series, day
        """,
        {"indices": list(indices), "start": start, "end": end},
    ).df()


def levels(con: Connection, columns: Sequence[str], start: date, end: date) -> pd.DataFrame:
    """Columns of marts.liquidity on the days they were observed, not on those they were carried to."""
    names = {name: _age_column(name) for name in columns}
    parts = " union all ".join(
        f"select day, '{name}' as series, {name} as value, known_at from marts.liquidity "
        f"where {name} is not null and {age} = 0 and day between $start and $end"
        for name, age in names.items()
    )
    return con.execute(f"select * from ({parts}) order by series, day", {"start": start, "end": end}).df()


def _age_column(name: str) -> str:
    return re.sub(r"_(usd|pct|index)$", "", name) + "_age_days"


def policy(con: Connection, end: date) -> pd.DataFrame:
    """Target range, EFFR and real policy rate: where a rate changed its step, and the last value of each week; percent."""
    return con.execute(
        """
        with rates as (
            select day, 'upper' as series, policy_rate_upper_pct as value, known_at, true as is_step
            from marts.liquidity where policy_rate_upper_age_days = 0
            union all
            select day, 'lower', policy_rate_lower_pct, known_at, true
            from marts.liquidity where policy_rate_lower_age_days = 0
            union all
            select day, 'effr', effr_pct, known_at, false from marts.liquidity where effr_age_days = 0
            union all
            select day, 'real', real_policy_rate_ex_post_pct, known_at, false
            from marts.liquidity where effr_age_days = 0
        )
        select day, series, value, known_at from rates
        where value is not null and day <= ?
        qualify
            (is_step and value is distinct from lag(value) over (partition by series order by day))
            or row_number() over (partition by series, date_trunc('week', day) order by day desc) = 1
        order by series, day
        """,
        [end],
    ).df()


UNLOCKED = """
    with asked as (select $start::timestamptz as starts, ($until::date + 1)::timestamptz as ends),
    portions as (
        -- What of a row falls into the asked span: a cliff whole, a linear segment by its time.
        select
            u.*,
            case
                when u.kind = 'cliff' then 1.0
                else greatest(0, epoch(least(coalesce(u.ends_at, a.ends), a.ends)) - epoch(greatest(u.unlock_at, a.starts)))
                    / nullif(epoch(u.ends_at) - epoch(u.unlock_at), 0)
            end as share
        from marts.unlocks as u, asked as a
        where
            (u.kind = 'cliff' and u.unlock_at >= a.starts and u.unlock_at < a.ends)
            or (u.kind <> 'cliff' and u.unlock_at < a.ends and coalesce(u.ends_at, a.ends) > a.starts)
    )
"""


def unlocks_by_week(con: Connection, start: date, end: date) -> pd.DataFrame:
    """USD at the price of the unlock day by ISO week, source and kind (cliff, linear by its time within the week).

    Columns: day (Monday), source, kind, value (USD), events, unpriced_events, known_at.
    """
    weeks = pd.date_range(start - timedelta(days=start.weekday()), end, freq="7D")
    parts = []
    for week in weeks.date:
        first, last = max(week, start), min(week + timedelta(days=6), end)
        part = con.execute(
            UNLOCKED + "select source, kind, sum(value_at_unlock_usd * share) as value, count(*) as events, "
            "count(*) filter (value_at_unlock_usd is null or share is null) as unpriced_events, "
            "max(known_at) as known_at from portions group by all order by all",
            {"start": first, "until": last},
        ).df()
        parts.append(part.assign(day=pd.Timestamp(week)))
    return pd.concat(parts, ignore_index=True)


def unlocks_by_token(con: Connection, start: date, end: date, denominator: str) -> pd.DataFrame:
    """Percent of the `denominator` (circulating or max_supply) unlocked in the span, by token, source and kind."""
    found = con.execute(
        UNLOCKED
        + f"""
        select coalesce(max(d.symbol), p.token_id) as token, p.source, p.kind, sum(p.{denominator}_pct * p.share) as value,
            count(*) as events, max(p.known_at) as known_at
        from portions as p left join marts.dim_asset as d on p.token_id = d.asset_id
        where p.{denominator}_pct is not null
        group by p.token_id, p.source, p.kind
        order by sum(sum(p.{denominator}_pct * p.share)) over (partition by p.token_id) desc,
            p.token_id, p.source, p.kind
        """,
        {"start": start, "until": end},
    ).df()
    return found.assign(token=found["token"].map(label))


def unlock_coverage(con: Connection, start: date, end: date) -> dict[str, int]:
    """Rows of schedules in the span, and how many have a price and each denominator."""
    row = con.execute(
        UNLOCKED
        + "select count(*), count(value_at_unlock_usd), count(circulating_pct), count(max_supply_pct) from portions",
        {"start": start, "until": end},
    ).fetchone() or (0, 0, 0, 0)
    return dict(zip(("events", "priced", "circulating", "max_supply"), row, strict=True))


def events(con: Connection, start: date, end: date) -> pd.DataFrame:
    """Events that touch the span. Columns: day (first one within it), kind, title, source, is_conflict, known_at."""
    found = con.execute(
        """
        select
            greatest(start_date, $start) as day,
            kind,
            title,
            source,
            start_date,
            end_date,
            precision,
            amount_tokens,
            is_conflict,
            conflict_reason,
            known_at
        from marts.events
        where start_date <= $end and coalesce(end_date, if(kind = 'shutdown', $end, start_date)) >= $start
        order by day, kind, title, event_id
        """,
        {"start": start, "end": end},
    ).df()
    titles = [_event_title(row) for row in found.to_dict("records")]
    found = found.assign(kind=found["kind"].map(label), source=found["source"].map(label))
    shown = ["day", "kind", "title", "source", "is_conflict", "known_at"]
    return found.assign(day=pd.to_datetime(found["day"]), title=titles)[shown]


def _event_title(row: dict[Hashable, Any]) -> str:
    """What the source calls it, with what a date alone does not say: length, precision, tokens, doubts."""
    more = []
    if pd.notna(row["end_date"]) and row["end_date"] != row["start_date"]:
        more.append(f"{row['start_date']:%m-%d} – {row['end_date']:%m-%d}")
    elif row["start_date"] < row["day"]:
        more.append(f"since {row['start_date']:%Y-%m-%d}")
    if row["precision"] not in ("instant", "day"):
        more.append(clean(row["precision"]))
    if pd.notna(row["amount_tokens"]):
        more.append(f"{row['amount_tokens']:,.0f} tokens")
    if row["is_conflict"]:
        more.append(f"⚠ {clean(row['conflict_reason']).replace('_', ' ')}")
    return " · ".join([label(row["title"]), *more])


def changes(con: Connection, end: date) -> pd.DataFrame:
    """Market-cap changes of TOTAL over the last year, of our source that looks back longest; days in order."""
    found = con.execute(
        """
        with chained as (
            select * from marts.market_cap_changes
            where index_id = 'TOTAL' and day between $end::date - 380 and $end
            qualify base_day = max(base_day) over (partition by source)
        ),
        longest as (select source from chained group by source order by min(day), source limit 1)
        select day, source, base_day, previous_day, market_cap_usd, price_effect_usd, mint_redeem_effect_usd,
            other_supply_effect_usd, entry_effect_usd, exit_effect_usd, price_index, equal_weight_index, dilution_pct,
            below_year_ago_pct, year_ago_assets, median_coin_return_1y_pct, split_cap_pct, known_at
        from chained semi join longest using (source) order by day
        """,
        {"end": end},
    ).df()
    return found.assign(day=pd.to_datetime(found["day"]), previous_day=pd.to_datetime(found["previous_day"]))


def coverage(con: Connection, source: str, day: Any) -> float | None:
    """Our TOTAL of `source` as percent of TradingView's, where a figure of the day exists."""
    row = con.execute(
        "select coverage_pct from marts.market_cap_totals where index_id = 'TOTAL' and source = ? and day = ?",
        [source, day],
    ).fetchone()
    return row[0] if row else None


def table(con: Connection, name: str, order: str, verbatim: Sequence[str] = ()) -> pd.DataFrame | None:
    """A whole small table, texts cleaned but for the `verbatim` columns; None when the warehouse has none."""
    if not has_table(con, name):
        return None
    frame = con.execute(f"from {name} order by {order}").df()
    for column in frame.select_dtypes(include=["object", "string"]).columns.difference(list(verbatim)):
        frame[column] = frame[column].map(clean)
    return frame


def one(con: Connection, sql: str, *values: Any) -> dict[str, Any] | None:
    """The first row of a query by column name, None without one."""
    cursor = con.execute(sql, list(values))
    row = cursor.fetchone()
    return dict(zip([column[0] for column in cursor.description or ()], row, strict=True)) if row else None
