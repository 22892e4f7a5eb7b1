"""Where this server may post to: addresses, names, certificates [EXT-3, EVT-10]."""

from __future__ import annotations

import asyncio
import datetime
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import httpcore
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st

from mintgate.identity.outgoing import targets
from mintgate.identity.outgoing.failed import DeliveryFailed
from mintgate.identity.outgoing.rounds import (
    FIRST_RETRY_SECONDS,
    LONGEST_RETRY_SECONDS,
    retry_seconds,
)
from mintgate.identity.outgoing.targets import Targets, address_problem

PUBLIC, LOOPBACK, PRIVATE, NEVER = "public", "loopback", "private", "never"
ADDRESSES = [
    ("93.184.216.34", PUBLIC),
    ("2606:2800:220:1:248:1893:25c8:1946", PUBLIC),
    ("127.0.0.1", LOOPBACK),
    ("127.255.255.254", LOOPBACK),
    ("::1", LOOPBACK),
    ("::ffff:127.0.0.1", LOOPBACK),
    ("64:ff9b::7f00:1", LOOPBACK),
    ("10.0.0.1", PRIVATE),
    ("172.16.0.1", PRIVATE),
    ("172.31.255.255", PRIVATE),
    ("192.168.1.1", PRIVATE),
    ("100.64.0.1", PRIVATE),
    ("192.0.2.1", PRIVATE),
    ("198.18.0.1", PRIVATE),
    ("fd00::1", PRIVATE),
    ("::ffff:10.0.0.1", PRIVATE),
    ("2002:0a00:0001::1", PRIVATE),
    ("64:ff9b::10.0.0.1", PRIVATE),
    ("64:ff9b::93.184.216.34", PUBLIC),
    ("169.254.169.254", NEVER),
    ("::ffff:169.254.169.254", NEVER),
    ("64:ff9b::169.254.169.254", NEVER),
    ("fe80::1", NEVER),
    ("fe80::1%eth0", NEVER),
    ("224.0.0.1", NEVER),
    ("ff02::1", NEVER),
    (str(ip_address(0)), NEVER),
    ("0.1.2.3", NEVER),
    ("::", NEVER),
    ("240.0.0.1", NEVER),
    ("255.255.255.255", NEVER),
    ("fec0::1", NEVER),
    ("::10.0.0.1", NEVER),
]


@pytest.mark.parametrize(("text", "kind"), ADDRESSES)
def test_addresses(text: str, kind: str) -> None:
    address = ip_address(text)
    for loopback in (False, True):
        for private in (False, True):
            allowed = (
                kind == PUBLIC
                or (kind == LOOPBACK and (loopback or private))
                or (kind == PRIVATE and private)
            )
            problem = address_problem(address, loopback_allowed=loopback, private_allowed=private)
            assert (problem is None) is allowed, (loopback, private, problem)


class Names:
    """Answers for names as told, one answer after the other."""

    def __init__(self, *answers: list[str]) -> None:
        self.answers = list(answers)
        self.asked: list[tuple[str, int]] = []

    async def __call__(self, host: str, port: int) -> list[str]:
        self.asked.append((host, port))
        if not self.answers:
            raise OSError("no such name")
        return self.answers.pop(0)


def post(url: str, names: Names, *, loopback: bool = False, private: bool = False) -> None:
    sender = Targets(loopback_allowed=loopback, private_allowed=private, resolve=names)
    asyncio.run(sender.post(url, "text/plain", b"the-body"))


REFUSED = [
    ("https://rp.example/", [["10.0.0.1"]], "10.0.0.1 is a private address"),
    ("https://rp.example/", [["127.0.0.1"]], "127.0.0.1 is a loopback address"),
    ("https://rp.example/", [["169.254.169.254", "fd00::1"]], "169.254.169.254 is never"),
    ("https://rp.example/", [], "has no address"),
    ("https://rp.example/", [[]], "has no address"),
    ("https://10.0.0.1/", [["10.0.0.1"]], "private"),
    ("http://localhost/", [["93.184.216.34"]], "no loopback address"),
]


@pytest.mark.parametrize(("url", "answers", "sentence"), REFUSED)
def test_names_that_lead_inside(url: str, answers: list[list[str]], sentence: str) -> None:
    with pytest.raises(DeliveryFailed, match=sentence):
        post(url, Names(*answers))


@pytest.mark.parametrize(
    "url",
    [
        "http://rp.example/",
        "ftp://rp.example/",
        "https://user:password@rp.example/",
        "https://rp.example/#x",
        "file:///etc/passwd",
        "//rp.example/",
        "https://rp.example\\@10.0.0.1/",
    ],
)
def test_urls_that_are_never_called(url: str) -> None:
    """Looked at again when it is called, whoever wrote it into the database."""
    names = Names(["93.184.216.34"])
    with pytest.raises(DeliveryFailed, match="the URL"):
        post(url, names, loopback=True, private=True)
    assert names.asked == []


def test_https_only() -> None:
    """[EVT-10] not even on this machine is a secret sent in clear"""
    names = Names(["127.0.0.1"])
    sender = Targets(loopback_allowed=True, private_allowed=True, https_only=True, resolve=names)
    with pytest.raises(DeliveryFailed, match="the URL must use https"):
        asyncio.run(sender.post("http://localhost/", "text/plain", b"x"))
    assert names.asked == []


