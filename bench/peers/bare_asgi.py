"""The least that signs and answers: run as a file, so that nothing of the harness is imported."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import uvicorn
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_private_key

DATA = b"x" * 800
"""Signed; about as long as what mintgate signs."""


def handler(key: RSAPrivateKey) -> Any:
    async def handle(scope: Any, receive: Any, send: Any) -> None:
        while (await receive()).get("more_body"):
            pass
        signature = key.sign(DATA, padding.PKCS1v15(), SHA256()).hex().encode()
        text = b'{"access_token":"' + signature + b'"}'
        headers = [(b"content-length", str(len(text)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": text})

    return handle


def main() -> None:
    key = load_pem_private_key(Path(sys.argv[2]).read_bytes(), password=None)
    assert isinstance(key, RSAPrivateKey)
    uvicorn.run(
        handler(key),
        host="127.0.0.1",
        port=int(sys.argv[1]),
        access_log=False,
        log_config=None,
        ws="none",
        lifespan="off",
    )


if __name__ == "__main__":
    main()
