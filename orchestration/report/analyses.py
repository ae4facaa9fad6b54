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
