"""`mintgate gate`: guard APIs from the outside, for one machine without another proxy."""

from __future__ import annotations

import logging
import os
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from mintgate.cli import common
from mintgate.cli.listening import is_loopback
from mintgate.cli.working import Workers, listening, supervise
from mintgate.server.workers.inherited import inherited

if TYPE_CHECKING:
    from mintgate.gate.settings import GateSettings


def gate(
    file: Annotated[
        Path | None,
        typer.Argument(metavar="FILE", help="What is routed where, in TOML.", show_default=False),
    ] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Only look at the file, and tell what it does.")
    ] = False,
    example: Annotated[
        bool, typer.Option("--example", help="Print an example file, to edit.")
    ] = False,
    host: Annotated[
        str | None,
        typer.Option(help="The address to listen on, instead of the file's.", show_default=False),
    ] = None,
    port: Annotated[
        int | None,
        typer.Option(min=1, max=65535, help="The port, instead of the file's.", show_default=False),
    ] = None,
    workers: Workers = None,
    tls_certificate: Annotated[
        Path | None,
        typer.Option("--tls-cert", metavar="FILE", help="Certificate chain (PEM), to serve https."),
    ] = None,
    tls_key: Annotated[
        Path | None, typer.Option("--tls-key", metavar="FILE", help="Its private key (PEM).")
    ] = None,
) -> None:
    """Stand in front of APIs: check every request, and pass on what may go on.

    It answers /-/health itself, /-/ready (200 once every identity server has been heard of) and
    /-/jwks.json (the keys of its own tokens). An identity server that is away does not stop it:
    requests get 503 until it is there.

    Start with: mintgate gate --example > gate.toml
    """
    if example:
        text = resources.files("mintgate.cli").joinpath("gate_example.toml").read_text("utf-8")
        typer.echo(text, nl=False)
        return
    if file is None:
        common.misuse("name the file; an example is printed by: mintgate gate --example")
    if (tls_certificate is None) != (tls_key is None):
        common.misuse("--tls-cert and --tls-key go together")
    from mintgate.server.gate_file import described

    given = inherited()
    settings = _settings(file, host, port)
    listener = settings.listener
    if given is not None and settings.name is None:
        # By its name a gate knows what it has forwarded itself, in whichever process.
        settings = msgspec.structs.replace(settings, name=f"mintgate-{given.group}")
    if workers is not None:
        _require_one_key(settings)
    if check:
        typer.echo(f"{file} is good.")
        for line in described(settings):
            typer.echo(f"  {line}")
        return
    bound = listening(listener.host, listener.port, given)
    if workers is not None and given is None:
        supervise(bound, workers, listener.drain_seconds + listener.shutdown_seconds)
    if given is None or given.part.prepares:
        _tell(settings, bound.socket.getsockname()[1], is_https=tls_certificate is not None)

    from mintgate.gate.access_log import LOGGER
    from mintgate.gate.assembly import Gate
    from mintgate.gate.draining import Draining
    from mintgate.gate.listener import server_config
    from mintgate.server.logs import configure_logs
    from mintgate.server.workers.serving import serve_here

    configure_logs()
    if listener.access_log:
        logging.getLogger(LOGGER).setLevel(logging.INFO)
    draining = Draining()
    config = server_config(
        Gate(settings, draining=draining).app,
        listener,
        draining=draining,
        ssl_certfile=tls_certificate,
        ssl_keyfile=tls_key,
    )
    if given is not None and given.part.prepares:
        config.load()  # a certificate that cannot be read shows now
        return
    serve_here(config, bound.socket, draining, listener, given, listener_stays=bound.stays)


def _require_one_key(settings: GateSettings) -> None:
    """Upstreams get the keys of the process that they happen to ask: all must have the same."""
    if settings.signing_key is None and any(r.identity == "token" for r in settings.routes):
        common.fail(
            'several workers need one signing_key for identity = "token"; give it in [gate], from '
            "a file or the environment"
        )


def _tell(settings: GateSettings, port: int, *, is_https: bool) -> None:
    from mintgate.server.gate_file import described

    listener = settings.listener
    scheme = "https" if is_https else "http"
    typer.echo(f"mintgate gate listens on {scheme}://{listener.host}:{port}")
    for line in described(settings):
        typer.echo(f"  {line}")
    if not is_https and not is_loopback(listener.host) and not listener.trusted_proxies:
        typer.echo(
            f"mintgate: {listener.host} can be reached by others, and tokens travel in clear: give "
            "--tls-cert and --tls-key, or name the proxy that ends TLS in trusted_proxies",
            err=True,
        )


def _settings(file: Path, host: str | None, port: int | None) -> GateSettings:
    from mintgate.server.declaration import InvalidDeclaration
    from mintgate.server.gate_file import read

    try:
        text = file.read_bytes().decode("utf-8-sig")
    except OSError as error:
        common.fail(
            f"cannot read {file}: {error.strerror}; an example is printed by: "
            "mintgate gate --example"
        )
    except UnicodeDecodeError as error:
        common.fail(f"{file} is not UTF-8 text (byte {error.start}); save it as UTF-8")
    try:
        settings = read(text, os.environ, file.parent)
    except InvalidDeclaration as error:
        for problem in error.problems:
            typer.echo(common.located(str(file), problem), err=True)
        count = len(error.problems)
        common.fail(f"{count} problem{'s' * (count > 1)} in {file}")
    listener = settings.listener
    chosen = msgspec.structs.replace(
        listener, host=host or listener.host, port=port or listener.port
    )
    return msgspec.structs.replace(settings, listener=chosen)
