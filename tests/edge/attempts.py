"""Attempts to get past a guard, by a name that says what is tried."""

from __future__ import annotations

from tests.edge.batch_attempts import batches
from tests.edge.framing_attempts import framing, pipelines, sizes, upgrades, versions
from tests.edge.raw_requests import CUSTOMERS, ROOT, SECURITY, Attempt, request


def _paths() -> dict[str, str]:
    """Spellings of the address of security records, and of nothing else."""
    s = "Systems_Security_Users"
    return {
        "as it is": SECURITY,
        "below it": SECURITY + "('1')/Name",
        "with a query": SECURITY + "?$top=1",
        "encoded slash": "/api/domain/odata%2F" + s,
        "encoded slash in lower case": "/api/domain/odata%2f" + s,
        "encoded slash twice": "/api/domain/odata%252F" + s,
        "encoded percent digits": "/api/domain/odata%25%32%46" + s,
        "encoded slash and dots": CUSTOMERS + "%2f..%2f" + s,
        "doubled slash": "/api/domain/odata//" + s,
        "doubled slash first": "//api/domain/odata/" + s,
        "tripled slash first": "///api/domain/odata/" + s,
        "doubled slash as a host": "//evil.example" + SECURITY,
        "doubled slash last": SECURITY + "//",
        "dot": "/api/domain/odata/./" + s,
        "dots": CUSTOMERS + "/../" + s,
        "dots past the root": "/../.." + SECURITY,
        "encoded dot": "/api/domain/odata/%2e/" + s,
        "encoded dots": CUSTOMERS + "/%2e%2e/" + s,
        "encoded dots in capitals": CUSTOMERS + "/%2E%2E/" + s,
        "half encoded dots": CUSTOMERS + "/.%2e/" + s,
        "dots encoded twice": CUSTOMERS + "/%252e%252e/" + s,
        "dots with a parameter": CUSTOMERS + "/..;/" + s,
        "dots with a value": CUSTOMERS + "/..;a=b/" + s,
        "dots and NUL": CUSTOMERS + "/..%00/" + s,
        "dots and a space": CUSTOMERS + "/..%20/" + s,
        "dots at the end": SECURITY + "/x/..",
        "dot at the end": SECURITY + "/.",
        "parameter": SECURITY + ";v=1",
        "empty parameter": SECURITY + ";",
        "encoded parameter": SECURITY + "%3bv=1",
        "parameter within": "/api/domain;x/odata/" + s,
        "NUL": SECURITY + "%00",
        "NUL and more": SECURITY + "%00/../Crm_Sales_Customers",
        "raw NUL": SECURITY + "\x00",
        "backslash": "/api/domain/odata\\" + s,
        "encoded backslash": "/api/domain/odata%5c" + s,
        "backslash encoded twice": "/api/domain/odata%255c" + s,
        "dots with backslashes": CUSTOMERS + "\\..\\" + s,
        "lower case": SECURITY.lower(),
        "upper case": SECURITY.upper(),
        "mixed case": ROOT + "sYSTEMS_sECURITY_uSERS",
        "encoded letter": ROOT + "%53ystems_Security_Users",
        "encoded underscore": ROOT + "Systems%5FSecurity%5fUsers",
        "encoded letter twice": ROOT + "%2553ystems_Security_Users",
        "all encoded": ROOT + "".join(f"%{ord(c):02x}" for c in s),
        "dot after it": SECURITY + ".",
        "space after it": SECURITY + "%20",
        "tab after it": SECURITY + "%09",
        "line end after it": SECURITY + "%0d%0aX:%20y",
        "raw tab": SECURITY + "\t",
        "space within": CUSTOMERS + " " + SECURITY,
        "overlong slash": "/api/domain/odata%c0%af" + s,
        "overlong dots": CUSTOMERS + "/%c0%ae%c0%ae/" + s,
        "overlong dots, raw": CUSTOMERS + "/\xc0\xae\xc0\xae/" + s,
        "escape of IIS": "/api/domain/odata%u002f" + s,
        "bad escape": ROOT + "%zz/../" + s,
        "half an escape": SECURITY + "%",
        "raw bytes": ROOT + "\xe2\x80\xae/../" + s,
        "long s": ROOT + "%C5%BFystems_Security_Users",
        "encoded question mark": CUSTOMERS + "%3f/../" + s,
        "encoded number sign": SECURITY + "%23x",
        "fragment": SECURITY + "#x",
        "fragment with dots": CUSTOMERS + "#/../" + s,
        "fragment in the query": SECURITY + "?a#b",
        "any entity": ROOT + "$entity?$id=Systems_Security_Users('1')",
        "everything": ROOT + "$all",
        "crossed": ROOT + "$crossjoin(Crm_Sales_Customers,Systems_Security_Users)",
        "absolute": "http://127.0.0.1" + SECURITY,
        "absolute, in capitals": "HTTP://127.0.0.1" + SECURITY,
        "absolute, another host": "http://evil.example" + SECURITY,
        "absolute, with a user": "http://a@127.0.0.1" + SECURITY,
        "absolute, with a port": "http://127.0.0.1:1" + SECURITY,
        "absolute, https": "https://127.0.0.1" + SECURITY,
        "absolute, another scheme": "ftp://127.0.0.1" + SECURITY,
        "absolute without a host": "http://" + SECURITY,
        "absolute with one slash": "http:" + SECURITY,
        "absolute with dots": "http://127.0.0.1" + CUSTOMERS + "/../" + s,
        "absolute with three slashes": "http:///127.0.0.1" + SECURITY,
        "without the first slash": SECURITY[1:],
    }


