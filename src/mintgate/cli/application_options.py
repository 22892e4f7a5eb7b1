"""Options that several of the application commands have."""

from __future__ import annotations

from typing import Annotated

import typer

Uri = Annotated[str, typer.Argument(metavar="URI", help="The ApplicationUri, its client_id.")]
SecretStdin = Annotated[
    bool, typer.Option("--secret-stdin", help="Read the secret from standard input.")
]
SecretEnv = Annotated[
    str | None,
    typer.Option(
        "--secret-env",
        metavar="NAME",
        help="Take the secret from this environment variable.",
        show_default=False,
    ),
]
Audience = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME",
        help="An API of [[apis]] that it may call besides the built-in ones; repeatable.",
        show_default=False,
    ),
]
BackChannelLogoutUrl = Annotated[
    str | None,
    typer.Option(
        "--back-channel-logout-url",
        metavar="URI",
        help="Where a logout token is posted when a session ends.",
        show_default=False,
    ),
]
FrontChannelLogoutUrl = Annotated[
    str | None,
    typer.Option(
        "--front-channel-logout-url",
        metavar="URI",
        help="What the browser loads at sign-out; on the origin of a redirect URI.",
        show_default=False,
    ),
]
Generate = Annotated[
    bool, typer.Option("--generate", help="Make a secret of 256 bits and print it once.")
]
