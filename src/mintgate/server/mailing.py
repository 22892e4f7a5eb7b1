"""The parts of one instance that write letters, and what sends them."""

from __future__ import annotations

from functools import partial

from mintgate.contract.clock import Clock
from mintgate.contract.instance import Instance
from mintgate.identity.accounts import limits
from mintgate.identity.accounts.common import AccountParts
from mintgate.identity.accounts.limits import RequestLimits
from mintgate.identity.directory import Directory
from mintgate.identity.mail.delivery import MailDelivery
from mintgate.identity.mail.letters import Letters
from mintgate.identity.mail.outbox import Outbox
from mintgate.identity.mail.post import Post
from mintgate.identity.signin.password import PasswordSignIn
from mintgate.store import Database
from mintgate.store.key_encryption import KeyEncryptionKey


def mailing(
    directory: Directory,
    database: Database,
    key_encryption_key: KeyEncryptionKey,
    passwords: PasswordSignIn,
    post: Post | None,
    clock: Clock,
) -> tuple[AccountParts, MailDelivery | None]:
    """What the pages of people's own accounts need; no delivery where this server sends no mail.

    Args:
        clock: Unix seconds.
    """
    instance = directory.instance
    outbox = Outbox(instance, key_encryption_key)
    delivery = (
        MailDelivery(instance, database, outbox, partial(_letters, instance), post, clock)
        if post is not None
        else None
    )
    counts = RequestLimits(instance.id, directory.derived_key(limits.PURPOSE))
    wake = delivery.rounds.wake if delivery is not None else None
    return AccountParts(instance, database, outbox, passwords, counts, wake), delivery


def _letters(instance: Instance) -> Letters:
    from mintgate.sites.accounts.letters import SiteLetters

    return SiteLetters(instance)
