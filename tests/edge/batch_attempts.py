"""Attempts by OData batches: how they are addressed and framed, and what their parts ask for."""

from __future__ import annotations

from tests.edge.raw_requests import CUSTOMERS, ROOT, SECURITY, request


def _mixed(*parts: str) -> bytes:
    head = "--b\r\nContent-Type: application/http\r\nContent-Transfer-Encoding: binary\r\n\r\n"
    return ("".join(f"{head}{part}\r\n" for part in parts) + "--b--\r\n").encode("latin-1")


def batches() -> dict[str, bytes]:
    kind = "Content-Type: multipart/mixed; boundary=b"
    json_kind = "Content-Type: application/json"
    read = "GET Crm_Sales_Customers HTTP/1.1\r\n\r\n"
    write = (
        "POST Crm_Sales_Customers HTTP/1.1\r\nContent-Type: application/json\r\n"
        "Content-Length: 2\r\n\r\n{}"
    )
    secret = "GET Systems_Security_Users HTTP/1.1\r\n\r\n"
    on = "Prefer: continue-on-error"

    def batch(*parts: str, at: str = "$batch", method: str = "POST", more: str = on) -> bytes:
        return request(f"{method} {ROOT}{at}", kind, more, body=_mixed(*parts))

    def json_batch(text: str) -> bytes:
        return request(f"POST {ROOT}$batch", json_kind, on, body=text)

    found = {
        f"at {at}": batch(read, write, secret, at=at)
        for at in (
            "$batch",
            "%24batch",
            "%24%62atch",
            "$BATCH",
            "$Batch",
            "$batch/",
            "$batch//",
            "$batch?a=b",
            "$batch;x",
            "$batch%20",
            "%20$batch",
            "$batch.",
            "$batch%00",
            "$batch%09",
            "$batch()",
            "$batch#x",
            "./$batch",
            "x/$batch",
            "Crm_Sales_Customers/$batch",
            "$batch/$batch",
            "$batch/Crm_Sales_Customers",
            "%2524batch",
        )
    }
    found |= {
        "by GET": batch(write, method="GET"),
        "by PUT": batch(write, method="PUT"),
        "by post": batch(write, method="post"),
        "by GET, overridden": batch(write, method="GET", more="X-HTTP-Method-Override: POST"),
        "as a plain path": request(f"POST {CUSTOMERS}", kind, body=_mixed(read)),
        "in two types": batch(secret, more="Content-Type: application/json"),
        "in two boundaries": request(
            f"POST {ROOT}$batch", kind + "; boundary=c", body=_mixed(read, secret)
        ),
        "with another boundary": request(
            f"POST {ROOT}$batch", "Content-Type: multipart/mixed; boundary=c",
            body=b"--c\r\nContent-Type: application/http\r\n\r\n" + read.encode()
            + b"\r\n" + _mixed(secret) + b"--c--\r\n",
        ),
        "compressed": batch(write, more="Content-Encoding: gzip"),
        "in another charset": request(
            f"POST {ROOT}$batch", "Content-Type: application/json; charset=utf-16",
            body='{"requests":[]}'.encode("utf-16"),
        ),
        "websocket": request(
            f"GET {ROOT}$batch", "Connection: Upgrade", "Upgrade: websocket",
            "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", close=False
        ),
        "in chunks": request(
            f"POST {ROOT}$batch", kind, on, "Transfer-Encoding: chunked",
            body=b"%x\r\n%s\r\n0\r\n\r\n" % (len(_mixed(read, write)), _mixed(read, write)),
        ),
    }  # fmt: skip
    # Parts, each besides one that is allowed, so that something goes on.
    for name, part in {
        "writing": write,
        "writing in lower case": write.replace("POST", "post"),
        "security": secret,
        "security in capitals": secret.replace("Systems_Security", "SYSTEMS_SECURITY"),
        "security, encoded": secret.replace("Systems", "%53ystems"),
        "security, encoded twice": secret.replace("Systems", "%2553ystems"),
        "security, absolute path": f"GET {SECURITY} HTTP/1.1\r\n\r\n",
        "security, absolute": f"GET http://127.0.0.1{SECURITY} HTTP/1.1\r\n\r\n",
        "another host": f"GET http://evil.example{CUSTOMERS} HTTP/1.1\r\n\r\n",
        "another host, two slashes": f"GET //evil.example{CUSTOMERS} HTTP/1.1\r\n\r\n",
        "another host by Host": read.replace("\r\n\r\n", "\r\nHost: evil.example\r\n\r\n"),
        "dots": "GET Crm_Sales_Customers/../Systems_Security_Users HTTP/1.1\r\n\r\n",
        "dots out of the service": "GET ../../table/Sec_Users HTTP/1.1\r\n\r\n",
        "encoded dots": "GET x/%2e%2e/Systems_Security_Users HTTP/1.1\r\n\r\n",
        "parameter": secret.replace("Users", "Users;x"),
        "another caller": read.replace("\r\n\r\n", "\r\nAuthorization: Bearer @admin@\r\n\r\n"),
        "another API key": read.replace("\r\n\r\n", "\r\nX-Api-Key: @pat@\r\n\r\n"),
        "an identity": read.replace("\r\n\r\n", "\r\nX-Mintgate-Login: smuggled\r\n\r\n"),
        "an identity with _": read.replace("\r\n\r\n", "\r\nX_Mintgate_Login: smuggled\r\n\r\n"),
        "an identity with .": read.replace("\r\n\r\n", "\r\nX.Mintgate.Login: smuggled\r\n\r\n"),
        "a method override": read.replace("\r\n\r\n", "\r\nX-HTTP-Method: DELETE\r\n\r\n"),
        "a method parameter": read.replace("Customers ", "Customers?_method=DELETE "),
        "a batch": "POST $batch HTTP/1.1\r\nContent-Type: multipart/mixed; boundary=c\r\n\r\n"
        "--c\r\nContent-Type: application/http\r\n\r\nGET Systems_Security_Users HTTP/1.1\r\n\r\n"
        "\r\n--c--",
        "a batch, encoded": "POST %24batch HTTP/1.1\r\nContent-Type: application/json\r\n\r\n{}",
        "a reference": "DELETE $1 HTTP/1.1\r\n\r\n",
        "a bare LF": secret.replace("\r\n", "\n"),
        "another version": secret.replace("1.1", "1.0"),
        "no version": "GET Systems_Security_Users\r\n\r\n",
        "two requests": f"{read}{secret}",
        "folded": read.replace("\r\n\r\n", "\r\nX: y\r\n X-HTTP-Method: DELETE\r\n\r\n"),
        "a space before the colon": read.replace("\r\n\r\n", "\r\nX-HTTP-Method : PUT\r\n\r\n"),
        "a wrong length": write.replace("Length: 2", "Length: 0") + "\r\n" + secret,
    }.items():  # fmt: skip
        found[f"a part: {name}"] = batch(read, part, read)
    for name, text in {
        "writing": '{"requests":[{"id":"1","method":"POST","url":"Crm_Sales_Customers",'
        '"body":{}}]}',
        "in lower case": '{"requests":[{"id":"1","method":"delete",'
        '"url":"Crm_Sales_Customers(1)"}]}',
        "security": '{"requests":[{"id":"1","method":"GET","url":"Systems_Security_Users"}]}',
        "security, escaped": '{"requests":[{"id":"1","method":"GET",'
        '"url":"\\u0053ystems_Security_Users"}]}',
        "two urls": '{"requests":[{"id":"1","method":"GET","url":"Crm_Sales_Customers",'
        '"url":"Systems_Security_Users"}]}',
        "two methods": '{"requests":[{"id":"1","method":"GET","method":"DELETE",'
        '"url":"Crm_Sales_Customers"}]}',
        "names in another case": '{"requests":[{"id":"1","method":"GET","Method":"DELETE",'
        '"url":"Crm_Sales_Customers","URL":"Systems_Security_Users"}]}',
        "two lists": '{"requests":[{"id":"1","method":"GET","url":"Crm_Sales_Customers"}],'
        '"Requests":[{"id":"1","method":"GET","url":"Systems_Security_Users"}]}',
        "another caller": '{"requests":[{"id":"1","method":"GET","url":"Crm_Sales_Customers",'
        '"headers":{"Authorization":"Bearer @admin@"}}]}',
        "a method override": '{"requests":[{"id":"1","method":"GET","url":"Crm_Sales_Customers",'
        '"headers":{"x-http-method-override":"DELETE"}}]}',
        "a batch": '{"requests":[{"id":"1","method":"POST","url":"$batch",'
        '"body":{"requests":[]}}]}',
        "an absolute url": '{"requests":[{"id":"1","method":"GET",'
        f'"url":"http://evil.example{CUSTOMERS}"}}]}}',
        "a line end in the url": '{"requests":[{"id":"1","method":"GET",'
        '"url":"Crm_Sales_Customers\\r\\n\\r\\nGET Systems_Security_Users"}]}',
        "a comment": '{"requests":[/*{"id":"1","method":"DELETE","url":"Crm_Sales_Customers"}*/]}',
    }.items():  # fmt: skip
        found[f"JSON: {name}"] = json_batch(text)
    return found
