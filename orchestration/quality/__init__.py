"""Quality: what must hold before anything downstream may run, and the record of whether it held.

`checks` names every check, `frames` reads frames, `suites` lets Great Expectations judge them, `gate` turns its
verdicts into results, `store` keeps them and refuses to open a closed gate. Nothing here knows Dagster.
"""

from orchestration.quality.checks import (
    MART_CHECKS,
    RAW_CHECKS,
    CheckResult,
    CheckSpec,
    GateClosedError,
    GateError,
)

__all__ = ["MART_CHECKS", "RAW_CHECKS", "CheckResult", "CheckSpec", "GateClosedError", "GateError"]
