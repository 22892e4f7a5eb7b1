"""`mintgate user show-tries` and `clear-tries`: wrong passwords, and whoever waits for them."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import msgspec
import typer

from mintgate.cli import common, records
from mintgate.cli.common import DEFAULT_DATABASE, AsJson, DatabaseUrl, InstanceName, KeyFile
from mintgate.cli.users import Login

if TYPE_CHECKING:
    from pathlib import Path

    from sqlalchemy import Connection

    from mintgate.contract.users import User
    from mintgate.store.sign_in_tries import Tries

_FROM = {
    "origin": "one address, unknown devices",
    "device": "a device where the user signed in before",
    "login": "all unknown devices together",
    "code-origin": "one address, unknown devices: second factor",
    "code-device": "a device where the user signed in before: second factor",
    "code-login": "all unknown devices together: one-time codes",
}


def add_to(user_commands: typer.Typer) -> None:
    """Make the two commands part of `mintgate user`."""
    user_commands.command("show-tries")(show_tries)
    user_commands.command("clear-tries")(clear_tries)


def show_tries(
    login: Login,
    as_json: AsJson = False,
    database_url: DatabaseUrl = DEFAULT_DATABASE,
    instance_name: InstanceName = None,
    key_file: KeyFile = None,
) -> None:
    """Show where wrong passwords were tried for a login, and until when tries wait there.

    A wait holds for passwords from that place only: tokens, services and other devices go on.
    """
    from mintgate.store import sign_in_tries

    database, instance = common.open_instance(database_url, instance_name)
    names = _Names(database_url, key_file, instance.id)
    with common.refusals():
        found = database.read_now(
            lambda c: sign_in_tries.of_logins(c, instance.id, names.of(c, login), time.time())
        )
    if as_json:
        records.print_json([_described(tries) for tries in found])
        return
    records.print_table(
        ("From", "Wrong tries", "Waits until"),
        [
            (_FROM.get(tries.kind, tries.kind), str(tries.tries), _wait_of(tries) or "")
            for tries in found
        ],
        f"No wrong passwords were tried for {login} lately.",
    )


def clear_tries(
    login: Login,
    database_url: DatabaseUrl = DEFAULT_DATABASE,
    instance_name: InstanceName = None,
    key_file: KeyFile = None,
) -> None:
    """Let password sign-ins of a login go on at once: its wrong tries are forgotten.

    An administrator's lock stays; mintgate user enable ends that.
    """
    from mintgate.store import AuditEvent, sign_in_tries, users

    with records.writing(database_url, instance_name) as writing:
        tx, instance_id = writing.tx, writing.instance.id
        names = _Names(database_url, key_file, instance_id)
        count = sign_in_tries.forget_logins(tx, instance_id, names.of(tx.connection, login))
        user = names.user
        if user is not None:
            users.forget_failed_sign_ins(tx, instance_id, user.id)
        tx.record(
            AuditEvent(
                instance_id=instance_id,
                at=tx.now,
                event="user.sign_in_tries_cleared",
                actor=common.actor(),
                details={"login": user.login if user is not None else None, "counts": count},
            )
        )
    typer.echo(
        f"The wrong tries for {login} are forgotten."
        if count
        else f"There was nothing to forget: no wrong passwords were tried for {login} lately.",
        err=True,
    )


class _Names:
    """The digests under which the tries of a person are counted: login and email as typed."""

    def __init__(self, database_url: str, key_file: Path | None, instance_id: str) -> None:
        from mintgate.identity.signin import throttle

        with common.refusals():
            self._kek = common.key_encryption_key(database_url, key_file, create=False)
        self._names = throttle.TryNames(self._kek.derive(throttle.PURPOSE, instance_id))
        self._instance_id = instance_id
        self.user: User | None = None

    def of(self, connection: Connection, login: str) -> list[str]:
        from mintgate.store import keys, users

        # With another key the digests would be others, and nothing would be found.
        keys.all_of(connection, self._instance_id, self._kek)
        found = users.for_sign_in(connection, self._instance_id, login)
        self.user = found[0] if found is not None else None
        typed = {login}
        if self.user is not None:
            typed |= {self.user.login, self.user.email or login}
        return sorted(self._names.login(text) for text in typed)


def _described(tries: Tries) -> dict[str, object]:
    return {**msgspec.structs.asdict(tries), "waits_until": _wait_of(tries)}


def _wait_of(tries: Tries) -> str | None:
    """Until when tries wait; None when they do not."""
    from mintgate.identity.signin.throttle import LIMITS

    if tries.tries < LIMITS[tries.kind].tries:
        return None
    return datetime.fromtimestamp(tries.ends_at, UTC).isoformat(timespec="seconds")
