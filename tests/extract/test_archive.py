"""The archive: what goes in comes out, once per content, in the order it came, and damage is noticed."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from orchestration.extract.archive import Archive, ArchiveError
from orchestration.extract.base import Exchange, Request
from tests.extract.helpers import NOW

REQUEST = Request(
    "fred",
    "series WALCL",
    "/fred/{key}/observations",
    {"series_id": "WALCL"},
    {"Accept": "x"},
    {"series_id": "WALCL"},
    secret_params={"api_key": "secret-key-0123"},
    secret_path={"key": "secret-key-4567"},
    required=False,
    may_be_empty=True,
)


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    return Archive(tmp_path / "archive")


def at(seconds: float = 0, body: bytes = b"body", request: Request = REQUEST) -> Exchange:
    return Exchange(request, 200, body, NOW + timedelta(seconds=seconds), {"ETag": "x"})


def only_body(archive: Archive) -> Path:
    (path,) = (archive.root / "bodies").rglob("*.gz")
    return path


def test_what_goes_in_comes_out_without_its_secrets(archive: Archive):
    archive.write(at(0.123456, b"\x00\xff binary \r\n"))
    (found,) = archive.read()
    assert found == replace(
        at(0.123456, b"\x00\xff binary \r\n"), request=replace(REQUEST, secret_params={}, secret_path={})
    )
    assert found.request.path == "/fred/{key}/observations"


@pytest.mark.parametrize("body", [b"", b"x", b"a" * 1_000_000], ids=["empty", "small", "large"])
def test_bodies_of_any_size_survive(archive: Archive, body: bytes):
    archive.write(at(body=body))
    assert next(archive.read()).body == body


def test_replay_follows_the_instants_of_the_fetches(archive: Archive):
    moments = [5, 0, 0.5, 3600, 86400, -0.000001, 0.25]
    for moment in moments:
        archive.write(at(moment))
    assert [found.fetched_at for found in archive.read()] == [NOW + timedelta(seconds=m) for m in sorted(moments)]
    assert archive.last_fetch() == NOW + timedelta(days=1)


def test_an_instant_in_another_zone_is_the_same_instant(archive: Archive):
    seoul = datetime.fromisoformat("2025-11-13T07:00:00+09:00")
    archive.write(replace(at(), fetched_at=seoul))
    (found,) = archive.read()
    assert (found.fetched_at, found.fetched_at.tzinfo) == (NOW, UTC)


def test_equal_bodies_are_stored_once_and_every_fetch_is_kept(archive: Archive):
    for moment in range(5):
        archive.write(at(moment))
    assert only_body(archive)
    assert len(list(archive.read())) == 5


def test_two_requests_at_one_instant_with_one_body_are_two(archive: Archive):
    archive.write(at())
    archive.write(at(request=replace(REQUEST, params={"series_id": "WTREGEN"})))
    assert len(list(archive.read())) == 2


def test_the_same_fetch_written_twice_is_one(archive: Archive):
    assert archive.write(at()) == archive.write(at())
    assert len(list(archive.read())) == 1


def test_rejected_answers_are_kept_and_never_replayed(archive: Archive):
    archive.write(at(0, b"bad"), "a web page came")
    archive.write(at(1, b"good"))
    assert [found.body for found in archive.read()] == [b"good"]
    assert [sidecar["rejected"] for sidecar in archive.sidecars()] == ["a web page came", None]
    assert len(list((archive.root / "bodies").rglob("*.gz"))) == 2


def test_replay_can_be_limited_to_a_provider(archive: Archive):
    archive.write(at())
    archive.write(at(request=Request("cboe", "VIX history", "/x")))
    assert [found.request.provider for found in archive.read(frozenset({"cboe"}))] == ["cboe"]


def _flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0xFF
    path.write_bytes(bytes(data))


DAMAGE: dict[str, Callable[[Path], object]] = {
    "bit flip": _flip,
    "cut": lambda path: path.write_bytes(path.read_bytes()[:-9]),
    "cut to the header": lambda path: path.write_bytes(path.read_bytes()[:10]),
    "empty": lambda path: path.write_bytes(b""),
    "another body": lambda path: path.write_bytes(gzip.compress(b"another")),
    "web page": lambda path: path.write_bytes(b"<html>"),
    "missing": Path.unlink,
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_a_damaged_body_is_an_error_and_never_served(archive: Archive, damage: Callable[[Path], object]):
    archive.write(at(body=bytes(range(256)) * 10))
    damage(only_body(archive))
    with pytest.raises(ArchiveError, match="restore it or fetch again"):
        list(archive.read())


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_fetching_again_repairs_a_damaged_body(archive: Archive, damage: Callable[[Path], object]):
    archive.write(at(body=bytes(range(256)) * 10))
    damage(only_body(archive))
    archive.write(at(60, body=bytes(range(256)) * 10))
    assert [found.body for found in archive.read()] == [bytes(range(256)) * 10] * 2


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "null", "{}", '{"request": {}}', '{"request": null}', '{"request": {"provider": "fred"}}'],
)
def test_a_damaged_sidecar_is_named(archive: Archive, text: str):
    path = archive.write(at())
    path.write_text(text)
    with pytest.raises(ArchiveError, match=path.name):
        archive.sidecars()


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("fetched_at", "yesterday"),
        ("fetched_at", None),
        ("request", {"provider": "cboe", "label": "x", "path": "/x"}),
        ("request", {"provider": "fred", "label": "x", "path": "/x", "surprise": 1}),
    ],
)
def test_an_edited_sidecar_is_refused(archive: Archive, field: str, value: object):
    path = archive.write(at())
    path.write_text(json.dumps(json.loads(path.read_text()) | {field: value}))
    with pytest.raises(ArchiveError, match="the sidecar is damaged"):
        list(archive.read())


@pytest.mark.parametrize("digest", ["../../../etc/passwd", "0" * 63, "0" * 64 + "/x", ""])
def test_a_digest_that_is_none_never_becomes_a_path(archive: Archive, digest: str):
    path = archive.write(at())
    path.write_text(json.dumps(json.loads(path.read_text()) | {"sha256": digest}))
    with pytest.raises(ArchiveError, match="is no digest"):
        list(archive.read())


NAMES = ["../x", "/etc/x", "a/b", "a\\b", "..", "", "a\0b", "CON:", "a b", "\N{RIGHT-TO-LEFT OVERRIDE}x"]


@pytest.mark.parametrize("name", NAMES)
def test_no_provider_name_leads_out_of_the_archive(archive: Archive, tmp_path: Path, name: str):
    with pytest.raises(ArchiveError, match="is no provider's name"):
        archive.write(at(request=replace(REQUEST, provider=name)))
    assert list(tmp_path.rglob("*")) == []


@pytest.mark.parametrize("name", [*NAMES, "x" * 10_000, "\udc80 half a pair", "line\nbreak"])
def test_no_label_leads_out_of_the_archive(archive: Archive, tmp_path: Path, name: str):
    given = at(request=replace(REQUEST, label=name, context={"file": name}))
    path = archive.write(given)
    assert path.parent == archive.root / "fred" / "2025-11-12"
    assert {found.name for found in tmp_path.iterdir()} == {"archive"}
    (found,) = archive.read()
    assert (found.request.label, found.request.context["file"]) == (name, name)


def test_many_writers_at_once_lose_nothing(archive: Archive):
    """Half of the bodies are equal, so that writers meet at the same file."""
    given = [at(moment, b"shared" if moment % 2 else b"own %d" % moment) for moment in range(200)]
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(archive.write, given))
    assert [found.body for found in archive.read()] == [exchange.body for exchange in given]
    assert len(list((archive.root / "bodies").rglob("*.gz"))) == 101
    assert [path for path in archive.root.rglob("*") if path.name.startswith(".")] == []


def test_a_write_that_fails_leaves_nothing_behind(archive: Archive, monkeypatch: pytest.MonkeyPatch):
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(OSError, match="No space left"):
        archive.write(at())
    assert [path for path in archive.root.rglob("*") if path.is_file()] == []


def test_an_empty_folder_is_no_archive(archive: Archive):
    assert list(archive.read()) == []
    with pytest.raises(ArchiveError, match="no archived responses in this folder"):
        archive.last_fetch()
