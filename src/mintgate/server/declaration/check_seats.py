"""What forbids declared reservations of licence slots [SES-36]."""

from __future__ import annotations

from collections.abc import Iterator

from mintgate.server.declaration.model import Declaration
from mintgate.server.declaration.problems import Problem
from mintgate.server.declaration.resolve import Resolved
from mintgate.server.declaration.stored import Stored, key_of


def seats_left(resolved: Resolved, stored: Stored) -> list[str]:
    """Stored reservations that are there when the users are as declared, by their new logins.

    A reservation goes with its user, and takes the user's new login.
    """
    logins = {key_of(t.before.login): t.after.login for t in resolved.users if t.before}
    removed = {key_of(user.login) for user in resolved.removed_users}
    return [
        logins.get(key_of(login), login)
        for login in stored.reserved_seats
        if key_of(login) not in removed
    ]


def seat_problems(
    declaration: Declaration, resolved: Resolved, stored: Stored
) -> Iterator[Problem]:
    source = declaration.instance_source
    users = (*resolved.kept_users, *(target.after for target in resolved.users))
    known = {key_of(user.login) for user in users}
    wanted = declaration.reserved_seats
    seen: set[str] = set()
    for login in wanted or ():
        if key_of(login) in seen:
            yield source.problem("reserved_seats", f"names {login!r} twice; case is no difference")
        elif key_of(login) not in known:
            yield source.problem("reserved_seats", f"names {login!r}, and no user has this login")
        seen.add(key_of(login))
    reserved = len(seats_left(resolved, stored)) if wanted is None else len(seen)
    licences = declaration.instance.licences
    if reserved > max(licences, 0):  # a negative number is a problem of its own
        where = "licences" if wanted is None else "reserved_seats"
        yield source.problem(
            where, f"{reserved} slots are reserved and there are {licences} licences [SES-36]"
        )
