"""What a person changes of the own account in Profile, and the letters that tell of it [USR-3]."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import httpx
import pytest

from mintgate.contract.identifiers import new_guid
from mintgate.contract.users import User, UserType
from mintgate.identity.mail.delivery import LOOK_AGAIN_SECONDS
from mintgate.store import users
from tests.mail_server import MailServer, link_in, serving_mail, text_of
from tests.site_visits import SiteVisit
from tests.wire.mail_world import BUYER, MIRA, heading, post_to
from tests.world import PASSWORD, World

EMAIL, MOVED = "/profile/email", "mira@elsewhere.example"


@pytest.fixture
def mail() -> Iterator[MailServer]:
    with serving_mail() as server:
        yield server


@pytest.fixture
def visit(a_world: Callable[..., World], mail: MailServer) -> SiteVisit:
    world = a_world(post=post_to(mail))
    world.change_user("mira.k", default_language="en")
    visit = SiteVisit(world)
    visit.open("/profile")
    return visit


def mira(visit: SiteVisit) -> User:
    world = visit.world
    found = world.database.read_now(lambda c: users.by_login(c, world.instance.id, "mira.k"))
    assert found is not None
    return found


def change(visit: SiteVisit, email: str) -> httpx.Response:
    return visit.submit(visit.open(EMAIL), "/profile/email", email=email)


def test_from_the_form_to_the_link(visit: SiteVisit, mail: MailServer) -> None:
    """Stored at once and not confirmed; the old address is told, and not of the new one."""
    page = change(visit, f" {MOVED} ")
    assert "Your address was changed" in page.text
    assert "not confirmed" in page.text
    assert (mira(visit).email, mira(visit).email_confirmed) == (MOVED, False)
    told = text_of(mail.to(MIRA))
    assert MOVED not in told
    assert "link=" not in told
    (event,) = visit.world.events("user.changed")
    assert event.actor == "mira.k"
    assert MOVED not in str(event.details)  # a person's data must be erasable
    link = link_in(mail.to(MOVED))
    other = visit.world.browser()
    page = other.http.get(link)
    assert not mira(visit).email_confirmed  # a program that looks through mail confirms nothing
    assert heading(other.submit(page)) == "Your address is confirmed"
    assert mira(visit).email_confirmed
    assert "not confirmed" not in visit.open(EMAIL).text
    assert "The mail address was changed" in visit.open("/profile/security/history").text


def test_the_letter_once_more(visit: SiteVisit, mail: MailServer) -> None:
    """Three times an hour, then it is enough."""
    change(visit, MOVED)
    mail.to(MOVED)
    for number in (2, 3):
        page = visit.submit(visit.open(EMAIL), "/email/confirm")
        assert "Another letter is on its way" in page.text
        visit.world.clock.advance(LOOK_AGAIN_SECONDS)
        mail.to(MOVED, number)
    page = visit.submit(visit.open(EMAIL), "/email/confirm")
    assert page.status_code == 409
    assert "Too many letters" in page.text


@pytest.mark.parametrize(
    "typed", ["", "mira", "a@b.example, c@d.example", "a@b.example\r\nBcc: x@y"]
)
def test_what_is_no_address(typed: str, visit: SiteVisit) -> None:
    page = change(visit, typed)
    assert page.status_code == 400
    assert 'id="email-error"' in page.text
    assert mira(visit).email == MIRA


def test_nobody_finds_out_who_is_here(visit: SiteVisit, mail: MailServer) -> None:
    """Asking for addresses of others counts as a letter does, and ends after ten of them."""
    answers = []
    for number in range(12):
        other = User(
            id=new_guid(),
            login=f"other{number}",
            name={"en": "Other"},
            user_type=UserType.COMMUNITY,
            email=f"other{number}@orion.example",
        )
        with visit.world.database.begin() as tx:
            users.add(tx, visit.world.instance.id, other, None)
        answers.append(change(visit, f"OTHER{number}@orion.example").status_code)
    assert answers == [400] * 10 + [409] * 2
    assert mira(visit).email == MIRA


def test_a_login_of_somebody_else(visit: SiteVisit, mail: MailServer) -> None:
    """Whoever writes to it means the one who signs in with it [USR-2]."""
    visit.world.change_user(BUYER, email="bought@client.example")
    assert change(visit, BUYER.upper()).status_code == 400
    assert mira(visit).email == MIRA


def test_it_asks_for_a_new_sign_in(visit: SiteVisit) -> None:
    """[SES-50] what was typed is there afterwards; and no other site sends the form"""
    fields = visit.hidden(visit.open(EMAIL)) | {"email": MOVED}
    foreign = {"Sec-Fetch-Site": "cross-site"}
    assert visit.post(EMAIL, fields, **foreign).status_code == 403
    assert visit.post(EMAIL, fields | {"anti_forgery": "x"}).status_code == 403
    visit.world.clock.advance(601)
    for path in (EMAIL, EMAIL + "/confirm"):
        assert "prompt=login" in visit.post(path, fields).headers["location"]
    assert "prompt=login" in visit.http.get(EMAIL).headers["location"]
    question = visit.follow(visit.post(EMAIL, fields))
    page = visit.submit(question, login="mira.k", password=PASSWORD)
    assert f'value="{MOVED}"' in page.text
    assert mira(visit).email == MIRA


def test_a_server_without_mail(a_world: Callable[..., World]) -> None:
    visit = SiteVisit(a_world(), "mira.k")
    page = visit.open(EMAIL)
    assert 'name="email"' not in page.text
    own = visit.hidden(page)
    assert visit.post(EMAIL, {**own, "email": MOVED}).status_code == 409
    assert mira(visit).email == MIRA


def test_another_password_is_told(visit: SiteVisit, mail: MailServer) -> None:
    """[USR-22] as one that was chosen by a link is"""
    page = visit.open("/profile/security/password")
    new = "several words nobody guesses"
    done = visit.submit(page, "/security/password", current=PASSWORD, new=new)
    assert "Your password was changed" in done.text
    letter = mail.to(MIRA)
    assert letter["Subject"] == "Your password at orion was changed"
    assert new not in text_of(letter)
    assert "link=" not in text_of(letter)


def test_an_address_that_is_not_confirmed_is_told_nothing(
    visit: SiteVisit, mail: MailServer
) -> None:
    visit.world.change_user("mira.k", email_confirmed=False)
    page = visit.open("/profile/security/password")
    visit.submit(page, "/security/password", current=PASSWORD, new="several words nobody guesses")
    visit.world.clock.advance(LOOK_AGAIN_SECONDS)
    assert visit.world.count_rows("mails") == 0
    assert not mail.messages
