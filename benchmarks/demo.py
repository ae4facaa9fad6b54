"""Times a warm `tidegauge demo` beside a plain `dbt build` of the same project, and its peak memory.

The ratio is the figure to watch: it holds on a faster or a busier machine. Run with `make bench`.
"""

from __future__ import annotations

import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent
RUNS = 5


def timed(command: list[str], environment: dict[str, str]) -> tuple[float, float]:
    """Wall seconds and peak MiB of a command that must succeed."""
    started = time.perf_counter()
    process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    assert process.stderr is not None
    said = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    wall = time.perf_counter() - started
    if process.returncode:
        sys.exit(f"{' '.join(command)} failed:\n{said.decode()[-2000:]}")
    return wall, usage.ru_maxrss / 1024


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "demo"
        environment = os.environ | {"TIDEGAUGE_WAREHOUSE": str(home / "warehouse.duckdb")}
        demo = [str(BIN / "tidegauge"), "demo", "--home", str(home)]
        dbt = [
            str(BIN / "dbt"),
            *("--no-send-anonymous-usage-stats", "--no-version-check", "build"),
            *("--project-dir", "dbt_project", "--profiles-dir", "dbt_project"),
            *("--target-path", str(Path(folder) / "target"), "--log-path", str(Path(folder) / "logs")),
        ]
        cold, _ = timed(demo, environment)
        timed(dbt, environment)
        pairs = [(timed(demo, environment), timed(dbt, environment)) for _ in range(RUNS)]
    walls, ratios = [d[0] for d, _ in pairs], [d[0] / b[0] for d, b in pairs]
    print(
        json.dumps(
            {
                "machine": f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}",
                "load_average": os.getloadavg()[0],
                "cold_demo_s": round(cold, 1),
                "warm_demo_s": {
                    "median": round(statistics.median(walls), 1),
                    "min": round(min(walls), 1),
                    "max": round(max(walls), 1),
                },
                "dbt_build_s": round(statistics.median(b[0] for _, b in pairs), 1),
                "ratio_demo_to_dbt_build": {
                    "median": round(statistics.median(ratios), 2),
                    "max": round(max(ratios), 2),
                },
                "peak_mib": round(max(d[1] for d, _ in pairs)),
                "peak_mib_of_this_script": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
            },
            indent=1,
        )
    )


if __name__ == "__main__":
    main()
