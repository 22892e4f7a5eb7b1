"""A forgotten password, over HTTP and SMTP: who gets a link, and what it does [SGN-8, USR-22]."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from sqlalchemy import event

from mintgate.contract.users import UserType
from mintgate.identity.accounts.limits import HOUR, LIMITS
from mintgate.store import users
from tests.leaks import dump_of
from tests.mail_server import MailServer, link_in, serving_mail, text_of
from tests.wire.mail_world import (
    BUYER,
    MIRA,
    choose,
    comparable,
    forget,
    heading,
    link_to,
    post_to,
    secret_of,
)
from tests.world import BACKOFFICE, PASSWORD, World, answer_of

NEW = "several words nobody guesses"
SENT, OVER, SET = "Look into your mailbox", "This link works no more", "Your new password is set"


@pytest.fixture
def mail() -> Iterator[MailServer]:
    with serving_mail() as server:
        yield server


@pytest.fixture
def world(a_world: Callable[..., World], mail: MailServer) -> World:
    return a_world(post=post_to(mail))


def a_link(world: World, mail: MailServer, count: int = 1) -> str:
    assert heading(forget(world, "mira.k")) == SENT
    return link_in(mail.to(MIRA, count))


def test_the_whole_way(world: World, mail: MailServer) -> None:
    here = world.browser()
    tokens = world.redeem(here.code("mira.k", scope="openid read offline_access")).json()
    page = world.browser().authorize()
    assert 'href="' + world.issuer + "/password/forgot?interaction=" in page.text
    forget(world, " Mira.K@orion.example ")
    letter = mail.to(MIRA)
    assert letter["Subject"] == "Изберете нова парола за orion"  # her language
    link = link_in(letter)
    secret = secret_of(link)
    for _ in range(2):  # a program that looks for harm follows links
        form = httpx.get(link)
        assert form.headers["referrer-policy"] == "no-referrer"
        assert form.headers["cache-control"] == "no-store"
        assert httpx.head(link).status_code == 405
    assert secret not in dump_of(world.database_url)

    for bad, told in (
        ("short", "at least 8 characters"),
        ("MIRA.K@orion.example", "must not be your login"),
    ):
        refused = choose(world, link, bad)
        assert (refused.status_code, told in refused.text) == (400, True)
    assert heading(choose(world, link, NEW)) == SET
    assert heading(choose(world, link, "yet another password")) == OVER

    assert world.refresh(tokens["refresh_token"]).json()["error"] == "invalid_grant"
    assert "<h1>Sign in</h1>" in here.authorize().text  # signed out
    assert world.browser().sign_in("mira.k", PASSWORD).status_code == 400
    assert answer_of(world.browser().sign_in("mira.k", NEW))["code"]
    told = mail.to(MIRA, 2)
    assert told["Subject"] == "Паролата ви в orion беше сменена"
    assert "link=" not in text_of(told)

    (asked,) = world.events("password.reset_requested")
    (done,) = world.events("user.password_reset")
    assert (asked.actor, done.actor, done.address) == ("mira.k", "mira.k", "127.0.0.1")
    world.run_in_server(lambda application, instance: _delivered(instance))
    assert {e.details["kind"] for e in world.events("mail.sent")} == {"reset", "password_changed"}
    assert world.rows("mails") == []
    everything = "\n".join(world.leaks.lines) + dump_of(world.database_url)
    assert secret not in everything


async def _delivered(instance: Any) -> None:
    for task in list(instance.mail_delivery.rounds._running):
        await task


def test_nobody_learns_who_exists(world: World, mail: MailServer) -> None:
    """The same page and the same statements for everybody; a letter to whom it is due."""
    world.change_user("ada", email="ada@orion.example", email_confirmed=True, active=False)
    assert world.application is not None
    counted: list[str] = []
    engine = world.application.database.engine
    event.listen(
        engine,
        "before_cursor_execute",
        lambda conn, cursor, statement, *_: counted.append(statement.split("(")[0][:40]),
    )
    pages, statements = [], []
    for login in (MIRA, "nobody@orion.example", BUYER, "ada", "svc.stock"):
        del counted[:]
        pages.append(comparable(forget(world, login)))
        statements.append([s for s in counted if "mails" in s or "mailed_links" in s])
    assert len(set(pages)) == 1
    inserted = [[s for s in one if s.startswith("INSERT")] for one in statements]
    assert inserted == [inserted[0]] * 5
    assert len(inserted[0]) == 2
    mail.to(MIRA)
    _wait_for_empty_outbox(world)
    assert mail.recipients == [[MIRA]]
    causes = {e.actor: e.cause for e in world.events("password.reset_requested")}
    assert causes == {
        "mira.k": None,
        None: "unknown user",
        BUYER: "the user has no confirmed address",
        "ada": "the user cannot sign in",
        "svc.stock": "the user cannot sign in",
    }


def _wait_for_empty_outbox(world: World) -> None:
    deadline = time.monotonic() + 20
    while world.rows("mails"):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_nobodys_mailbox_is_filled(world: World, mail: MailServer) -> None:
    tries = LIMITS["mail_origin"].tries
    pages = {comparable(forget(world, "mira.k")) for _ in range(tries + 2)}
    assert len(pages) == 1
    mail.to(MIRA, tries)
    _wait_for_empty_outbox(world)
    assert len(mail.messages) == tries
    assert "mail_origin" in (world.events("password.reset_throttled")[0].cause or "")
    world.clock.advance(HOUR)
    forget(world, "mira.k")
    mail.to(MIRA, tries + 1)


def test_a_link_has_its_time(world: World, mail: MailServer) -> None:
    link = a_link(world, mail)
    world.clock.advance(30 * 60)
    late = choose(world, link, NEW)
    assert (late.status_code, heading(late)) == (404, OVER)
    assert heading(choose(world, link[:-1] + "x", NEW)) == OVER


def test_what_ends_a_link(world: World, mail: MailServer) -> None:
    first = a_link(world, mail)
    user = world.change_user("mira.k")
    with world.database.begin() as tx:
        users.set_password(tx, world.instance.id, user.id, "$argon2id$of-another")
    assert heading(choose(world, first, NEW)) == OVER
    link = a_link(world, mail, 2)
    held: tuple[dict[str, Any], ...] = (
        {"email_confirmed": False},
        {"locked_until": world.clock() + 60},
        {"active": False},
        {"user_type": UserType.VIRTUAL},
    )
    for change in held:
        world.change_user("mira.k", **change)
        assert heading(choose(world, link, NEW)) == OVER
        world.change_user("mira.k", **{n: getattr(user, n) for n in change})
    world.change_user("mira.k", email="mira@elsewhere.example")
    world.change_user("mira.k", email=MIRA)  # it was not hers meanwhile
    assert heading(choose(world, link, NEW)) == OVER


def test_a_link_starts_the_tries_anew(world: World, mail: MailServer) -> None:
    for _ in range(5):
        world.browser().sign_in("mira.k", "not her password")
    assert world.browser().sign_in("mira.k", PASSWORD).status_code == 400  # it waits
    assert heading(choose(world, a_link(world, mail), NEW)) == SET
    assert answer_of(world.browser().sign_in("mira.k", NEW))["code"]


def test_one_of_many_uses_it(database_url: str, mail: MailServer) -> None:
    world = World(database_url, post=post_to(mail)).start()
    try:
        link = a_link(world, mail)
        browsers = [world.browser() for _ in range(6)]
        forms = [browser.http.get(link) for browser in browsers]
        ready = threading.Barrier(len(browsers))
        ends: dict[str, str] = {}

        def choose_one(number: int) -> None:
            ready.wait()
            password = f"the password of number {number}"
            ends[password] = heading(browsers[number].submit(forms[number], password=password))

        threads = [threading.Thread(target=choose_one, args=(n,)) for n in range(len(browsers))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(ends.values()) == [OVER] * 5 + [SET]
        (password,) = [p for p, end in ends.items() if end == SET]
        assert answer_of(world.browser().sign_in("mira.k", password))["code"]
        assert len(world.events("user.password_reset")) == 1
    finally:
        world.stop()


def test_a_form_of_another_site(world: World, mail: MailServer) -> None:
    link = a_link(world, mail)
    sent = {"link": secret_of(link), "password": NEW, "anti_forgery": "x" * 43}
    answer = httpx.post(f"{world.issuer}/password/reset", data=sent)
    assert (answer.status_code, "did not come from this site" in answer.text) == (400, True)
    assert heading(choose(world, link, NEW)) == SET


def test_a_server_without_mail(a_world: Callable[..., World]) -> None:
    """It offers nothing that it cannot do, and says whom to ask."""
    world = a_world()
    page = world.browser().authorize()
    assert "Ask an administrator of orion." in page.text
    assert "/password/forgot" not in page.text
    assert "/register" not in page.text
    browser = world.browser()
    form = browser.http.get("/id/password/forgot")
    assert "Ask one of its administrators" in form.text
    sent = {"login": "mira.k", "anti_forgery": _anti_forgery(browser)}
    assert "Ask one of its administrators" in browser.http.post(form.url, data=sent).text
    assert (world.rows("mails"), world.rows("mailed_links")) == ([], [])


def _anti_forgery(browser: Any) -> str:
    return next(v for n, v in browser.http.cookies.items() if "-form-" in n)


@pytest.mark.parametrize("answer", ["451 not now", "550 <mira.k@orion.example> is unknown"])
def test_a_mail_server_that_refuses(answer: str, world: World, mail: MailServer) -> None:
    mail.refusals.append(answer)
    forget(world, "mira.k")
    _wait_for_refusal(world, mail)
    if answer.startswith("5"):
        _wait_for_empty_outbox(world)
        (given_up,) = world.events("mail.failed")
        assert "550 <…> is unknown" in (given_up.cause or "")
        return
    world.clock.advance(10)  # the first pause is five seconds at most
    mail.to(MIRA)


def test_a_letter_that_comes_too_late_is_not_sent(world: World, mail: MailServer) -> None:
    mail.refusals += ["451 not now"] * 100
    forget(world, "mira.k")
    _wait_for_refusal(world, mail, 100)
    world.clock.advance(31 * 60)
    _wait_for_empty_outbox(world)
    assert mail.messages == []
    (given_up,) = world.events("mail.failed")
    assert given_up.details == {"kind": "reset"}


def _wait_for_refusal(world: World, mail: MailServer, of: int = 1) -> None:
    deadline = time.monotonic() + 20
    while len(mail.refusals) == of or any(row["claimed_by"] for row in world.rows("mails")):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_the_request_of_an_application_goes_on(world: World, mail: MailServer) -> None:
    """From the sign-in page to the link and back to it."""
    browser = world.browser()
    sign_in = browser.authorize(client_id=BACKOFFICE)
    found = link_to("/password/forgot", sign_in)
    done = browser.submit(browser.http.get(found), login="mira.k")
    back = link_to("/signin", done)
    choose(world, link_in(mail.to(MIRA)), NEW)
    answer = browser.submit(browser.http.get(back), login="mira.k", password=NEW)
    assert world.redeem(answer_of(answer)["code"]).status_code == 200
