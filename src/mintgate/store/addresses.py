"""Where a database is, as people and PostgreSQL's own tools write it."""

from __future__ import annotations

import re

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

_DRIVER = "postgresql+psycopg"
_SERVER = re.compile(
    r"(?P<scheme>postgres(?:ql)?(?:\+psycopg)?)://(?:(?P<person>[^/?#]*)@)?(?P<hosts>[^/?#@]*)(?P<rest>.*)",
    re.DOTALL,
)
_HOST = re.compile(r"(?P<name>\[[^\]]*\]|[^:\[\]]*)(?::(?P<port>[0-9]*))?")


def database_url(given: str | URL) -> URL:
    """The URL as SQLAlchemy wants it, with every host and option handed on to the driver.

    Understands several hosts as libpq does: `postgresql://a:5432,b/db?target_session_attrs=…`.

    Raises:
        ArgumentError: it is not understood; the message does not repeat it, for its password.
    """
    if isinstance(given, URL):
        url = given
    else:
        try:
            url = _parsed(given)
        except ValueError:  # SQLAlchemy's own word for a port that is no number
            raise ArgumentError("it has a port that is not a number") from None
    if url.drivername in {"postgresql", "postgres"}:
        url = url.set(drivername=_DRIVER)
    return url


def _parsed(text: str) -> URL:
    found = _SERVER.fullmatch(text)
    if found is None or "," not in found["hosts"]:
        return make_url(text)
    person = f"{found['person']}@" if found["person"] is not None else ""
    url = make_url(f"{found['scheme']}://{person}{found['rest']}")
    hosts = [_HOST.fullmatch(host) for host in found["hosts"].split(",")]
    names = [host["name"].strip("[]") for host in hosts if host is not None]
    ports = [host["port"] or "" for host in hosts if host is not None]
    if len(names) != len(hosts):
        raise ArgumentError("it has a host that is neither HOST nor HOST:PORT")
    url = url.update_query_dict({"host": ",".join(names)})
    return url.update_query_dict({"port": ",".join(ports)}) if any(ports) else url
