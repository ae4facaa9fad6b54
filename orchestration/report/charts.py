"""How a chart looks: colours that colour-blind readers tell apart, dashes as a second cue, gaps left open, UTC days.

Data come as long frames; a chart refers to its data by name, so that one copy serves both languages and the download.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from orchestration.report.texts import Both, say

if TYPE_CHECKING:
    import altair as alt
    import pandas as pd

BLUE, VERMILLION, GREEN, PURPLE, GREY = "#0072b2", "#d55e00", "#009e73", "#b8588f", "#767b86"
"""Okabe and Ito's palette, the purple darkened and the yellow left out: each at least 3:1 on white and on the dark page."""

DASHES: tuple[tuple[int, ...], ...] = ((1, 0), (7, 3), (2, 3), (9, 3, 2, 3), (4, 2))
FONTS = "system-ui, -apple-system, 'Segoe UI', 'Hiragino Sans', 'Yu Gothic UI', 'Noto Sans CJK JP', 'Liberation Sans', sans-serif"
WIDTH = 720

CONFIG: dict[str, Any] = {
    "background": "transparent",
    "font": FONTS,
    "aria": False,
    "view": {"stroke": None},
    "axis": {
        "labelFontSize": 12,
        "titleFontSize": 12,
        "titleFontWeight": "normal",
        "gridColor": "#d7dade",
        "domainColor": "#8b919c",
        "tickColor": "#8b919c",
        "labelColor": "#3c424d",
        "titleColor": "#3c424d",
        "labelOverlap": "greedy",
    },
    "legend": {
        "orient": "top",
        "direction": "horizontal",
        "labelFontSize": 12,
        "title": None,
        "symbolStrokeWidth": 2.5,
        "labelLimit": 340,
        "columns": 3,
    },
    "title": {"anchor": "start", "fontSize": 12, "fontWeight": "normal", "offset": 8, "color": "#3c424d"},
}


@dataclass(frozen=True)
class Series:
    """One line or bar colour: its key in the data, its name, its look."""

    key: str
    name: Both
    color: str
    dash: int = 0


def series(*named: tuple[str, Both], is_dashed: bool = True) -> list[Series]:
    """Series in the palette's order; bars have no dashes."""
    colors = (BLUE, VERMILLION, GREEN, PURPLE, GREY)
    return [Series(key, name, colors[i % 5], i % 5 if is_dashed else 0) for i, (key, name) in enumerate(named)]


@dataclass(frozen=True)
class Look:
    """For whom a chart is drawn: `language`; `is_static` without what a pointer shows; `is_excerpt` with a watermark."""

    language: str
    is_static: bool = False
    is_excerpt: bool = False


def named(name: str, frame: pd.DataFrame) -> alt.NamedData:
    """Reference to data that the page holds once under `name`."""
    import altair as alt
    import pandas as pd

    days = {column: "date" for column in frame.columns if pd.api.types.is_datetime64_any_dtype(frame[column])}
    return alt.NamedData(name=name, format=alt.JsonDataFormat(type="json", parse=days))


def text_of(series_: Sequence[Series], language: str, field: str = "series") -> str:
    """Vega expression that turns a key of the data into its name."""
    names = json.dumps({each.key: each.name.of(language) for each in series_})
    return f"({names})[datum.{field}]"


def _domain(series_: Sequence[Series], language: str) -> list[str]:
    return [each.name.of(language) for each in series_]


def _across(*, grid: bool = False, **more: Any) -> alt.Axis:
    """A horizontal axis with as many ticks as there is room for."""
    import altair as alt

    return alt.Axis(title=None, grid=grid, tickCount=alt.ExprRef("max(3, floor(width / 90))"), **more)


