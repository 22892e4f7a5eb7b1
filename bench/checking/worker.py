"""The worker that checks, alone on its core."""

from __future__ import annotations

import gc
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from bench.checking import libraries, names
from bench.checking.libraries import Check
from bench.samples import Sample
from bench.workers import answer_questions
from mintgate.jose import PublicKey


class Checker:
    """Prepared tokens, and a way to make each library's check anew."""

    def __init__(self, work: names.Work) -> None:
        key = load_pem_public_key(work.pem.encode())
        assert isinstance(key, rsa.RSAPublicKey)
        public = PublicKey(work.kid, key)
        self._tokens = tokens = work.tokens
        raw = libraries.raw(key, tokens)
        self._cold: dict[str, Callable[[], Check]] = {
            names.RAW: lambda: raw,
            names.MINTGATE: lambda: libraries.mintgate(public),
            names.WITH_STATE: lambda: libraries.mintgate_with_state(public),
            names.PYJWT: lambda: libraries.pyjwt(key),
            names.JOSERFC: lambda: libraries.joserfc(key),
            names.AUTHLIB: lambda: libraries.authlib(key),
        }
        if (folder := work.python_jose) is not None:
            self._cold[names.PYTHON_JOSE] = lambda: libraries.python_jose(key, folder)
        self._cached: dict[str, Check] = {
            names.PYJWT: libraries.pyjwt(key),
            names.MINTGATE: libraries.mintgate_cached(public, tokens),
            names.WITH_STATE: libraries.mintgate_cached(public, tokens, with_state=True),
        }
        for name, make in self._cold.items():
            _require_strict(name, make(), tokens[0])
        for name, check in self._cached.items():
            _require_strict(name, check, tokens[0])

    def measure(self, name: str, seconds: float, *, cached: bool) -> Sample:
        """Whole passes over the list until the time is up.

        Cold, each pass is made by a check that is new to it. Cached, each token is given as new
        text, as a server has it: its hash is not known yet.
        """
        count, spent = 0, 0.0
        while spent < seconds:
            check = self._cached[name] if cached else self._cold[name]()
            # Copies that were not hashed; made before the clock runs.
            tokens = [t.encode().decode() for t in self._tokens] if cached else self._tokens
            gc.collect()
            began = time.perf_counter()
            for token in tokens:
                check(token)
            spent += time.perf_counter() - began
            count += len(tokens)
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
    checker = Checker(msgspec.json.decode(Path(sys.argv[1]).read_bytes(), type=names.Work))

    def answer(question: Any) -> Sample:
        return checker.measure(question["name"], question["seconds"], cached=question["cached"])

    answer_questions(answer)


if __name__ == "__main__":
    main()
