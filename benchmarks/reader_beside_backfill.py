"""Reads the release in a loop, as BI tools do, while a pipeline command runs; prints errors, latencies and mixes.

    python benchmarks/reader_beside_backfill.py --home data/live -- tidegauge backfill --from 2015-01-01 --to 2024-12-31

The home needs a release. Two processes read through `releases/current` until the command ends: `per_query` opens a connection
for each read, `long_lived` keeps one and opens it anew every few reads. A read is a dashboard's query, timed with its connect,
then the contents of a few tables in turn, compared with the manifests: all tables of one connection have to belong to one and
the same release, and that release has to be one that was current while the connection was opened. Exit code 1 when a
read failed, saw a mix or an older release, or when the command failed.
"""

from __future__ import annotations

import argparse
import itertools
import json
import multiprocessing
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Any

import duckdb
import numpy as np

from orchestration.settings import load_settings
from orchestration.warehouse import release

DASHBOARD = """
    select date_trunc('month', day) as month, avg(net_liquidity_wednesday_usd), max(known_at)
    from marts.liquidity
    group by month
    order by month
"""
TABLES_A_READ = 4
READS_A_CONNECTION = 20


def stated(release_folder: Path) -> dict[str, Any]:
    """Table -> (rows, hash), as a manifest says."""
    tables = release.read_manifest(release_folder)["tables"]
    return {name: (each["rows"], each["content_hash"]) for name, each in tables.items()}


def read(releases_dir: Path, reads_a_connection: int, pause: float, stop: Event) -> Iterator[dict[str, Any]]:
    """One entry for each read: its milliseconds and whether it saw a mix or an older release, or its error."""
    path = releases_dir / "current" / "tidegauge.duckdb"
    known: dict[str, dict[str, Any]] = {}
    turn = itertools.count()
    while not stop.is_set():
        before = release.current(releases_dir)
        started = time.perf_counter()
        try:
            with duckdb.connect(str(path), read_only=True) as con:
                opened = time.perf_counter() - started
                current = {before.name, (after := release.current(releases_dir)).name}
                known |= {folder.name: stated(folder) for folder in (before, after) if folder.name not in known}
                tables = sorted(known[after.name])
                belongs_to = set(known)
                for number in range(reads_a_connection):
                    started = time.perf_counter()
                    con.execute(DASHBOARD).fetchall()
                    seconds = time.perf_counter() - started + (opened if number == 0 else 0)
                    for table in (tables[next(turn) % len(tables)] for _ in range(TABLES_A_READ)):
                        found = release.contents(con, table)
                        belongs_to &= {name for name, each in known.items() if each.get(table) == found}
                    is_mix = not belongs_to
                    yield {"ms": seconds * 1000, "mix": is_mix, "old": not is_mix and not belongs_to & current}
                    if stop.wait(pause):
                        break
        except (duckdb.Error, OSError, release.ReleaseError) as error:
            yield {"error": f"{type(error).__name__}: {str(error).splitlines()[0]}"}
            stop.wait(pause)


def watch(
    name: str, releases_dir: Path, reads_a_connection: int, pause: float, stop: Event, said: multiprocessing.Queue
) -> None:
    """Read until told to stop, then say what was seen."""
    reads = list(read(releases_dir, reads_a_connection, pause, stop))
    errors = [each["error"] for each in reads if "error" in each]
    times = [each["ms"] for each in reads if "ms" in each]
    latency = (
        dict(zip(("p50", "p99", "max"), np.percentile(times, [50, 99, 100]).round(1).tolist(), strict=True))
        if times
        else {}
    )
    said.put(
        {
            "reader": name,
            "reads": len(times),
            "errors": len(errors),
            "first_errors": errors[:3],
            "mixes": sum(each.get("mix", False) for each in reads),
            "older_than_current": sum(each.get("old", False) for each in reads),
            "latency_ms": latency,
        }
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--home", type=Path, help="folder of all state; TIDEGAUGE_HOME, else data/live")
    parser.add_argument("--pause", type=float, default=0.1, help="seconds between two reads of one reader; 0: none")
    parser.add_argument("command", nargs="+", help="what to run meanwhile, after --; it gets TIDEGAUGE_HOME")
    chosen = parser.parse_args()
    settings = load_settings(home=chosen.home)
    first = release.current(settings.releases_dir)
    contents = stated(first)
    spawn = multiprocessing.get_context("spawn")
    stop, said = spawn.Event(), spawn.Queue()
    readers = [
        spawn.Process(target=watch, args=(name, settings.releases_dir, reads, chosen.pause, stop, said))
        for name, reads in (("per_query", 1), ("long_lived", READS_A_CONNECTION))
    ]
    for reader in readers:
        reader.start()
    started = time.perf_counter()
    try:
        code = subprocess.run(
            chosen.command, env=os.environ | {"TIDEGAUGE_HOME": str(settings.home)}, stdout=sys.stderr, check=False
        ).returncode
    finally:
        stop.set()
    seconds = time.perf_counter() - started
    found = sorted((said.get(timeout=60) for _ in readers), key=lambda each: str(each["reader"]))
    for reader in readers:
        reader.join()
    last = release.current(settings.releases_dir)
    changed = [table for table, each in stated(last).items() if contents.get(table) != each]
    result = {
        "command": chosen.command,
        "command_exit_code": code,
        "seconds": round(seconds, 1),
        "release_before": first.name,
        "release_after": last.name,
        "tables_that_tell_them_apart": len(changed),
        "readers": found,
    }
    print(json.dumps(result, indent=1))
    ill = any(each["errors"] or each["mixes"] or each["older_than_current"] or not each["reads"] for each in found)
    sys.exit(1 if ill or code else 0)


if __name__ == "__main__":
    main()
