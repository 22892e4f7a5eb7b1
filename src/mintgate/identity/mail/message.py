"""A letter as a message (RFC 5322): headers that nobody can add to, plain text and HTML."""

from __future__ import annotations

from datetime import UTC, datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from urllib.parse import urlsplit

from mintgate.contract.instance import Instance
from mintgate.identity.mail.letters import Letter
from mintgate.identity.mail.settings import is_address


class Undeliverable(Exception):
    """The letter can never be sent; the message says why, for operators only."""


def message_of(
    letter: Letter, *, to: str, sender: str, instance: Instance, mail_id: str, now: float
) -> EmailMessage:
    """The message that is given to a mail server.

    Args:
        mail_id: the same in every attempt, so that a letter which comes twice is seen to be one.
        now: Unix seconds.

    Raises:
        Undeliverable: the address is none that mail can be sent to.
    """
    if not is_address(to):
        raise Undeliverable("the address is none that mail can be sent to")
    host = urlsplit(instance.base_url).hostname or "localhost"
    message = EmailMessage(policy=SMTP)
    message["From"] = _address(sender, _one_line(instance.shown_name))
    message["To"] = _address(to)
    message["Subject"] = _one_line(letter.subject)
    message["Date"] = format_datetime(datetime.fromtimestamp(now, UTC))
    message["Message-ID"] = f"<{mail_id}@{host}>"
    message["Auto-Submitted"] = "auto-generated"  # RFC 3834 §5: no vacation notice answers it
    message["X-Auto-Response-Suppress"] = "All"
    message.set_content(letter.text)
    message.add_alternative(letter.html, subtype="html")
    message["Content-Language"] = letter.language  # last: `Content-…` goes to the part made next
    return message


def _address(address: str, name: str = "") -> Address:
    user, _, domain = address.rpartition("@")
    return Address(name, user, domain)


def _one_line(text: str) -> str:
    """Nothing that ends a header (RFC 5322 §2.2)."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())
