"""The ten pictures of the article, rebuilt: what is drawn, from which day on, what is missing and since when.

A picture without its data says which source is missing; nothing is drawn in its place.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

import pandas as pd

from orchestration.report import charts, frames
from orchestration.report.charts import Look, Series
from orchestration.report.frames import ARTICLE_DAY, Connection, Facts
from orchestration.report.texts import Both, has, number, percent, same, say, usd

if TYPE_CHECKING:
    import altair as alt

Draw = Callable[[Look], "alt.LayerChart"]

INDICES = {"^KS11": same("KOSPI"), "^GSPC": same("S&P 500"), "000001.SS": same("Shanghai Composite")}
EVENT_KINDS = ("fomc", "policy", "shutdown", "macro_release", "unlock", "other")
PRICED_SHARE = 0.5
"""Sums in USD are drawn when at least this share of the schedule rows has a price."""
LATE_DAYS = 21
"""A line that ends this long before its picture does is said to have stopped."""


@dataclass(frozen=True)
class Missing:
    """A source that a picture needs and does not have: what it is, and the last day held of it (None: never)."""

    source: str
    since: date | None
    what: Both

    def text(self) -> Both:
        """One sentence for the box in the picture's place."""
        since = say("missing_since", day=self.since.isoformat()) if self.since else say("missing_never")
        return say("missing", what=self.what, source=self.source, since=since)


@dataclass(frozen=True)
class Panel:
    """One chart of a picture. `data`: what is drawn and downloaded; `legend`: empty when the axis names everything."""

    name: str
    title: Both | None
    data: pd.DataFrame
    draw: Draw
    legend: Sequence[Series] = ()


@dataclass(frozen=True)
class Picture:
    """One picture with what a reader must know of it.

    tables: marts it reads; base: where 100 stands; notes: sentences computed from its data; rows: of a table below it.
    """

    number: int
    key: str
    tables: Sequence[str]
    panels: Sequence[Panel] = ()
    missing: Sequence[Missing] = ()
    notes: Sequence[Both] = ()
    known_at: datetime | None = None
    base: Both | None = None
    rows: Sequence[dict[str, Any]] = field(default_factory=list)

    @property
    def title(self) -> Both:
        """Its heading."""
        return say(f"picture_{self.number}_title")

    @property
    def text(self) -> dict[str, Both]:
        """Source, bar and definition."""
        return {part: say(f"picture_{self.number}_{part}") for part in ("source", "bar", "definition")}


def all_pictures(con: Connection, facts: Facts) -> list[Picture]:
    """The ten, in the article's order."""
    held, today = frames.last_held(con), facts.today
    year_ago = _year_before(today)
    return [
        _rebased(con, held, 1, "total-total3-sp500", _year_before(ARTICLE_DAY), min(ARTICLE_DAY, today)),
        _unlocks(con, today),
        _levels(con, held, 3, "treasury-account", TREASURY, year_ago, today, scale=1e-9, unit=say("unit_bn_usd")),
        _policy(con, held, today),
        _levels(con, held, 5, "dollar-index", DOLLAR, year_ago, today, unit=say("unit_index"), is_split=True),
        _levels(con, held, 6, "vix", VIX, year_ago, today, unit=say("unit_index")),
        _rebased(con, held, 7, "total-total3-sp500-2021", date(2020, 11, 12), min(date(2021, 11, 12), today)),
        _equities(con, held, year_ago, today),
        _calendar(con, today),
        _changes(con, today),
    ]


def _year_before(day_: date) -> date:
    return (pd.Timestamp(day_) - pd.DateOffset(years=1)).date()


def _newest(*found: pd.DataFrame) -> datetime | None:
    known = [frame["known_at"].max() for frame in found if len(frame) and frame["known_at"].notna().any()]
    return max(known).to_pydatetime() if known else None


def _tidy(frame: pd.DataFrame, digits: int = 3) -> pd.DataFrame:
    """What goes into the page: day, series, value, no more digits than are read."""
    return frame[["day", "series", "value"]].assign(value=frame["value"].astype("float64").round(digits))


