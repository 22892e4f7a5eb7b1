"""Threads that hash passwords, and the hash of nobody."""

from __future__ import annotations

import os
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


def test_nobodys_hash_costs_what_any_costs_and_has_no_password() -> None:
    """[SGN-3]"""
    nobody = passwords.unmatchable_hash()
    assert passwords.is_password_hash(nobody)
    assert not passwords.needs_upgrade(nobody)
    assert nobody.split("$")[:4] == passwords.hash_password("x").split("$")[:4]
    assert len(nobody) == len(passwords.hash_password("x"))
    assert not passwords.password_matches("x", nobody)
    assert nobody != passwords.unmatchable_hash()
