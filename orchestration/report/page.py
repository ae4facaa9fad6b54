"""The page: one HTML file with its charts, data, style and script inside, and the still pictures beside it.

Everything a reader sees of the data passes the template's escaping; scripts are allowed by their hash alone, so a text
that looks like one is never run.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pandas as pd

from orchestration.report import frames
from orchestration.report.answer import VERDICTS, five_sentences
from orchestration.report.charts import CONFIG, DASHES, WIDTH, Look
from orchestration.report.frames import Connection, Facts
from orchestration.report.pictures import Panel, Picture, all_pictures
from orchestration.report.texts import LANGUAGES, Both, has, instant, number, same, say, usd

FOLDER = Path(__file__).parent
PAGE = "report.html"
STILLS = "pictures"

PICTURES_OF_CLAIM = {
    **{1: (3,), 2: (3,), 3: (3,), 4: (9,), 5: (4, 9), 6: (4,), 7: (4,), 8: (2,), 9: (1,), 10: (1,), 11: (10,)},
    **{12: (7,), 13: (7,), 14: (8,), 15: (8,), 16: (8,), 17: (5, 6), 18: (2, 9), 19: (8,)},
}
"""Which pictures show what a claim of METHODS is about."""


@dataclass(frozen=True)
class Still:
    """One picture as files: its number and name, SVG text, PNG bytes."""

    number: int
    name: str
    svg: str
    png: bytes


@dataclass(frozen=True)
class Report:
    """The page and its still pictures, not yet written."""

    html: str
    pictures: Sequence[Picture]
    stills: Sequence[Still]

    def write(self, folder: Path) -> None:
        """Write `report.html` and `pictures/<number>-<name>.svg|png` below `folder`."""
        (folder / STILLS).mkdir(parents=True, exist_ok=True)
        (folder / PAGE).write_text(self.html, "utf-8")
        for still in self.stills:
            (folder / STILLS / f"{still.name}.svg").write_text(still.svg, "utf-8")
            (folder / STILLS / f"{still.name}.png").write_bytes(still.png)


def build(
    con: Connection, facts: Facts, gates: Sequence[tuple[str, int, int]] = (), *, cache: Path | None = None
) -> Report:
    """Read, draw and render.

    Args:
        con: a connection on gated marts.
        facts: clock, as-of, run, whether the data are the demo's.
        gates: name, passed and all checks of each gate.
        cache: folder in which the script of the charts is kept: making it takes longer than anything else on the page.
    """
    pictures = all_pictures(con, facts)
    claims = frames.table(con, "analytics.claims", "claim_number, claim_id", verbatim=("query",))
    stills = [still_of(picture, facts) for picture in pictures if picture.panels]
    return Report(render(con, facts, pictures, claims, stills, gates, _bundle(cache)), pictures, stills)


# ------------------------------------------------------------------ charts


def spec(panel: Panel, look: Look) -> dict[str, Any]:
    """A chart as Vega-Lite, its data by name."""
    import altair as alt
    from altair.utils.schemapi import debug_mode

    # Altair's validation of every part takes longer than the drawing; a test validates every chart.
    with debug_mode(False), alt.data_transformers.enable(consolidate_datasets=False):
        found: dict[str, Any] = panel.draw(look).to_dict(validate=False)
    found.pop("$schema", None)
    found.pop("config", None)
    return found


def _live(panel: Panel, look: Look) -> dict[str, Any]:
    # The page has its own legend, which wraps on a phone and is read aloud.
    return spec(panel, look) | {
        "width": "container",
        "autosize": {"type": "fit-x", "contains": "padding"},
        "config": CONFIG | {"legend": {"disable": True}},
    }


def compact(frame: pd.DataFrame) -> dict[str, list[Any]]:
    """A panel's data as column names and rows; a missing number is null."""
    days = frame.select_dtypes("datetime").columns
    text = frame.assign(**{column: frame[column].dt.strftime("%Y-%m-%d") for column in days})
    rows = text.astype(object).where(text.notna(), None).to_numpy().tolist()
    return {"columns": list(frame.columns), "rows": rows}


def still_of(picture: Picture, facts: Facts) -> Still:
    """The picture as SVG and PNG, in English, its panels below each other."""
    look = Look("en", is_static=True, is_excerpt=facts.is_excerpt)
    parts = [spec(panel, look) | {"width": WIDTH} for panel in picture.panels]
    stamp = f"{picture.text['source'].en}. As of {instant(picture.known_at)}."
    whole = {
        "vconcat": parts,
        "datasets": {
            panel.name: [dict(zip(held["columns"], row, strict=True)) for row in held["rows"]]
            for panel in picture.panels
            if (held := compact(panel.data))
        },
        "resolve": {"scale": {"color": "independent", "strokeDash": "independent"}},
        "title": {"text": f"{picture.number} · {picture.title.en}", "subtitle": stamp, "fontSize": 16},
        "config": CONFIG | {"background": "white"},
    }
    svg, png = rasterised(whole)
    return Still(picture.number, f"{picture.number:02d}-{picture.key}", svg, png)


def rasterised(whole: Mapping[str, Any], scale: float = 1.5) -> tuple[str, bytes]:
    """A Vega-Lite chart as SVG text and PNG bytes; no network is asked."""
    import vl_convert

    svg = vl_convert.vegalite_to_svg(dict(whole), allowed_base_urls=[])
    return svg, vl_convert.svg_to_png(svg, scale=scale)


def thumbnail(svg: str) -> bytes:
    """A small PNG of a still picture, below 100 kB: for an event log."""
    import vl_convert

    return vl_convert.svg_to_png(svg, scale=0.6)


# ------------------------------------------------------------------ page