def _layered(layers: Sequence[Any], unit: Both, look: Look, height: int) -> alt.LayerChart:
    """The layers as one chart, EXCERPT across them when the data are the demo's."""
    import altair as alt

    marks = []
    if look.is_excerpt:
        marks = [
            alt.Chart(alt.InlineData(values=[{}]))
            .mark_text(
                text=say("watermark").of(look.language),
                fontSize=alt.ExprRef("min(44, width / 8)"),
                fontWeight="bold",
                angle=345,
                opacity=0.13,
            )
            .encode(x=alt.value(alt.ExprRef("width / 2")), y=alt.value(alt.ExprRef("height / 2")))
        ]
    return alt.LayerChart(layer=[*marks, *layers], title=unit.of(look.language), height=height)


def lines(
    name: str,
    frame: pd.DataFrame,
    series_: Sequence[Series],
    unit: Both,
    look: Look,
    *,
    is_step: bool = False,
    reference: float | None = None,
    height: int = 280,
) -> alt.LayerChart:
    """Lines over days; a row without value breaks its line. A pointer shows every value of the nearest day."""
    import altair as alt

    day = alt.X("day:T", scale=alt.Scale(type="utc"), axis=_across())
    colors, names = [each.color for each in series_], _domain(series_, look.language)
    base = alt.Chart(named(name, frame)).transform_calculate(name=text_of(series_, look.language))
    drawn = base.mark_line(strokeWidth=2, interpolate="step-after" if is_step else "linear").encode(
        x=day,
        y=alt.Y("value:Q", title=None, scale=alt.Scale(zero=False), axis=alt.Axis(tickCount=6)),
        color=alt.Color("name:N", scale=alt.Scale(domain=names, range=colors)),
        strokeDash=alt.StrokeDash(
            "name:N", scale=alt.Scale(domain=names, range=[list(DASHES[each.dash]) for each in series_])
        ),
    )
    layers: list[Any] = [drawn]
    if reference is not None:
        layers.insert(
            0, alt.Chart(alt.InlineData(values=[{"at": reference}])).mark_rule(color="#8b919c").encode(y="at:Q")
        )
    if not look.is_static:
        hover = alt.selection_point(fields=["day"], nearest=True, on="pointerover", empty=False, clear="pointerout")
        layers.append(
            base.transform_filter("isValid(datum.value)")
            .transform_pivot("name", value="value", groupby=["day"])
            .transform_calculate(date="utcFormat(datum.day, '%Y-%m-%d')")
            .mark_rule(color="#8b919c")
            .encode(
                x=day,
                opacity=alt.condition(hover, alt.value(0.7), alt.value(0)),
                tooltip=[
                    alt.Tooltip("date:N", title=say("day").of(look.language)),
                    *(alt.Tooltip(_field(each), type="quantitative", format=",.2f", title=each) for each in names),
                ],
            )
            .add_params(hover)
        )
    return _layered(layers, unit, look, height)


def _field(name: str) -> str:
    """A pivoted column's name as Vega-Lite reads it."""
    for sign in "\\.[]":
        name = name.replace(sign, "\\" + sign)
    return name


def bars(
    name: str,
    frame: pd.DataFrame,
    series_: Sequence[Series],
    unit: Both,
    look: Look,
    *,
    category: str,
    is_horizontal: bool,
    order: Sequence[str],
    height: int,
) -> alt.LayerChart:
    """Stacked bars: `value` by `category` in the given order, coloured by series; sources stand side by side."""
    import altair as alt

    chart = (
        alt.Chart(named(name, frame))
        .transform_calculate(name=text_of(series_, look.language))
        .mark_bar(stroke="#ffffff", strokeWidth=0.5)
    )
    amount: Any = alt.X if is_horizontal else alt.Y
    label: Any = alt.Y if is_horizontal else alt.X
    axis = alt.Axis(title=None, labelAngle=0 if is_horizontal else -45, labelLimit=130, labelOverlap=False)
    encoding: dict[str, Any] = {
        "x" if is_horizontal else "y": amount(
            "value:Q", title=None, stack="zero", axis=_across(grid=True) if is_horizontal else alt.Axis()
        ),
        "y" if is_horizontal else "x": label(f"{category}:N", sort=list(order), axis=axis),
        "color": alt.Color(
            "name:N",
            scale=alt.Scale(domain=_domain(series_, look.language), range=[each.color for each in series_]),
        ),
        "tooltip": [
            alt.Tooltip(f"{category}:N", title=" "),
            alt.Tooltip("name:N", title=" "),
            alt.Tooltip("value:Q", format=",.3f", title=unit.of(look.language)),
        ],
    }
    if "source" in frame and frame["source"].nunique() > 1:
        encoding["yOffset" if is_horizontal else "xOffset"] = (alt.YOffset if is_horizontal else alt.XOffset)(
            "source:N"
        )
    return _layered([chart.encode(**encoding)], unit, look, height)


