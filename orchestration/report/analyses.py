"""One small picture of each analysis, for the asset's metadata in the UI. English only; the page has its own charts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from orchestration.report.charts import BLUE, CONFIG, GREEN, PURPLE, VERMILLION

if TYPE_CHECKING:
    import pandas as pd

COLORS = [BLUE, VERMILLION, GREEN, PURPLE]
WINDOW = 90
"""Sessions of the rolling correlation that is drawn."""


def correlations(frame: pd.DataFrame) -> dict[str, Any]:
    """Rolling Pearson correlation with its 95 % band over the last 400 days, a row per bar."""
    import altair as alt
    import pandas as pd

    shown = frame[(frame["window_sessions"] == WINDOW) & (frame["method"] == "pearson")]
    shown = shown.assign(session_date=pd.to_datetime(shown["session_date"]))
    shown = shown[shown["session_date"] > shown["session_date"].max() - pd.Timedelta(days=400)]
    x = alt.X("session_date:T", scale=alt.Scale(type="utc"), title=None)
    color = _color("asset")
    base = alt.Chart(
        _columns(shown, "session_date", "asset", "bar", "r", "r_low_95", "r_high_95"), width=620, height=120
    )
    band = base.mark_area(opacity=0.12).encode(x=x, y="r_low_95:Q", y2="r_high_95:Q", color=color)
    line = base.mark_line(strokeWidth=1.5).encode(x=x, y=alt.Y("r:Q", title="r"), color=color)
    return _spec(
        alt.layer(band, line).facet(row=alt.Row("bar:N", title=None)),
        f"Correlation with the S&P 500 over {WINDOW} sessions, 95 % Fisher band",
    )


def correlation_breaks(frame: pd.DataFrame) -> dict[str, Any]:
    """Correlation before and after the break with its 95 % band, by asset, bar and whether the crash counts."""
    import altair as alt
    import pandas as pd

    one = frame[frame["method"] == "fisher_z"]
    sides = []
    for side in ("before", "after"):
        names = {f"r_{side}": "r", f"r_{side}_low_95": "low", f"r_{side}_high_95": "high", f"n_{side}": "n"}
        sides.append(
            one.rename(columns=names)[["asset", "bar", "includes_crash", "r", "low", "high", "n"]].assign(side=side)
        )
    long = pd.concat(sides)
    crash = long["includes_crash"].map({True: "with the crash", False: "without it"})
    long = long.assign(case=long["bar"] + ", " + crash).drop(columns=["bar", "includes_crash"])
    color = _color("side")
    base = alt.Chart(long, width=200, height=alt.Step(14)).encode(
        y=alt.Y("asset:N", title=None), yOffset=alt.YOffset("side:N", sort=["before", "after"]), color=color
    )
    band = base.mark_rule(strokeWidth=2).encode(x=alt.X("low:Q", title="r, 95 % band"), x2="high:Q")
    dot = base.mark_point(filled=True, size=40, opacity=1).encode(x="r:Q")
    return _spec(
        alt.layer(band, dot).facet(alt.Facet("case:N", title=None), columns=2),
        "Correlation with the S&P 500 before and after 10 October 2025",
    )


def liquidity_lead_lag(frame: pd.DataFrame) -> dict[str, Any]:
    """Correlation at every lag with the bootstrap band of that lag; filled where p over all lags is below 0.05."""
    import altair as alt

    shown = frame.assign(is_significant=frame["p_value_family"] < 0.05)
    x = alt.X("lag_weeks:Q", title="weeks by which the asset follows liquidity")
    names = ("lag_weeks", "asset", "r", "r_low_95_bootstrap", "r_high_95_bootstrap", "is_significant")
    base = alt.Chart(_columns(shown, *names), width=620, height=110)
    opacity = alt.Opacity("is_significant:N", legend=None, scale=alt.Scale(domain=[False, True], range=[0.35, 1]))
    bar = base.mark_bar(size=7, color=BLUE).encode(x=x, y=alt.Y("r:Q", title="r"), opacity=opacity)
    band = base.mark_rule(color=VERMILLION, opacity=0.5).encode(
        x=x, y="r_low_95_bootstrap:Q", y2="r_high_95_bootstrap:Q"
    )
    return _spec(
        alt.layer(bar, band).facet(row=alt.Row("asset:N", title=None)),
        "Weekly net liquidity and crypto, 95 % band of each lag; full colour: p over all lags below 0.05",
    )


def correlation_break_searches(frame: pd.DataFrame) -> dict[str, Any]:
    """p of a break at any date by asset and case; filled where it is below 0.05."""
    import altair as alt

    crash = frame["includes_crash"].map({True: "with the crash", False: "without it"})
    length = frame["window_sessions"].astype("Int64").astype("string")
    span = (length + " sessions").fillna("all sessions")
    shown = frame.assign(case=frame["bar"] + ", " + crash, span=span, is_significant=frame["p_value"] < 0.05)
    base = alt.Chart(
        _columns(shown, "asset", "case", "span", "p_value", "is_significant"), width=200, height=alt.Step(14)
    )
    fill = alt.Fill("is_significant:N", legend=None, scale=alt.Scale(domain=[False, True], range=["white", VERMILLION]))
    dot = base.mark_point(size=50, opacity=1).encode(
        x=alt.X("p_value:Q", title="p over all dates tried", scale=alt.Scale(domain=[0, 1])),
        y=alt.Y("asset:N", title=None),
        color=_color("span"),
        fill=fill,
    )
    line = base.mark_rule(strokeDash=[3, 3]).encode(x=alt.datum(0.05))
    return _spec(
        alt.layer(line, dot).facet(alt.Facet("case:N", title=None), columns=2),
        "Did the correlation with the S&P 500 break at any date? Filled: p below 0.05",
    )


def liquidity_lead_lag_stability(frame: pd.DataFrame) -> dict[str, Any]:
    """The strongest lag of each rolling window beside the one of all weeks."""
    import altair as alt
    import pandas as pd

    shown = frame[frame["method"] != "published"]
    shown = shown.assign(last_week=pd.to_datetime(shown["last_week"]))
    names = ("method", "asset", "last_week", "lag_weeks")
    base = alt.Chart(_columns(shown, *names), width=620, height=110)
    y = alt.Y("lag_weeks:Q", title="strongest lag, weeks")
    windows = base.transform_filter(alt.datum.method == "rolling")
    dots = windows.mark_point(filled=True, size=50, color=BLUE).encode(
        x=alt.X("last_week:T", title="last week of the window", scale=alt.Scale(type="utc")), y=y
    )
    line = base.transform_filter(alt.datum.method == "full_sample").mark_rule(color=VERMILLION).encode(y=y)
    return _spec(
        alt.layer(line, dots).facet(row=alt.Row("asset:N", title=None)),
        "Strongest lag between net liquidity and crypto: rolling windows, and all weeks (line)",
    )


def capital_competition(frame: pd.DataFrame) -> dict[str, Any]:
    """Return relative to the S&P 500 in USD with its band, by window."""
    shown = frame[(frame["currency_view"] == "usd") & frame["relative_return_pct"].notna()]
    return _spec(
        _intervals(
            shown, "member", ("relative_return_pct", "relative_return_low_95_pct", "relative_return_high_95_pct")
        )
        .properties(width=240)
        .facet("window_name:N", columns=2)
        .resolve_scale(x="independent"),
        "Return relative to the S&P 500 in USD, percent, 95 % block-bootstrap band",
    )


def unlock_event_study(frame: pd.DataFrame) -> dict[str, Any]:
    """Mean cumulative abnormal return around unlocks and placebo dates with its band, by window and benchmark."""
    shown = frame[(frame["grouping"] == "all") & frame["mean_car_pct"].notna()]
    seen = shown["is_reconstructed"].map({True: "reconstructed", False: "known before"})
    shift = shown["placebo_shift_days"].map(lambda days: f"{days:+d} d" if days else "unlock")
    shown = shown.assign(date=shift + ", " + seen, case=shown["benchmark"] + ", " + shown["method"])
    numbers = ("mean_car_pct", "low_95_pct", "high_95_pct")
    return _spec(
        _intervals(shown, "window_name", numbers, color="date").properties(width=240).facet("case:N", columns=2),
        "Abnormal return around scheduled unlocks and placebo dates, percent, 95 % band",
    )


def _intervals(frame: pd.DataFrame, label: str, numbers: tuple[str, str, str], color: str | None = None) -> Any:
    """A dot with its band per label, zero marked."""
    import altair as alt

    value, low, high = numbers
    y: dict[str, Any] = {"y": alt.Y(f"{label}:N", title=None)}
    if color:
        y |= {"yOffset": alt.YOffset(f"{color}:N"), "color": _color(color)}
    base = alt.Chart(frame.drop(columns=["known_at", "start_date", "end_date"], errors="ignore"), height=alt.Step(14))
    zero = base.mark_rule(strokeDash=[3, 3]).encode(x=alt.datum(0))
    band = base.mark_rule(strokeWidth=2).encode(x=alt.X(f"{low}:Q", title="percent"), x2=f"{high}:Q", **y)
    dot = base.mark_point(filled=True, size=40, opacity=1).encode(x=f"{value}:Q", **y)
    return alt.layer(zero, band, dot)


def _color(field: str) -> Any:
    import altair as alt

    return alt.Color(f"{field}:N", scale=alt.Scale(range=COLORS))


def _columns(frame: pd.DataFrame, *names: str) -> pd.DataFrame:
    return frame[list(names)]


def _spec(chart: Any, title: str) -> dict[str, Any]:
    import altair as alt

    with alt.data_transformers.disable_max_rows():
        found: dict[str, Any] = chart.properties(title=title).to_dict()
    return found | {"config": CONFIG | {"background": "white"}}
