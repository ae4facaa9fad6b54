"""One run at a time per home: who waits is told for whom."""

from __future__ import annotations

import logging
import subprocess
import sys
import threading

import pytest

from orchestration.warehouse import WarehouseBusyError
from orchestration.warehouse.lock import hold

HOLDER = """
import sys
from pathlib import Path
from orchestration.warehouse.lock import hold
with hold(Path(sys.argv[1]), 0, "tidegauge backfill"):
    print("held", flush=True)
    sys.stdin.readline()
"""


@pytest.fixture
def holder(tmp_path):
    """Another process that holds the home until its input ends."""
    command = [sys.executable, "-c", HOLDER, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_who_waits_in_vain_is_told_for_whom_while_and_after(tmp_path, holder, caplog):
    with (
        caplog.at_level(logging.WARNING),
        pytest.raises(WarehouseBusyError, match=rf"tidegauge backfill \(process {holder.pid}, since .*\) holds"),
        hold(tmp_path, 0.05),
    ):
        pytest.fail("two held one home")
    assert f"waiting up to 0 s for tidegauge backfill (process {holder.pid}" in caplog.text


def test_who_waits_goes_on_when_the_other_has_ended(tmp_path, holder, caplog):
    class Told(logging.Handler):
        def emit(self, record):
            holder.stdin.close()

    handler = Told()
    logging.getLogger("orchestration.warehouse.lock").addHandler(handler)
    try:
        with hold(tmp_path, 30, "the second"):
            assert "the second" in (tmp_path / "run.pid").read_text()
    finally:
        logging.getLogger("orchestration.warehouse.lock").removeHandler(handler)


def test_a_killed_holder_holds_nothing(tmp_path, holder):
    holder.kill()
    holder.wait()
    with hold(tmp_path, 0, "the next"):
        assert "the next" in (tmp_path / "run.pid").read_text()


def test_a_block_inside_passes_and_does_not_let_go(tmp_path):
    with hold(tmp_path, 0, "outer"):
        with hold(tmp_path, 0, "inner"):
            pass
        assert "outer" in (tmp_path / "run.pid").read_text()
    assert not (tmp_path / "run.pid").exists()


def test_another_thread_of_the_same_process_waits(tmp_path):
    said = []

    def second():
        try:
            with hold(tmp_path, 0.05, "second"):
                said.append("in")
        except WarehouseBusyError:
            said.append("busy")

    with hold(tmp_path, 0, "first"):
        thread = threading.Thread(target=second)
        thread.start()
        thread.join()
    assert said == ["busy"]
