"""Letters to a real mail server: TLS, login, refusals, servers that hang; and what a letter is."""

from __future__ import annotations

import asyncio
import ssl
import time
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest

from mintgate.contract.instance import Instance
from mintgate.identity.mail.letters import Content, Kind, Letter
from mintgate.identity.mail.message import Undeliverable, message_of
from mintgate.identity.mail.post import ConsolePost, NotSent
from mintgate.identity.mail.settings import SmtpSettings, Tls, is_address, problem_of
from mintgate.identity.mail.smtp import SmtpPost
from mintgate.sites.accounts.letters import SiteLetters
from tests.certificates import write_certificate
from tests.mail_server import PASSWORD, USER, MailServer, saying, serving_mail, text_of

ORION = Instance(
    id="a" * 36, name="Orion & Söhne", database="ORION", base_url="https://orion.example"
)
SENDER = "login@orion.example"
CONTENT = Content(
    address="mira.k@orion.example",
    language="bg-BG",
    login="mira.k",
    link="https://orion.example/id/password/reset?link=S3cret-_x",
)


def letter(kind: Kind = Kind.RESET, content: Content = CONTENT) -> Letter:
    return SiteLetters(ORION).write(kind, content)


def message(to: str = CONTENT.address, instance: Instance = ORION) -> EmailMessage:
    return message_of(
        letter(), to=to, sender=SENDER, instance=instance, mail_id="m1", now=1_790_000_000.0
    )


def post_to(server: MailServer | int, **settings: Any) -> SmtpPost:
    port = server if isinstance(server, int) else server.port
    given = {"host": "localhost", "port": port, "sender": SENDER, "tls": Tls.NONE} | settings
    return SmtpPost(SmtpSettings(**given), step_seconds=5.0, total_seconds=10.0)


def send(post: SmtpPost) -> None:
    asyncio.run(post.send(message()))


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[ssl.SSLContext, str]:
    """What a server serves, and the file that it is checked against."""
    chain, key = write_certificate(tmp_path)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(chain, key)
    return context, str(chain)


def test_a_letter_arrives() -> None:
    with serving_mail() as server:
        send(post_to(server))
    (came,) = server.messages
    assert server.recipients == [["mira.k@orion.example"]]
    assert came["To"] == "mira.k@orion.example"
    assert came["From"] == "Orion & Söhne <login@orion.example>"
    assert came["Subject"] == "Изберете нова парола за Orion & Söhne"
    assert came["Message-ID"] == "<m1@orion.example>"
    assert came["Auto-Submitted"] == "auto-generated"
    assert came["Content-Language"] == "bg"
    assert CONTENT.link in text_of(came).split()
    page = came.get_body(("html",))
    assert page is not None
    html = page.get_content()
    assert f'href="{CONTENT.link}"' in html
    assert "Orion &amp; Söhne" in html
    for outside in ("<img", "<script", "<link", "url("):
        assert outside not in html


@pytest.mark.parametrize("implicit", [False, True], ids=["starttls", "implicit"])
def test_with_tls_and_login(implicit: bool, certificate: tuple[ssl.SSLContext, str]) -> None:
    context, ca_file = certificate
    tls = Tls.IMPLICIT if implicit else Tls.STARTTLS
    login = {"user": USER, "password": PASSWORD}
    with serving_mail(certificate=context, implicit=implicit, needs_login=True) as server:
        send(post_to(server, tls=tls, ca_file=ca_file, **login))
        with pytest.raises(NotSent, match="535") as refused:
            send(post_to(server, tls=tls, ca_file=ca_file, user=USER, password="wrong"))
        assert not refused.value.is_final  # somebody may mend the settings
        with pytest.raises(NotSent, match="CERTIFICATE_VERIFY_FAILED"):
            send(post_to(server, tls=tls, **login))
        with pytest.raises(NotSent, match="CERTIFICATE_VERIFY_FAILED"):  # it is for localhost
            send(post_to(server, tls=tls, ca_file=ca_file, host="127.0.0.1", **login))
    assert len(server.messages) == 1


def test_a_server_without_tls_gets_nothing() -> None:
    with serving_mail(needs_login=True) as server, pytest.raises(NotSent, match="STARTTLS"):
        send(post_to(server, tls=Tls.STARTTLS, user=USER, password=PASSWORD))
    assert server.messages == []


@pytest.mark.parametrize(
    ("answer", "is_final"), [("550 no such user", True), ("451 not now", False)]
)
def test_a_server_that_refuses(answer: str, is_final: bool) -> None:
    with serving_mail() as server:
        server.refusals.append(answer)
        with pytest.raises(NotSent, match=answer) as refused:
            send(post_to(server))
    assert refused.value.is_final == is_final


