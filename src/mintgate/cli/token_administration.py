"""`mintgate token revoke` and `token introspect`: a token in hand, never as an argument."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote_plus

import httpx
import typer

from mintgate.cli import common, records
from mintgate.cli.administration import administration, issuer_of
from mintgate.cli.common import DEFAULT_DATABASE, DatabaseUrl, InstanceName
from mintgate.contract.automation.credentials import TokenText, TokenToRevoke

API_NAME_VARIABLE, API_SECRET_VARIABLE = "MINTGATE_API_NAME", "MINTGATE_API_SECRET"

TokenFile = Annotated[
    Path | None,
    typer.Option(
        "--file",
        metavar="PATH",
        help="Read the token from a file instead of standard input.",
        show_default=False,
    ),
]


def revoke(
    file: TokenFile = None,
    database_url: DatabaseUrl = DEFAULT_DATABASE,
    instance_name: InstanceName = None,
) -> None:
    """End a token of any kind: access, refresh (with its family) or reference token.

    It is read from standard input or a file, where other users of this machine cannot see it.
    """
    body = TokenToRevoke(token=_token(file))
    with administration(database_url, instance_name) as admin:
        ended = admin.call("tokens.revoke", body)
    kind = ended.kind.replace("_", " ")
    typer.echo(f"The {kind} is revoked." if ended.was_live else f"The {kind} had ended before.")


def introspect(
    file: TokenFile = None,
    issuer: Annotated[
        str | None,
        typer.Option(
            envvar="MINTGATE_ISSUER",
            metavar="URL",
            help="The issuer to ask; by default that of the instance at --instance URL.",
            show_default=False,
        ),
    ] = None,
    instance_name: InstanceName = None,
) -> None:
    """Ask an issuer what a token stands for, and print its answer (RFC 7662).

    As an API that the instance declares, with MINTGATE_API_NAME and MINTGATE_API_SECRET; or else
    as an administrator of the instance at --instance URL. The token is read from standard input or
    a file. Ends with exit code 1 when the token is not active.
    """
    token = _token(file)
    api = os.environ.get(API_NAME_VARIABLE)
    if api:
        told = _as_api(api, token, issuer, instance_name)
    elif common.is_url(instance_name):
        with administration(DEFAULT_DATABASE, instance_name) as admin:
            told = admin.call("tokens.introspect", TokenText(token=token))
    else:
        common.fail(
            f"set {API_NAME_VARIABLE} and {API_SECRET_VARIABLE} to ask as an API, or --instance "
            "URL to ask as an administrator"
        )
    records.print_json(told)
    if not told.get("active"):
        raise typer.Exit(1)


def _as_api(api: str, token: str, issuer: str | None, instance_name: str | None) -> Any:
    from mintgate.cli.token_requests import TokenRequestFailed, metadata_of

    if issuer is None and common.is_url(instance_name):
        issuer = issuer_of(str(instance_name).rstrip("/"))
    if issuer is None:
        common.fail("say which issuer to ask with --issuer, or the instance with --instance URL")
    secret = os.environ.get(API_SECRET_VARIABLE)
    if not secret:
        common.fail(f"set {API_SECRET_VARIABLE} to the secret of {api}")
    # RFC 6749 §2.3.1: both halves are form-url-encoded.
    auth = httpx.BasicAuth(quote_plus(api), quote_plus(secret))
    try:
        url = metadata_of(issuer)["introspection_endpoint"]
        answer = httpx.post(url, data={"token": token}, auth=auth, timeout=30)
        told = answer.json()
    except TokenRequestFailed as error:
        common.fail(str(error))
    except (httpx.HTTPError, ValueError, KeyError) as error:
        common.fail(f"the introspection endpoint of {issuer} does not answer: {error}")
    if answer.status_code != 200:
        common.fail(f"refused with {told.get('error')} ({answer.status_code}); check the secret")
    return told


def _token(file: Path | None) -> str:
    try:
        if file is not None:
            text = file.read_text()
        elif sys.stdin.isatty():
            text = str(typer.prompt("Token (not shown)", hide_input=True, err=True))
        else:
            text = sys.stdin.read()
    except (OSError, UnicodeDecodeError) as error:
        common.fail(f"cannot read the token: {error}")
    if not text.strip():
        common.fail("there is no token in it")
    return text.strip()