def _methods() -> dict[str, bytes]:
    names = "POST PUT PATCH DELETE MERGE PURGE PROPFIND TRACE QUERY post Post pATCH delete".split()
    found = {name: request(f"{name} {CUSTOMERS}", "Content-Length: 0") for name in names}
    return found | {
        "TRACE without a body": request(f"TRACE {CUSTOMERS}"),
        "CONNECT a host": request("CONNECT 127.0.0.1:80"),
        "CONNECT a path": request(f"CONNECT {CUSTOMERS}"),
        "OPTIONS": request(f"OPTIONS {CUSTOMERS}"),
        "OPTIONS *": request("OPTIONS *"),
        "GET *": request("GET *"),
        "two methods": request(f"GET POST {CUSTOMERS}"),
        "space before": b" " + request(f"POST {CUSTOMERS}", "Content-Length: 0"),
        "tab after": request(f"POST\t{CUSTOMERS}", "Content-Length: 0"),
        "NUL in it": request(f"GET\x00POST {CUSTOMERS}"),
        "lines before": b"\r\n\r\n" + request(f"POST {CUSTOMERS}", "Content-Length: 0"),
        "a body of a form": request(
            f"POST {CUSTOMERS}",
            "Content-Type: application/x-www-form-urlencoded",
            body=b"_method=GET",
        ),
        "overridden to reading": request(
            f"POST {CUSTOMERS}", "X-HTTP-Method-Override: GET", "Content-Length: 0"
        ),
    }


def _overrides() -> dict[str, bytes]:
    headers = [
        "X-HTTP-Method-Override: DELETE",
        "x-http-method-override: delete",
        "X-HTTP-Method: DELETE",
        "X-Method-Override: DELETE",
        "X_HTTP_METHOD_OVERRIDE: DELETE",
        "X-HTTP_Method-Override: DELETE",
        "X.HTTP.Method.Override: DELETE",
        "X-Original-URL: " + SECURITY,
        "X-Rewrite-URL: " + SECURITY,
        "X-Original-Path: " + SECURITY,
        "X-Override-URL: " + SECURITY,
        "X_Original_URL: " + SECURITY,
    ]
    queries = [
        "_method=DELETE",
        "_METHOD=DELETE",
        "a=1&_method=DELETE",
        "a=1;_method=DELETE",
        "%5fmethod=DELETE",
        "_%6dethod=DELETE",
        "%255fmethod=DELETE",
        "_method%00=DELETE",
        "+_method=DELETE",
        ".method=DELETE",
        "[method=DELETE",
        "%5bmethod=DELETE",
        "X-HTTP-Method-Override=DELETE",
        "x-http-method=DELETE",
        "%78-method-override=DELETE",
        "_method=GET&_method=DELETE",
    ]
    found = {header: request(f"GET {CUSTOMERS}", header) for header in headers}
    found |= {query: request(f"GET {CUSTOMERS}?{query}") for query in queries}
    return found | {
        "named by Connection": request(
            f"GET {CUSTOMERS}",
            "X-HTTP-Method-Override: DELETE",
            "Connection: close, x-http-method-override",
            close=False,
        ),
        "folded": request(f"GET {CUSTOMERS}", "X: y\r\n X-HTTP-Method-Override: DELETE"),
        "after a bare LF": request(f"GET {CUSTOMERS}", "X: y\nX-HTTP-Method-Override: DELETE"),
        "after a bare CR": request(f"GET {CUSTOMERS}", "X: y\rX-HTTP-Method-Override: DELETE"),
    }


