"""What the folded state feed remembers, and for how long."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from mintgate.contract.feed import (
    ChangedApplication,
    ChangedUser,
    ClosedSession,
    Entry,
    RestoredInstance,
    RevokedToken,
)
from mintgate.contract.key_life import LONGEST_TOKEN
from mintgate.verify.folded import MARGIN, Folded
from mintgate.verify.verifier import MAX_LEEWAY

NOW = 1_000_000.0


def raw(entry: Entry, at: float) -> bytes:
    return msgspec.json.encode({"at": at, **msgspec.to_builtins(entry)})


@pytest.mark.parametrize(
    ("entry", "at"),
    [
        (RevokedToken(jti="J", exp=int(NOW)), NOW - 3600),
        (ChangedApplication(client_id="A", enabled=False), NOW - LONGEST_TOKEN),
        (ChangedUser(sub_id="U", active=False), NOW - LONGEST_TOKEN),
        (RestoredInstance(not_before=int(NOW - LONGEST_TOKEN)), NOW - LONGEST_TOKEN),
    ],
    ids=["jti", "application", "user", "restored"],
)
def test_nothing_is_forgotten_that_a_token_within_its_leeway_meets(entry: Any, at: float) -> None:
    """[API-9] a verifier may take a token for a minute after its `exp`"""
    folded = Folded()
    folded.add(raw(entry, at))
    folded.prune(NOW + MAX_LEEWAY - 1)
    assert len(folded) == 1
    folded.prune(NOW + MAX_LEEWAY + MARGIN)
    assert len(folded) == 0


@pytest.mark.parametrize("session", ["S", None])
def test_no_token_ends_with_an_erp_session(session: str | None) -> None:
    """[SES-22]"""
    folded = Folded()
    assert folded.add(raw(ClosedSession(session=session), NOW)) == ClosedSession(session=session)
    assert len(folded) == 0


def test_after_a_restore_no_jwt_of_before_is_good() -> None:
    """[TOP-13] Reference tokens are: their `iat` is that of the record."""
    folded = Folded()
    folded.add(raw(RestoredInstance(not_before=int(NOW)), NOW))
    claims = {"client_id": "A", "sub_id": "U", "user_type": "InternalUser", "jti": "J"}

    def is_revoked(issued: float, token: str) -> bool:
        state = folded.state_of(claims | {"iat": int(issued)}, token, NOW)
        assert state is not None
        return state.revoked

    assert is_revoked(NOW - 1, "eyJ.x.y")
    assert not is_revoked(NOW, "eyJ.x.y")
    assert not is_revoked(NOW - 1, "enrt_" + "0" * 64)
