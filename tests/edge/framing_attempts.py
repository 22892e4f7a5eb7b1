"""Attempts by where a request ends, what follows it, and what the connection is to become."""

from __future__ import annotations

from tests.edge.raw_requests import CUSTOMERS, HIDDEN, SECURITY, request


def framing() -> dict[str, bytes]:
    hidden = HIDDEN.encode()
    chunked = b"0\r\n\r\n" + hidden
    get = f"GET {CUSTOMERS}"
    fields = {
        "length and chunks": ("Content-Length: 4", "Transfer-Encoding: chunked"),
        "chunks and length": ("Transfer-Encoding: chunked", "Content-Length: 4"),
        "two lengths": ("Content-Length: 0", "Content-Length: 40"),
        "equal lengths": ("Content-Length: 5", "Content-Length: 5"),
        "list of lengths": ("Content-Length: 0, 40",),
        "plus": ("Content-Length: +5",),
        "minus": ("Content-Length: -5",),
        "hexadecimal": ("Content-Length: 0x5",),
        "spaced": ("Content-Length: 0 5",),
        "no number": ("Content-Length:",),
        "huge": ("Content-Length: 99999999999999999999",),
        "space before the colon": ("Content-Length : 5",),
        "underscore": ("Content_Length: 5",),
        "xchunked": ("Transfer-Encoding: xchunked",),
        "identity": ("Transfer-Encoding: identity",),
        "gzip": ("Transfer-Encoding: gzip, chunked",),
        "not last": ("Transfer-Encoding: chunked, identity",),
        "chunked twice": ("Transfer-Encoding: chunked", "Transfer-Encoding: chunked"),
        "chunked, identity": ("Transfer-Encoding: chunked", "Transfer-Encoding: identity"),
        "vertical tab": ("Transfer-Encoding: \x0bchunked", "Content-Length: 5"),
        "NUL": ("Transfer-Encoding: chunked\x00", "Content-Length: 5"),
        "folded coding": ("Transfer-Encoding:\r\n chunked",),
        "coding after a bare LF": ("X: y\nTransfer-Encoding: chunked",),
        "coding with underscore": ("Transfer_Encoding: chunked",),
        "coding before the colon": ("Transfer-Encoding : chunked",),
        "length named by Connection": ("Content-Length: 5", "Connection: content-length"),
        "coding named by Connection": (
            "Transfer-Encoding: chunked",
            "Connection: transfer-encoding",
        ),
    }
    found = {
        name: request(get, *lines, body=chunked, close=False) for name, lines in fields.items()
    }
    ended = hidden.replace(b"X-Hidden: y", b"X-Hidden: y\r\nConnection: close")
    chunk = "Transfer-Encoding: chunked"
    return found | {
        "chunks in 1.0": request(f"{get} HTTP/1.0", chunk, body=chunked, close=False),
        "size is no number": request(get, chunk, body=b"zz\r\n" + ended, close=False),
        "size with 0x": request(get, chunk, body=b"0x0\r\n\r\n" + ended, close=False),
        "size ends in LF": request(get, chunk, body=b"0\n\n" + ended, close=False),
        "size with a plus": request(get, chunk, body=b"+0\r\n\r\n" + ended, close=False),
        "size overflows": request(get, chunk, body=b"10000000000000000\r\n" + ended, close=False),
        "extension with LF": request(
            get, chunk, body=b"2;a\nb\r\nxx\r\n0\r\n\r\n" + ended, close=False
        ),
        "chunk too long": request(
            get, chunk, body=b"2\r\nxxyy\r\n0\r\n\r\n" + ended, close=False
        ),
        "trailer": request(
            get, chunk, body=b"0\r\nX-Mintgate-Login: smuggled\r\n\r\n", close=True
        ),
        "trailer with a credential": request(
            get, chunk, "Trailer: Authorization",
            body=b"0\r\nAuthorization: Bearer @admin@\r\n\r\n", close=True
        ),
        "trailer with a method": request(
            get, chunk, body=b"0\r\nX-HTTP-Method-Override: DELETE\r\n\r\n", close=True
        ),
        "trailer with an identity, announced": request(
            get, chunk, "Trailer: X-Mintgate-Login", "TE: trailers",
            body=b"2\r\nxx\r\n0\r\nX-Mintgate-Login: smuggled\r\n\r\n", close=True
        ),
        "trailer with a method, announced": request(
            get, chunk, "Trailer: X-HTTP-Method-Override",
            body=b"2\r\nxx\r\n0\r\nX-HTTP-Method-Override: DELETE\r\n\r\n", close=True
        ),
        "a body of GET": request(get, body=ended, length=False, close=False),
        "waiting for 100": request(
            get, f"Content-Length: {len(ended)}", "Expect: 100-continue", body=ended
        ),
        "expecting something else": request(get, "Expect: 200-ok", body=ended, close=False),
        "bare LF everywhere": request(f"POST {CUSTOMERS}", "Content-Length: 0").replace(
            b"\r\n", b"\n"
        ),
        "bare CR everywhere": request(f"POST {CUSTOMERS}", "Content-Length: 0").replace(
            b"\r\n", b"\r"
        ) + b"\r\n\r\n",
        "no colon": request(get, "X-Hidden"),
        "no name": request(get, ": y"),
    }  # fmt: skip


