"""Every secret and token that a test used, and where none of them may be found afterwards.

A world's HTTP clients note what they send and get; when the world stops, its logs, its database
and the pages that it showed are searched for all of it.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlsplit

import httpx
from sqlalchemy import MetaData, create_engine, select
from sqlalchemy.engine import make_url

SENT_FIELDS = frozenset(
    {
        "password",
        "client_secret",
        "code",
        "code_verifier",
        "one_time_code",
        "refresh_token",
        "token",
    }
)
"""Form parameters whose values are secrets."""
GOT_FIELDS = frozenset({"access_token", "refresh_token", "id_token", "code"})
SHORTEST = 12
"""Characters; anything shorter would be found by chance, and is no secret of ours."""
TOKEN = re.compile(r"enrt_[0-9A-F]{64}|eyJ[\w-]{10,}\.[\w-]{10,}\.[\w-]{20,}")


class Leak(AssertionError):
    """A secret or a token was found where it must not be."""


class Leaks(logging.Handler):
    """Collects secrets, log lines and pages of one world."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.secrets: dict[str, str] = {}
        self.public: set[str] = set()
        self.lines: list[str] = []
        self.pages: list[str] = []
        self.setFormatter(logging.Formatter("%(name)s %(message)s"))

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(self.format(record))  # with its traceback

    def note(self, kind: str, value: str | None) -> None:
        if value and len(value) >= SHORTEST:
            self.secrets.setdefault(value, kind)

    def note_request(self, request: httpx.Request) -> None:
        # A PKCE challenge is kept with the code; tests send it as the verifier, which is refused.
        self.public.update(
            value for name, value in request.url.params.items() if name == "code_challenge"
        )
        with suppress(httpx.RequestNotRead):
            fields = dict(parse_qsl(request.content.decode("utf-8", "replace")))
            for name in SENT_FIELDS & fields.keys():
                self.note(name, fields[name])
        for header in ("authorization", "x-api-key", "api-key"):
            for found in TOKEN.findall(request.headers.get(header, "")):
                self.note("token", found)

    def note_response(self, response: httpx.Response) -> None:
        self.note_request(response.request)
        content_type = response.headers.get("content-type", "")
        for cookie in response.headers.get_list("set-cookie"):
            name, _, rest = cookie.partition("=")
            if "-form-" not in name:  # the anti-forgery value stands in the pages' forms
                self.note("cookie", unquote(rest.partition(";")[0].strip('"')))
        location = urlsplit(response.headers.get("location", ""))
        for name, value in parse_qsl(location.query) + parse_qsl(location.fragment):
            if name in GOT_FIELDS:
                self.note(name, value)
        if not (content_type.startswith(("application/json", "text/html"))):
            return
        response.read()
        if content_type.startswith("application/json"):
            with suppress(ValueError):
                body = response.json()
                for name in GOT_FIELDS & set(body if isinstance(body, dict) else ()):
                    self.note(name, str(body[name]))
        elif 'name="code"' not in response.text and "data-shown-once" not in response.text:
            # A form_post page brings a code to the application, another one shows recovery codes;
            # no other page holds a secret.
            self.pages.append(response.text)

    def watch(self, http: httpx.Client) -> httpx.Client:
        http.event_hooks["response"].append(self.note_response)
        return http

    def check(self, database_url: str | None, files: Iterable[Path] = ()) -> None:
        """Raises Leak when any secret is in a log, a page, a file or the database."""
        places = {"the logs": "\n".join(self.lines), "a page": "\n".join(self.pages)}
        for file in files:
            places[f"the file {file.name}"] = file.read_bytes().decode("latin-1")
        if database_url is not None:
            places["the database"] = dump_of(database_url)
        for place, text in places.items():
            require_no_token(place, text)
            for secret, kind in self.secrets.items():
                if secret in text and secret not in self.public:
                    at = text.index(secret)
                    around = text[max(0, at - 200) : at].replace(secret, "…")
                    raise Leak(f"a {kind} was found in {place}, after: {around!r}")


def require_no_token(place: str, text: str) -> None:
    """Raises Leak for whatever looks like a JWT or a reference token, known or not."""
    found = TOKEN.search(text)
    if found is not None:
        around = text[max(0, found.start() - 200) : found.start()]
        raise Leak(f"a token was found in {place}, after: {around!r}")


def require_clean_folder(folder: Path) -> None:
    """The same for what a server process has left: its output and its database files."""
    for file in folder.iterdir():
        if file.is_file() and file.suffix in {".txt", ".db", ".db-wal", ".log"}:
            require_no_token(f"the file {file.name}", file.read_bytes().decode("latin-1"))


def dump_of(database_url: str) -> str:
    """Everything in a database, as text; of SQLite the raw bytes, deleted rows and all."""
    url = make_url(database_url)
    if url.get_backend_name() == "sqlite":
        found = [Path(str(url.database) + suffix) for suffix in ("", "-wal")]
        return "".join(p.read_bytes().decode("latin-1") for p in found if p.exists())
    if url.drivername == "postgresql":
        url = url.set(drivername="postgresql+psycopg")
    engine = create_engine(url)
    tables = MetaData()
    tables.reflect(engine)
    with engine.connect() as connection:
        rows = [
            repr(row) for table in tables.sorted_tables for row in connection.execute(select(table))
        ]
    engine.dispose()
    return "\n".join(rows)
