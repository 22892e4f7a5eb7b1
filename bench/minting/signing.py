"""The limit, a worker: RS256 in a loop, with nothing around it."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

import msgspec
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from bench.samples import Sample
from bench.workers import answer_questions


class SigningWork(msgspec.Struct, frozen=True):
    """What is signed, and with which key; shared with the bare handler."""

    key_pem: str
    signing_input: str

    def private_key(self) -> rsa.RSAPrivateKey:
        key = load_pem_private_key(self.key_pem.encode(), password=None)
        assert isinstance(key, rsa.RSAPrivateKey)
        return key


def read_work(path: str) -> SigningWork:
    return msgspec.json.decode(Path(path).read_bytes(), type=SigningWork)


def sign_for(seconds: float, key: rsa.RSAPrivateKey, data: bytes) -> Sample:
    count = 0
    began = now = time.perf_counter()
    while now - began < seconds:
        key.sign(data, padding.PKCS1v15(), SHA256())
        count += 1
        now = time.perf_counter()
    return Sample(count=count, seconds=now - began)


def main() -> None:
    work = read_work(sys.argv[1])
    key, data = work.private_key(), work.signing_input.encode()

    def answer(question: Any) -> Sample:
        return sign_for(question["seconds"], key, data)

    answer_questions(answer)


if __name__ == "__main__":
    main()
