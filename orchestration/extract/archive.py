"""Every response on disk: the body compressed and stored once by content, a sidecar for each time it was fetched.

Layout: `bodies/<first two of sha256>/<sha256>.gz` and `<provider>/<YYYY-MM-DD>/<instant>-<sha256[:12]>.json`.
Replay reads sidecars in the order of their fetch instants. No parsing and no network here.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import re
import tempfile
import zlib
from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from orchestration.extract.base import Exchange, Request


class ArchiveError(Exception):
    """An archive that cannot be read back as it was written."""


EXCERPT = "EXCERPT"
"""A file of this name in an archive says that its bodies are shortened and rounded, not what a provider served."""


class Archive:
    """A folder of archived responses."""

    def __init__(self, root: Path) -> None:
        self.root = root

    @property
    def is_excerpt(self) -> bool:
        """True when the bodies are excerpts for demonstration."""
        return (self.root / EXCERPT).is_file()

    def write(self, exchange: Exchange, rejected: str | None = None) -> Path:
        """Store one response; `rejected` says why its rows were not used (it is kept, but never replayed).

        Secrets are not part of what is written: `secret_params`, `secret_headers` and `secret_path` stay out.
        """
        if not re.fullmatch(r"[a-z][a-z0-9]*", exchange.request.provider):
            raise ArchiveError(f"archive {self.root}: {exchange.request.provider!r} is no provider's name")
        sha = exchange.sha256
        body = self._body_path(sha)
        if not _holds(body, sha):
            _write_atomically(body, gzip.compress(exchange.body, 9, mtime=0))
        request = {
            name: value
            for name, value in asdict(exchange.request).items()
            if not name.startswith("secret_") and name != "otherwise"
        }
        stamp = exchange.fetched_at.astimezone(UTC)
        sidecar = {
            "request": request,
            "status": exchange.status,
            "headers": dict(exchange.headers),
            "fetched_at": stamp.isoformat().replace("+00:00", "Z"),
            "sha256": sha,
            "bytes": len(exchange.body),
            "rejected": rejected,
        }
        identity = hashlib.sha256(json.dumps(request, sort_keys=True).encode()).hexdigest()[:8]
        name = f"{stamp:%Y%m%dT%H%M%S}{stamp.microsecond:06d}Z-{identity}-{sha[:12]}.json"
        path = self.root / exchange.request.provider / f"{stamp:%Y-%m-%d}" / name
        _write_atomically(path, _json(sidecar))
        return path

    def read(self, providers: frozenset[str] | None = None) -> Iterator[Exchange]:
        """Usable responses in the order they were fetched.

        Raises:
            ArchiveError: a body is missing or does not match its digest.
        """
        for sidecar in self.sidecars(providers):
            if sidecar["rejected"] is None:
                yield self._exchange(sidecar)

    def sidecars(self, providers: frozenset[str] | None = None) -> list[dict[str, Any]]:
        """Sidecars in the order of their fetch instants (ties: by file name)."""
        found = []
        for path in self.root.glob("*/*/*.json"):
            if providers is None or path.parent.parent.name in providers:
                sidecar = _sidecar(path)
                # As instants: written as text, 22:00:00Z sorts behind 22:00:00.5Z.
                found.append((datetime.fromisoformat(sidecar["fetched_at"]).astimezone(UTC), path.name, sidecar))
        found.sort(key=lambda entry: entry[:2])
        return [sidecar for _, _, sidecar in found]

    def last_fetch(self) -> datetime:
        """The newest fetch instant.

        Raises:
            ArchiveError: the folder holds no archive.
        """
        sidecars = self.sidecars()
        if not sidecars:
            raise ArchiveError(f"archive {self.root}: no archived responses in this folder")
        return datetime.fromisoformat(sidecars[-1]["fetched_at"])

    def _exchange(self, sidecar: dict[str, Any]) -> Exchange:
        sha = sidecar["sha256"]
        if not re.fullmatch(r"[0-9a-f]{64}", sha):
            raise ArchiveError(f"archive {self.root}: {sha!r} is no digest: a sidecar was edited")
        path = self._body_path(sha)
        try:
            body = gzip.decompress(path.read_bytes())
        except (OSError, EOFError, zlib.error) as error:
            raise ArchiveError(
                f"archive {path}: unreadable ({type(error).__name__}): restore it or fetch again"
            ) from None
        if hashlib.sha256(body).hexdigest() != sha:
            raise ArchiveError(f"archive {path}: the body does not match its digest: restore it or fetch again")
        return Exchange(
            Request(**sidecar["request"]),
            sidecar["status"],
            body,
            datetime.fromisoformat(sidecar["fetched_at"]),
            sidecar["headers"],
        )

    def _body_path(self, sha: str) -> Path:
        return self.root / "bodies" / sha[:2] / f"{sha}.gz"


def _json(sidecar: dict[str, Any]) -> bytes:
    text = json.dumps(sidecar, indent=1, sort_keys=True, ensure_ascii=False) + "\n"
    # Half a surrogate pair has no UTF-8; written as \udXXX it is still JSON.
    return text.encode("utf-8", "backslashreplace")


def _sidecar(path: Path) -> dict[str, Any]:
    try:
        sidecar: dict[str, Any] = json.loads(path.read_text("utf-8"))
        request = Request(**sidecar["request"])
        intact = request.provider == path.parent.parent.name and bool(datetime.fromisoformat(sidecar["fetched_at"]))
        intact = intact and {"status", "headers", "sha256", "rejected"} <= sidecar.keys()
    except (ValueError, KeyError, TypeError, AttributeError):
        intact = False
    if not intact:
        raise ArchiveError(f"archive {path}: the sidecar is damaged: remove it or restore it")
    return sidecar


def _holds(path: Path, sha: str) -> bool:
    """True when the body is there and whole; a damaged one is written anew."""
    try:
        return hashlib.sha256(gzip.decompress(path.read_bytes())).hexdigest() == sha
    except (OSError, EOFError, zlib.error):
        return False


def _write_atomically(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".", suffix=".part")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