def _identities() -> dict[str, bytes]:
    headers = [
        "X-Mintgate-Login: smuggled",
        "x-mintgate-LOGIN: smuggled",
        "X_Mintgate_Login: smuggled",
        "X-Mintgate_Login: smuggled",
        "X.Mintgate.Login: smuggled",
        "X-Mintgate!Login: smuggled",
        "X-Mintgate-Admin: smuggled",
        "X-Mintgate-Token: smuggled",
        "X-Mintgate-Anything: smuggled",
        "X-Mintgate-Login : smuggled",
        "X-Mintgate-Login\t: smuggled",
        " X-Mintgate-Login: smuggled",
        "X-Mintgate-Login\x00: smuggled",
        "X\x00-Mintgate-Login: smuggled",
        "X: y\n X-Mintgate-Login: smuggled",
        "X: y\nX-Mintgate-Login: smuggled",
        "X: y\rX-Mintgate-Login: smuggled",
        "X-Mintgate-Gate-Secret: smuggled",
        "X-Mintgate-Gate-Uri: smuggled",
        "X-Mintgate-Gate-Method: smuggled",
        "X_Mintgate_Gate_Uri: smuggled",
    ]
    found = {header: request(f"GET {CUSTOMERS}", header) for header in headers}
    for names in ("x-mintgate-login", "X-Mintgate-Admin, x-mintgate-kind", "x-mintgate-gate-uri"):
        line = f"Connection: close, {names}"
        found["Connection: " + names] = request(f"GET {CUSTOMERS}", line, close=False)
        found["with it, Connection: " + names] = request(
            f"GET {CUSTOMERS}", "X-Mintgate-Login: smuggled", line, close=False
        )
    for number, told in enumerate(
        (
            ("X-Mintgate-Gate-Method: GET", "X-Mintgate-Gate-Uri: " + CUSTOMERS),
            ("X-Forwarded-Method: GET", "X-Forwarded-Uri: " + CUSTOMERS),
            ("X_Forwarded_Method: GET", "X_Forwarded_Uri: " + CUSTOMERS),
        )
    ):
        found[f"writing, told otherwise {number}"] = request(
            f"POST {CUSTOMERS}", *told, "Content-Length: 0"
        )
        found[f"security, told otherwise {number}"] = request(f"GET {SECURITY}", *told)
    return found


def _credentials() -> dict[str, bytes]:
    get = f"GET {CUSTOMERS}"
    write = f"POST {CUSTOMERS}"
    bare = b"\r\nAuthorization: Bearer @reader@"
    return {
        "two tokens": request(get, "Authorization: Bearer @admin@"),
        "the same twice": request(get, "Authorization: Bearer @reader@"),
        "two in one": request(get).replace(b"@reader@", b"@reader@, Bearer @admin@"),
        "an API key besides": request(get, "X-Api-Key: @pat@"),
        "an API key with underscores besides": request(get, "X_Api_Key: @pat@"),
        "an authorization with dots": request(get, "Authorization.: Bearer @admin@"),
        "two API keys": request(get, "X-Api-Key: @pat@", "Api-Key: @pat@").replace(bare, b""),
        "the same API key twice": request(get, "X-Api-Key: @pat@", "X-Api-Key: @pat@").replace(
            bare, b""
        ),
        "writing with a key to read": request(
            write, "X-Api-Key: @pat@", "Content-Length: 0"
        ).replace(bare, b""),
        "a space before the colon": request(get, "Authorization : Bearer @admin@"),
        "folded": request(get, "X: y\r\n Authorization: Bearer @admin@"),
        "folded within": request(write, "Content-Length: 0").replace(
            b"@reader@", b"@reader@\r\n @admin@"
        ),
        "named by Connection": request(
            write, "Connection: close, authorization", "Content-Length: 0", close=False
        ),
        "in the query": request(f"{write}?access_token=@admin@", "Content-Length: 0"),
        "in a cookie": request(write, "Cookie: access_token=@admin@", "Content-Length: 0"),
        "Proxy-Authorization": request(
            write, "Proxy-Authorization: Bearer @admin@", "Content-Length: 0"
        ),
    }