def _lacking(
    frame: pd.DataFrame, wanted: Sequence[tuple[Series, str]], held: dict[str, date | None], end: date
) -> list[Missing]:
    """Which of the wanted series have no value in the frame, or stopped long before its end."""
    found = []
    last = dict(frame.dropna(subset=["value"]).groupby("series")["day"].max().items()) if len(frame) else {}
    for each, source in wanted:
        newest = last.get(each.key)
        if newest is None or pd.Timestamp(newest).date() < end - timedelta(days=LATE_DAYS):
            since = pd.Timestamp(newest).date() if newest is not None else held.get(source)
            found.append(Missing(source, since, each.name))
    return found


def rebased(frame: pd.DataFrame, base: date) -> pd.DataFrame:
    """Every series as 100 x value / its last value on or before `base`; series without one are left out."""
    days = pd.to_datetime(frame["day"])
    until = frame[(days <= pd.Timestamp(base)) & frame["value"].notna()].sort_values("day")
    at_base = until.groupby("series")["value"].last()
    shown = frame[(days >= pd.Timestamp(base)) & frame["series"].isin(at_base.index)]
    return shown.assign(value=100 * shown["value"] / shown["series"].map(at_base).astype("float64"))


def _ends(frame: pd.DataFrame) -> dict[str, float]:
    """Last value of each series."""
    whole = frame.dropna(subset=["value"]).sort_values("day")
    return {str(name): value for name, value in whole.groupby("series")["value"].last().items()}


# ------------------------------------------------------------------ 1 and 7


def _rebased(con: Connection, held: dict[str, date | None], number_: int, key: str, base: date, end: date) -> Picture:
    legend = charts.series(("TOTAL", same("TOTAL")), ("TOTAL3", same("TOTAL3")), ("^GSPC", same("S&P 500")))
    month = base.replace(day=1)
    crypto = frames.with_gaps(frames.totals(con, month - timedelta(days=7), end), 1)
    stocks = frames.equities(con, ["^GSPC"], month - timedelta(days=7), end, "close_local")
    both = pd.concat([crypto, stocks.assign(day=pd.to_datetime(stocks["day"]))], ignore_index=True)
    frame = rebased(both, base)
    wanted = [
        (legend[0], "tradingview.CRYPTOCAP:TOTAL"),
        (legend[1], "tradingview.CRYPTOCAP:TOTAL3"),
        (legend[2], "yahoo.^GSPC"),
    ]
    missing = _lacking(frame, wanted, held, end)
    picture = Picture(number_, key, ("market_cap_totals", "equity_returns"), missing=missing)
    drawn = [each for each in legend if each.key in set(frame["series"])]
    if not drawn:
        return picture
    data = _tidy(frame)
    name = f"p{number_}"
    notes = [_growth("rebased_note", frame, drawn, base)]
    other = both[pd.to_datetime(both["day"]).dt.date >= month].dropna(subset=["value"])
    first = other[other["series"] == "^GSPC"]["day"].min()
    if pd.notna(first):
        notes.append(_growth("rebased_other_base", rebased(both, first.date()), drawn, first.date()))
    return replace(
        picture,
        panels=[
            Panel(
                name,
                None,
                data,
                partial(charts.lines, name, data, drawn, say("unit_base_100", day=base), reference=100),
                drawn,
            )
        ],
        notes=notes,
        known_at=_newest(frame),
        base=same(base.isoformat()),
    )


def _growth(key: str, frame: pd.DataFrame, drawn: Sequence[Series], base: date) -> Both:
    ends = _ends(frame)
    changed = [f"{each.name.en} {percent(ends[each.key] - 100)}" for each in drawn if each.key in ends]
    last = frame.dropna(subset=["value"])["day"].max()
    return say(key, base=base.isoformat(), end=f"{pd.Timestamp(last):%Y-%m-%d}", changes=" · ".join(changed))


# ------------------------------------------------------------------ 2


