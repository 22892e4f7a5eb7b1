"""What a check has seen, what it expected, and how to mend it; the checks themselves decide."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, NamedTuple

import msgspec

from mintgate.contract.errors import Refusal
from mintgate.verify.checks import (
    ALL_CHECKS,
    CheckOutcome,
    Examined,
    Expected,
    NotChecked,
    check_format,
    check_reference,
)

MAX_SHOWN = 200


class _Description(NamedTuple):
    seen: Callable[[Examined, Expected], object]
    expected: Callable[[Examined, Expected], object]
    mend: str


def explain(examined: Examined, expected: Expected) -> list[CheckOutcome]:
    """Every check with its outcome, none skipped because an earlier one failed."""
    outcomes = []
    for check in ALL_CHECKS:
        try:
            if not examined.is_readable and check.run not in (check_reference, check_format):
                raise NotChecked("the token cannot be read")
            check.run(examined, expected)
        except NotChecked as reason:
            outcomes.append(CheckOutcome(check.id, check.name, "not checked", str(reason)))
        except Refusal as refusal:
            outcomes.append(CheckOutcome(check.id, check.name, "failed", refusal.cause))
        except (KeyError, TypeError):
            outcomes.append(CheckOutcome(check.id, check.name, "failed", "a claim is malformed"))
        else:
            outcomes.append(CheckOutcome(check.id, check.name, "passed", ""))
    return [described(outcome, examined, expected) for outcome in outcomes]


def described(outcome: CheckOutcome, examined: Examined, expected: Expected) -> CheckOutcome:
    """The outcome of a check, with what there is to say about it."""
    description = _DESCRIPTIONS.get(outcome.id)
    if description is None or outcome.outcome == "not checked":
        return outcome
    return msgspec.structs.replace(
        outcome,
        seen=_shown(description.seen(examined, expected)),
        expected=_shown(description.expected(examined, expected)),
        mend=description.mend if outcome.outcome == "failed" else "",
    )


def _shown(value: object) -> str:
    text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    text = "".join(c if c.isprintable() else "�" for c in text)
    return text if len(text) <= MAX_SHOWN else text[: MAX_SHOWN - 1] + "…"


def _header(examined: Examined, name: str) -> Any:
    return examined.token.header.get(name) if examined.token is not None else None


def _claim(*names: str) -> Callable[[Examined, Expected], object]:
    def seen(examined: Examined, _: Expected) -> object:
        return next((examined.claims[n] for n in names if n in examined.claims), "no such claim")

    return seen


def _says(text: str) -> Callable[[Examined, Expected], object]:
    return lambda _examined, _expected: text


def _times(examined: Examined, _: Expected) -> str:
    found = [f"{name} {_moment(examined.claims.get(name))}" for name in ("nbf", "iat", "exp")]
    return "; ".join(found)


def _moment(value: object) -> str:
    try:
        if isinstance(value, int | float) and not isinstance(value, bool):
            return f"{datetime.fromtimestamp(value, UTC):%Y-%m-%d %H:%M:%S}Z"
    except (OverflowError, OSError, ValueError):
        pass
    return "missing or no time"


def _present(examined: Examined, _: Expected) -> str:
    return ", ".join(sorted(str(name)[:40] for name in examined.claims)) or "none"


def _application(examined: Examined, _: Expected) -> str:
    state = examined.state
    if state is None:
        return "unknown"
    if state.revoked:
        return "the token is revoked"
    named = {None: "missing", False: "disabled", True: "enabled"}
    client_id = examined.claims.get("client_id")
    return f"application {client_id!r} is {named[state.application_enabled]}"


def _user(examined: Examined, _: Expected) -> str:
    user = examined.state.user if examined.state is not None else None
    if user is None:
        return "no such user"
    words = ["active" if user.active else "inactive", *(["locked"] if user.locked else [])]
    return f"{user.user_type}, {' and '.join(words)}"


_DESCRIPTIONS = {
    "API-3": _Description(
        lambda e, _: "a live token" if e.reference is not None else "no live token has this value",
        _says("a reference token of this instance that is live"),
        "Make another one, in Profile or with `mintgate pat create`; was it copied whole?",
    ),
    "API-4": _Description(
        lambda e, _: e.problem or "three parts, base64url and JSON",
        _says("three parts, base64url and JSON"),
        "Send the access token as it was issued: alone, unquoted, not cut off.",
    ),
    "API-5": _Description(
        lambda e, _: f"alg {_header(e, 'alg')!r}, typ {_header(e, 'typ')!r}",
        lambda _, x: f"alg {' or '.join(x.algorithms)}, typ at+jwt",
        "Send an access token, no ID token; and let the verifier accept the instance's algorithm.",
    ),
    "API-6": _Description(
        lambda e, _: f"kid {_header(e, 'kid')!r}",
        lambda _, x: f"a key in the key set of {x.issuer}",
        "Get a new token: the key has ended, or it belongs to another issuer.",
    ),
    "API-7": _Description(
        lambda e, _: f"a signature for kid {_header(e, 'kid')!r}",
        _says("the signature of that key over this header and payload"),
        "Get a new token: this one was changed, or somebody else has signed it.",
    ),
    "API-8": _Description(
        _claim("iss"),
        lambda _, x: x.issuer,
        "Get the token from the issuer that the API trusts; the names are compared byte by byte.",
    ),
    "API-9": _Description(
        _times,
        lambda e, _: f"now, {_moment(e.now)}, in between",
        "Get a new token when it has expired; when it is not valid yet, set the clocks right.",
    ),
    "API-10": _Description(
        _claim("aud"),
        lambda _, x: x.audience,
        "Ask for a scope of the APIs (`read`, `update`); for an operator's own API its name must "
        "be in the application's `Audiences`.",
    ),
    "API-11": _Description(
        _present,
        _says("the claims of a user's or of a service's access token, not of both"),
        "Send an access token of this instance, no ID token.",
    ),
    "API-12": _Description(
        _claim("client_db", "db"),
        lambda _, x: x.database or "",
        "Get the token from the instance whose data the API serves.",
    ),
    "API-13": _Description(
        _application,
        _says("a token that is not revoked, of an enabled application"),
        "Get a new token; a disabled application is let in again with `mintgate app enable`.",
    ),
    "API-14": _Description(
        _user,
        lambda e, x: "an active user of a type that may call APIs",
        "`mintgate user activate` or `unlock`; other types of users cannot call APIs.",
    ),
    "API-15": _Description(
        _claim("scope"),
        lambda _, x: sorted(x.scopes),
        "Ask for the missing scope; the application's `Scope` must list it.",
    ),
}
