"""Grants of people: codes exchanged and refresh tokens rotated, on SQLite and on PostgreSQL.

What is redeemed is put into the database before each measurement, as if people had signed in: a
thousand sign-ins a second are nothing that a server could be asked for.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from urllib.parse import urlencode

import msgspec
from cryptography.hazmat.primitives.asymmetric import rsa
from sqlalchemy import insert

from bench import engines
from bench.comparison import Comparison, Settings, Target
from bench.cores import Cores
from bench.instance import CLIENT_ID, CLIENT_SECRET, LOGIN, Site
from bench.load import Job
from bench.minting.cast import CONNECTIONS, LEAD_IN, pem_of, post_request, private_key
from bench.minting.mintgate_server import TOKEN_PATH, signing_key
from bench.minting.signing import SigningWork
from bench.minting.subject import first_token, free_port, require_valid, write_private
from bench.problems import Unmeasurable
from bench.processes import Child, Children
from bench.progress import Progress
from bench.rounds import Contender, interleave
from bench.samples import Sample
from mintgate.contract.identifiers import new_guid, new_hex128, new_token, token_digest
from mintgate.store import Database
from mintgate.store.codes import StoredCode
from mintgate.store.refresh import Family
from mintgate.store.rows import to_row
from mintgate.store.tables import authorization_codes, refresh_families, refresh_tokens

REDIRECT = "http://127.0.0.1:9101/callback"
ONE, TWO = ("read", "update", "offline_access"), ("openid", "read", "update", "offline_access")
BARE_ONE, BARE_TWO = "bare handler, one signature", "bare handler, two signatures"
MOST_A_SECOND = 5000
LASTS = 3600.0
_DECLARATION = f"""
[instance]
name = "grants"
database = "GRANTS"
base_url = "http://127.0.0.1:{{port}}"

[[applications]]
ApplicationUri = "{CLIENT_ID}"
Name = "Shop"
ApplicationSecret = "{CLIENT_SECRET}"
SystemUserAllowed = true
SystemUser = "svc.bench"
ImpersonateLoginUrl = "{REDIRECT}"
ImpersonateAsInternalUserAllowed = true
Scope = "read update"

[[users]]
Login = "svc.bench"
Name = "Service"
UserType = "SystemUserNoLogin"

[[users]]
Login = "{LOGIN}"
Name = "Mira"
UserType = "InternalUser"
Password = "Nobody-Signs-In-With-This-1"
"""


class Server(msgspec.Struct, frozen=True, kw_only=True):
    """A mintgate over one engine, and who loads it."""

    site: Site
    database: Database
    child: Child
    load: Child
    key: rsa.RSAPublicKey

    def run(self, name: str, seconds: float, **job: object) -> Sample:
        whole = {"gives_tokens": True, "connections": CONNECTIONS, "lead_in": LEAD_IN} | job
        whole |= {"port": self.site.port, "seconds": seconds, "server": self.child.pid}
        try:
            sample = msgspec.convert(self.load.ask(msgspec.convert(whole, Job)), Sample)
        except Unmeasurable as problem:
            raise Unmeasurable(f"{name} failed under load: {problem}") from None
        require_valid(sample.tokens, self.key, name)
        return sample

    def request(self, **form: str) -> str:
        own = {"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET}
        return post_request(self.site.port, TOKEN_PATH, urlencode(form | own, safe="{}"))


class Service(msgspec.Struct, frozen=True):
    """Client credentials on this engine."""

    name: str
    server: Server

    def measure(self, seconds: float) -> Sample:
        asked = self.server.request(grant_type="client_credentials", scope="read update")
        return self.server.run(self.name, seconds, requests=[asked])


class Codes(msgspec.Struct, frozen=True):
    """Codes, each exchanged once."""

    name: str
    server: Server
    scopes: tuple[str, ...]

    def measure(self, seconds: float) -> Sample:
        codes = [new_token() for _ in range(int((seconds + LEAD_IN) * MOST_A_SECOND))]
        ids, now = self.server.site.ids, time.time()
        rows = [
            to_row(
                StoredCode(
                    code_hash=token_digest(code),
                    application_id=ids.application,
                    user_id=ids.user,
                    user_type="InternalUser",
                    sid=new_hex128(),
                    redirect_uri=REDIRECT,
                    scopes=self.scopes,
                    code_challenge=None,
                    nonce="n-1",
                    state_hash=None,
                    auth_time=int(now),
                    amr=("pwd",),
                    idp="local",
                    tid=None,
                    created_at=now,
                    expires_at=now + LASTS,
                )
            )
            | {"instance_id": ids.instance}
            for code in codes
        ]
        with self.server.database.begin() as tx:
            tx.connection.execute(insert(authorization_codes), rows)
        form = {"grant_type": "authorization_code", "redirect_uri": REDIRECT}
        requests = [self.server.request(**form, code=code) for code in codes]
        return self.server.run(self.name, seconds, requests=requests, once=True)


class Refreshes(msgspec.Struct, frozen=True):
    """A family for each connection, which rotates it."""

    name: str
    server: Server
    scopes: tuple[str, ...]

    def measure(self, seconds: float) -> Sample:
        tokens = [new_token() for _ in range(CONNECTIONS)]
        ids, now = self.server.site.ids, time.time()
        families = [
            Family(
                id=new_guid(),
                application_id=ids.application,
                user_id=ids.user,
                sid=new_hex128(),
                scopes=self.scopes,
                auth_time=int(now),
                amr=("pwd",),
                idp="local",
                tid=None,
                created_at=now,
                expires_at=now + LASTS,
            )
            for _ in tokens
        ]
        first = [
            {"token_hash": token_digest(token), "family_id": family.id, "issued_at": now}
            for token, family in zip(tokens, families, strict=True)
        ]
        mine = {"instance_id": ids.instance}
        with self.server.database.begin() as tx:
            tx.connection.execute(insert(refresh_families), [to_row(f) | mine for f in families])
            tx.connection.execute(insert(refresh_tokens), [row | mine for row in first])
        whole = self.server.request(grant_type="refresh_token", refresh_token="0" * 64)
        chain = whole.replace("0" * 64, "{refresh_token}")
        requests = [whole.replace("0" * 64, token) for token in tokens]
        return self.server.run(self.name, seconds, requests=requests, chain=chain)


class Bare(msgspec.Struct, frozen=True):
    """The floor of so many signatures, on the port of nobody's database."""

    name: str
    server: Server
    child: Child
    port: int

    def measure(self, seconds: float) -> Sample:
        job = Job(
            port=self.port,
            requests=[
                post_request(self.port, "/", "grant_type=authorization_code&code=" + "0" * 64)
            ],
            gives_tokens=True,
            connections=CONNECTIONS,
            seconds=seconds,
            lead_in=LEAD_IN,
            server=self.child.pid,
        )
        sample = msgspec.convert(self.server.load.ask(job), Sample)
        require_valid(sample.tokens, self.server.key, self.name)
        return sample


