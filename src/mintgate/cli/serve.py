"""`mintgate serve`: listen, after everything that can be wrong was looked at."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mintgate.cli import common
from mintgate.cli.common import DEFAULT_DATABASE, DatabaseUrl, KeyFile
from mintgate.cli.listening import is_loopback
from mintgate.cli.mailing import (
    SmtpCaFile,
    SmtpFrom,
    SmtpHost,
    SmtpPort,
    SmtpTls,
    SmtpUser,
    post_of,
)
from mintgate.cli.observing import LogFormat, MetricsHost, MetricsPort, observed, wishes
from mintgate.cli.working import Counters, Workers, counters_at, listening, supervise
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
    upgrade: Annotated[
        bool,
        typer.Option(
            "--upgrade/--no-upgrade",
            envvar="MINTGATE_UPGRADE",
            help="Migrate an older schema at the start; of several servers one does, and the "
            "others wait. Without it: mintgate db upgrade.",
        ),
    ] = True,
    counters: Counters = None,
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
    metrics_host: MetricsHost = "127.0.0.1",
    metrics_port: MetricsPort = None,
    log_format: LogFormat = "auto",
    access_log: Annotated[
        bool,
        typer.Option(
            "--access-log",
            envvar="MINTGATE_ACCESS_LOG",
            help="Log every request, and tell its id in X-Request-Id.",
        ),
    ] = False,
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
    read_database: Annotated[
        str | None,
        typer.Option(
            "--read-database",
            envvar="MINTGATE_READ_DATABASE",
            metavar="URL",
            help="A replica, for reports that may be some seconds old: the audit log and the "
            "uses of legacy schemes. Nothing that decides is read there.",
        ),
    ] = None,
    smtp_host: SmtpHost = None,
    smtp_port: SmtpPort = None,
    smtp_tls: SmtpTls = "starttls",
    smtp_user: SmtpUser = None,
    smtp_from: SmtpFrom = None,
    smtp_ca_file: SmtpCaFile = None,
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
    post = post_of(smtp_host, smtp_port, smtp_tls, smtp_user, smtp_from, smtp_ca_file, demo=demo)
    given = inherited()
    wished = wishes(metrics_host, metrics_port, log_format, given, access_log=access_log)
    listener = listening(host, port, given)
    port = listener.socket.getsockname()[1]
    if workers is not None and given is None:
        supervise(listener, workers, drain_seconds + shutdown_seconds, wished)
    valkey = counters_at(counters)
    database = common.open_database(
        database_url, upgrade=upgrade, notify_url=notify_database, read_url=read_database
    )
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
    from mintgate.server.telemetry.observing import observe_server
    from mintgate.server.workers.serving import serve_here

    draining = Draining()
    settings = serve_settings(trusted_proxy or (), drain_seconds, shutdown_seconds)
    application = Application(
        database,
        kek,
        draining=draining,
        valkey=valkey,
        stale_state_seconds=stale_state_seconds,
        post=post,
    )
    config = serve_config(
        observed(lambda: observe_server(application, wished)),
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
