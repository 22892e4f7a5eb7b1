"""How `mintgate serve` sends mail."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mintgate.cli import common

if TYPE_CHECKING:
    from mintgate.identity.mail.post import Post

PASSWORD_VARIABLE = "MINTGATE_SMTP_PASSWORD"  # noqa: S105 - the name of a variable

SmtpHost = Annotated[
    str | None,
    typer.Option(
        "--smtp-host",
        envvar="MINTGATE_SMTP_HOST",
        metavar="HOST",
        help="The mail server that takes letters to people; without one none are sent, and pages "
        "do not offer what needs them. --demo shows them in the console instead.",
        show_default=False,
    ),
]
SmtpPort = Annotated[
    int | None,
    typer.Option(
        "--smtp-port",
        envvar="MINTGATE_SMTP_PORT",
        min=1,
        max=65535,
        help="Its port.",
        show_default="587, implicit: 465, none: 25",
    ),
]
SmtpTls = Annotated[
    str,
    typer.Option(
        "--smtp-tls",
        envvar="MINTGATE_SMTP_TLS",
        metavar="starttls|implicit|none",
        help="How the connection is encrypted; its certificate is checked. none is for a mail "
        "server on this machine.",
    ),
]
SmtpUser = Annotated[
    str | None,
    typer.Option(
        "--smtp-user",
        envvar="MINTGATE_SMTP_USER",
        help="Whom to sign in as there. The password belongs in MINTGATE_SMTP_PASSWORD or in the "
        "file that MINTGATE_SMTP_PASSWORD_FILE names.",
        show_default=False,
    ),
]
SmtpFrom = Annotated[
    str | None,
    typer.Option(
        "--smtp-from",
        envvar="MINTGATE_SMTP_FROM",
        metavar="ADDRESS",
        help="The address that letters come from.",
        show_default=False,
    ),
]
SmtpCaFile = Annotated[
    Path | None,
    typer.Option(
        "--smtp-ca-file",
        envvar="MINTGATE_SMTP_CA_FILE",
        metavar="FILE",
        help="Certificates (PEM) that its certificate is checked against, if not the system's.",
        show_default=False,
    ),
]


def post_of(
    host: str | None,
    port: int | None,
    tls: str,
    user: str | None,
    sender: str | None,
    ca_file: Path | None,
    *,
    demo: bool,
) -> Post | None:
    """What takes letters, or exit code 1 when the settings cannot be right."""
    if host is None:
        if sender is not None or user is not None:
            common.fail("--smtp-from and --smtp-user need --smtp-host")
        if not demo:
            return None
        from mintgate.identity.mail.post import ConsolePost

        return ConsolePost()
    from mintgate.identity.mail.settings import SmtpSettings, Tls, problem_of

    if sender is None:
        common.fail("--smtp-host needs --smtp-from, the address that letters come from")
    try:
        wanted = Tls(tls)
    except ValueError:
        common.misuse("--smtp-tls must be starttls, implicit or none")
    settings = SmtpSettings(
        host=host,
        port=port,
        tls=wanted,
        user=user,
        password=os.environ.get(PASSWORD_VARIABLE) or None,
        sender=sender,
        ca_file=str(ca_file) if ca_file is not None else None,
    )
    problem = problem_of(settings)
    if problem is not None:
        common.fail(problem)
    from mintgate.identity.mail.smtp import SmtpPost, require_certificates

    try:
        require_certificates(settings)
    except (OSError, ValueError) as error:
        common.fail(f"--smtp-ca-file {ca_file}: {error}")
    return SmtpPost(settings)
