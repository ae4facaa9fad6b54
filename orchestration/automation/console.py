"""What a terminal shows of a run: one line when a stage ends, one for each warning. The event log keeps everything."""

from __future__ import annotations

import logging
import sys
from typing import Any

import dagster as dg

STAGES = "stages"


class _Stages(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        from rich.console import Console

        console = Console(stderr=True, highlight=False)
        meta: dict[str, Any] = getattr(record, "dagster_meta", {})
        event = meta.get("dagster_event")
        if event is None:
            text = str(meta.get("orig_message") or record.getMessage())
            # Dagster says of every later step that it does not run: the failed one is named already.
            if record.levelno >= logging.WARNING and not text.startswith("Dependencies for step"):
                mark, style = ("✗", "red") if record.levelno >= logging.ERROR else ("!", "yellow")
                console.print(f"  {mark} {text}", style=style, markup=False)
            return
        kind = event.event_type_value
        if kind == "STEP_START" and sys.stderr.isatty():
            console.print(f"  … {event.step_key}", style="dim", markup=False)
        elif kind == "STEP_SUCCESS":
            seconds = event.step_success_data.duration_ms / 1000
            console.print(f"  ✓ {event.step_key}  {seconds:.1f} s", style="green", markup=False)
        elif kind == "STEP_FAILURE":
            console.print(f"  ✗ {event.step_key}", style="red", markup=False)


@dg.logger({}, description="One line for each finished stage, warnings and errors.")
def stages_logger(_: dg.InitLoggerContext) -> logging.Logger:
    """The logger `tidegauge run` configures instead of Dagster's own console output."""
    logger = logging.Logger(STAGES, logging.DEBUG)
    logger.addHandler(_Stages())
    return logger
