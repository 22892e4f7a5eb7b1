"""Applications are told of their install and uninstall, signed [INS-29, INS-30, EVT-1..10]."""

from __future__ import annotations

import json
import re
import time
from base64 import b64decode
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from jwt.algorithms import RSAAlgorithm

from mintgate.contract.identifiers import new_hex128, secret_hash, secret_matches
from mintgate.identity.lifecycle import switching
from mintgate.identity.outgoing import targets
from mintgate.jose import SigningKey
from mintgate.server import declaration
from mintgate.store import lifecycle_events, reference_tokens
from tests.https_receiver import Receiver, eventually, receiving
from tests.site_visits import SiteVisit, quick_passwords
from tests.wire.other_servers import another_server
from tests.world import BACKOFFICE, NOW, STOCK, TOML, World

URI = "shop.example/back-office"
WELL_KNOWN = "/.well-known/marketplace.json"
FULL = {
    "applicationName": "Магазин “Ö”\u2028</script>",
    "requestSecret": "true",
    "serviceAccess": "referenceToken",
    "impersonate": "INTERNAL",
    "scope": "read update",
}


@pytest.fixture
def receiver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    with receiving(tmp_path, monkeypatch) as receiver:
        yield receiver


@pytest.fixture
def visit(
    a_world: Callable[..., World], receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> SiteVisit:
    """An administrator of an instance that tells applications."""
    return administrator(a_world(password_hash=quick_passwords(monkeypatch)))


def administrator(world: World) -> SiteVisit:
    enable(world)
    visit = SiteVisit(world, "ada")
    visit.http.headers["Accept-Language"] = "en"
    assert visit.open("/manage").status_code == 200
    return visit


def enable(world: World) -> None:
    with world.database.begin() as tx:
        switching.enable(tx, world.instance.id, world.kek, SigningKey.generate(new_hex128()), "me")
    world.sync()


def disable(world: World) -> None:
    with world.database.begin() as tx:
        assert switching.disable(tx, world.instance.id, "me")


def install(visit: SiteVisit, receiver: Receiver, **link: str) -> httpx.Response:
    """Open the link, and confirm it with the box ticked."""
    given = {"applicationUri": URI, "redirectUri": receiver.url} | link
    page = visit.http.get("/manage/apps/install", params=given)
    assert page.status_code == 200, page.text
    assert 'name="tell"' in page.text
    return visit.submit(page, "/confirmed", tell="on")


def uninstall(visit: SiteVisit) -> httpx.Response:
    page = visit.http.get("/manage/apps/uninstall", params={"applicationUri": URI})
    return visit.submit(page, "/confirmed")


def event(world: World, index: int = 0) -> dict[str, Any]:
    """A row of the outbox, oldest first."""
    rows = sorted(world.rows("lifecycle_events"), key=lambda row: row["created_at"])
    return rows[index]


def ended(world: World, index: int = 0) -> dict[str, Any]:
    """The same, once nobody tries any more."""
    return eventually(lambda: (row := event(world, index))["due_at"] is None and row)


def app(world: World) -> dict[str, Any]:
    (found,) = [r for r in world.rows("applications") if r["application_uri"] == URI]
    return found


def note(world: World, envelope: dict[str, Any]) -> None:
    """What came in the message may be found nowhere else."""
    for name in ("clientSecret", "referenceToken"):
        world.leaks.note(name, envelope["payload"].get(name))


def require_signed(world: World, body: bytes) -> None:
    """As a receiver checks it: the key is found by the document, the library is PyJWT's."""
    key = httpx.get(world.http.get(WELL_KNOWN).json()["endpoints"]["public_key"])
    assert key.headers["content-type"].startswith("application/x-pem-file")
    envelope = json.loads(body)
    payload = json.dumps(envelope["payload"], ensure_ascii=False, separators=(",", ":")).encode()
    assert b'"payload":' + payload + b"}" in body  # [EVT-6] as it stands in the message
    library = RSAAlgorithm(RSAAlgorithm.SHA256)
    signature = b64decode(envelope["signature"], validate=True)
    assert library.verify(payload, library.prepare_key(key.text), signature)
    assert not library.verify(payload + b" ", library.prepare_key(key.text), signature)


def test_an_install_is_told_with_everything(visit: SiteVisit, receiver: Receiver) -> None:
    """[EVT-1..6, INS-30, INS-31] and nobody else sees secret and token"""
    world = visit.world
    page = install(visit, receiver, **FULL)
    assert "It is being told now" in page.text
    (envelope,) = receiver.wait_for(1)
    note(world, envelope)
    assert list(envelope) == ["schema", "signature", "payload"]
    assert envelope["schema"] == "erpnet.appLifecycleEvent.v2"
    payload = envelope["payload"]
    assert list(payload) == [
        *("schema", "eventId", "event", "occurredAt", "instanceBaseUrl", "user"),
        *("clientSecret", "referenceToken", "request"),
    ]
    assert payload["schema"] == "erpnet.appLifecycleEvent.v1"
    assert re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", payload["eventId"])
    assert payload["event"] == "installed"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,7})?Z", payload["occurredAt"])
    assert (payload["instanceBaseUrl"], payload["user"]) == (world.base, "ada")
    assert payload["request"] == {
        "name": FULL["applicationName"],
        "uri": URI,
        "clientType": "confidential",
        "redirectUri": receiver.url,
        "impersonate": "internal",
        "requestSecret": True,
        "serviceAccess": "referenceToken",
        "referenceTokens": "none",
        "scope": "read update",
    }
    assert list(payload["request"]) == [
        *("name", "uri", "clientType", "redirectUri", "impersonate"),
        *("requestSecret", "serviceAccess", "referenceTokens", "scope"),
    ]
    (request,) = receiver.requests
    assert (request["path"], request["content-type"]) == (
        "/callback?from=link",
        "application/json",
    )
    require_signed(world, receiver.bodies[0])
    # What it was given works.
    assert secret_matches(payload["clientSecret"], app(world)["application_secret_hash"])
    assert re.fullmatch(r"[A-Za-z0-9]{24}", payload["clientSecret"])
    assert world.api("Crm_Sales_Customers", payload["referenceToken"]).status_code == 200
    row = ended(world)
    assert (row["state"], row["sealed_credentials"], row["attempts"]) == ("delivered", None, 1)
    shown = visit.http.get(f"/manage/apps/{app(world)['id']}")
    assert "delivered" in shown.text
    (told,) = world.events("application.event_delivered")
    assert told.application == URI
    assert told.details == {"event": "installed", "event_id": payload["eventId"], "attempts": 1}


