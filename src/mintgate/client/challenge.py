"""Reading `WWW-Authenticate` (RFC 9110 §11.6.1, RFC 6750 §3)."""

from __future__ import annotations

import re

import httpx

_TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"  # noqa: S105 - a grammar rule (RFC 9110 §5.6.2)
_ITEM = re.compile(rf'({_TOKEN})(?:[ \t]*=[ \t]*("(?:[^"\\]|\\.)*"|{_TOKEN}))?')


def says_invalid_token(response: httpx.Response) -> bool:
    """Whether a 401 says that the Bearer token is expired, revoked or malformed (RFC 6750 §3.1).

    A 401 for another reason (no `error`, another scheme) is not cured by a new token.
    """
    if response.status_code != 401:
        return False
    for header in response.headers.get_list("WWW-Authenticate"):
        scheme = ""
        for name, value in _ITEM.findall(header):
            if not value:
                scheme = name.lower()
            elif (scheme, name.lower(), value.strip('"')) == ("bearer", "error", "invalid_token"):
                return True
    return False
