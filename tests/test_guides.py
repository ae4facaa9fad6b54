"""What the guides tell a person to type exists: commands and options, settings, and the units of systemd."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer

from orchestration.cli import app
from orchestration.settings import PACKAGE_ROOT, Settings

GUIDES = [PACKAGE_ROOT / "README.md", *sorted((PACKAGE_ROOT / "docs").rglob("*.md"))]
UNITS = PACKAGE_ROOT / "deploy" / "systemd"
INSTALLED = "/opt/tidegauge/.venv/bin/tidegauge"

OPERATOR = set(";&|()<>")
COMMAND = typer.main.get_command(app)
UsageError = typer.BadParameter.__base__
"""Of the click that typer brings along."""


FENCED = re.compile(r"^ *```\w*\n(.*?)^ *```", re.M | re.S)


def commands(text: str) -> Iterator[tuple[list[str], bool]]:
    """The arguments of every `tidegauge ...`; True for one of a fenced block, False for a mention in a sentence."""
    for block in FENCED.findall(text):
        yield from ((given, True) for given in _typed(block))
    for span in re.findall(r"`(tidegauge [a-z-][^`\n]*)`", FENCED.sub("", text)):
        yield from ((given, False) for given in _typed(span))


def _typed(text: str) -> Iterator[list[str]]:
    unfinished = ""
    for line in re.sub(r"<[a-z ]+>", "placeholder", text).splitlines():
        unfinished += line.removesuffix("\\") + ("" if line.endswith("\\") else "\n")
        try:
            lexer = shlex.shlex(unfinished, posix=True, punctuation_chars=True)
            lexer.whitespace_split = True
            words = list(lexer)
        except ValueError:  # a quotation goes on
            continue
        if line.endswith("\\"):
            continue
        unfinished = ""
        for number, word in enumerate(words):
            is_first = number == 0 or set(words[number - 1]) <= OPERATOR
            if word.endswith("bin/tidegauge") or (word == "tidegauge" and is_first):
                # What comes after it on the line, up to what the shell makes of the rest.
                given = words[number + 1 :]
                end = next((at for at, each in enumerate(given) if set(each) <= OPERATOR), len(given))
                if end:
                    yield given[:end]


def parse(arguments: list[str], *, is_whole: bool = True) -> None:
    """Have typer read the arguments as a call would; nothing is run. What a mention leaves out may be missing."""
    try:
        _parse(arguments)
    except UsageError as error:
        if is_whole or type(error).__name__ != "MissingParameter":
            raise


def _parse(arguments: list[str]) -> None:
    command, name, context = COMMAND, "tidegauge", None
    while True:
        context = command.make_context(name, list(arguments), parent=context)
        # A group hands on what is behind its own options.
        rest = [*getattr(context, "_protected_args", ()), *context.args]
        if not hasattr(command, "resolve_command") or not rest:
            return
        name, command, arguments = command.resolve_command(context, rest)


def in_guides() -> list[tuple[str, str, bool]]:
    return sorted(
        {
            (str(guide.relative_to(PACKAGE_ROOT)), shlex.join(given), is_whole)
            for guide in GUIDES
            for given, is_whole in commands(guide.read_text("utf-8"))
        }
    )


@pytest.mark.parametrize(("guide", "given", "is_whole"), in_guides())
def test_a_command_of_the_guides_is_accepted(guide: str, given: str, is_whole: bool):
    parse(shlex.split(given), is_whole=is_whole)


def test_the_guides_are_read():
    whole = {(guide, given.split()[0]) for guide, given, is_whole in in_guides() if is_whole and given}
    assert {("docs/operate.md", name) for name in ("run", "backfill", "replay", "verify", "doctor")} <= whole
    assert ("README.md", "query") in whole


@pytest.mark.parametrize(
    "typed",
    [
        "tidegauge runn",
        "tidegauge run --form 2020-01-01",
        "tidegauge backfill --from 2020",
        "cd x && tidegauge release oops",
    ],
)
def test_a_command_that_does_not_exist_is_noticed(typed: str):
    ((given, is_whole),) = commands(f"```\n{typed}\n```")
    with pytest.raises(UsageError):
        parse(given, is_whole=is_whole)


def test_every_setting_that_is_named_exists():
    known = {f"TIDEGAUGE_{name.upper()}" for name in Settings.model_fields} - {"TIDEGAUGE_NOW_OVERRIDE"} | {
        "TIDEGAUGE_NOW"
    }
    files = [*GUIDES, PACKAGE_ROOT / ".env.example", *(path for path in UNITS.rglob("*") if path.is_file())]
    named = {
        (path.name, name)
        for path in files
        for name in re.findall(r"TIDEGAUGE_[A-Z0-9_]*[A-Z0-9]", path.read_text("utf-8"))
    }
    assert named
    assert {each for each in named if each[1] not in known} == set()


def test_the_units_start_commands_that_exist():
    started = re.findall(
        r"^ExecStart=(\S+)(.*)$", "\n".join(path.read_text("utf-8") for path in UNITS.glob("*.service")), re.M
    )
    assert len(started) == 2
    for program, given in started:
        assert program == INSTALLED
        parse(shlex.split(given))


def analyze(*given: str, units: Path | None = None) -> subprocess.CompletedProcess[str]:
    if shutil.which("systemd-analyze") is None:
        if os.environ.get("CI"):
            pytest.fail("CI needs Debian's systemd: apt-get install systemd")
        pytest.skip("no systemd-analyze on this machine: apt-get install systemd")
    # The colon at the end: systemd's own units are found too.
    environment = os.environ | ({"SYSTEMD_UNIT_PATH": f"{units}:"} if units else {})
    return subprocess.run(["systemd-analyze", *given], env=environment, capture_output=True, text=True)


@pytest.fixture
def units(tmp_path: Path) -> Path:
    """The units as they would be installed, but for where the program is."""
    folder = tmp_path / "units"
    shutil.copytree(UNITS, folder)
    for path in folder.glob("*.service"):
        path.write_text(path.read_text("utf-8").replace(INSTALLED, sys.executable))
    return folder


@pytest.mark.parametrize("unit", sorted(path.name for path in UNITS.iterdir() if path.is_file()))
def test_systemd_understands_the_units(units: Path, unit: str):
    verdict = analyze("verify", unit, units=units)
    assert (verdict.returncode, verdict.stderr) == (0, "")


@pytest.mark.parametrize("place", ["tidegauge-ui.service", "tidegauge-.service.d/common.conf"])
def test_a_slip_in_a_unit_is_noticed(units: Path, place: str):
    (units / place).write_text((units / place).read_text("utf-8") + "\n[Service]\nProtectSystm=strict\n")
    assert "ProtectSystm" in analyze("verify", "tidegauge-ui.service", units=units).stderr


@pytest.mark.parametrize(("monday", "instant"), [("2026-01-12", "23:00:00 UTC"), ("2026-07-13", "22:00:00 UTC")])
def test_the_timer_keeps_new_york_time(monday: str, instant: str):
    (when,) = re.findall(r"^OnCalendar=(.+)$", (UNITS / "tidegauge-run.timer").read_text("utf-8"), re.M)
    said = analyze("calendar", f"--base-time={monday} 00:00:00 UTC", when).stdout
    assert f"{monday} {instant}" in said