def _unlocks(con: Connection, today: date) -> Picture:
    start = (pd.Timestamp(today) - pd.DateOffset(months=3)).date()
    picture = Picture(2, "unlocks", ("unlocks",), base=None)
    counts = frames.unlock_coverage(con, start, today)
    if not counts["events"]:
        since = frames.one(con, "select max(unlock_at)::date as day from marts.unlocks")
        return replace(picture, missing=[Missing("llama", since["day"] if since else None, say("unlock_schedules"))])
    weekly = frames.unlocks_by_week(con, start, today)
    denominator = "circulating" if counts["circulating"] >= counts["max_supply"] else "max_supply"
    by_token = frames.unlocks_by_token(con, start, today, denominator)
    pairs = sorted({(str(source), str(kind)) for source, kind in zip(weekly["source"], weekly["kind"], strict=True)})
    legend = charts.series(
        *((f"{source}/{kind}", say("unlock_kind", source=source, kind=say(kind))) for source, kind in pairs),
        is_dashed=False,
    )
    panels, missing = [], []
    is_priced = counts["priced"] >= PRICED_SHARE * counts["events"]
    if is_priced:
        weeks = weekly.assign(
            week=weekly["day"].dt.strftime("%Y-%m-%d"),
            series=weekly["source"] + "/" + weekly["kind"],
            value=(weekly["value"] / 1e6).round(3),
        )[["week", "series", "source", "value"]]
        order = sorted(weeks["week"].unique())
        panels.append(
            Panel(
                "p2a",
                say("unlocks_by_week"),
                weeks,
                partial(
                    charts.bars,
                    "p2a",
                    weeks,
                    legend,
                    say("unit_m_usd"),
                    category="week",
                    is_horizontal=False,
                    order=order,
                    height=220,
                ),
                legend,
            )
        )
    else:
        priced = frames.one(con, "select max(day) as day from marts.market_caps where source = 'coingecko'")
        missing.append(Missing("coingecko", priced["day"] if priced else None, say("unlock_prices")))
    if len(by_token):
        top = list(dict.fromkeys(by_token["token"]))[:12]
        tokens = by_token[by_token["token"].isin(top)].assign(
            series=by_token["source"] + "/" + by_token["kind"], value=by_token["value"].round(4)
        )[["token", "series", "source", "value"]]
        unit = say("unit_pct_of", denominator=say(denominator))
        panels.append(
            Panel(
                "p2b",
                say("unlocks_by_token", count=len(top)),
                tokens,
                partial(
                    charts.bars,
                    "p2b",
                    tokens,
                    legend,
                    unit,
                    category="token",
                    is_horizontal=True,
                    order=top,
                    height=30 + 24 * len(top),
                ),
                legend,
            )
        )
    sums = weekly.groupby(["source", "kind"])["value"].sum()
    notes = [say("unlocks_counted", start=start, end=today, **counts)]
    if is_priced:
        notes += [
            say("unlocks_sum", source=source, kind=say(kind), value=usd(value))
            for (source, kind), value in zip(pairs, sums.loc[pairs], strict=True)
            if value
        ]
    return replace(picture, panels=panels, missing=missing, notes=notes, known_at=_newest(weekly, by_token))


# ------------------------------------------------------------------ 3, 5, 6

TREASURY = (
    ("tga_week_average_usd", "fred.WTREGEN", 10),
    ("tga_wednesday_usd", "fred.WDTGAL", 10),
    ("tga_daily_close_usd", "fiscaldata.TGA_CLOSE", 5),
)
DOLLAR = (("dollar_dxy_index", "yahoo.DX-Y.NYB", 5), ("dollar_broad_index", "fred.DTWEXBGS", 10))
VIX = (("vix_index", "cboe.VIX", 5),)


