"""The worker that checks, alone on its core."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from typing import Any

from cryptography.hazmat.primitives.asymmetric import rsa

from bench.checking import libraries, names
from bench.checking.libraries import Check
from bench.checking.tokens import make_tokens
from bench.samples import Sample
from bench.workers import answer_questions
from mintgate.contract.identifiers import new_hex128
from mintgate.jose import SigningKey


class Checker:
    """Prepared tokens, and a way to make each library's check anew."""

    def __init__(self) -> None:
        private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        signing = SigningKey(new_hex128(), private)
        public = private.public_key()
        self._tokens = tokens = make_tokens(signing, names.DISTINCT_TOKENS)
        raw = libraries.raw(public, tokens)
        self._makers: dict[str, Callable[[], Check]] = {
            names.RAW: lambda: raw,
            names.MINTGATE: lambda: libraries.mintgate(signing.public),
            names.PYJWT: lambda: libraries.pyjwt(public),
            names.JOSERFC: lambda: libraries.joserfc(public),
            names.AUTHLIB: lambda: libraries.authlib(public),
        }
        for name, make in self._makers.items():
            _require_strict(name, make(), tokens[0])

    def measure(self, name: str, seconds: float) -> Sample:
        """Whole passes over the list until the time is up, each by a check that is new to it."""
        count, spent = 0, 0.0
        while spent < seconds:
            check = self._makers[name]()
            gc.collect()
            began = time.perf_counter()
            for token in self._tokens:
                check(token)
            spent += time.perf_counter() - began
            count += len(self._tokens)
        return Sample(count=count, seconds=spent)


def _require_strict(name: str, check: Check, token: str) -> None:
    """A check that accepts a wrong signature would win every comparison."""
    check(token)
    if name == names.RAW:
        return
    head, _, signature = token.rpartition(".")
    wrong = f"{head}.{signature[:10]}{'A' if signature[10] != 'A' else 'B'}{signature[11:]}"
    try:
        check(wrong)
    except Exception:  # noqa: BLE001 - each library has its own family of errors
        return
    raise AssertionError(f"{name} accepted a token with a wrong signature")


def main() -> None:
    checker = Checker()

    def answer(question: Any) -> Sample:
        return checker.measure(question["name"], question["seconds"])

    answer_questions(answer)


if __name__ == "__main__":
    main()