def versions() -> dict[str, bytes]:
    return {
        "0.9": f"GET {SECURITY}\r\n\r\n".encode(),
        "0.9 by name": request(f"GET {SECURITY} HTTP/0.9"),
        "1.0": request(f"POST {CUSTOMERS} HTTP/1.0", "Content-Length: 0"),
        "1.2": request(f"GET {SECURITY} HTTP/1.2"),
        "2.0": request(f"GET {SECURITY} HTTP/2.0"),
        "lower case": request(f"GET {SECURITY} http/1.1"),
        "with more": request(f"GET {SECURITY} HTTP/1.1 HTTP/1.1"),
        "preface of 2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\x00\x00\x00\x04\x00" + bytes(4),
    }


def upgrades() -> dict[str, bytes]:
    get = f"GET {CUSTOMERS}"
    key = ("Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==")
    settings = "HTTP2-Settings: AAMAAABkAAQAAP__"
    up = "Connection: Upgrade"
    both = "Connection: Upgrade, HTTP2-Settings"
    after = HIDDEN.encode()
    return {
        "websocket": request(get, up, "Upgrade: websocket", *key, close=False),
        "WebSocket": request(get, "Connection: upgrade", "Upgrade: WebSocket", *key, close=False),
        "websocket of old": request(get, up, "Upgrade: websocket", close=False),
        "websocket, named only by Upgrade": request(get, "Upgrade: websocket", *key),
        "h2c": request(get, both, "Upgrade: h2c", settings, body=after, length=False, close=False),
        "h2c without settings": request(get, up, "Upgrade: h2c", close=False),
        "h2c beside websocket": request(get, up, "Upgrade: websocket, h2c", *key, close=False),
        "h2c and websocket": request(
            get, up, "Upgrade: websocket", "Upgrade: h2c", *key, close=False
        ),
        "TLS": request(get, up, "Upgrade: TLS/1.2", close=False),
        "HTTP/2.0": request(get, up, "Upgrade: HTTP/2.0", close=False),
        "settings alone": request(get, settings, "Connection: HTTP2-Settings", close=False),
    }


def pipelines() -> dict[str, bytes]:
    good = request(f"GET {CUSTOMERS}", close=False)
    bad = request(f"POST {CUSTOMERS}", "Content-Length: 0")
    body = HIDDEN.encode()
    refused = request(f"POST {CUSTOMERS}", f"Content-Length: {len(body)}", body=body, close=False)
    return {
        "reading, then writing": good + bad,
        "reading, then security": good + request(f"GET {SECURITY}"),
        "reading, then nobody": good
        + f"GET {CUSTOMERS} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".encode(),
        "refused with a body, then writing": refused + bad,
        "writing, then reading": bad.replace(b"Connection: close\r\n", b"") + good,
        "reading, then rubbish": good + b"\x00\x01\r\n\r\n" + bad,
        "head, then writing": request(f"HEAD {CUSTOMERS}", close=False) + bad,
    }


def sizes() -> dict[str, bytes]:
    many = [f"X-{n}: y" for n in range(2000)]
    return {
        "long target": request(
            f"GET {CUSTOMERS}/" + "y" * 70_000 + "/../../Systems_Security_Users"
        ),
        "long header": request(f"GET {SECURITY}", "X: " + "y" * 200_000),
        "many headers": request(f"GET {CUSTOMERS}", *many, "X-HTTP-Method-Override: DELETE"),
        "long name": request(f"GET {SECURITY}", "y" * 70_000 + ": x"),
        "long method": request("G" * 70_000 + f" {CUSTOMERS}"),
    }
