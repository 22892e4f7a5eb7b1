"""Sign-ins whose password was right, and whose second factor is awaited.

A proof is named by a random value that only a cookie holds: whoever knows the address of the page
that is open, but not the cookie, has proved nothing.
"""

from __future__ import annotations

import msgspec
from sqlalchemy import ColumnElement, Connection, delete, insert, select, update

from mintgate.store.purging import delete_some
from mintgate.store.rows import from_row, to_row
from mintgate.store.tables import sign_in_proofs
from mintgate.store.transaction import Transaction

_columns = sign_in_proofs.c


class SignInProof(msgspec.Struct, frozen=True, kw_only=True):
    """A right password.

    Args:
        proof_hash: digest of the cookie's value.
        interaction_hash: of the authorization request that it was given for.
        password_digest: of the stored hash that the password fitted.
        remember: whether the person wants to stay signed in.
        amr: the methods of the whole sign-in, as soon as the second factor is proved, too.
        expires_at: Unix seconds.
    """

    proof_hash: str
    interaction_hash: str
    user_id: str
    password_digest: str
    remember: bool
    amr: tuple[str, ...] | None = None
    expires_at: float


def put(tx: Transaction, instance_id: str, proof: SignInProof) -> None:
    """Keep a proof; the one that the same request had before gives way."""
    tx.connection.execute(
        delete(sign_in_proofs).where(
            _columns.instance_id == instance_id, _columns.proof_hash == proof.proof_hash
        )
    )
    tx.connection.execute(insert(sign_in_proofs).values(**to_row(proof), instance_id=instance_id))


def find(
    connection: Connection, instance_id: str, proof_hash: str, interaction_hash: str, now: float
) -> SignInProof | None:
    """The proof of this cookie for this request, if it is not over at `now` (Unix seconds)."""
    statement = select(sign_in_proofs).where(
        _is(instance_id, proof_hash),
        _columns.interaction_hash == interaction_hash,
        _columns.expires_at > now,
    )
    row = connection.execute(statement).mappings().first()
    return from_row(SignInProof, row) if row else None


def note_second_factor(
    tx: Transaction, instance_id: str, proof_hash: str, amr: tuple[str, ...]
) -> bool:
    """The second factor is proved, too; False when the proof is gone."""
    result = tx.connection.execute(
        update(sign_in_proofs).where(_is(instance_id, proof_hash)).values(amr=list(amr))
    )
    return result.rowcount == 1


def take(tx: Transaction, instance_id: str, proof_hash: str) -> bool:
    """End a proof, as its sign-in begins; False when another request has ended it already."""
    result = tx.connection.execute(
        delete(sign_in_proofs).where(_is(instance_id, proof_hash), _columns.expires_at > tx.now)
    )
    return result.rowcount == 1


def end_of_user(tx: Transaction, instance_id: str, user_id: str) -> None:
    """Whoever is half signed in as this user types the password again."""
    tx.connection.execute(
        delete(sign_in_proofs).where(
            _columns.instance_id == instance_id, _columns.user_id == user_id
        )
    )


def end_all(tx: Transaction, instance_id: str) -> None:
    """Nobody is half signed in any more."""
    tx.connection.execute(delete(sign_in_proofs).where(_columns.instance_id == instance_id))


def purge(tx: Transaction, instance_id: str, before: float) -> int:
    """Remove some proofs that ended before `before`; returns how many."""
    ended = (_columns.instance_id == instance_id) & (_columns.expires_at < before)
    return delete_some(tx.connection, sign_in_proofs, ended, first=_columns.expires_at)


def _is(instance_id: str, proof_hash: str) -> ColumnElement[bool]:
    return (_columns.instance_id == instance_id) & (_columns.proof_hash == proof_hash)
