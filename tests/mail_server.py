"""A real mail server for tests, which keeps what it gets."""

from __future__ import annotations

import contextlib
import email
import re
import socket
import ssl
import threading
import time
import warnings
from collections.abc import Iterator
from email.message import EmailMessage
from email.policy import default
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

USER, PASSWORD = "mintgate", "the password of the mail server"
LINK = re.compile(r"https?://\S+\?link=\S+")


class MailServer(Controller):
    """Takes mail on a port of this machine.

    Args:
        certificate: offers STARTTLS, or with `implicit` speaks TLS from the start.
        needs_login: takes nothing from whoever did not sign in.
    """

    def __init__(
        self,
        certificate: ssl.SSLContext | None = None,
        *,
        implicit: bool = False,
        needs_login: bool = False,
    ) -> None:
        self.messages: list[EmailMessage] = []
        self.recipients: list[list[str]] = []
        self.refusals: list[str] = []
        """Answers to the next recipients, in turn."""
        self.fails_after_taking = False
        self._offered = None if implicit else certificate
        self._needs_login = needs_login
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = listener.getsockname()[1]
        more = {"ssl_context": certificate} if implicit else {}
        super().__init__(self, hostname="127.0.0.1", port=port, **more)

    def factory(self) -> SMTP:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that a login may come without TLS
            return SMTP(
                self.handler,
                tls_context=self._offered,
                require_starttls=self._offered is not None,
                auth_required=self._needs_login,
                auth_require_tls=False,
                authenticator=_authenticate,
                enable_SMTPUTF8=True,
            )

    async def handle_RCPT(  # noqa: N802 - a name of aiosmtpd
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: Any
    ) -> str:
        if self.refusals:
            return self.refusals.pop(0)
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope
    ) -> str:
        content = envelope.content
        assert isinstance(content, bytes)
        message = email.message_from_bytes(content, policy=default)
        assert isinstance(message, EmailMessage)
        self.recipients.append(list(envelope.rcpt_tos))
        self.messages.append(message)
        return "250 OK"

    async def handle_QUIT(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope
    ) -> str:
        return "421 later" if self.fails_after_taking else "221 Bye"

    def wait(self, count: int) -> list[EmailMessage]:
        """So many messages, as they came."""
        deadline = time.monotonic() + 20
        while len(self.messages) < count:
            assert time.monotonic() < deadline, f"{len(self.messages)} messages of {count} came"
            time.sleep(0.01)
        return self.messages

    def to(self, address: str, count: int = 1) -> EmailMessage:
        """The newest message to this address, once there are so many."""
        deadline = time.monotonic() + 20
        while True:
            found = [m for m in self.messages if m["To"] == address]
            if len(found) >= count:
                return found[-1]
            assert time.monotonic() < deadline, f"{len(found)} messages to {address}"
            time.sleep(0.01)


def _authenticate(
    server: SMTP, session: Session, envelope: Envelope, mechanism: str, auth_data: Any
) -> AuthResult:
    given = auth_data if isinstance(auth_data, LoginPassword) else None
    is_right = given is not None and (given.login, given.password) == (
        USER.encode(),
        PASSWORD.encode(),
    )
    return AuthResult(success=is_right, handled=is_right)  # else it says that it was wrong


@contextlib.contextmanager
def serving_mail(**settings: Any) -> Iterator[MailServer]:
    server = MailServer(**settings)
    server.start()
    try:
        yield server
    finally:
        server.stop()


@contextlib.contextmanager
def saying(what: bytes, pause: float) -> Iterator[int]:
    """Not quite a mail server: it says a byte now and then; yields its port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        over = threading.Event()

        def talk() -> None:
            with contextlib.suppress(OSError):
                connection, _ = listener.accept()
                with connection:
                    for byte in what:
                        connection.sendall(bytes([byte]))
                        if over.wait(pause):
                            return
                    over.wait(30)

        thread = threading.Thread(target=talk, daemon=True)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            over.set()


def text_of(message: EmailMessage) -> str:
    body = message.get_body(("plain",))
    assert body is not None
    return str(body.get_content())


def link_in(message: EmailMessage) -> str:
    """The one link of a letter that lets its reader do something."""
    found = LINK.findall(text_of(message))
    assert len(found) == 1, text_of(message)
    return str(found[0])
