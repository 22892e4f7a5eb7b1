"""Threads that hash passwords, and the hash of nobody."""

from __future__ import annotations

import os
import subprocess
import sys
import threading

import pytest

from mintgate.identity import passwords
from mintgate.identity.signin.hashing import NICENESS, hashing_threads


@pytest.mark.skipif(sys.platform != "linux", reason="a priority belongs to the process there")
def test_hashing_threads_give_way_and_no_other_thread_does() -> None:
    def niceness() -> int:
        return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())

    before = niceness()
    with hashing_threads(1) as threads:
        assert threads.submit(niceness).result() == min(before + NICENESS, 19)
    assert niceness() == before


@pytest.mark.skipif(sys.platform != "linux", reason="cores are not given to processes there")
def test_no_more_threads_than_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    for cores, threads in ((1, 1), (2, 2), (8, 2)):
        monkeypatch.setattr(os, "sched_getaffinity", lambda _, cores=cores: set(range(cores)))
        with hashing_threads() as pool:
            assert pool._max_workers == threads


def test_nobodys_hash_costs_what_any_costs_and_has_no_password() -> None:
    """[SGN-3]"""
    nobody = passwords.unmatchable_hash()
    assert passwords.is_password_hash(nobody)
    assert not passwords.needs_upgrade(nobody)
    assert nobody.split("$")[:4] == passwords.hash_password("x").split("$")[:4]
    assert len(nobody) == len(passwords.hash_password("x"))
    assert not passwords.password_matches("x", nobody)
    assert nobody != passwords.unmatchable_hash()


def test_what_a_password_costs() -> None:
    """[USR-7] RFC 9106 §4; in a process of its own, as tests pay less"""
    told = subprocess.run(
        [
            sys.executable,
            "-c",
            "from mintgate.identity.signin.password import _NOBODYS_HASH; print(_NOBODYS_HASH)\n"
            "from mintgate.identity.passwords import hash_password; print(hash_password('x'))",
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    for line in told.stdout.split():
        assert line.startswith("$argon2id$v=19$m=65536,t=3,p=1$")