def waterfall(name: str, frame: pd.DataFrame, labels: Mapping[str, Both], unit: Both, look: Look) -> alt.LayerChart:
    """Steps from `low` to `high` by `step`, totals in grey, rises in blue, falls in vermillion, each with its amount."""
    import altair as alt

    room = 1.25 * float(frame["high"].max())  # for the last amount's text, also on a phone
    steps = [Series(key, text, GREY) for key, text in labels.items()]
    order = _domain(steps, look.language)
    base = alt.Chart(named(name, frame)).transform_calculate(label=text_of(steps, look.language, "step"))
    color = alt.Color(
        "kind:N", legend=None, scale=alt.Scale(domain=["total", "rise", "fall"], range=[GREY, BLUE, VERMILLION])
    )
    y = alt.Y("label:N", sort=order, axis=alt.Axis(title=None, labelLimit=170, labelOverlap=False))
    drawn = base.mark_bar(height=18).encode(
        y=y,
        x=alt.X("low:Q", title=None, axis=_across(grid=True), scale=alt.Scale(domainMax=room, nice=False)),
        x2="high:Q",
        color=color,
        tooltip=[
            alt.Tooltip("label:N", title=" "),
            alt.Tooltip("value:Q", format="+,.1f", title=unit.of(look.language)),
        ],
    )
    amounts = base.transform_calculate(
        text="(datum.kind === 'total' ? '' : datum.value > 0 ? '+' : '−') + format(abs(datum.value), ',.0f')"
    )
    written = amounts.mark_text(align="left", dx=5, fontSize=12).encode(y=y, x="high:Q", text="text:N")
    return _layered([drawn, written], unit, look, 34 * len(order))


def timeline(
    name: str, frame: pd.DataFrame, series_: Sequence[Series], unit: Both, look: Look, *, today: str
) -> alt.LayerChart:
    """Events on a line per kind: a mark on the day, a rule for today, titles for the pointer (and in the table below)."""
    import altair as alt

    names = _domain(series_, look.language)
    day = alt.X("day:T", scale=alt.Scale(type="utc"), axis=_across(format="%m-%d"))
    now = alt.Chart(alt.InlineData(values=[{"day": today}])).mark_rule(strokeDash=[4, 3], color="#8b919c").encode(x=day)
    marks = (
        alt.Chart(named(name, frame))
        .transform_calculate(name=text_of(series_, look.language), date="utcFormat(datum.day, '%Y-%m-%d')")
        .mark_point(filled=True, size=70, opacity=0.75)
        .encode(
            x=day,
            y=alt.Y("name:N", sort=names, axis=alt.Axis(title=None, grid=True, labelLimit=130)),
            color=alt.Color("name:N", legend=None, scale=alt.Scale(domain=names, range=[s.color for s in series_])),
            tooltip=[alt.Tooltip("date:N", title=say("day").of(look.language)), alt.Tooltip("title:N", title=" ")],
        )
    )
    return _layered([now, marks], unit, look, max(90, 42 * len(names)))