def _levels(
    con: Connection,
    held: dict[str, date | None],
    number_: int,
    key: str,
    columns: Sequence[tuple[str, str, int]],
    start: date,
    end: date,
    *,
    unit: Both,
    scale: float = 1.0,
    is_split: bool = False,
) -> Picture:
    """Columns of marts.liquidity over a year; `columns`: name, series id, longest step in days that is no gap."""
    legend = charts.series(*((column, say(column)) for column, _, _ in columns))
    found = frames.levels(con, [column for column, _, _ in columns], start, end)
    found = found.assign(day=pd.to_datetime(found["day"]), value=found["value"] * scale)
    parts = [frames.with_gaps(found[found["series"] == column], step) for column, _, step in columns]
    frame = pd.concat(parts, ignore_index=True)
    wanted = [(each, source) for each, (_, source, _) in zip(legend, columns, strict=True)]
    missing = _lacking(frame, wanted, held, end)
    drawn = [each for each in legend if each.key in set(frame["series"])]
    picture = Picture(number_, key, ("liquidity",), missing=missing, known_at=_newest(frame))
    groups = [[each] for each in drawn] if is_split else [drawn] if drawn else []
    panels = []
    for index, group in enumerate(groups):
        name = f"p{number_}{'ab'[index] if is_split else ''}"
        data = _tidy(frame[frame["series"].isin([each.key for each in group])])
        panels.append(
            Panel(
                name,
                group[0].name if is_split else None,
                data,
                partial(charts.lines, name, data, group, unit, height=200 if is_split else 280),
                group if len(group) > 1 else (),
            )
        )
    notes = [_level_note(frame[frame["series"] == each.key], each.name, unit) for each in drawn]
    return replace(picture, panels=panels, notes=notes)


def _level_note(frame: pd.DataFrame, name: Both, unit: Both) -> Both:
    """Newest value, and where it stands among those of the span drawn."""
    whole = frame.dropna(subset=["value"]).sort_values("day")
    newest, top = whole.iloc[-1], whole.iloc[int(whole["value"].argmax())]
    return say(
        "level_note",
        name=name,
        value=number(newest["value"]),
        unit=unit,
        day=f"{newest['day']:%Y-%m-%d}",
        share=number(100 * (whole["value"] < newest["value"]).mean(), 0),
        n=len(whole),
        high=number(top["value"]),
        high_day=f"{top['day']:%Y-%m-%d}",
        change=percent(100 * (newest["value"] / whole.iloc[0]["value"] - 1)),
    )


# ------------------------------------------------------------------ 4


def _policy(con: Connection, held: dict[str, date | None], end: date) -> Picture:
    legend = charts.series(
        ("upper", say("policy_upper")),
        ("lower", say("policy_lower")),
        ("effr", say("effr")),
        ("real", say("real_rate")),
    )
    found = frames.policy(con, end)
    found = found.assign(day=pd.to_datetime(found["day"]))
    frame = frames.with_gaps(found, 14)
    wanted = [
        (legend[0], "fred.DFEDTARU"),
        (legend[1], "fred.DFEDTARL"),
        (legend[2], "fred.EFFR"),
        (legend[3], "fred.CPIAUCSL"),
    ]
    missing = _lacking(frame, wanted, held, end)
    picture = Picture(4, "policy-rate", ("liquidity",), missing=missing, known_at=_newest(frame))
    drawn = [each for each in legend if each.key in set(frame["series"])]
    if not drawn:
        return picture
    data = _tidy(frame)
    notes = [say("history_from", day=f"{frame['day'].min():%Y-%m-%d}")]
    for each in drawn[:1] + drawn[3:]:
        line = frame[frame["series"] == each.key].sort_values("day")
        share, whole = number(100 * _time_below(line), 0), line.dropna(subset=["value"])
        notes.append(
            say(
                "policy_note",
                name=each.name,
                value=number(whole.iloc[-1]["value"]),
                day=f"{whole.iloc[-1]['day']:%Y-%m-%d}",
                share=share,
                first=f"{whole.iloc[0]['day']:%Y-%m-%d}",
            )
        )
    return replace(
        picture,
        panels=[
            Panel(
                "p4",
                None,
                data,
                partial(charts.lines, "p4", data, drawn, say("unit_pct"), is_step=True),
                drawn,
            )
        ],
        notes=notes,
    )