@pytest.mark.parametrize(
    ("link", "members"),
    [
        pytest.param({}, set(), id="EVT-4-nothing"),
        pytest.param({"requestSecret": "true"}, {"clientSecret"}, id="EVT-4-secret"),
        pytest.param(
            {"serviceAccess": "referenceToken", "scope": "read"},
            {"referenceToken"},
            id="EVT-4-token",
        ),
        pytest.param(
            {"serviceAccess": "clientCredentials", "scope": "read"}, set(), id="EVT-4-service"
        ),
        pytest.param({"clientType": "Public", "impersonate": "all"}, set(), id="EVT-4-public"),
    ],
)
def test_only_what_was_asked_for(
    link: dict[str, str], members: set[str], visit: SiteVisit, receiver: Receiver
) -> None:
    install(visit, receiver, **link)
    (envelope,) = receiver.wait_for(1)
    note(visit.world, envelope)
    assert {"clientSecret", "referenceToken"} & envelope["payload"].keys() == members


def test_an_uninstall_is_told(visit: SiteVisit, receiver: Receiver) -> None:
    """[EVT-3, EVT-5] at the address of the install, without `request`, and shown in the list"""
    world = visit.world
    install(visit, receiver)
    receiver.wait_for(1)
    ended(world)
    world.change_application(URI, impersonate_login_url="https://elsewhere.example/")
    world.clock.advance(1.25)
    page = visit.http.get("/manage/apps/uninstall", params={"applicationUri": URI})
    assert "It is told of it at https://localhost" in page.text
    assert visit.submit(page, "/confirmed").status_code == 200
    _, envelope = receiver.wait_for(2)
    assert list(envelope["payload"]) == [
        *("schema", "eventId", "event", "occurredAt", "instanceBaseUrl", "user"),
    ]
    assert envelope["payload"]["event"] == "uninstalled"
    require_signed(world, receiver.bodies[1])
    ended(world, 1)
    listed = visit.http.get("/manage/apps/events")
    assert f"Uninstalled: {URI}" in listed.text
    assert listed.text.count("delivered") == 2


