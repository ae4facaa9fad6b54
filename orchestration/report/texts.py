"""Every word of the report in English and Japanese, and numbers as each language writes them. No conclusion stands here:
a sentence is chosen by what was computed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

LANGUAGES = ("en", "ja")
_MARKS = {"en": ((1e12, "tn"), (1e9, "bn"), (1e6, "m")), "ja": ((1e12, "兆"), (1e8, "億"), (1e4, "万"))}


@dataclass(frozen=True)
class Both:
    """One text in both languages."""

    en: str
    ja: str

    def of(self, language: str) -> str:
        """The text in `en` or `ja`."""
        return str(getattr(self, language))


@cache
def _texts() -> dict[str, dict[str, str]]:
    import yaml

    texts: dict[str, dict[str, str]] = yaml.safe_load((Path(__file__).parent / "texts.yml").read_text("utf-8"))
    return texts


def say(key: str, **values: Any) -> Both:
    """The text `key` of texts.yml with its places filled; a Both among the values is filled in its own language.

    Raises:
        KeyError: no such text, or a place without a value.
    """
    text = _texts()[key]
    return Both(
        **{
            language: text[language].format(
                **{name: value.of(language) if isinstance(value, Both) else value for name, value in values.items()}
            )
            for language in LANGUAGES
        }
    )


def has(key: str) -> bool:
    """Whether texts.yml holds `key`."""
    return key in _texts()


def same(text: object) -> Both:
    """A name or number that reads alike in both languages."""
    return Both(str(text), str(text))


def joined(parts: list[Both]) -> Both:
    """A list in running text."""
    return Both(", ".join(part.en for part in parts), "、".join(part.ja for part in parts))


def usd(value: float, *, signed: bool = False) -> Both:
    """An amount of dollars with three to four digits: $957.99bn, 9,579.9億ドル."""
    sign = "−" if value < 0 else "+" if signed else ""
    found = {}
    for language, marks in _MARKS.items():
        size, mark = next(((s, m) for s, m in marks if abs(value) >= s), (1.0, ""))
        number = (
            f"{abs(value) / size:,.{2 if (size >= 1e9 and language == 'en') or size == 1e12 else 1 if mark else 0}f}"
        )
        found[language] = f"{sign}${number}{mark}" if language == "en" else f"{sign}{number}{mark}ドル"
    return Both(**found)


def number(value: float | None, digits: int = 2, *, signed: bool = False) -> str:
    """A number with a true minus sign; an en dash for what is not known."""
    import pandas as pd

    if pd.isna(value):
        return "–"
    return f"{value:{'+' if signed else ''},.{digits}f}".replace("-", "−")


def percent(value: float | None, digits: int = 1, *, signed: bool = True) -> str:
    """A share or change in percent."""
    return f"{number(value, digits, signed=signed)}\u00a0%"


def instant(value: datetime | None) -> str:
    """An instant to the minute, UTC."""
    return f"{value:%Y-%m-%d %H:%M} UTC" if value is not None else "–"