def _time_below(line: pd.DataFrame) -> float:
    """Share of the time covered, gaps left out, at which a step line stood below its newest value."""
    spans = (line["day"].shift(-1) - line["day"]).dt.days.where(line["value"].notna()).fillna(0)
    return float(spans[line["value"] < line["value"].dropna().iloc[-1]].sum() / max(spans.sum(), 1))


# ------------------------------------------------------------------ 8


def _equities(con: Connection, held: dict[str, date | None], base: date, end: date) -> Picture:
    legend = charts.series(*INDICES.items())
    panels, found, notes, missing = [], [], [], []
    for letter, column in (("a", "close_local"), ("b", "close_usd")):
        closes = frames.equities(con, list(INDICES), base - timedelta(days=14), end, column)
        frame = rebased(closes.assign(day=pd.to_datetime(closes["day"])), base)
        lacking = _lacking(frame, [(each, f"yahoo.{each.key}") for each in legend], held, end)
        missing += [each for each in lacking if each not in missing]
        drawn = [each for each in legend if each.key in set(frame["series"])]
        if not drawn:
            continue
        data, name = _tidy(frame), f"p8{letter}"
        found.append(frame)
        unit = say("unit_base_100", day=base)
        panels.append(
            Panel(
                name,
                say(column),
                data,
                partial(charts.lines, name, data, drawn, unit, reference=100, height=240),
                drawn,
            )
        )
        growth = _growth("rebased_note", frame, drawn, base)
        notes.append(Both(f"{say(column).en}: {growth.en}", f"{say(column).ja}: {growth.ja}"))
    ytd = con.execute(
        "select index_id, arg_max(return_ytd_pct, session_date) from marts.equity_returns where session_date <= ? group by 1",
        [end],
    ).fetchall()
    ranked = sorted(((name, value) for name, value in ytd if value is not None), key=lambda each: -each[1])
    if ranked:
        text = " · ".join(f"{INDICES.get(name, same(name)).en} {percent(value)}" for name, value in ranked)
        notes.append(say("equities_ytd", values=text))
    return Picture(
        8,
        "equities",
        ("equity_returns",),
        panels=panels,
        missing=missing,
        notes=notes,
        known_at=_newest(*found),
        base=same(base.isoformat()),
    )


# ------------------------------------------------------------------ 9


def _calendar(con: Connection, today: date) -> Picture:
    picture = Picture(9, "calendar", ("events",))
    if not frames.has_table(con, "marts.events"):
        return replace(picture, missing=[Missing("calendar", None, say("events"))])
    found = frames.events(con, today - timedelta(days=14), today + timedelta(days=45))
    if found.empty:
        newest = frames.one(con, "select max(start_date) as day from marts.events")
        return replace(picture, missing=[Missing("calendar", newest["day"] if newest else None, say("events"))])
    kinds = [kind for kind in EVENT_KINDS if kind in set(found["kind"])]
    kinds += sorted(set(found["kind"]) - set(kinds))
    legend = charts.series(*((kind, event_kind(kind)) for kind in kinds), is_dashed=False)
    data = found[["day", "kind", "title", "source"]].rename(columns={"kind": "series"})
    ahead = found[found["day"] >= pd.Timestamp(today)]
    notes = [say("events_counted", n=len(found), ahead=len(ahead), conflicts=int(found["is_conflict"].sum()))]
    panel = Panel(
        "p9", None, data, partial(charts.timeline, "p9", data, legend, say("unit_events"), today=today.isoformat())
    )
    rows = [
        {
            "day": f"{row['day']:%Y-%m-%d}",
            "kind": event_kind(row["kind"]),
            "title": row["title"],
            "source": row["source"],
        }
        for row in ahead.to_dict("records")
    ]
    return replace(picture, panels=[panel], notes=notes, rows=rows, known_at=_newest(found))


def event_kind(kind: str) -> Both:
    """A kind of event in words; one that has none is shown as it is written."""
    return say(f"event_{kind}") if has(f"event_{kind}") else same(kind)