class Server:
    """Takes requests on 127.0.0.1, with TLS when there is a certificate."""

    def __init__(self, certificate: Path | None, answers_after: float) -> None:
        requests: list[dict[str, Any]] = []

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                requests.append({"body": body, **{k.lower(): v for k, v in self.headers.items()}})
                time.sleep(answers_after)
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        self.requests = requests
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.port = self.server.server_port


@contextmanager
def serving(certificate: Path | None = None, answers_after: float = 0.0) -> Iterator[Server]:
    server = Server(certificate, answers_after)
    thread = threading.Thread(target=server.server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield server
    finally:
        server.server.shutdown()
        thread.join()
        server.server.server_close()


def test_the_connection_goes_to_the_address_that_was_checked() -> None:
    """DNS rebinding: the name is asked once, and its second answer would lead elsewhere."""
    names = Names(["10.0.0.1", "127.0.0.1"], ["10.0.0.1"])
    with serving() as server:
        post(f"http://localhost:{server.port}/back?x=1", names, loopback=True)
    assert names.asked == [("localhost", server.port)]
    (request,) = server.requests
    assert request["body"] == b"the-body"
    assert request["host"] == f"localhost:{server.port}"


def test_only_the_whole_is_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    """[EVT-9] an answer in the last of the ten seconds counts; shortened here"""
    assert (targets.CONNECT_SECONDS, targets.TOTAL_SECONDS) == (5.0, 10.0)
    monkeypatch.setattr(targets, "CONNECT_SECONDS", 0.05)
    with serving(answers_after=0.3) as server:
        post(f"http://127.0.0.1:{server.port}/", Names(["127.0.0.1"]), loopback=True)
        monkeypatch.setattr(targets, "TOTAL_SECONDS", 0.1)
        with pytest.raises(DeliveryFailed, match=r"no answer within 0\.1 seconds"):
            post(f"http://127.0.0.1:{server.port}/", Names(["127.0.0.1"]), loopback=True)


def test_a_dead_address_leaves_time_for_the_next() -> None:
    """Only the one that nothing comes after may take all of it."""
    tried: list[tuple[str, float | None]] = []

    class Network(httpcore.AsyncMockBackend):
        async def connect_tcp(
            self, host: str, port: int, timeout: float | None = None, *_: Any, **__: Any
        ) -> httpcore.AsyncNetworkStream:
            tried.append((host, timeout))
            if len(tried) < 2:
                raise httpcore.ConnectTimeout
            return await super().connect_tcp(host, port)

    async def allowed(*_: Any, **__: Any) -> list[targets.Address]:
        return [ip_address("93.184.216.34"), ip_address("93.184.216.35")]

    backend = targets._CheckedBackend(allowed, must_be_loopback=False)
    backend._inner = Network([])
    asyncio.run(backend.connect_tcp("rp.example", 443))
    assert tried == [("93.184.216.34", 2.5), ("93.184.216.35", None)]


def test_proxies_of_the_environment_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving() as server, serving() as proxy:
        for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        post(f"http://127.0.0.1:{server.port}/", Names(["127.0.0.1"]), loopback=True)
    assert len(server.requests) == 1
    assert proxy.requests == []


def test_a_certificate_counts_for_the_name_of_the_url(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Although the connection is opened to an address."""
    certificate = a_certificate(tmp_path, "rp.example")
    targets._tls.cache_clear()
    with serving(certificate) as server:
        url = f"https://rp.example:{server.port}/"
        with pytest.raises(DeliveryFailed, match="CERTIFICATE_VERIFY_FAILED"):
            post(url, Names(["127.0.0.1"]), loopback=True)
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        targets._tls.cache_clear()
        post(url, Names(["127.0.0.1"]), loopback=True)
        with pytest.raises(DeliveryFailed, match="CERTIFICATE_VERIFY_FAILED"):
            post(url.replace("rp.", "other."), Names(["127.0.0.1"]), loopback=True)
    targets._tls.cache_clear()
    assert len(server.requests) == 1


def a_certificate(folder: Path, host: str) -> Path:
    """Self-signed, with its key in the same file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
    now = datetime.datetime.now(datetime.UTC)
    built = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    file = folder / "certificate.pem"
    file.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + built.public_bytes(serialization.Encoding.PEM)
    )
    return file


@given(attempts=st.integers(1, 10_000), chance=st.floats(0, 1))
def test_waits_grow_to_an_hour(attempts: int, chance: float) -> None:
    wait = retry_seconds(attempts, lambda: chance)
    assert FIRST_RETRY_SECONDS / 2 <= wait <= LONGEST_RETRY_SECONDS
    assert wait <= retry_seconds(attempts + 1, lambda: chance)


def test_waits_are_spread() -> None:
    assert [retry_seconds(n, lambda: 1.0) for n in (1, 2, 3, 4)] == [5, 10, 20, 40]
    assert [retry_seconds(n, lambda: 0.0) for n in (1, 2, 3, 4)] == [2.5, 5, 10, 20]