def by_its_page(visit: SiteVisit, id_: str) -> None:
    question = visit.http.get(f"/manage/apps/{id_}/remove")
    assert visit.submit(question, "/remove").status_code == 200


def by_the_domain_api(visit: SiteVisit, id_: str) -> None:
    scope = "read sec update"
    visit.world.change_application(BACKOFFICE, scope=scope)
    token = visit.world.user_tokens("ada", f"openid {scope}")["access_token"]
    path = f"Systems_Security_TrustedApplications({id_})"
    assert visit.world.api(path, token, method="DELETE").status_code == 204


def by_pruning(visit: SiteVisit, id_: str) -> None:
    world = visit.world
    text = TOML.format(
        base_url=world.base, instance_settings="", password_hash=world.password_hash, more=""
    )
    file = declaration.read(text, {})
    declaration.apply(world.database, file, lambda: world.kek, prune=True)


@pytest.mark.parametrize(
    ("remove", "user"),
    [(by_its_page, "ada"), (by_the_domain_api, "ada"), (by_pruning, "system")],
)
def test_every_removal_is_told(
    remove: Callable[[SiteVisit, str], None], user: str, visit: SiteVisit, receiver: Receiver
) -> None:
    install(visit, receiver)
    receiver.wait_for(1)
    remove(visit, app(visit.world)["id"])
    payload = receiver.wait_for(2)[1]["payload"]
    assert (payload["event"], payload["user"]) == ("uninstalled", user)


def test_what_was_never_told_of_an_install_is_not_told_of_the_end(
    visit: SiteVisit, receiver: Receiver
) -> None:
    """[INS-29] a direct install, though messages are on: the box was not ticked"""
    world = visit.world
    link = {"applicationUri": URI, "redirectUri": receiver.url, "requestSecret": "true"}
    page = visit.http.get("/manage/apps/install", params=link)
    shown = visit.submit(page, "/confirmed")
    found = re.search(r'id="client-secret" value="([^"]*)"', shown.text)
    assert found is not None
    world.leaks.note("secret", found[1])
    uninstall(visit)
    assert world.rows("lifecycle_events") == []
    assert receiver.bodies == []


def test_it_is_off_until_switched_on(world: World, receiver: Receiver) -> None:
    """[INS-29, EXT-7] no document, no key, no box; and a box that was forged tells nobody"""
    visit = SiteVisit(world, "ada")
    visit.open("/manage")
    for path in (WELL_KNOWN, "/.well-known/marketplace-key.pem"):
        assert world.http.get(path).status_code == 404
    link = {"applicationUri": URI, "redirectUri": receiver.url}
    page = visit.http.get("/manage/apps/install", params=link)
    assert 'name="tell"' not in page.text
    assert visit.submit(page, "/confirmed", tell="on").status_code == 409
    assert world.rows("lifecycle_events") == []
    assert not [r for r in world.rows("applications") if r["application_uri"] == URI]


@pytest.mark.parametrize("redirect_uri", ["http://127.0.0.1:9/x", None], ids=["http", "none"])
def test_who_cannot_be_told(redirect_uri: str | None, visit: SiteVisit) -> None:
    """[EVT-10] https only, also on this machine"""
    link = {"applicationUri": URI} | ({"redirectUri": redirect_uri} if redirect_uri else {})
    page = visit.http.get("/manage/apps/install", params=link)
    assert page.status_code == 200
    assert 'name="tell"' not in page.text
    assert visit.submit(page, "/confirmed", tell="on").status_code == 409


