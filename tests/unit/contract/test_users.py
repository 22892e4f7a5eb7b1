"""Users and their types [USR-*]."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mintgate.contract import users
from mintgate.contract.users import User, UserType, problems_of, translated


def a_user(**changes: Any) -> User:
    members: dict[str, Any] = {
        "id": "1",
        "login": "mira.k",
        "name": {"en": "Mira"},
        "user_type": UserType.INTERNAL,
    }
    return User(**(members | changes))


@pytest.mark.parametrize(
    ("name", "code", "signs_in", "system_user", "calls_apis", "admin"),
    [
        pytest.param("InternalUser", "INT", True, True, True, True, id="USR-12 INT"),
        pytest.param("ExternalCommunityUser", "EXT", True, False, False, False, id="USR-12 EXT"),
        pytest.param("VirtualUserNoLogin", "VIR", False, False, False, False, id="USR-12 VIR"),
        pytest.param("SystemUserNoLogin", "SYS", False, True, False, True, id="USR-12 SYS"),
        pytest.param("ApplicationUserNoLogin", "APP", False, True, False, True, id="USR-12 APP"),
        pytest.param(
            "InvitationInternalNoLogin", "INI", False, False, False, False, id="USR-12 INI"
        ),
        pytest.param(
            "InvitationExternalNoLogin", "INE", False, False, False, False, id="USR-12 INE"
        ),
    ],
)
def test_user_types(
    name: str, code: str, signs_in: bool, system_user: bool, calls_apis: bool, admin: bool
) -> None:
    kind = UserType(name)
    assert kind.code == code
    assert (kind in users.MAY_SIGN_IN) == signs_in
    assert (kind in users.MAY_BE_SYSTEM_USER) == system_user
    assert (kind in users.MAY_CALL_APIS_AS_USER) == calls_apis
    assert (kind in users.MAY_BE_ADMIN) == admin
    assert bool(problems_of(a_user(user_type=kind, is_admin=True))) != admin  # [USR-5]


def test_there_are_seven_types() -> None:
    """USR-12"""
    assert len(UserType) == 7


def test_who_needs_a_password() -> None:
    """USR-11"""
    assert not users.MAY_SIGN_IN & users.NEEDS_NO_PASSWORD
    assert {UserType.VIRTUAL, UserType.APPLICATION} <= users.NEEDS_NO_PASSWORD


@pytest.mark.parametrize(
    ("changes", "attribute"),
    [
        pytest.param({}, None, id="USR-1 an example"),
        pytest.param({"login": "x" * 64}, None, id="USR-2 64 characters"),
        pytest.param({"login": "x" * 65}, "Login", id="USR-2 65 characters"),
        pytest.param({"login": ""}, "Login", id="USR-2 empty"),
        pytest.param({"login": " x"}, "Login", id="USR-2 a space before"),
        pytest.param({"login": "x\u00a0"}, "Login", id="USR-2 a hard space after"),
        pytest.param({"login": "a\x00b"}, "Login", id="USR-2 a control character"),
        pytest.param({"login": "mira kolarova"}, None, id="USR-2 a space inside"),
        pytest.param({"login": "мира@orion.example"}, None, id="USR-2 not ASCII"),
        pytest.param({"name": {}}, "Name", id="USR-10 no name"),
        pytest.param({"name": {"en": ""}}, "Name", id="USR-10 an empty name"),
        pytest.param({"email": "a@b"}, None, id="USR-3 an address"),
        pytest.param({"email": "a@" + "b" * 252}, None, id="USR-3 254 characters"),
        pytest.param({"email": "a@" + "b" * 253}, "Email", id="USR-3 255 characters"),
        pytest.param({"email": ""}, "Email", id="USR-3 empty"),
        pytest.param({"email": "a"}, "Email", id="USR-3 no @"),
        pytest.param({"email": "a@b@c"}, "Email", id="USR-3 two @"),
        pytest.param({"email": "a@b\n"}, "Email", id="USR-3 a newline"),
        pytest.param({"email": "a b@c"}, "Email", id="USR-3 a space"),
        *(
            pytest.param({"default_language": text}, None, id=f"USR-6 {text}")
            for text in ("bg", "en-US", "zh-Hans-CN", "es-419")
        ),
        *(
            pytest.param({"default_language": text}, "DefaultLanguage", id=f"USR-6 {text!r}")
            for text in ("", "e", "english", "en_US", "en-", "en\n", "zh-Hans-CN-variant")
        ),
    ],
)
def test_problems(changes: dict[str, Any], attribute: str | None) -> None:
    assert [name for name, _ in problems_of(a_user(**changes))] == (
        [attribute] if attribute else []
    )


@pytest.mark.parametrize(
    ("texts", "language", "text"),
    [
        pytest.param({"bg": "Б", "en": "E"}, "bg", "Б", id="USR-26 the language"),
        pytest.param({"bg": "Б", "en": "E"}, "BG", "Б", id="USR-26 any case"),
        pytest.param({"bg": "Б", "en": "E"}, "bg-BG", "Б", id="USR-26 its parent"),
        pytest.param({"bg": "Б", "bg-BG": "Г"}, "bg-BG", "Г", id="USR-26 exact before parent"),
        pytest.param({"bg": "Б", "en": "E"}, "de", "E", id="USR-26 English"),
        pytest.param({"bg": "", "en": "E"}, "bg", "E", id="USR-26 an empty one is none"),
        pytest.param({"bg": "Б"}, "de", "Б", id="USR-26 any"),
        pytest.param({"xx": "", "bg": "Б"}, "de", "Б", id="USR-26 any that is not empty"),
        pytest.param({"bgx": "X", "en": "E"}, "bg", "E", id="USR-26 not a longer name"),
        pytest.param({}, "en", None, id="USR-26 none"),
        pytest.param({"en": ""}, "en", None, id="USR-26 none but an empty one"),
    ],
)
def test_translation(texts: dict[str, str], language: str, text: str | None) -> None:
    assert translated(texts, language) == text


@given(
    texts=st.dictionaries(st.text(max_size=5), st.text(max_size=5)), language=st.text(max_size=8)
)
def test_a_translation_is_found_whenever_there_is_one(texts: dict[str, str], language: str) -> None:
    """USR-26"""
    found = translated(texts, language)
    assert (found is None) == (not any(texts.values()))
    assert found is None or found in texts.values()


@pytest.mark.parametrize(
    ("changes", "language", "name"),
    [
        pytest.param({"default_language": "bg"}, None, "Мира", id="TOK-32 the user's language"),
        pytest.param({}, None, "Mira", id="TOK-32 TOK-35 English when unset"),
        pytest.param({"default_language": "de"}, None, "Mira", id="TOK-32 then English"),
        pytest.param({"default_language": "en"}, "bg", "Мира", id="TOK-32 another on demand"),
        pytest.param({"name": {"bg": "Мира"}}, None, "Мира", id="TOK-32 then any"),
        pytest.param({"name": {"en": ""}}, None, "mira.k", id="TOK-10 never empty"),
    ],
)
def test_display_name(changes: dict[str, Any], language: str | None, name: str) -> None:
    user = a_user(**({"name": {"en": "Mira", "bg": "Мира"}} | changes))
    assert user.display_name(language) == name


@pytest.mark.parametrize(
    ("language", "locale"),
    [
        pytest.param(None, "en", id="TOK-35 unset"),
        pytest.param("", "en", id="TOK-35 TOK-10 empty"),
        pytest.param("en-US", "en-US", id="TOK-35 as stored"),
    ],
)
def test_locale(language: str | None, locale: str) -> None:
    assert a_user(default_language=language).locale == locale


@pytest.mark.parametrize(
    ("until", "is_locked"),
    [
        pytest.param(None, False, id="SGN-10 none"),
        pytest.param(99.0, False, id="SGN-10 over"),
        pytest.param(100.0, False, id="SGN-10 just over"),
        pytest.param(100.001, True, id="SGN-10 not yet"),
        pytest.param(float("inf"), True, id="SGN-10 for good"),
    ],
)
def test_locks(until: float | None, is_locked: bool) -> None:
    assert a_user(locked_until=until).is_locked(100.0) is is_locked
