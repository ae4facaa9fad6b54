"""Frames judged by Great Expectations: which rows of a frame break which rule.

The one module that imports great_expectations, and only when a gate is evaluated (the import costs seconds).
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from orchestration.quality.checks import GateError

if TYPE_CHECKING:
    import pandas as pd

# Rows on which a row-level rule was broken, and whether the rule as a whole (its `mostly` share) holds.
RESULT_FORMAT = {"result_format": "COMPLETE", "return_unexpected_index_query": False}


@dataclass(frozen=True)
class Between:
    """`column` lies within limits; `mostly` is the share of rows that must. Missing values are not judged."""

    name: str
    column: str
    minimum: float | None = None
    maximum: float | None = None
    mostly: float = 1.0


@dataclass(frozen=True)
class AtLeast:
    """`larger` is at least `smaller`, row by row. A row where either is missing is not judged."""

    name: str
    larger: str
    smaller: str


@dataclass(frozen=True)
class Verdict:
    """Whether a rule holds, and the positions of the rows that break it."""

    passed: bool
    positions: list[int]


Rule = Between | AtLeast


def judge(frame: pd.DataFrame, rules: Sequence[Rule], *, what: str) -> dict[str, Verdict]:
    """One Great Expectations validation of one frame; verdicts by rule name.

    Raises:
        GateError: a rule could not be evaluated. Great Expectations reports that as a plain failure.
    """
    gx = load()
    from great_expectations.data_context.types.base import ProgressBarsConfig

    frame = frame.reset_index(drop=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        context = gx.get_context(mode="ephemeral")
        context.variables.progress_bars = ProgressBarsConfig(globally=False)
        source = context.data_sources.add_pandas("gate")
        batch = (
            source.add_dataframe_asset(what)
            .add_batch_definition_whole_dataframe("all")
            .get_batch(batch_parameters={"dataframe": frame})
        )
        suite = gx.ExpectationSuite(name=what, expectations=[_expectation(gx, rule) for rule in rules])
        outcome = batch.validate(suite, result_format=RESULT_FORMAT)
    verdicts = {}
    for each in outcome.results:
        name = each.expectation_config.meta["rule"]
        if problem := _raised(each.exception_info):
            raise GateError(f"{what}: rule {name} could not be evaluated: {problem}")
        positions = [int(position) for position in each.result.get("unexpected_index_list") or []]
        verdicts[name] = Verdict(bool(each.success), positions)
    if missing := {rule.name for rule in rules} - set(verdicts):
        raise GateError(f"{what}: no verdict for {', '.join(sorted(missing))}")
    return verdicts


def _expectation(gx: Any, rule: Rule) -> Any:
    meta = {"rule": rule.name}
    if isinstance(rule, AtLeast):
        return gx.expectations.ExpectColumnPairValuesAToBeGreaterThanB(
            column_A=rule.larger,
            column_B=rule.smaller,
            or_equal=True,
            ignore_row_if="either_value_is_missing",
            meta=meta,
        )
    return gx.expectations.ExpectColumnValuesToBeBetween(
        column=rule.column, min_value=rule.minimum, max_value=rule.maximum, mostly=rule.mostly, meta=meta
    )


def _raised(info: Any) -> str | None:
    """The message of an exception; the report is flat for a rule and nested per metric for what it needs."""
    if not isinstance(info, Mapping):
        return None
    if "raised_exception" in info:
        return str(info.get("exception_message") or "unknown error") if info["raised_exception"] else None
    return next((problem for nested in info.values() if (problem := _raised(nested))), None)


def load() -> Any:
    """Import Great Expectations with its telemetry off; seconds the first time."""
    # Read once, while the package is imported.
    os.environ["GX_ANALYTICS_ENABLED"] = "false"
    import great_expectations

    return great_expectations
