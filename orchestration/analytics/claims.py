"""The claims ledger: every claim's query and rule are data (`claims.yml`); here they are checked and asked.

A verdict comes only out of a rule over what the query returned. Nothing here or in the YAML holds one.
"""

from __future__ import annotations

import math
import re
import string
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Self

import duckdb
import pandas as pd
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from orchestration.catalog.loader import load_entries

LEDGER = Path(__file__).with_name("claims.yml")

SUPPORTED, CONTRADICTED, INCONCLUSIVE = "supported", "contradicted", "inconclusive"
NOT_TESTABLE = "not testable with these data"

REQUIRED = ("value", "low", "high", "n", "as_of")
"""What every query returns, beside the inputs that its sentences name."""

COLUMNS = [
    "claim_id",
    "claim_number",
    "claim_en",
    "claim_ja",
    "supports_if_en",
    "supports_if_ja",
    "verdict",
    "value",
    "value_low",
    "value_high",
    "unit",
    "article_value",
    "n",
    "as_of",
    "reason_en",
    "reason_ja",
    "query",
    "rule",
    "link",
]

Text = Annotated[str, Field(min_length=1)]


NO_COLUMN = {"and", "or", "not", "between", "in", "is", "null", "true", "false", "article_value"}


class ClaimError(Exception):
    """A claim whose query, rule or sentence does not work; names the claim and the field."""


class Rule(BaseModel):
    """SQL conditions over the query's row and `article_value`; what none of them decides is inconclusive."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    not_testable_when: Text | None = None
    supported_when: Text | None = None
    contradicted_when: Text | None = None

    @model_validator(mode="after")
    def _has_a_condition(self) -> Self:
        if not any(self.conditions().values()):
            raise ValueError("has no condition; without one no data could change the verdict")
        return self

    def conditions(self) -> dict[str, str | None]:
        """Verdict -> condition, in the order in which they are asked."""
        return {
            NOT_TESTABLE: self.not_testable_when,
            SUPPORTED: self.supported_when,
            CONTRADICTED: self.contradicted_when,
        }

    def __str__(self) -> str:
        asked = [f"{verdict} when {condition}" for verdict, condition in self.conditions().items() if condition]
        return "; ".join([*asked, f"else {INCONCLUSIVE}"])

    @field_validator("*")
    @classmethod
    def _asks_the_row(cls, condition: str | None) -> str | None:
        # Names that are not called: columns, but for SQL's own words and the claim's own figure.
        names = set(re.findall(r"\b[a-z_]\w*\b(?!\s*\()", re.sub(r"'[^']*'", "", condition or "")))
        if condition and not names - NO_COLUMN:
            raise ValueError("names no column; a condition that no data can change is a typed verdict")
        return condition


class Claim(BaseModel):
    """One claim, paraphrased, with what would support it and how that is found out.

    needs: what the data must hold, in words; part of the reason when they do not.
    article_value: the figure the claim states, in `unit`.
    series: catalog ids the query stands on; a missing claim says since when and until when they are held.
    query: SQL on the released schemas; without one the claim is not testable with these data.
    reason: Python format templates over the query's row, without the outcome.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]+$")]
    number: Annotated[int, Field(ge=1)]
    title_en: Text
    title_ja: Text
    supports_if_en: Text
    supports_if_ja: Text
    needs_en: Text
    needs_ja: Text
    article_value: float | None = None
    unit: Text
    series: tuple[str, ...] = ()
    query: Text | None = None
    rule: Rule | None = None
    reason_en: Text | None = None
    reason_ja: Text | None = None
    link: Annotated[str, Field(pattern=r"^https://")]

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        belonging = {"query": self.query, "rule": self.rule, "reason_en": self.reason_en, "reason_ja": self.reason_ja}
        absent = [name for name, part in belonging.items() if part is None]
        if absent and len(absent) < len(belonging):
            raise ValueError(f"{', '.join(absent)}: is missing; query, rule and both reasons come together")
        return self

    @field_validator("reason_en", "reason_ja")
    @classmethod
    def _formats(cls, template: str | None) -> str | None:
        """The template can be read, and says nothing that a rule has to say."""
        if template:
            list(string.Formatter().parse(template))
            for word in (SUPPORTED, CONTRADICTED, INCONCLUSIVE, "testable", "支持", "矛盾", "否定"):
                if word in template:
                    raise ValueError(f"says {word!r}; a sentence gives numbers, the rule gives the verdict")
        return template

    def tables(self) -> list[str]:
        """Tables that the query reads, with their schema."""
        return sorted(set(re.findall(r"\b(?:marts|analytics)\.\w+", self.query or "")))


def load_claims(path: Path = LEDGER) -> tuple[Claim, ...]:
    """The ledger, checked; errors name the entry and the field.

    Raises:
        CatalogError: the file does not hold together.
    """
    claims = load_entries(path, f"analytics/{path.name}", "claims", "id", Claim)
    return tuple(sorted(claims, key=lambda claim: claim.number))


def judge(con: duckdb.DuckDBPyConnection, claims: Sequence[Claim]) -> pd.DataFrame:
    """Ask every claim's query and apply its rule; COLUMNS, one row per claim.

    Raises:
        ClaimError: a query or condition fails on tables that exist, returns several rows or lacks a column, or two
            conditions hold at once. Missing tables and empty answers are no errors but a verdict.
    """
    present = {
        f"{schema}.{table}"
        for schema, table in con.execute(
            "select schema_name, table_name from duckdb_tables() where database_name = current_database()"
        ).fetchall()
    }
    frame = pd.DataFrame([_judged(con, claim, present) for claim in claims], columns=COLUMNS)
    return frame.astype({"n": "Int64"}).assign(as_of=pd.to_datetime(frame["as_of"], utc=True))


