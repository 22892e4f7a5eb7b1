"""Which mail server letters are given to, and how."""

from __future__ import annotations

import enum
import re
from email.utils import parseaddr

import msgspec

from mintgate.contract.redirects import LOOPBACK_HOSTS

_PLAIN = re.compile(r"[!-~]+")
_ADDRESS = re.compile(r"[^@\s<>,;:\"\\\x00-\x1f\x7f]+@[^@\s<>,;:\"\\\x00-\x1f\x7f]+")


class Tls(enum.StrEnum):
    """How the connection is kept from others."""

    STARTTLS = "starttls"
    IMPLICIT = "implicit"
    NONE = "none"
    """Only to this machine."""


USUAL_PORTS = {Tls.STARTTLS: 587, Tls.IMPLICIT: 465, Tls.NONE: 25}


class SmtpSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Args:
    sender: the address in `From`.
    port: None takes the usual one.
    user, password: both or none of them.
    ca_file: certificates (PEM) that the server's is checked against; None takes the system's.
    """

    host: str
    sender: str
    tls: Tls = Tls.STARTTLS
    port: int | None = None
    user: str | None = None
    password: str | None = None
    ca_file: str | None = None

    @property
    def real_port(self) -> int:
        return self.port or USUAL_PORTS[self.tls]

    def __repr__(self) -> str:
        return f"SmtpSettings({self.host}:{self.real_port}, {self.tls})"


def problem_of(settings: SmtpSettings) -> str | None:
    """What is wrong, as a sentence that names the option; None when nothing is."""
    if not _PLAIN.fullmatch(settings.host):
        return "--smtp-host must be a host name or an address"
    if not is_address(settings.sender):
        return "--smtp-from must be a mail address such as login@orion.example"
    if (settings.user is None) != (settings.password is None):
        return (
            "--smtp-user and the password (in MINTGATE_SMTP_PASSWORD or in the file that "
            "MINTGATE_SMTP_PASSWORD_FILE names) go together"
        )
    if settings.tls is Tls.NONE and settings.host not in LOOPBACK_HOSTS:
        return (
            f"--smtp-tls none is for this machine only: others between here and {settings.host} "
            "could read links that let people in"
        )
    return None


def is_address(text: str) -> bool:
    """Whether a letter can be sent there: one address, and nothing that could become more."""
    return bool(_ADDRESS.fullmatch(text)) and parseaddr(text)[1] == text and len(text) <= 254
