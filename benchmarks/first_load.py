"""Times a full first load of all sources through HTTP beside a replay of the same answers, and counts a refresh's requests.

Needs a mirror of the providers on this machine (`TIDEGAUGE_MIRROR=http://127.0.0.1:...`), asked without added latency. The
ratio says what HTTP, retries and the archive cost on top of parsing and loading. Keys that make all sources speak may be
set as for `tidegauge run`.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import duckdb

ROOT = Path(__file__).resolve().parent.parent
EXTRACT = """
import sys
from datetime import UTC, datetime
import dagster as dg
from orchestration.assets.sources import build_extract_assets, catalog_tables
from orchestration.extract.archive import Archive
from orchestration.settings import load_settings
from pathlib import Path
home, archive, start = sys.argv[1:]
settings = load_settings(home=home)
if archive:
    settings = settings.at(Archive(Path(archive)).last_fetch())
config = {"archive": archive} if archive else {"start": start} if start else {}
run = dg.materialize(
    [catalog_tables, build_extract_assets(settings)], resources={"settings": settings.stopped()},
    run_config={"ops": {"extract": {"config": config}}}, raise_on_error=False,
)
sys.exit(0 if run.success else 1)
"""


def timed(home: Path, archive: str = "", start: str = "") -> tuple[float, float]:
    """Wall seconds and peak MiB of one extraction into `home`."""
    command = [sys.executable, "-c", EXTRACT, str(home), archive, start]
    started = time.perf_counter()
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    assert process.stderr is not None
    said = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"the extraction failed:\n{said.decode()[-3000:]}")
    return time.perf_counter() - started, usage.ru_maxrss / 1024


def loads(home: Path) -> tuple[int, int]:
    """Rows written so far, and answers used so far."""
    with duckdb.connect(str(home / "warehouse.duckdb"), read_only=True) as con:
        (rows,) = con.execute("select sum(rows_new + rows_changed)::bigint from raw.loads").fetchone() or (0,)
    return rows, sum(1 for _ in (home / "archive").rglob("*.json"))


def main() -> None:
    if not os.environ.get("TIDEGAUGE_MIRROR"):
        sys.exit("set TIDEGAUGE_MIRROR to a mirror of the providers on this machine")
    with tempfile.TemporaryDirectory() as folder:
        home, again = Path(folder) / "home", Path(folder) / "again"
        first_s, first_mib = timed(home, start="2013-01-01")
        rows, answers = loads(home)
        replay_s, _ = timed(again, archive=str(home / "archive"))
        refresh_s, _ = timed(home)
        rows_after, answers_after = loads(home)
    print(
        json.dumps(
            {
                "load_average": os.getloadavg()[0],
                "first_load_s": round(first_s, 1),
                "first_load_peak_mib": round(first_mib),
                "rows": rows,
                "answers": answers,
                "replay_s": round(replay_s, 1),
                "ratio_first_load_to_replay": round(first_s / replay_s, 2),
                "refresh_s": round(refresh_s, 1),
                "refresh_new_rows": rows_after - rows,
                "refresh_answers": answers_after - answers,
            },
            indent=1,
        )
    )


if __name__ == "__main__":
    main()
