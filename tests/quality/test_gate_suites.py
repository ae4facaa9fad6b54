"""Great Expectations judges frames; what it cannot evaluate is an error, not a verdict."""

from __future__ import annotations

import subprocess
import sys

import pandas as pd
import pytest

from orchestration.quality import GateError
from orchestration.quality.suites import AtLeast, Between, judge


def test_positions_of_broken_rows() -> None:
    frame = pd.DataFrame({"value": [1.0, 5.0, None], "limit": [2.0, 2.0, 2.0]}, index=[7, 8, 9])

    found = judge(frame, [Between("range", "value", maximum=2), AtLeast("limit", "limit", "value")], what="t")

    assert [found[name].positions for name in ("range", "limit")] == [[1], [1]]
    assert not found["range"].passed


def test_share_that_must_hold() -> None:
    frame = pd.DataFrame({"value": [0.0] * 9 + [9.0]})

    found = judge(frame, [Between("most", "value", maximum=1, mostly=0.9)], what="t")["most"]

    assert found.passed
    assert found.positions == [9]


@pytest.mark.parametrize(
    ("frame", "rule"),
    [
        (pd.DataFrame({"value": [1.0]}), Between("rule", "absent", maximum=1)),
        (pd.DataFrame({"value": [1.0]}), AtLeast("rule", "value", "absent")),
        (pd.DataFrame({"value": ["text", 3]}), Between("rule", "value", maximum=1)),
    ],
    ids=["column absent", "other column absent", "not comparable"],
)
def test_rule_that_cannot_be_evaluated_raises(frame: pd.DataFrame, rule: Between | AtLeast) -> None:
    with pytest.raises(GateError, match="rule rule could not be evaluated"):
        judge(frame, [rule], what="t")


def test_great_expectations_is_not_imported_with_the_room() -> None:
    code = (
        "import sys, orchestration.quality, orchestration.quality.gate, orchestration.quality.store;"
        "sys.exit('great_expectations' in sys.modules or 'dagster' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
