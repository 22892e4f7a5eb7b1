"""Too many sign-ins at once: the form comes back with 503, and nothing was counted (ADR 12)."""

from __future__ import annotations

import pytest

from mintgate.identity.signin import password
from tests.world import PASSWORD, World


def test_a_full_queue_is_told_and_is_no_try(
    shared_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    browser = shared_world.browser()
    page = browser.authorize()
    with monkeypatch.context() as full:
        full.setattr(password, "MAX_WAITING", 0)
        for _ in range(6):  # one more than wrong tries are allowed
            answer = browser.submit(page, login="mira.k", password=PASSWORD)
            assert answer.status_code == 503
            assert int(answer.headers["Retry-After"]) > 0
            assert "action" in answer.text
    assert browser.submit(page, login="mira.k", password=PASSWORD).status_code in {302, 303}
