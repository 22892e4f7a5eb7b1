"""`mintgate token`: getting an access token, and looking inside one."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from mintgate.cli import common, token_administration

SECRET_VARIABLE = "MINTGATE_CLIENT_SECRET"  # noqa: S105 - the name of a variable
DEFAULT_ISSUER = "http://127.0.0.1:8080/id"
COMMAND_LINE_CLIENT = "mintgate.cli"

token_app = typer.Typer(
    help="Get access tokens, look inside them, revoke and introspect them.",
    no_args_is_help=True,
    add_completion=False,
)

token_app.command("revoke")(token_administration.revoke)
token_app.command("introspect")(token_administration.introspect)

Issuer = Annotated[
    str,
    typer.Option(
        envvar="MINTGATE_ISSUER", metavar="URL", help="The issuer, as in the metadata: …/id."
    ),
]


@token_app.command()
def get(
    issuer: Issuer = DEFAULT_ISSUER,
    client_id: Annotated[
        str | None,
        typer.Option(
            envvar="MINTGATE_CLIENT_ID",
            help="The ApplicationUri; with --browser by default mintgate.cli.",
            show_default=False,
        ),
    ] = None,
    scope: Annotated[
        str | None,
        typer.Option(help="Scopes, separated by spaces; by default all of the application."),
    ] = None,
    browser: Annotated[
        bool, typer.Option("--browser", help="Sign in as a person (code with PKCE).")
    ] = False,
    no_open: Annotated[
        bool, typer.Option("--no-open", help="Only print the sign-in URL; open nothing.")
    ] = False,
    secret_stdin: Annotated[
        bool, typer.Option("--secret-stdin", help="Read the client secret from standard input.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the whole token response.")
    ] = False,
) -> None:
    """Print an access token: of an application (client credentials), or of a person (--browser).

    The client secret comes from MINTGATE_CLIENT_SECRET, from standard input, or a prompt.
    """
    import msgspec

    from mintgate.cli.browser_sign_in import sign_in
    from mintgate.cli.token_requests import TokenRequestFailed, client_credentials

    try:
        if browser:
            answer = sign_in(
                issuer, client_id or COMMAND_LINE_CLIENT, scope, open_browser=not no_open
            )
        else:
            if client_id is None:
                common.misuse("give --client-id, or sign in as a person with --browser")
            answer = client_credentials(issuer, client_id, _secret(secret_stdin), scope)
    except TokenRequestFailed as error:
        common.fail(str(error))
    typer.echo(msgspec.json.encode(answer).decode() if as_json else answer["access_token"])


@token_app.command()
def inspect(
    token: Annotated[
        str | None,
        typer.Argument(
            metavar="[TOKEN]",
            help="The token; without it, or with -, it is read from standard input, "
            "where other users of this machine cannot see it.",
            show_default=False,
        ),
    ] = None,
    api: Annotated[str, typer.Option(help="The API that would check it.")] = "DomainAPI",
    scope: Annotated[
        str, typer.Option(help="Scopes that the operation needs, separated by spaces.")
    ] = "read",
    method: Annotated[
        str | None,
        typer.Option(
            help="Judge a whole request with this method, by the instance itself: also what was "
            "revoked or disabled, the scopes that the path needs, and reference tokens.",
            show_default=False,
        ),
    ] = None,
    path: Annotated[
        str | None,
        typer.Option(
            help="The path of that request, such as /api/domain/odata/Crm_Sales_Customers.",
            show_default=False,
        ),
    ] = None,
    tenant: Annotated[
        str | None, typer.Option(help="The database name that the API expects (db, client_db).")
    ] = None,
    issuer: Annotated[
        str | None,
        typer.Option(
            envvar="MINTGATE_ISSUER",
            metavar="URL",
            help="The issuer that the API trusts; by default the one that the token names.",
            show_default=False,
        ),
    ] = None,
    database_url: common.DatabaseUrl = common.DEFAULT_DATABASE,
    instance_name: common.InstanceName = None,
) -> None:
    """Decode a token, and list every check that an API makes with its outcome.

    Ends with exit code 1 when a check fails. Without --method or --path nothing is stored, and
    the token goes nowhere: only the issuer's public keys are fetched. With them the instance is
    asked, here (--database) or elsewhere (--instance URL), and notes in its audit log that it was.
    """
    from mintgate.cli import inspection

    if token in {None, "-"}:
        if sys.stdin.isatty():
            token = str(typer.prompt("Token (not shown)", hide_input=True, err=True))
        else:
            token = sys.stdin.read()
    token = token.strip()
    if method is None and path is None:
        passed = inspection.inspect_token(
            token, audience=api, scopes=scope.split(), database=tenant, issuer=issuer
        )
    else:
        passed = inspection.inspect_request(
            token, api, method or "GET", path or "/", database_url, instance_name
        )
    if not passed:
        raise typer.Exit(1)


def _secret(from_stdin: bool) -> str:
    if from_stdin:
        return sys.stdin.read().removesuffix("\n").removesuffix("\r")
    secret = os.environ.get(SECRET_VARIABLE)
    if secret:
        return secret
    if not sys.stdin.isatty():
        common.misuse(f"there is no terminal to ask on; set {SECRET_VARIABLE} or --secret-stdin")
    return str(typer.prompt("Client secret (not shown)", hide_input=True, err=True))