def test_a_bad_farewell_does_not_undo_what_was_taken() -> None:
    """Else the letter would come twice."""
    with serving_mail() as server:
        server.fails_after_taking = True
        send(post_to(server))
    assert len(server.messages) == 1


@pytest.mark.parametrize(
    ("what", "pause", "seconds"),
    [(b"", 0.0, (0.2, 10.0)), (b"220-" + b"x" * 900, 0.05, (5.0, 0.4))],
    ids=["says nothing", "says a byte now and then"],
)
def test_a_server_that_hangs(what: bytes, pause: float, seconds: tuple[float, float]) -> None:
    with saying(what, pause) as port:
        settings = SmtpSettings(host="127.0.0.1", port=port, sender=SENDER, tls=Tls.NONE)
        began = time.monotonic()
        with pytest.raises(NotSent, match="in time"):
            send(SmtpPost(settings, *seconds))
    assert time.monotonic() - began < 5.0


def test_a_handshake_that_hangs() -> None:
    with saying(b"\x16\x03\x03\x40\x00", 0.1) as port:
        settings = SmtpSettings(host="127.0.0.1", port=port, sender=SENDER, tls=Tls.IMPLICIT)
        with pytest.raises(NotSent, match="in time"):
            send(SmtpPost(settings, 5.0, 0.3))


def test_no_server_at_all() -> None:
    with pytest.raises(NotSent, match="ConnectionRefusedError"):
        send(post_to(1))


@pytest.mark.parametrize(
    "address",
    [
        "mira@orion.example\r\nBcc: thief@elsewhere.example",
        "mira@orion.example, thief@elsewhere.example",
        "mira@orion.example;thief@elsewhere.example",
        "Mira <thief@elsewhere.example>",
        '"a b"@orion.example',
        "mira@orion.example@elsewhere.example",
        "@orion.example",
        "mira",
        "",
    ],
)
def test_one_address_never_becomes_more(address: str) -> None:
    assert not is_address(address)
    with pytest.raises(Undeliverable):
        message(to=address)


def test_no_header_is_added_by_a_name() -> None:
    named = Instance(
        id="a" * 36,
        name="Orion\r\nBcc: thief@elsewhere.example\u2028X: y\0",
        database="ORION",
        base_url="https://orion.example",
    )
    made = message_of(
        SiteLetters(named).write(Kind.RESET, CONTENT),
        to=CONTENT.address,
        sender=SENDER,
        instance=named,
        mail_id="m1",
        now=0.0,
    )
    assert made["Bcc"] is None
    assert made["X"] is None
    assert "Orion Bcc: thief@elsewhere.example" in made["Subject"]
    assert b"\r\nBcc:" not in made.as_bytes().partition(b"\r\n\r\n")[0]


@pytest.mark.parametrize("kind", [kind for kind in Kind if kind is not Kind.NOBODY])
@pytest.mark.parametrize("language", ["en", "bg"])
def test_every_letter_is_in_words(kind: Kind, language: str) -> None:
    awkward = Content(
        address="a@b.example", language=language, login="<b>%(x)s{0}", link=CONTENT.link
    )
    found = letter(kind, awkward)
    assert (found.language, found.subject.count("\n")) == (language, 0)
    assert "Orion" in found.subject
    assert "Orion" in found.text
    assert any("а" <= c <= "я" for c in found.text) == (language == "bg")
    assert "<b>%(x)s" not in found.html


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({}, None),
        ({"host": "bad host"}, "--smtp-host"),
        ({"sender": "nobody"}, "--smtp-from"),
        ({"user": "mint"}, "go together"),
        ({"tls": Tls.NONE}, "this machine only"),
        ({"tls": Tls.NONE, "host": "127.0.0.1"}, None),
    ],
)
def test_settings(changes: dict[str, Any], told: str | None) -> None:
    given = {"host": "mail.orion.example", "sender": SENDER} | changes
    problem = problem_of(SmtpSettings(**given))
    assert (problem is None) == (told is None)
    assert told is None or told in (problem or "")


def test_the_password_is_in_no_repr() -> None:
    settings = SmtpSettings(host="h", sender=SENDER, user="u", password="hidden-password")
    assert "hidden" not in repr(settings)
    assert "S3cret" not in repr(CONTENT) + repr(letter())


def test_a_demo_shows_it_in_the_console(capsys: pytest.CaptureFixture[str]) -> None:
    asyncio.run(ConsolePost().send(message()))
    shown = capsys.readouterr().out
    assert CONTENT.link in shown.split()
    assert "mira.k@orion.example" in shown
