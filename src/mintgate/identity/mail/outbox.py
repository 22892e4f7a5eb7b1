"""Writing letters into the outbox, within the transaction of their cause."""

from __future__ import annotations

import msgspec

from mintgate.contract import lifetimes
from mintgate.contract.identifiers import new_guid, new_secret, token_digest
from mintgate.contract.instance import Instance
from mintgate.contract.users import User
from mintgate.identity.mail.letters import Content, Kind
from mintgate.store import Transaction, mailed_links, mails
from mintgate.store.key_encryption import KeyEncryptionKey
from mintgate.store.mailed_links import MailedLink, Purpose
from mintgate.store.mails import StoredMail
from mintgate.store.sealing import mail_name

GIVE_UP_SECONDS = 24 * 3600.0
"""After its cause, nobody tries to send a letter any more."""
NOBODY = ""

RESET_PATH = "/password/reset"
CONFIRM_PATH = "/email/confirm"
INVITATION_PATH = "/invitation"
PATHS = {
    Purpose.RESET: RESET_PATH,
    Purpose.CONFIRM: CONFIRM_PATH,
    Purpose.INVITE: INVITATION_PATH,
}
"""Below the issuer."""
LIFETIMES = {
    Purpose.RESET: lifetimes.RESET_LINK,
    Purpose.CONFIRM: lifetimes.CONFIRM_LINK,
    Purpose.INVITE: lifetimes.INVITATION,
}
"""Seconds."""
LINK = "link"
"""The parameter with a link's secret: in the query, as neither our logs nor our traces have it."""


class Outbox:
    """Letters and links of one instance."""

    def __init__(self, instance: Instance, key_encryption_key: KeyEncryptionKey) -> None:
        self._instance = instance
        self._kek = key_encryption_key
        self.instance_id = instance.id

    def link(
        self, tx: Transaction, purpose: Purpose, user: User | None, *, proves_email: bool
    ) -> str:
        """A new link for one use, as its URL; only its digest is stored.

        Args:
            user: None makes one that is good for nothing.
            proves_email: it goes to the user's address, and is shown to nobody else.
        """
        secret = new_secret()
        link = MailedLink(
            link_hash=token_digest(secret),
            purpose=purpose,
            user_id=user.id if user is not None else NOBODY,
            email=user.email if user is not None else None,
            proves_email=proves_email,
            created_at=tx.now,
            expires_at=tx.now + LIFETIMES[purpose],
        )
        mailed_links.add(tx, self._instance.id, link)
        return f"{self._instance.issuer}{PATHS[purpose]}?{LINK}={secret}"

    def put(
        self,
        tx: Transaction,
        kind: Kind,
        user: User | None,
        *,
        address: str | None = None,
        link: str | None = None,
        lives: float = GIVE_UP_SECONDS,
    ) -> None:
        """Have a letter sent once this is committed.

        Args:
            user: whom it is about; None is nobody, and nothing is sent.
            address: where it goes, if not to the user's.
            lives: for how many seconds anybody needs it.
        """
        self.send(tx, kind, user, user, address=address, link=link, lives=lives)

    def send(
        self,
        tx: Transaction,
        kind: Kind,
        to: User | None,
        about: User | None,
        *,
        address: str | None = None,
        link: str | None = None,
        lives: float = GIVE_UP_SECONDS,
    ) -> None:
        """The same, to one user about another."""
        where = address or (to.email if to is not None else None)
        if to is not None and where is None:
            return
        content = Content(
            address=where or NOBODY,
            language=to.locale if to is not None else "en",
            login=about.login if about is not None else NOBODY,
            link=link,
        )
        mail_id = new_guid()
        sealed = self._kek.seal(msgspec.json.encode(content), mail_name(self._instance.id, mail_id))
        mail = StoredMail(
            id=mail_id,
            kind=kind if to is not None else Kind.NOBODY,
            user_id=to.id if to is not None else NOBODY,
            sealed_content=sealed,
            created_at=tx.now,
            expires_at=tx.now + min(lives, GIVE_UP_SECONDS),
        )
        mails.add(tx, self._instance.id, mail)

    def opened(self, mail: StoredMail) -> Content:
        """What a stored letter says. Raises KeyEncryptionProblem."""
        text = self._kek.open(mail.sealed_content, mail_name(self._instance.id, mail.id))
        return msgspec.json.decode(text, type=Content)
