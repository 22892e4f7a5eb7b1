"""Giving letters to a mail server (RFC 5321), in threads of its own."""

from __future__ import annotations

import asyncio
import contextlib
import smtplib
import socket
import ssl
from concurrent.futures import ThreadPoolExecutor
from email.message import EmailMessage
from typing import Any

from mintgate.identity.mail.post import AT_ONCE, NotSent
from mintgate.identity.mail.settings import SmtpSettings, Tls

STEP_SECONDS = 15.0
"""How long one answer of the server may take."""
TOTAL_SECONDS = 60.0
"""How long a letter may take: a server that sends a byte now and then keeps no thread for ever."""
MAX_SHOWN = 200


class SmtpPost:
    """Gives messages to one mail server; each in a connection of its own.

    The server's certificate is always checked, and a server that offers no TLS gets nothing.

    Args:
        step_seconds, total_seconds: how long one answer, and a whole letter, may take.
    """

    def __init__(
        self,
        settings: SmtpSettings,
        step_seconds: float = STEP_SECONDS,
        total_seconds: float = TOTAL_SECONDS,
    ) -> None:
        self.sender = settings.sender
        self._settings = settings
        self._step_seconds = step_seconds
        self._total_seconds = total_seconds
        self._threads = ThreadPoolExecutor(AT_ONCE, "mintgate-mail")

    async def send(self, message: EmailMessage) -> None:
        """Raises NotSent."""
        loop = asyncio.get_running_loop()
        attempt = _Attempt(self._settings, self._step_seconds)
        # A thread cannot be cancelled, but its connection can be taken away.
        watch = loop.call_later(self._total_seconds, attempt.cut)
        try:
            await loop.run_in_executor(self._threads, attempt.run, message)
        except smtplib.SMTPRecipientsRefused as error:
            code, text = next(iter(error.recipients.values()))
            raise NotSent(_told(code, text), is_final=500 <= code < 600) from None
        except smtplib.SMTPResponseException as error:
            raise NotSent(_told(error.smtp_code, error.smtp_error)) from None
        except smtplib.SMTPNotSupportedError as error:
            raise NotSent(f"the mail server cannot do it: {error}") from None
        except (smtplib.SMTPException, OSError, ssl.SSLError, ValueError) as error:
            raise NotSent(attempt.cause_of(error)) from None
        finally:
            watch.cancel()
            attempt.cut()  # a no-op, unless this task was cancelled

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)


class _Attempt:
    """One connection, which another thread may cut."""

    def __init__(self, settings: SmtpSettings, step_seconds: float) -> None:
        self._settings = settings
        self._step_seconds = step_seconds
        self._socket: socket.socket | None = None
        self._is_cut = False

    def run(self, message: EmailMessage) -> None:
        settings = self._settings
        smtp = self._connected()
        try:
            if settings.tls is Tls.STARTTLS:
                smtp.starttls(context=_context(settings, self))  # raises where none is offered
            if settings.user is not None and settings.password is not None:
                smtp.login(settings.user, settings.password)
            smtp.send_message(message)
            # From here on it is the server's: an error of a farewell must not send it again.
            with contextlib.suppress(smtplib.SMTPException, OSError):
                smtp.quit()
        finally:
            smtp.close()

    def _connected(self) -> smtplib.SMTP:
        settings = self._settings
        own_name = settings.sender.rpartition("@")[2]
        host, port, timeout = settings.host, settings.real_port, self._step_seconds
        if settings.tls is Tls.IMPLICIT:
            context = _context(settings, self)
            return smtplib.SMTP_SSL(host, port, own_name, timeout=timeout, context=context)
        return _Plain(self, host, port, own_name, timeout)

    def note(self, connection: socket.socket) -> None:
        """What is to be cut. Raises TimeoutError when it was already."""
        self._socket = connection
        if self._is_cut:
            raise TimeoutError

    def cut(self) -> None:
        self._is_cut = True
        if self._socket is not None:
            with contextlib.suppress(OSError):
                # Of the socket below TLS, which the other thread may be reading from.
                socket.socket.shutdown(self._socket, socket.SHUT_RDWR)

    def cause_of(self, error: Exception) -> str:
        # smtplib tells of a pause as of an end of the connection.
        if self._is_cut or isinstance(error, TimeoutError) or "timed out" in str(error):
            return "the mail server did not answer in time"
        return f"{type(error).__name__}: {error}"[:MAX_SHOWN]


class _Plain(smtplib.SMTP):
    def __init__(
        self, attempt: _Attempt, host: str, port: int, own_name: str, timeout: float
    ) -> None:
        self._attempt = attempt
        super().__init__(host, port, own_name, timeout)

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        connection = socket.create_connection((host, port), timeout)
        self._attempt.note(connection)
        return connection


class _NotingContext(ssl.SSLContext):
    """Tells of a connection before its handshake, which can hang as well."""

    attempt: _Attempt

    def wrap_socket(self, sock: socket.socket, *_: Any, **options: Any) -> ssl.SSLSocket:
        name = options["server_hostname"]
        wrapped = super().wrap_socket(sock, do_handshake_on_connect=False, server_hostname=name)
        self.attempt.note(wrapped)
        wrapped.do_handshake()
        return wrapped


def require_certificates(settings: SmtpSettings) -> None:
    """Raises OSError or ValueError when the file of certificates cannot be read."""
    if settings.ca_file is not None:
        ssl.create_default_context(cafile=settings.ca_file)


def _context(settings: SmtpSettings, attempt: _Attempt) -> ssl.SSLContext:
    # This protocol checks certificate and host name, with TLS 1.2 or newer (RFC 8314 §4).
    context = _NotingContext(ssl.PROTOCOL_TLS_CLIENT)
    context.attempt = attempt
    if settings.ca_file is not None:
        context.load_verify_locations(settings.ca_file)
    else:
        context.load_default_certs()
    return context


def _told(code: int, text: bytes | str) -> str:
    told = text.decode("utf-8", "replace") if isinstance(text, bytes) else text
    return f"the mail server answered {code} {' '.join(told.split())}"[:MAX_SHOWN]