def _hosts() -> dict[str, bytes]:
    def with_host(line: str, host: str) -> bytes:
        return request(line).replace(b"Host: 127.0.0.1\r\n", host.encode("latin-1"))

    get, security = f"GET {CUSTOMERS}", f"GET {SECURITY}"
    return {
        "two": with_host(security, "Host: 127.0.0.1\r\nHost: evil.example\r\n"),
        "none": with_host(security, ""),
        "none in 1.0": with_host(f"{security} HTTP/1.0", ""),
        "with a path": with_host(get, f"Host: 127.0.0.1{SECURITY}?\r\n"),
        "with a user": with_host(get, "Host: a@127.0.0.1\r\n"),
        "with a space": with_host(get, "Host: 127.0.0.1 evil\r\n"),
        "with a slash": with_host(get, "Host: 127.0.0.1/..\r\n"),
        "with a line end": with_host(get, "Host: 127.0.0.1\n X-Mintgate-Login: smuggled\r\n"),
        "writing at another": with_host(f"POST http://evil.example{CUSTOMERS}", "Host: a\r\n"),
    }


def _allowed() -> dict[str, Attempt]:
    """Without these, ways that refuse everything would be as good as any."""
    get = f"GET {CUSTOMERS}"
    return {
        "a read": Attempt(request(get), passes=True),
        "a read with a query": Attempt(
            request(f"{get}?$top=1&$filter=a%20eq%20'b%2Fc'"), passes=True
        ),
        "a head": Attempt(request(f"HEAD {CUSTOMERS}"), passes=True),
        "a write": Attempt(request(f"POST {CUSTOMERS}", body=b"{}", by="user"), "user", True),
        "chunks": Attempt(
            request(
                f"POST {CUSTOMERS}",
                "Transfer-Encoding: chunked",
                body=b"2\r\n{}\r\n0\r\n\r\n",
                by="user",
            ),
            "user",
            True,
        ),
        "escapes that say nothing": Attempt(request(f"GET {ROOT}Crm%5FSales_Customers('a%20b')")),
        "a delete": Attempt(request(f"DELETE {CUSTOMERS}(1)", by="user"), "user", True),
    }  # fmt: skip


def all_attempts() -> dict[str, Attempt]:
    """By a name that says what is tried."""
    raw: dict[str, bytes] = {
        f"path: {name}": request(f"GET {path}") for name, path in _paths().items()
    }
    for kind, group in {
        "method": _methods(),
        "override": _overrides(),
        "identity": _identities(),
        "credential": _credentials(),
        "host": _hosts(),
        "framing": framing(),
        "version": versions(),
        "upgrade": upgrades(),
        "pipeline": pipelines(),
        "size": sizes(),
        "batch": batches(),
    }.items():
        raw |= {f"{kind}: {name}": data for name, data in group.items()}
    found = {f"allowed: {name}": one for name, one in _allowed().items()}
    found |= {name: Attempt(data) for name, data in raw.items()}
    # A body that may be there: some servers read trailers of no other.
    for name in ("identity", "method"):
        data = raw[f"framing: trailer with {'an' if name == 'identity' else 'a'} {name}, announced"]
        data = data.replace(b"GET", b"POST").replace(b"@reader@", b"@user@")
        found[f"framing: trailer of a write with {name}"] = Attempt(data, "user")
    # Who may write still may not see security records.
    for name in raw:
        if name.startswith("batch: ") or name.startswith("upgrade: h2c"):
            data = raw[name].replace(b"@reader@", b"@user@")
            found[f"{name}, by one who may write"] = Attempt(data, "user")
    return found
