"""The command line. `main` is what the `mintgate` program runs; each command has its own file."""

from __future__ import annotations

import gc
import os
import sys

# Installed by the extra of that name; everything else here comes with mintgate itself.
_NEEDED_BY_CLI = frozenset({"typer", "rich", "click"})
_NEEDED_BY_SERVER = frozenset(
    {
        "aiohttp",
        "alembic",
        "argon2",
        "jinja2",
        "odata_query",
        "sqlalchemy",
        "starlette",
        "structlog",
        "tomlkit",
        "uvicorn",
        "websockets",
    }
)


def main() -> None:
    """Run `mintgate` with the arguments of this process."""
    try:
        from mintgate.cli.setting_files import read_setting_files

        read_setting_files(os.environ)
        # A server keeps for months what was imported once, so its command comes alone.
        if sys.argv[1:2] in (["serve"], ["gate"]):
            from mintgate.cli.program import server_program

            if sys.argv[1] == "serve":
                gc.disable()  # modules come in and stay; the application enables it
            server_program(sys.argv[1])()
        else:
            from mintgate.cli.commands import app

            app()
    except ModuleNotFoundError as error:
        extra = _extra_with((error.name or "").partition(".")[0])
        if extra is None:
            raise
        sys.exit(
            f"mintgate: this command needs the package {error.name}, which is not installed. "
            f"Install it with: pip install 'mintgate[{extra}]'"
        )
    except BrokenPipeError:
        # The reader of our output has gone, as in `mintgate export | head`; say nothing more.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)


def _extra_with(package: str) -> str | None:
    if package in _NEEDED_BY_CLI:
        return "cli"
    if package == "valkey":
        return "valkey"
    return "server" if package in _NEEDED_BY_SERVER else None