def run(folder: Path, cores: Cores, settings: Settings, progress: Progress) -> Comparison:
    """Two servers, one on each engine; PostgreSQL shares the load's core."""
    progress.say("grants: starting the servers")
    own = folder / "grants"
    own.mkdir(mode=0o700)
    with engines.postgresql(own) as new_database, Children(own) as children:
        load = children.worker("load", cores.load, "bench.load")
        servers = {
            "SQLite": _server(children, own / "sqlite", None, cores, load),
            "PostgreSQL": _server(children, own / "postgres", new_database(), cores, load),
        }
        try:
            samples = interleave(
                _contenders(children, own, servers, cores),
                settings.rounds,
                settings.seconds,
                settings.warm_up,
                progress,
            )
        finally:
            for server in servers.values():
                server.database.close()
    return Comparison.of(
        "grants",
        "Grants answered a second by one core",
        samples,
        floor=BARE_ONE,
        targets=_targets(),
        left_out={},
        versions={},
        notes={"connections": CONNECTIONS, "postgresql": "its processes are on the load's core"},
    )


def _contenders(
    children: Children, folder: Path, servers: dict[str, Server], cores: Cores
) -> list[Contender]:
    made: list[Contender] = []
    first = servers["SQLite"]
    for signatures, name in ((1, BARE_ONE), (2, BARE_TWO)):
        port = free_port()
        command = [sys.executable, "-m", "bench.minting.bare", str(port), str(folder / "work.json")]
        child = children.start(f"bare{signatures}", cores.server, [*command, str(signatures)])
        first_token(child, port, "/", "")
        made.append(Bare(name, first, child, port))
    for engine, server in servers.items():
        made.append(Service(f"service token, {engine}", server))
        for signatures, scopes in ((1, ONE), (2, TWO)):
            made.append(Codes(_name("code", signatures, engine), server, scopes))
            made.append(Refreshes(_name("refresh", signatures, engine), server, scopes))
    return made


def _server(children: Children, folder: Path, url: str | None, cores: Cores, load: Child) -> Server:
    site = Site(folder, url, declaration=_DECLARATION)
    child = site.serve(children, cores.server)
    key = private_key(signing_key(site.url, folder).to_pkcs8())
    form = {"grant_type": "client_credentials", "scope": "read update"}
    form |= {"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET}
    token = first_token(child, site.port, TOKEN_PATH, urlencode(form))
    work = folder.parent / "work.json"
    if not work.exists():
        write_private(work, SigningWork(pem_of(key).decode(), token.rpartition(".")[0]))
    return Server(
        site=site, database=Database(site.url), child=child, load=load, key=key.public_key()
    )


def _name(grant: str, signatures: int, engine: str) -> str:
    return f"{grant}{', openid' if signatures == 2 else ''}, {engine}"


def _targets() -> list[Target]:
    targets = [
        Target(
            text="service tokens on PostgreSQL: at least 95 % of SQLite's rate",
            ours="service token, PostgreSQL",
            peer="service token, SQLite",
            limit=0.95,
            by="rate",
        )
    ]
    for engine, limit in (("SQLite", 0.5), ("PostgreSQL", 0.35)):
        for grant in ("code", "refresh"):
            for signatures, bare in ((1, BARE_ONE), (2, BARE_TWO)):
                name = _name(grant, signatures, engine)
                text = f"{name}: at least {limit:.0%} of a handler with as many signatures"
                targets.append(Target(text=text, ours=name, peer=bare, limit=limit, by="rate"))
    return targets