def render(
    con: Connection,
    facts: Facts,
    pictures: Sequence[Picture],
    claims: pd.DataFrame | None,
    stills: Sequence[Still],
    gates: Sequence[tuple[str, int, int]],
    bundle: str,
) -> str:
    """The page as text."""
    import vl_convert
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    script = (FOLDER / "page.js").read_text("utf-8")
    panels = [panel for picture in pictures for panel in picture.panels]
    charts = {
        "specs": {
            language: {panel.name: _live(panel, Look(language, is_excerpt=facts.is_excerpt)) for panel in panels}
            for language in LANGUAGES
        },
        "data": {panel.name: compact(panel.data) for panel in panels},
        "titles": {language: say("title").of(language) for language in LANGUAGES},
        "locale": {"en": vl_convert.get_time_format_locale("en-US"), "ja": vl_convert.get_time_format_locale("ja-JP")},
    }
    environment = Environment(
        loader=FileSystemLoader(FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    rows = None if claims is None else [claim_row(row) for row in claims.to_dict("records")]
    claims_of: dict[int, list[str]] = {}
    for row in rows or ():
        for shown in row["pictures"]:
            claims_of.setdefault(shown, []).append(row["number"])
    sources = frames.table(con, "marts.dim_source", "provider")
    return environment.get_template("template.html.j2").render(
        say=say,
        t=spoken,
        instant=instant,
        facts=facts,
        style=(FOLDER / "style.css").read_text("utf-8"),
        script_hashes=" ".join(_hash(each) for each in (bundle, script)),
        bundle=bundle,
        script=script,
        sentences=five_sentences(con, facts, claims),
        pictures=pictures,
        dashes=DASHES,
        stills={still.number: still.svg for still in stills},
        claims=rows,
        claims_of=claims_of,
        sources=[_with_links(row) for row in sources.to_dict("records")] if sources is not None else [],
        gates=[say("gate_line", gate=gate, passed=passed, checks=checks) for gate, passed, checks in gates],
        charts=charts,
    )


def _bundle(folder: Path | None) -> str:
    """Vega, Vega-Lite and Vega-Embed as one script, from `folder` when this version was made before."""
    import vl_convert

    kept = folder / f"vega-{version('vl-convert-python')}.js" if folder else None
    if kept and kept.is_file():
        return kept.read_text("utf-8")
    bundle: str = vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;").replace("\r", "")
    if kept:
        kept.parent.mkdir(parents=True, exist_ok=True)
        # Renamed when whole: a run that is killed here leaves no half a script behind.
        unfinished = kept.with_suffix(".unfinished")
        unfinished.write_text(bundle, "utf-8")
        unfinished.replace(kept)
    return bundle


def in_language(html: str, language: str) -> str:
    """The page with another language to start in."""
    return html.replace('<html lang="en" data-lang="en"', f'<html lang="{language}" data-lang="{language}"', 1)


def spoken(text: Both | str) -> Any:
    """Both languages, of which the page shows one; a string is a key of texts.yml."""
    from markupsafe import Markup, escape

    both = say(text) if isinstance(text, str) else text
    # A date is not broken at its hyphens.
    english, japanese = (
        Markup(re.sub(r"\d{4}-\d\d-\d\d", r'<span class="nowrap">\g<0></span>', str(escape(each))))  # noqa: S704  escaped first
        for each in (both.en, both.ja)
    )
    return (
        english
        if both.en == both.ja
        else Markup('<span lang="en">{}</span><span lang="ja">{}</span>').format(english, japanese)
    )


def _hash(script: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"


def safe_link(url: object) -> str:
    """An https address or an anchor of the page; anything else is no link."""
    text = frames.clean(url)
    is_safe = text.startswith("#") or (urlsplit(text).scheme == "https" and re.fullmatch(r"[!-~]+", text))
    return text if is_safe else ""


def _with_links(row: dict[Hashable, Any]) -> dict[Hashable, Any]:
    return row | {name: safe_link(row[name]) for name in ("homepage", "terms_url")}


def claim_row(row: Mapping[Hashable, Any]) -> dict[str, Any]:
    """One row of analytics.claims as the template shows it."""
    verdict = str(row["verdict"])
    key = "untestable" if verdict == VERDICTS[3] else verdict
    if not has(f"verdict_{key}"):
        raise ValueError(f"claim {row['claim_id']}: verdict {verdict!r} is none of {', '.join(VERDICTS)}")
    unit = str(row["unit"] or "")
    low, high = row["value_low"], row["value_high"]
    link = safe_link(row["link"])
    return {
        "number": str(row["claim_number"]),
        "text": Both(row["claim_en"], row["claim_ja"]),
        "supports_if": Both(row["supports_if_en"], row["supports_if_ja"]),
        "verdict_class": key,
        "value": amount(row["value"], unit),
        "range": None
        if pd.isna(low) or pd.isna(high)
        else say("range", low=amount(low, unit), high=amount(high, unit)),
        "article": amount(row["article_value"], unit),
        "n": None if pd.isna(row["n"]) else f"{int(row['n']):,}",
        "as_of": instant(row["as_of"]) if not pd.isna(row["as_of"]) else "–",
        "reason": Both(row["reason_en"], row["reason_ja"]),
        "pictures": PICTURES_OF_CLAIM.get(int(row["claim_number"]), ()),
        "link": link,
        "link_name": urlsplit(link).netloc or link,
        "query": "" if pd.isna(row["query"]) else row["query"],
    }


def amount(value: float | None, unit: str) -> Both:
    """A value of the ledger with its unit."""
    if value is None or pd.isna(value):
        return same("–")
    if unit.lower() == "usd":
        return usd(float(value))
    text = number(float(value))
    return same(f"{text} {unit}".strip())
