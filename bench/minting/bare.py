"""The floor: an ASGI handler that reads the body, signs and answers, on mintgate's stack."""

from __future__ import annotations

import sys

import uvicorn
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.hashes import SHA256
from starlette.types import ASGIApp, Receive, Scope, Send

from bench.minting.signing import SigningWork, read_work
from mintgate.jose.encoding import base64url_encode


def bare_handler(work: SigningWork, signatures: int = 1) -> ASGIApp:
    """
    Args:
        signatures: in an answer; a second one is that of an ID token.
    """
    key, data, scheme, digest = (
        work.private_key(),
        work.signing_input.encode(),
        padding.PKCS1v15(),
        SHA256(),
    )
    # A whole answer of the size that mintgate gives; only the signature is made anew.
    before = b'{"access_token":"' + data + b"."
    after = b'","token_type":"Bearer","expires_in":3600,"scope":"read update"}'

    async def handle(scope: Scope, receive: Receive, send: Send) -> None:
        message = await receive()
        while message.get("more_body"):
            message = await receive()
        text = before + base64url_encode(key.sign(data, scheme, digest)) + after
        for _ in range(signatures - 1):
            text = text[:-1] + b',"id_token":"' + data + b"."
            text += base64url_encode(key.sign(data, scheme, digest)) + b'"}'
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", str(len(text)).encode()),
        ]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": text})

    return handle


def main() -> None:
    port, path = int(sys.argv[1]), sys.argv[2]
    config = uvicorn.Config(
        bare_handler(read_work(path), int(sys.argv[3]) if len(sys.argv) > 3 else 1),
        host="127.0.0.1",
        port=port,
        # From here on as `mintgate serve` has it; a change there is a change here.
        access_log=False,
        log_config=None,
        server_header=False,
        proxy_headers=False,
        backlog=2048,
        lifespan="off",
    )
    uvicorn.Server(config).run()


if __name__ == "__main__":
    main()
