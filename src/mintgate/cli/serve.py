"""`mintgate serve`: listen, after everything that can be wrong was looked at."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mintgate.cli import common
from mintgate.cli.common import DEFAULT_DATABASE, DatabaseUrl, KeyFile
from mintgate.cli.listening import is_loopback
from mintgate.cli.working import Workers, listening, supervise
from mintgate.server.workers.inherited import Part, inherited

if TYPE_CHECKING:
    from mintgate.server.declaration.demo import DemoSecrets
    from mintgate.store import Database
    from mintgate.store.keys import KeyEncryptionKey


def serve(
    host: Annotated[
        str, typer.Option(envvar="MINTGATE_HOST", help="The address to listen on.")
    ] = "127.0.0.1",
    port: Annotated[
        int,
        typer.Option(
            envvar="MINTGATE_PORT", min=0, max=65535, help="The port to listen on; 0 takes any."
        ),
    ] = 8080,
    workers: Workers = None,
    demo: Annotated[
        bool, typer.Option("--demo", help="Fill in a demo instance and print how to try it.")
    ] = False,
    demo_for_everyone: Annotated[
        bool,
        typer.Option(
            "--demo-for-everyone-who-reaches-this-address",
            help="Let --demo listen beyond this machine; its secrets are random then.",
        ),
    ] = False,
    tls_certificate: Annotated[
        Path | None,
        typer.Option("--tls-cert", metavar="FILE", help="Certificate chain (PEM), to serve https."),
    ] = None,
    tls_key: Annotated[
        Path | None, typer.Option("--tls-key", metavar="FILE", help="Its private key (PEM).")
    ] = None,
    trusted_proxy: Annotated[
        list[str] | None,
        typer.Option(
            "--trusted-proxy",
            metavar="ADDRESS",
            help="A proxy in front that ends TLS; its X-Forwarded-For is believed. Repeatable.",
        ),
    ] = None,
    drain_seconds: Annotated[
        float,
        typer.Option(
            envvar="MINTGATE_DRAIN_SECONDS",
            min=0,
            max=3600,
            help="After SIGTERM, say so at /readyz and go on for this long, so that a balancer "
            "sends nothing more.",
        ),
    ] = 1.0,
    shutdown_seconds: Annotated[
        int,
        typer.Option(
            envvar="MINTGATE_SHUTDOWN_SECONDS",
            min=0,
            max=3600,
            help="Then accept nothing, and give running requests this long.",
        ),
    ] = 10,
    database_url: DatabaseUrl = DEFAULT_DATABASE,
    notify_database: Annotated[
        str | None,
        typer.Option(
            "--notify-database",
            envvar="MINTGATE_NOTIFY_DATABASE",
            metavar="URL",
            help="PostgreSQL itself, when --database is a pooler of transactions (PgBouncer): "
            "changes of other processes are heard of there at once.",
        ),
    ] = None,
    stale_state_seconds: Annotated[
        float,
        typer.Option(
            "--stale-state-seconds",
            envvar="MINTGATE_STALE_STATE_SECONDS",
            min=0,
            max=3600,
            help="For how long tokens are judged by what is known while the database is away; "
            "0 refuses at once.",
        ),
    ] = 60.0,
    key_file: KeyFile = None,
) -> None:
    """Run every instance of a database.

    With an empty database nothing answers until an instance is declared; --demo makes one.

    Several workers, and several servers, may share a database. SQLite does for the workers of one
    machine that mostly check tokens; where they write much (sign-ins, refresh tokens, sessions)
    they wait for each other, and for several machines PostgreSQL is needed.
    """
    if demo and not is_loopback(host) and not demo_for_everyone:
        common.fail(
            f"--demo has secrets that everyone knows, and {host} can be reached by others. "
            "Leave --host out, or add --demo-for-everyone-who-reaches-this-address"
        )
    if (tls_certificate is None) != (tls_key is None):
        common.misuse("--tls-cert and --tls-key go together")
    given = inherited()
    listener = listening(host, port, given)
    port = listener.socket.getsockname()[1]
    if workers is not None and given is None:
        supervise(listener, workers, drain_seconds + shutdown_seconds)
    database = common.open_database(database_url, notify_url=notify_database)
    with common.refusals():
        if given is None or given.part.prepares:
            if demo and (given is None or given.part is Part.PREPARE):
                secrets = _fill_demo(
                    database, database_url, key_file, port, random=demo_for_everyone
                )
                _print_demo(port, secrets)
            elif not demo:
                is_protected = tls_certificate is not None or bool(trusted_proxy)
                _print_instances(database, host, port, is_protected=is_protected)
        kek = common.key_encryption_key(database_url, key_file, create=not _has_instance(database))
        _check_keys(database, kek)

    from mintgate.gate.draining import Draining
    from mintgate.server.application import Application
    from mintgate.server.listening import serve_config, serve_settings
    from mintgate.server.logs import configure_logs
    from mintgate.server.workers.serving import serve_here

    configure_logs()
    draining = Draining()
    settings = serve_settings(trusted_proxy or (), drain_seconds, shutdown_seconds)
    config = serve_config(
        Application(database, kek, draining=draining, stale_state_seconds=stale_state_seconds),
        settings,
        draining=draining,
        ssl_certfile=tls_certificate,
        ssl_keyfile=tls_key,
    )
    if given is not None and given.part.prepares:
        config.load()  # a certificate that cannot be read shows now
        database.close()
        return
    serve_here(config, listener.socket, draining, settings, given, listener_stays=listener.stays)


def _has_instance(database: Database) -> bool:
    from mintgate.store import instances

    return bool(database.read_now(instances.all_of))


def _check_keys(database: Database, kek: KeyEncryptionKey) -> None:
    """A wrong key-encryption key shows now, and not at the first request."""
    from mintgate.store import instances, keys

    for instance in database.read_now(instances.all_of):
        database.read_now(partial(keys.all_of, instance_id=instance.id, kek=kek))


def _fill_demo(
    database: Database, database_url: str, key_file: Path | None, port: int, *, random: bool
) -> DemoSecrets:
    from mintgate.server import declaration
    from mintgate.server.declaration.demo import demo
    from mintgate.store.records import fill_demo_data

    is_first = not _has_instance(database)
    made = demo(port, random_secrets=random)
    plan = declaration.apply(
        database,
        made.declaration,
        lambda: common.key_encryption_key(database_url, key_file, create=is_first),
        actor=common.actor(),
    )
    with database.begin() as tx:
        fill_demo_data(tx, plan.instance.id)
    return made.secrets


def _print_demo(port: int, secrets: DemoSecrets) -> None:
    from mintgate.cli.demo_text import demo_text

    typer.echo(demo_text(port, secrets))


def _print_instances(database: Database, host: str, port: int, *, is_protected: bool) -> None:
    from mintgate.store import instances

    found = database.read_now(instances.all_of)
    if not found:
        typer.echo(
            "The database has no instance yet. Declare one while this runs "
            "(mintgate init, then mintgate apply FILE), or try: mintgate serve --demo"
        )
    for instance in found:
        if instance.is_https and not is_protected:
            # [TOP-8] Without TLS here or a known proxy in front, tokens would travel in clear.
            common.fail(
                f"{instance.base_url} is https, so give --tls-cert and --tls-key, "
                "or name the proxy that ends TLS with --trusted-proxy"
            )
        typer.echo(f"{instance.name}: {instance.base_url} (listening on {host}:{port})")
