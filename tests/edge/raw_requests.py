"""Requests with a credential, as they are written on the wire.

`@reader@`, `@user@`, `@admin@` and `@pat@` stand for tokens: of the first two, one may only read
and the other one may write too; neither may see security records. The others are there to be
smuggled.
"""

from __future__ import annotations

from typing import NamedTuple

ROOT = "/api/domain/odata/"
CUSTOMERS = ROOT + "Crm_Sales_Customers"
SECURITY = ROOT + "Systems_Security_Users"
HIDDEN = f"POST {CUSTOMERS} HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Hidden: y\r\n\r\n"


class Attempt(NamedTuple):
    """One attempt.

    Args:
        data: with marks for tokens.
        by: whose token it is sent with.
        passes: it is no attempt at anything: every way lets it through, and then only one request.
    """

    data: bytes
    by: str = "reader"
    passes: bool = False


def request(
    line: str,
    *headers: str,
    body: bytes | str = b"",
    by: str = "reader",
    close: bool = True,
    length: bool = True,
) -> bytes:
    """A request with a credential and what it is attempted by.

    Args:
        line: without ` HTTP/1.1` when it has no version.
        body: with its length, unless a header tells something else.
    """
    content = body.encode("latin-1") if isinstance(body, str) else body
    if " HTTP/" not in line:
        line += " HTTP/1.1"
    lines = [line, "Host: 127.0.0.1", f"Authorization: Bearer @{by}@", *headers]
    told = any(h.lower().startswith(("content-length", "transfer-encoding")) for h in headers)
    if content and length and not told:
        lines.append(f"Content-Length: {len(content)}")
    if close:
        lines.append("Connection: close")
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + content
