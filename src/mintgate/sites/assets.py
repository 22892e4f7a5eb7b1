"""Style sheets, scripts and pictures of the pages: small files, kept in memory."""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Callable, Mapping
from functools import cache
from importlib.resources import files

import msgspec
from starlette.types import Receive, Scope, Send

ASSETS_PATH = "/assets"
"""Below the issuer."""

_TYPES = {
    "css": b"text/css; charset=utf-8",
    "js": b"text/javascript; charset=utf-8",
    "svg": b"image/svg+xml",
    "png": b"image/png",
    "webp": b"image/webp",
    "jpeg": b"image/jpeg",
}
_FOR_EVER = b"public, max-age=31536000, immutable"


class Asset(msgspec.Struct, frozen=True):
    """One file, and the name that changes with its content."""

    name: str
    versioned_name: str
    media_type: bytes
    body: bytes
    compressed: bytes


def asset_of(name: str, body: bytes) -> Asset:
    """An asset with this content; raises KeyError when its kind is not served."""
    stem, _, ending = name.rpartition(".")
    version = hashlib.sha256(body).hexdigest()[:12]
    return Asset(
        name, f"{stem}.{version}.{ending}", _TYPES[ending], body, gzip.compress(body, mtime=0)
    )


@cache
def assets() -> dict[str, Asset]:
    """Every asset of the pages, by its plain and by its versioned name."""
    found = {}
    for file in files("mintgate.sites").joinpath("assets").iterdir():
        if file.name.rpartition(".")[2] in _TYPES:
            asset = asset_of(file.name, file.read_bytes())
            found[asset.name] = found[asset.versioned_name] = asset
    return found


def asset_url(issuer: str, name: str) -> str:
    """Where an asset is; raises KeyError when there is none of that name."""
    return f"{issuer}{ASSETS_PATH}/{assets()[name].versioned_name}"


def _none() -> Mapping[str, Asset]:
    return {}


class Assets:
    """Serves them. Under a versioned name a browser may keep one for ever.

    Args:
        own: those of the instance, by versioned name.
    """

    def __init__(self, own: Callable[[], Mapping[str, Asset]] = _none) -> None:
        self._own = own

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        name = scope["path"].rpartition("/")[2]
        asset = assets().get(name) or self._own().get(name)
        if asset is None or scope["method"] not in {"GET", "HEAD"}:
            await _answer(send, 404 if asset is None else 405, [], b"")
            return
        headers = dict(scope["headers"])
        compressed = b"gzip" in headers.get(b"accept-encoding", b"")
        body = asset.compressed if compressed else asset.body
        version = asset.versioned_name.encode()
        tag = b'"' + version + (b'-gzip"' if compressed else b'"')
        answer = [
            (b"content-type", asset.media_type),
            (b"cache-control", _FOR_EVER if name == asset.versioned_name else b"no-cache"),
            (b"etag", tag),
            (b"vary", b"Accept-Encoding"),
            (b"cross-origin-resource-policy", b"same-origin"),
            # A logo is the administrator's: opened by itself, an SVG runs no script either.
            (b"content-security-policy", b"default-src 'none'; style-src 'unsafe-inline'; sandbox"),
        ]
        if compressed:
            answer.append((b"content-encoding", b"gzip"))
        if headers.get(b"if-none-match") == tag:
            await _answer(send, 304, answer, b"")
            return
        answer.append((b"content-length", str(len(body)).encode()))
        await _answer(send, 200, answer, b"" if scope["method"] == "HEAD" else body)


async def _answer(send: Send, status: int, headers: list[tuple[bytes, bytes]], body: bytes) -> None:
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
