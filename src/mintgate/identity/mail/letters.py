"""What the identity service writes to people; `sites` puts it into words."""

from __future__ import annotations

import enum
from typing import Protocol

import msgspec


class Kind(enum.StrEnum):
    """What a letter is about."""

    RESET = "reset"
    PASSWORD_CHANGED = "password_changed"  # noqa: S105 - the name of a kind
    CONFIRM = "confirm"
    EMAIL_CHANGED = "email_changed"
    INVITATION = "invitation"
    ALREADY_REGISTERED = "already_registered"
    SOMEBODY_REGISTERED = "somebody_registered"
    NOBODY = "nobody"
    """Never sent: it takes the place of another where there is no such user [SGN-8]."""


class Content(msgspec.Struct, frozen=True, kw_only=True):
    """What a letter says; sealed while it waits.

    Args:
        address: where it goes.
        language: culture name of who reads it.
        login: of the account that it is about.
        link: what the reader is to open.
    """

    address: str
    language: str
    login: str
    link: str | None = None

    def __repr__(self) -> str:
        return "Content(…)"  # a link lets its reader in


class Letter(msgspec.Struct, frozen=True):
    """A letter in words.

    Args:
        html: the same as `text`, as an HTML page without anything from elsewhere.
        language: of the words.
    """

    subject: str
    text: str
    html: str
    language: str

    def __repr__(self) -> str:
        return "Letter(…)"


class Letters(Protocol):
    """Writes the letters of one instance."""

    def write(self, kind: Kind, content: Content) -> Letter:
        """The words of a letter in the reader's language, else in English."""
        ...
