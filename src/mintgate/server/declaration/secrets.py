"""Secrets in the file: as text, or `{ env = "NAME" }` so that the file need not hold them."""

from __future__ import annotations

from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from collections.abc import Callable, Mapping

from mintgate.contract.users import MAX_PASSWORD_BYTES
from mintgate.identity.passwords import is_password_hash
from mintgate.server.declaration.kinds import Kind, Unfit, text

MAX_SECRET = 1024


def secret(environment: Mapping[str, str], check: Callable[[str], str | None]) -> Kind:
    """A text, or the name of an environment variable that holds it.

    Args:
        check: says what is wrong with the text, None when nothing is. What it says must not
            repeat the text.
    """

    def fit(value: object) -> str:
        if isinstance(value, Mapping):
            name, found = _from_environment(value, environment)
            place = f"the environment variable {name} "
        else:
            found, place = str(_TEXT(value)), ""
        problem = check(found)
        if problem:
            raise Unfit(place + problem)
        return found

    return fit


def problem_of_secret(value: str) -> str | None:
    """What is wrong with an application's or an API's secret in clear text."""
    if not value:
        return "must not be empty"
    return None if len(value) <= MAX_SECRET else f"must have at most {MAX_SECRET} characters"


def problem_of_secret_hash(value: str) -> str | None:
    """What is wrong with a stored secret; empty is allowed and takes the secret away [TAP-6]."""
    if not value or _is_digest(value):
        return None
    return "must be the base64 of the secret's SHA-256, 44 characters [TAP-6]"


def problem_of_password(value: str) -> str | None:
    if not value:
        return "must not be empty"
    if len(value.encode()) > MAX_PASSWORD_BYTES:
        return f"must have at most {MAX_PASSWORD_BYTES} bytes"
    return None


def problem_of_password_hash(value: str) -> str | None:
    if is_password_hash(value):
        return None
    return (
        "must be an argon2id hash ($argon2id$…) or the base64 of an ASP.NET Core Identity v3 "
        "hash; MD5 is not accepted [USR-7, EXT-1]"
    )


_TEXT = text(8192, lines=True)


def _is_digest(value: str) -> bool:
    try:
        digest = b64decode(value, validate=True)
    except (Base64Error, ValueError):
        return False
    # The stored text is compared as text, so that another spelling of it would never match.
    return len(digest) == 32 and b64encode(digest).decode() == value


def _from_environment(
    value: Mapping[object, object], environment: Mapping[str, str]
) -> tuple[str, str]:
    name = value.get("env")
    if set(value) != {"env"} or not isinstance(name, str) or not name:
        raise Unfit('must be a text, or { env = "NAME" } with the name of an environment variable')
    if name not in environment:
        raise Unfit(f"the environment variable {name} is not set; set it and try again")
    found = environment[name]
    if not is_utf8(found):
        raise Unfit(f"the environment variable {name} does not hold UTF-8 text")
    return name, found


def is_utf8(value: str) -> bool:
    """Whether a text from outside can be encoded: bytes that are no UTF-8 come as surrogates."""
    return not any("\ud800" <= character <= "\udfff" for character in value)