def _judged(con: duckdb.DuckDBPyConnection, claim: Claim, present: set[str]) -> dict[str, Any]:
    found: Mapping[str, Any] = dict.fromkeys(REQUIRED)
    verdict, reason_en, reason_ja = NOT_TESTABLE, "", ""
    missing = [table for table in claim.tables() if table not in present]
    if claim.query and claim.rule and not missing:
        row = _asked(con, claim)
        if row is not None and row["value"] is not None:
            found = row
            verdict = _verdict(con, claim, claim.rule)
            reason_en, reason_ja = (_sentence(claim, name, found) for name in ("reason_en", "reason_ja"))
    if verdict == NOT_TESTABLE:
        held_en, held_ja = _held(con, claim, missing, present)
        reason_en = f"Needs {claim.needs_en}. {held_en}{reason_en}".strip()
        reason_ja = f"必要なデータ:{claim.needs_ja}。{held_ja}{reason_ja}".strip()
    return {
        "claim_id": claim.id,
        "claim_number": claim.number,
        "claim_en": claim.title_en,
        "claim_ja": claim.title_ja,
        "supports_if_en": claim.supports_if_en,
        "supports_if_ja": claim.supports_if_ja,
        "verdict": verdict,
        "value": found["value"],
        "value_low": found["low"],
        "value_high": found["high"],
        "unit": claim.unit,
        "article_value": claim.article_value,
        "n": found["n"],
        "as_of": found["as_of"],
        "reason_en": reason_en,
        "reason_ja": reason_ja,
        "query": claim.query and claim.query.strip(),
        "rule": claim.rule and str(claim.rule),
        "link": claim.link,
    }


def _asked(con: duckdb.DuckDBPyConnection, claim: Claim) -> dict[str, Any] | None:
    """The query's only row by column, or None."""
    try:
        answer = con.execute(claim.query or "")
        names = [column[0] for column in answer.description or ()]
        rows = answer.fetchall()
    except duckdb.Error as error:
        raise ClaimError(f"claim {claim.id}: field query: {error}") from error
    if absent := [name for name in REQUIRED if name not in names]:
        raise ClaimError(f"claim {claim.id}: field query: lacks column {', '.join(absent)}; add it")
    if len(rows) > 1:
        raise ClaimError(f"claim {claim.id}: field query: returns {len(rows)} rows; a claim is one row")
    if not rows:
        return None
    row = dict(zip(names, rows[0], strict=True))
    for name in ("value", "low", "high"):
        # To DuckDB NaN is greater than every number: a rule would take it for an answer.
        if row[name] is not None and not math.isfinite(row[name]):
            raise ClaimError(f"claim {claim.id}: field query: {name} is {row[name]}; divide by what cannot be zero")
    return row


def _verdict(con: duckdb.DuckDBPyConnection, claim: Claim, rule: Rule) -> str:
    asked = {verdict: condition for verdict, condition in rule.conditions().items() if condition}
    columns = ", ".join(f"coalesce({condition}, false)" for condition in asked.values())
    try:
        answers = con.execute(
            f"select {columns} from ({claim.query}) as computed cross join (select cast(? as double) as article_value)",
            [claim.article_value],
        ).fetchone()
    except duckdb.Error as error:
        raise ClaimError(f"claim {claim.id}: field rule: {error}") from error
    held = [verdict for verdict, answer in zip(asked, answers or (), strict=True) if answer]
    if NOT_TESTABLE in held:
        return NOT_TESTABLE
    if len(held) > 1:
        raise ClaimError(f"claim {claim.id}: field rule: {' and '.join(held)} at once; make the conditions exclude")
    return held[0] if held else INCONCLUSIVE


class _NoNumber:
    """Stands for a null in a sentence, whatever its format."""

    def __format__(self, spec: str) -> str:
        return "–"


def _sentence(claim: Claim, field: str, row: Mapping[str, Any]) -> str:
    values: dict[str, Any] = {name: _NoNumber() if value is None else value for name, value in row.items()}
    for name in [name for name in row if name.endswith("_usd") or name in ("value", "low", "high")]:
        stem, value = name.removesuffix("_usd"), row[name]
        values[f"{stem}_bn"] = _NoNumber() if value is None else float(value) / 1e9
        values[f"{stem}_oku"] = _NoNumber() if value is None else float(value) / 1e8
    try:
        return str(getattr(claim, field)).format(**values)
    except (KeyError, ValueError, TypeError, IndexError) as error:
        raise ClaimError(f"claim {claim.id}: field {field}: cannot be filled from the query's row ({error})") from error


def _held(con: duckdb.DuckDBPyConnection, claim: Claim, missing: Sequence[str], present: set[str]) -> tuple[str, str]:
    """Which tables are missing, and how far the claim's series reach; English and Japanese, with a blank at the end."""
    if missing:
        names = ", ".join(missing)
        return f"Not in this warehouse: {names}. ", f"この倉庫にない表:{names}。"
    if not claim.series or "marts.dim_series" not in present:
        return "", ""
    spans = {
        series: f"{first} – {last}" if first else None
        for series, first, last in con.execute(
            "select series_id, first_period_date, last_period_date from marts.dim_series where list_contains(?, series_id)",
            [list(claim.series)],
        ).fetchall()
    }
    held = [(series, spans.get(series)) for series in claim.series]
    english = "; ".join(f"{series} {span or 'none'}" for series, span in held)
    japanese = "、".join(f"{series} {span or 'なし'}" for series, span in held)
    return f"Held: {english}. ", f"保有:{japanese}。"
