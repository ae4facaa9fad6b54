"""Times `tidegauge ui`: from its start to the first answer of the web server, and to the asset graph in a browser.

The web server's own start is timed too: what comes before it is the code location. Pass a home to start on; without one
both a new and a warm home are timed. Needs Debian's chromium.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import psutil
from playwright.sync_api import sync_playwright

ROOT = Path(__file__).resolve().parent.parent
LONGEST_SECONDS = 300


def free_port() -> int:
    """A port nobody listens on just now."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


def until(passed: Iterator[bool], what: str) -> float:
    """The wall clock when this first holds."""
    ends = time.time() + LONGEST_SECONDS
    for holds in passed:
        if holds:
            return time.time()
        if time.time() > ends:
            sys.exit(f"{what}: not within {LONGEST_SECONDS} s")
        time.sleep(0.02)
    raise AssertionError("an endless iterator ended")


def answers(url: str) -> Iterator[bool]:
    while True:
        try:
            with urllib.request.urlopen(f"{url}/server_info", timeout=5) as answer:
                yield answer.status == 200
        except (urllib.error.URLError, ConnectionError):
            yield False


def web_server_of(started: psutil.Process) -> psutil.Process:
    """The process that is the web server."""
    for child in started.children(recursive=True):
        if child.status() != psutil.STATUS_ZOMBIE and "dagster_webserver" in child.cmdline():
            return child
    sys.exit("no web server among the processes of `tidegauge ui`")


def timed(home: Path) -> dict[str, float]:
    """Seconds of one start, and of its end after Ctrl-C."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "orchestration.cli", "ui", "--home", str(home), "--port", str(port)]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        began = time.time()
        process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        family = psutil.Process(process.pid)
        try:
            answered = until(answers(url), "first answer of the web server")
            web_server = web_server_of(family)
            busy = sum(web_server.cpu_times()[:2])
            page = browser.new_page(viewport={"width": 1600, "height": 1000})
            page.goto(f"{url}/asset-groups")
            page.wait_for_selector("svg foreignObject >> nth=5", timeout=LONGEST_SECONDS * 1000)
            drawn = time.time()
            web_server_began = web_server.create_time()
            members = [family, *family.children(recursive=True)]
            spent = sum(sum(each.cpu_times()[:2]) for each in members)
        finally:
            process.send_signal(signal.SIGINT)
            ended = time.time()
            process.wait(120)
        _, alive = psutil.wait_procs(members, timeout=60)
        if alive:
            sys.exit(f"still running after Ctrl-C: {[each.cmdline() for each in alive]}")
        browser.close()
    return {
        "web_server_began_s": round(web_server_began - began, 1),
        "first_answer_s": round(answered - began, 1),
        "first_answer_after_web_server_began_s": round(answered - web_server_began, 1),
        "web_server_cpu_until_first_answer_s": round(busy, 1),
        "graph_drawn_s": round(drawn - began, 1),
        "cpu_until_drawn_s": round(spent, 1),
        "ended_after_ctrl_c_s": round(time.time() - ended, 1),
    }


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        home = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(folder) / "home"
        print(
            json.dumps(
                {
                    "cores": os.cpu_count(),
                    "load_average": os.getloadavg()[0],
                    "first_start" if len(sys.argv) < 2 else "start": timed(home),
                    "second_start": timed(home),
                },
                indent=1,
            )
        )


if __name__ == "__main__":
    main()