HOSTILE = {
    "private": ("https://10.1.2.3/", "10.1.2.3 is a private address"),
    "cloud": ("https://169.254.169.254/latest/", "169.254.169.254 is never allowed"),
    "mapped": ("https://[::ffff:169.254.169.254]/", "169.254.169.254 is never allowed"),
    "unique-local": ("https://[fd00::1]/", "fd00::1 is a private address"),
    "hexadecimal": ("https://0xa9fea9fe/", "169.254.169.254 is never allowed"),
}


@pytest.mark.parametrize(("url", "cause"), HOSTILE.values(), ids=HOSTILE)
def test_hostile_targets(
    url: str, cause: str, a_world: Callable[..., World], receiver: Receiver
) -> None:
    """[EVT-10] also where logout tokens may go into the own network"""
    world = a_world(instance_settings="allow_private_logout_targets = true")
    visit = administrator(world)
    page = visit.http.get(
        "/manage/apps/install", params={"applicationUri": URI, "redirectUri": url}
    )
    visit.submit(page, "/confirmed", tell="on")
    eventually(lambda: event(world)["cause"])
    assert cause in event(world)["cause"]
    assert (event(world)["state"], event(world)["attempts"]) == ("waiting", 1)


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_redirects_are_not_followed(status: int, visit: SiteVisit, receiver: Receiver) -> None:
    """[EVT-10] whatever they lead to, and they are no success"""
    receiver.statuses = [status]
    receiver.headers = {"Location": receiver.url.replace("/callback", "/elsewhere")}
    install(visit, receiver)
    assert eventually(lambda: event(visit.world)["cause"]) == f"answered {status}"
    assert len(receiver.bodies) == 1
    assert receiver.others == []


