"""The requests that are sent to what guards."""

from __future__ import annotations

from bench.guarding.names import API_SECRET, PATH

VARIANTS = 512
"""Of the request of each caller, where no two are the same: 8,192 in all."""


def call(token: str) -> str:
    """What a client of the API sends."""
    return (
        f"GET {PATH}?$top=5 HTTP/1.1\r\nHost: api.example.org\r\n"
        "User-Agent: python-httpx/0.28.1\r\nAccept: application/json\r\n"
        "Accept-Encoding: gzip, deflate\r\n"
        f"Authorization: Bearer {token}\r\n\r\n"
    )


def question(path: str, token: str, uri: str = f"{PATH}?$top=5", *more: str) -> str:
    """What nginx makes of it for the endpoint at `path`.

    Args:
        more: further lines of the head.
    """
    lines = "".join(f"{line}\r\n" for line in more)
    return (
        f"GET {path} HTTP/1.1\r\nHost: mintgate\r\nX-Mintgate-Gate-Secret: {API_SECRET}\r\n"
        f"X-Mintgate-Gate-Method: GET\r\nX-Mintgate-Gate-Uri: {uri}\r\n"
        "X-Mintgate-Gate-Address: 192.0.2.17\r\nUser-Agent: python-httpx/0.28.1\r\n"
        "Accept: application/json\r\nAccept-Encoding: gzip, deflate\r\n"
        f"Authorization: Bearer {token}\r\n{lines}\r\n"
    )


def elsewhere(path: str, tokens: list[str]) -> list[str]:
    """The same of every caller, each about another URI, as when somebody reads page after page."""
    return [
        question(path, token, f"{PATH}?$top=5&$skip={number}")
        for number in range(VARIANTS)
        for token in tokens
    ]


def new(path: str, tokens: list[str]) -> list[str]:
    """The same, each with a trace of its own as well (W3C Trace Context): no head comes twice."""
    return [
        question(
            path,
            token,
            f"{PATH}?$top=5&$skip={number}",
            f"traceparent: 00-{number:028x}{caller:04x}-{number:012x}{caller:04x}-01",
        )
        for number in range(VARIANTS)
        for caller, token in enumerate(tokens)
    ]


def forged(token: str) -> str:
    head, _, signature = token.rpartition(".")
    return f"{head}.{signature[:10]}{'A' if signature[10] != 'A' else 'B'}{signature[11:]}"
