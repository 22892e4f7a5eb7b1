"""A server that reads every request in the most dangerous way that any server is known for.

It decodes twice, forgets `;` and what follows, resolves dots and doubled slashes, takes method and
path from headers and parameters. `dangers` tells what a request could do at such a server, beyond
reading what its sender may read.
"""

from __future__ import annotations

import io
import json
import re
import socketserver
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import IO, Any, NamedTuple
from urllib.parse import unquote

SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
SMUGGLED = "smuggled"
"""What attempts write where only the gate may write."""
_SECURITY = re.compile(r"systems_security_|/table/sec_|/\$all|/\$entity|/\$crossjoin")
_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*:(//[^/?#]*)?", re.IGNORECASE)
_PART = re.compile(r"^[ \t]*([A-Za-z]+)[ \t]+(\S+)(?:[ \t]+HTTP/[\d.]+)?[ \t]*\r?$", re.MULTILINE)
_FIELD = re.compile(r"^[ \t]*([A-Za-z0-9_.-]+)[ \t]*:[ \t]*(.*?)\r?$", re.MULTILINE)
_HOST = re.compile(r"([\w.-]+|\[[\da-f:.]+\])(:\d+)?")
_METHODS = frozenset("GET HEAD POST PUT PATCH DELETE MERGE OPTIONS".split())
_OVERRIDE = re.compile(r"^[ _.+\[-]*(?:x-http-|x-)?method(?:-override)?\]?$")
_PATH_HEADERS = frozenset({"x-original-url", "x-original-path", "x-rewrite-url", "x-override-url"})
_CREDENTIALS = frozenset({"authorization", "x-api-key", "api-key"})


class Reached(NamedTuple):
    """A request as it reached what stands behind a guard.

    Args:
        targets: path and query in every spelling that the application was given.
        headers: names in lower case.
        caller: whom the guard says that it is; None when nobody has said anything.
    """

    method: str
    targets: tuple[str, ...]
    headers: tuple[tuple[str, str], ...]
    body: bytes
    caller: str | None


class Rights(NamedTuple):
    """What the sender of an attempt may do."""

    login: str
    writes: bool


def dangers(request: Reached, rights: Rights) -> list[str]:
    """What a permitted request could do although its sender may not; empty for a harmless one."""
    found = []
    if request.caller != rights.login and not (request.method == "OPTIONS" and not request.caller):
        found.append(f"nobody has judged it, or as another one: {request.caller!r}")
    headers = [(_plain(name), value) for name, value in request.headers]
    found += [
        f"identity from the client: {name}"
        for name, value in headers
        if name.startswith("x-mintgate-") and SMUGGLED in value
    ]
    if len([name for name, _ in headers if name in _CREDENTIALS]) > 1:
        found.append("two credentials")
    for _, value in (pair for pair in headers if pair[0] == "upgrade"):
        if value.strip().lower() != "websocket" or not rights.writes:
            found.append(f"a tunnel for {value!r}")
    return found + _framing(request.headers) + sorted(set(_deeds(request, headers, rights)))


def _paths_of(targets: Iterable[str]) -> list[str]:
    return [target.partition("?")[0] for target in targets]


def is_plain(request: Reached) -> bool:
    """Whether even such a server reads nothing else from it than what is written."""
    headers = [(_plain(name), value) for name, value in request.headers]
    paths = {path for target in request.targets for path in readings(target)}
    return (
        paths == {path.partition("?")[0].lower() for path in request.targets}
        and set(methods(request, headers)) == {request.method}
        and not any(name in _PATH_HEADERS for name, _ in headers)
        and all(_HOST.fullmatch(value) for name, value in headers if name == "host")
    )


def methods(request: Reached, headers: Iterable[tuple[str, str]]) -> set[str]:
    """Every method that it could be."""
    found = {request.method.upper()}
    found |= {value.strip().upper() for name, value in headers if _OVERRIDE.match(name)}
    for target in request.targets:
        query = unquote(unquote(target.partition("?")[2]))
        for pair in re.split("[&;]", query):
            name, _, value = pair.partition("=")
            name = name.partition("\0")[0].strip().lower().replace("_", "-")
            if name != "method" and _OVERRIDE.match(name):
                found.add(value.strip().upper())
    return found


def readings(target: str) -> set[str]:
    """Every path that a target could be, in lower case."""
    target = _ORIGIN.sub("", target, count=1) if not target.startswith("/") else target
    found = {target.partition("?")[0]}
    for _ in range(4):  # each step after each other one
        for path in list(found):
            found |= {unquote(path, "latin-1"), unquote(path, "utf-8", "replace")}
            found |= {path.replace("\\", "/"), path.partition("\0")[0], path.partition("#")[0]}
            found.add(re.sub(";[^/]*", "", path))
            found.add(re.sub("/{2,}", "/", path))
            found.add(_resolved(path))
            found.add(path.lower())
    # Those that begin with a slash are read; what a slash is missing from gets one.
    return {"/" + path.lower().lstrip("/") for path in found}


def _deeds(request: Reached, headers: list[tuple[str, str]], rights: Rights) -> Iterator[str]:
    targets = [*request.targets, *(value for name, value in headers if name in _PATH_HEADERS)]
    paths = {path for target in targets for path in readings(target)}
    ways = methods(request, headers)
    if "POST" in ways and any(path.rstrip("/. \t").endswith("/$batch") for path in paths):
        ways.discard("POST")
        if not all(unquote(path).lower().endswith("/$batch") for path in _paths_of(targets)):
            yield f"a batch that could be something else: {sorted(paths)}"
        yield from _deeds_of_parts(request.body.decode("latin-1"), paths, rights)
    for method in ways - SAFE:
        if not rights.writes or method in {"TRACE", "CONNECT"}:
            yield f"{method} where nothing may be changed"
    for path in paths:
        if _SECURITY.search(path):
            yield f"the path {path}"


def _deeds_of_parts(text: str, paths: set[str], rights: Rights) -> Iterator[str]:
    """What the parts of a batch could do, however loosely they are found in its body."""
    for method, url, headers in [*_mixed_parts(text), *_json_parts(text)]:
        names = {_plain(name) for name, _ in headers}
        if names & _CREDENTIALS:
            yield "a part with a credential of its own"
        if any(name.startswith("x-mintgate-") for name in names):
            yield "a part with an identity of its own"
        part = Reached(method, (url,), tuple(headers), b"", None)
        ways = methods(part, [(_plain(name), value) for name, value in headers])
        if ways - SAFE and not rights.writes:
            yield f"a part {method} {url} where nothing may be changed"
        places = {f"{path.rpartition('/')[0]}/{url}" for path in paths} | {url}
        read = {place for one in places for place in readings(one)}
        if any(_SECURITY.search(place) or place.endswith("/$batch") for place in read):
            yield f"a part {method} {url}"
        hosts = [value for name, value in headers if _plain(name) == "host"]
        away = _ORIGIN.match(url) is not None or url.startswith("//")
        if (away and "127.0.0.1" not in url) or any("127.0.0.1" not in host for host in hosts):
            yield f"a part to another host: {url}"


def _mixed_parts(text: str) -> Iterator[tuple[str, str, list[tuple[str, str]]]]:
    found = [m for m in _PART.finditer(text) if m[1].upper() in _METHODS]
    ends = [*(one.start() for one in found[1:]), len(text)]
    for one, end in zip(found, ends, strict=False):
        rest = text[one.end() : end]
        yield one[1], one[2], _FIELD.findall(rest)


def _json_parts(text: str) -> Iterator[tuple[str, str, list[tuple[str, str]]]]:
    with suppress(ValueError):
        pairs = json.loads(text, object_pairs_hook=list)
        for requests in (value for name, value in pairs if name.lower() == "requests"):
            for request in requests:
                given: dict[str, list[Any]] = {}
                for name, value in request:  # of a name that is there twice, both values count
                    given.setdefault(name.lower(), []).append(value)
                headers = [(n, str(v)) for part in given.get("headers", []) for n, v in part]
                for method in given.get("method", ["GET"]):
                    for url in given.get("url", ["/"]):
                        yield str(method), str(url), headers


def _framing(headers: Iterable[tuple[str, str]]) -> list[str]:
    """Two ways to tell where the request ends (RFC 9112 §6.3)."""
    given = [(name.strip(), value.strip()) for name, value in headers]
    lengths = [value for name, value in given if name == "content-length"]
    codings = [value.lower() for name, value in given if name == "transfer-encoding"]
    if (
        len(lengths) + len(codings) > 1
        or not all(value.isdigit() for value in lengths)
        or not all(value == "chunked" for value in codings)
    ):
        return [f"framing in two ways: {lengths} {codings}"]
    return []


def _resolved(path: str) -> str:
    kept: list[str] = []
    for segment in path.split("/"):
        if segment.strip(" ") == "..":
            del kept[-1:]
        elif segment.strip(" ") != ".":
            kept.append(segment)
    return "/".join(kept)


def _plain(name: str) -> str:
    """A name as CGI has it, which knows letters and digits only."""
    return re.sub("[^a-z0-9]", "-", name.strip().lower())


class NaiveUpstream:
    """Listens, and keeps every request that it reads, also those that follow another one."""

    def __init__(self) -> None:
        self.reached: list[Reached] = []
        self.port = 0


@contextmanager
def naive_upstream() -> Iterator[NaiveUpstream]:
    class Handler(socketserver.StreamRequestHandler):
        rfile: io.BufferedReader

        def handle(self) -> None:
            with suppress(OSError, ValueError, OverflowError):
                while (request := self.next()) is not None:
                    made.reached.append(request)
                    content = b"" if request.method == "HEAD" else b"reached"
                    self.wfile.write(
                        b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 7\r\n\r\n"
                        + content
                    )

        def next(self) -> Reached | None:
            self.connection.settimeout(None)
            self.rfile.peek(1)
            # Half a request would keep the server in front from ending.
            self.connection.settimeout(2)
            return read_request(self.rfile)

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True
        allow_reuse_address = True
        block_on_close = False

    made = NaiveUpstream()
    with Server(("127.0.0.1", 0), Handler) as server:
        made.port = server.server_address[1]
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield made
        server.shutdown()


def read_request(file: IO[bytes]) -> Reached | None:
    """The next request, read without asking whether it is one; None at the end.

    Whoever it says that calls is believed.
    """
    line = file.readline().decode("latin-1").strip("\r\n")
    while not line:
        more = file.readline()
        if not more:
            return None
        line = more.decode("latin-1").strip("\r\n")
    words = line.split()
    method, target = words[0], " ".join(words[1:-1]) if len(words) > 2 else " ".join(words[1:])
    headers: list[tuple[str, str]] = []
    while head := file.readline().decode("latin-1").rstrip("\r\n"):
        name, _, value = head.partition(":")
        headers.append((name.strip().lower(), value.strip()))
    given = dict(headers)
    if "chunked" in given.get("transfer-encoding", "").lower():
        body = b""
        while size := int(file.readline().split(b";")[0] or b"0", 16):
            body += file.read(size)
            file.readline()
        while trailer := file.readline().decode("latin-1").rstrip("\r\n"):
            name, _, value = trailer.partition(":")
            headers.append((name.strip().lower(), value.strip()))
    else:
        body = file.read(int(given.get("content-length", "0")))
    caller = given.get("x-mintgate-login")
    return Reached(method, (target,), tuple(headers), body, caller)