def test_no_answer_in_time(
    visit: SiteVisit, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """[EVT-9] is no success either; shortened here, as nobody wants to wait for it"""
    assert targets.TOTAL_SECONDS == 10.0
    monkeypatch.setattr(targets, "TOTAL_SECONDS", 0.2)
    receiver.hold.clear()
    install(visit, receiver)
    assert eventually(lambda: event(visit.world)["cause"]) == "no answer within 0.2 seconds"
    assert event(visit.world)["state"] == "waiting"


def test_three_more_attempts(visit: SiteVisit, receiver: Receiver) -> None:
    """[EVT-9, EVT-8] with growing delay and the same `eventId`; then the secrets are gone"""
    world = visit.world
    receiver.statuses = [401, 500, 302, 400]
    install(visit, receiver, **FULL)
    waits = []
    for number in range(1, 4):
        note(world, receiver.wait_for(number)[-1])
        row = eventually(lambda: (row := event(world))["claimed_by"] is None and row)
        assert (row["state"], row["attempts"]) == ("waiting", number)
        assert row["sealed_credentials"] is not None
        waits.append(row["due_at"] - world.clock())
        world.clock.advance(waits[-1] - 0.001)
        time.sleep(0.6)
        assert len(receiver.bodies) == number  # not before it is due
        world.clock.advance(0.002)
    assert 5 <= waits[0] <= 10 < 30 <= waits[1] <= 60 < 300 <= waits[2] <= 600
    envelopes = receiver.wait_for(4)
    row = ended(world)
    assert (row["state"], row["cause"], row["attempts"]) == ("failed", "answered 400", 4)
    assert row["sealed_credentials"] is None
    # Even the signature is the same, as nothing differs.
    assert len({json.dumps(envelope) for envelope in envelopes}) == 1
    (told,) = world.events("application.event_failed")
    assert (told.application, told.cause) == (URI, "answered 400")
    assert app(world)["is_enabled"]  # the install itself stands
    page = visit.open(f"/manage/apps/{app(world)['id']}")
    assert "failed" in page.text
    assert "answered 400" in page.text


def test_sent_again_with_new_credentials(visit: SiteVisit, receiver: Receiver) -> None:
    """Those of the message that did not arrive end: somebody else may have got them."""
    world = visit.world
    install(visit, receiver, **FULL)
    first = receiver.wait_for(1)[0]["payload"]
    ended(world)
    world.clock.advance(2)
    send = f"/manage/apps/{app(world)['id']}/events/{first['eventId']}/send"
    question = visit.open(send)
    assert "gets new ones" in question.text
    assert "is being told again" in visit.submit(question, send).text
    second = receiver.wait_for(2)[1]["payload"]
    for payload in (first, second):
        note(world, {"payload": payload})
    assert second["eventId"] != first["eventId"]
    assert second["request"] == first["request"]
    stored = app(world)["application_secret_hash"]
    assert secret_matches(second["clientSecret"], stored)
    assert not secret_matches(first["clientSecret"], stored)
    assert world.api("Crm_Sales_Customers", first["referenceToken"]).status_code == 401
    assert world.api("Crm_Sales_Customers", second["referenceToken"]).status_code == 200
    ended(world, 1)
    assert visit.submit(question, send).status_code == 409  # the old one is not the newest


def test_sent_again_at_once_while_it_waits(visit: SiteVisit, receiver: Receiver) -> None:
    """[EVT-9] the same event with the same secret"""
    world = visit.world
    receiver.statuses = [503]
    install(visit, receiver, requestSecret="true")
    receiver.wait_for(1)
    eventually(lambda: event(world)["claimed_by"] is None and event(world)["cause"])
    send = f"/manage/apps/events/{event(world)['id']}/send"
    visit.submit(visit.open(send), send)
    world.clock.advance(11)  # this server looks for what nobody told it of
    first, second = receiver.wait_for(2)
    note(world, first)
    assert first == second


def another_secret(world: World) -> None:
    world.change_application(URI, application_secret_hash=secret_hash("another"))


def no_token(world: World) -> None:
    with world.database.begin() as tx:
        reference_tokens.revoke(tx, world.instance.id, event(world)["token_id"], "ada")


@pytest.mark.parametrize("change", [another_secret, no_token])
def test_credentials_that_have_ended_are_not_told(
    change: Callable[[World], None], visit: SiteVisit, receiver: Receiver
) -> None:
    """They would take the place of good ones that somebody gave the application meanwhile"""
    world = visit.world
    receiver.statuses = [500]
    install(visit, receiver, **FULL)
    note(world, receiver.wait_for(1)[0])
    eventually(lambda: event(world)["claimed_by"] is None and event(world)["cause"])
    change(world)
    world.clock.advance(11)
    row = ended(world)
    assert (row["state"], row["sealed_credentials"]) == ("failed", None)
    assert "has ended by now" in row["cause"]
    assert len(receiver.bodies) == 1


def test_an_old_uninstall_is_not_told_of_a_new_install(
    visit: SiteVisit, receiver: Receiver
) -> None:
    world = visit.world
    install(visit, receiver)
    ended(world)
    world.clock.advance(1)
    uninstall(visit)
    gone = ended(world, 1)
    send = f"/manage/apps/events/{gone['id']}/send"
    assert visit.submit(visit.open(send), send).status_code == 200
    world.clock.advance(11)  # this server looks for what nobody told it of
    assert receiver.wait_for(3)[1] == receiver.wait_for(3)[2]
    ended(world, 1)
    install(visit, receiver)
    assert visit.submit(visit.open(send), send).status_code == 409


def test_who_may_send_again(visit: SiteVisit, receiver: Receiver) -> None:
    """[IMG-1, PRF-6] administrators, by an own form, after a sign-in that is not long ago"""
    world = visit.world
    install(visit, receiver)
    ended(world)
    send = f"/manage/apps/events/{event(world)['id']}/send"
    own = visit.hidden(visit.open(send))["anti_forgery"]
    assert visit.post(send, {"anti_forgery": "x"}).status_code == 403
    elsewhere = visit.post(send, {"anti_forgery": own}, **{"Sec-Fetch-Site": "cross-site"})
    assert elsewhere.status_code == 403
    mira = SiteVisit(world, "mira.k")
    mira.open("/manage")
    assert mira.post(send, {"anti_forgery": own}).status_code == 403
    assert visit.http.get("/manage/apps/events/unknown/send").status_code == 404
    (stock,) = [r["id"] for r in world.rows("applications") if r["application_uri"] == STOCK]
    of_another = send.replace("/apps/", f"/apps/{stock}/")
    assert visit.http.get(of_another).status_code == 404
    world.clock.advance(601)
    assert "/connect/authorize?" in visit.post(send, {"anti_forgery": own}).headers["location"]
    assert len(receiver.bodies) == 1


def test_switched_off_while_one_waits(visit: SiteVisit, receiver: Receiver) -> None:
    """What waits is given up, with its secrets; nothing can be sent again"""
    world = visit.world
    receiver.statuses = [500]
    install(visit, receiver, requestSecret="true")
    note(world, receiver.wait_for(1)[0])
    eventually(lambda: event(world)["cause"])
    disable(world)
    row = event(world)
    assert (row["state"], row["sealed_credentials"]) == ("failed", None)
    assert world.http.get(WELL_KNOWN).status_code == 404
    assert "Send again" not in visit.http.get(f"/manage/apps/{app(world)['id']}").text
    world.clock.advance(3600)
    time.sleep(0.6)
    assert len(receiver.bodies) == 1


def test_an_application_that_is_gone_gets_no_credentials(
    visit: SiteVisit, receiver: Receiver
) -> None:
    world = visit.world
    receiver.statuses = [500]
    install(visit, receiver, requestSecret="true")
    note(world, receiver.wait_for(1)[0])
    eventually(lambda: event(world)["cause"])
    uninstall(visit)
    assert event(world)["sealed_credentials"] is None
    assert receiver.wait_for(2)[1]["payload"]["event"] == "uninstalled"
    world.clock.advance(3600)
    time.sleep(0.6)
    assert len(receiver.bodies) == 2


def test_a_crash_in_between(visit: SiteVisit, receiver: Receiver) -> None:
    """[EVT-9] another process goes on after the lease, with the same `eventId`"""
    world = visit.world
    delivery = world.application._instances[world.instance.id].lifecycle_delivery  # type: ignore[union-attr]
    delivery.rounds._quiet_until = float("inf")
    delivery.rounds.wake = lambda: None  # type: ignore[method-assign]
    install(visit, receiver, requestSecret="true")
    here = world.instance.id
    with world.database.begin() as tx:
        (claimed,) = lifecycle_events.claim(tx, here, claimant="dead", lease=60.0, limit=8)
    del delivery.rounds.wake
    delivery.rounds.wake()
    time.sleep(0.6)
    assert receiver.bodies == []
    world.clock.advance(61)
    (envelope,) = receiver.wait_for(1)
    note(world, envelope)
    assert envelope["payload"]["eventId"] == claimed.id
    assert ended(world)["attempts"] == 2
    with world.database.begin() as tx:  # and the dead one decides nothing
        assert not lifecycle_events.end(tx, here, claimed.id, "dead", "x")


def test_two_processes_send_once(
    a_world: Callable[..., World], receiver: Receiver, tmp_path: Path
) -> None:
    folder = tmp_path / "other"
    folder.mkdir()
    world = a_world(clock=time.time)
    visit = administrator(world)
    with another_server(world, folder):
        receiver.hold.clear()  # so that the other one comes while the first still waits
        for number in range(6):
            install(visit, receiver, applicationUri=f"{URI}/{number}")
        receiver.wait_for(6)
        time.sleep(1.5)
        receiver.hold.set()
        eventually(lambda: all(r["due_at"] is None for r in world.rows("lifecycle_events")))
    sent = [json.loads(body)["payload"]["eventId"] for body in receiver.bodies]
    assert sorted(sent) == sorted(row["id"] for row in world.rows("lifecycle_events"))
    assert {row["state"] for row in world.rows("lifecycle_events")} == {"delivered"}


def test_another_key_is_used_at_once(visit: SiteVisit, receiver: Receiver) -> None:
    """[EVT-7] also for what waits"""
    world = visit.world
    receiver.statuses = [500]
    install(visit, receiver)
    eventually(lambda: event(world)["cause"])
    before = world.http.get("/.well-known/marketplace-key.pem").text
    enable(world)
    world.clock.advance(11)
    first, second = receiver.wait_for(2)
    assert first["payload"] == second["payload"]
    assert first["signature"] != second["signature"]
    assert world.http.get("/.well-known/marketplace-key.pem").text != before
    require_signed(world, receiver.bodies[1])
    assert world.clock() < NOW + 3600