# ------------------------------------------------------------------ 10

EFFECTS = (
    "price_effect_usd",
    "mint_redeem_effect_usd",
    "other_supply_effect_usd",
    "entry_effect_usd",
    "exit_effect_usd",
)


def _changes(con: Connection, today: date) -> Picture:
    rows = frames.changes(con, today)
    picture = Picture(10, "price-and-supply", ("market_cap_changes",))
    if len(rows) < 2:
        since = rows["day"].max().date() if len(rows) else None
        return replace(picture, missing=[Missing("coingecko", since, say("two_snapshots"))])
    first, last = rows.iloc[0], rows.iloc[-1]
    sums = rows[list(EFFECTS)].iloc[1:].sum()
    steps = _steps(first["market_cap_usd"], sums, last["market_cap_usd"])
    labels = {"first": same(f"TOTAL {first['day']:%Y-%m-%d}")} | {name: say(name) for name in EFFECTS}
    labels |= {"last": same(f"TOTAL {last['day']:%Y-%m-%d}")}
    legend = charts.series(
        ("cap", say("index_cap")), ("price_index", say("index_price")), ("equal_weight_index", say("index_equal"))
    )
    wide = rows.assign(cap=100 * rows["market_cap_usd"] / first["market_cap_usd"])
    for name in ("price_index", "equal_weight_index"):
        wide[name] = 100 * rows[name] / first[name]
    long = wide.melt(id_vars=["day"], value_vars=[each.key for each in legend], var_name="series")
    data = long.assign(value=long["value"].round(3))
    covered = frames.coverage(con, str(last["source"]), last["day"])
    base = f"{first['day']:%Y-%m-%d}"
    return replace(
        picture,
        panels=[
            Panel(
                "p10a",
                say("changes_split"),
                steps,
                partial(charts.waterfall, "p10a", steps, labels, say("unit_bn_usd")),
            ),
            Panel(
                "p10b",
                say("changes_indices"),
                data,
                partial(charts.lines, "p10b", data, legend, say("unit_base_100", day=base), reference=100, height=240),
                legend,
            ),
        ],
        notes=[
            _change_note(rows),
            say(
                "change_universe",
                source=last["source"],
                steps=len(rows) - 1,
                coverage=percent(covered, 0, signed=False),
            ),
        ],
        known_at=_newest(rows),
        base=same(base),
    )


def _steps(start: float, sums: pd.Series, end: float) -> pd.DataFrame:
    """From the first total through its effects to the last: step, low, high, value (bn USD), kind."""
    rows = [{"step": "first", "low": 0.0, "high": start, "value": start, "kind": "total"}]
    at = start
    for name, value in sums.items():
        low, high = sorted((at, at + value))
        rows.append({"step": name, "low": low, "high": high, "value": value, "kind": "rise" if value >= 0 else "fall"})
        at += value
    rows.append({"step": "last", "low": 0.0, "high": end, "value": end, "kind": "total"})
    frame = pd.DataFrame(rows)
    numbers = ["low", "high", "value"]
    return frame.assign(**{name: (frame[name] / 1e9).round(3) for name in numbers})


def _change_note(rows: pd.DataFrame) -> Both:
    """What holders earned beside what the total grew by."""
    first, last = rows.iloc[0], rows.iloc[-1]
    dilution = (100 + last["dilution_pct"]) / (100 + first["dilution_pct"]) * 100 - 100
    return say(
        "change_note",
        base=f"{first['day']:%Y-%m-%d}",
        end=f"{last['day']:%Y-%m-%d}",
        cap=percent(100 * (last["market_cap_usd"] / first["market_cap_usd"] - 1)),
        index=percent(100 * (last["price_index"] / first["price_index"] - 1)),
        equal=percent(100 * (last["equal_weight_index"] / first["equal_weight_index"] - 1)),
        dilution=percent(dilution),
        below=percent(last["below_year_ago_pct"], 0, signed=False),
        n=number(last["year_ago_assets"], 0),
    )
