"""Pages of Instance Manager in their states."""

from __future__ import annotations

from picturing.profile import call_api
from picturing.visit import ALERT, Shot, Steps, Visit, first_of

APPS, USERS = "/manage/apps", "/manage/users"
INSTALLED = "shop.example/backoffice"
INSTALL = (
    f"{APPS}/install?applicationUri={INSTALLED}&applicationName=Back%20office&impersonate=internal"
    "&redirectUri=https://shop.example/callback&requestSecret=true"
    "&serviceAccess=referenceToken&scope=read%20update"
)


def wrong_application(visit: Visit) -> None:
    visit.go(f"{APPS}/new?kind=web")
    visit.fill(name_en="Web shop", uri="shop.example/planner")
    visit.fill(login_urls="http://shop.example/callback")
    visit.send(then=ALERT)


def another_rule(visit: Visit) -> None:
    visit.go("/manage/settings/second-factors")
    visit.page.check("input[name=second_factor_internal][value=required]")
    visit.page.check("input[name=second_factor_community][value=off]")
    visit.send("main form button[type=submit]", then="form.confirm")


def inspected(visit: Visit) -> None:
    visit.go("/manage/inspector")
    visit.fill(token="enrt_" + "0" * 64)
    visit.send("main button[type=submit]", then=ALERT)


def good_token(visit: Visit) -> None:
    visit.go("/manage/inspector")
    visit.fill(token=visit.kept["token"])
    visit.send("main button[type=submit]")


def new_application(visit: Visit) -> None:
    visit.go(f"{APPS}/new?kind=web")
    visit.fill(name_en="Web shop", uri="shop.example/web")
    visit.fill(login_urls="https://shop.example/callback")
    visit.send(then="#client-secret")


def new_secret(visit: Visit) -> None:
    first_of(APPS, "service", "/secrets/rotate")(visit)
    visit.send(then="#client-secret")


def service_token(visit: Visit) -> None:
    first_of(APPS, "import", "/tokens/new")(visit)
    visit.fill(description="Night import on server 3")
    visit.page.check("[name=scope_read]")
    visit.send(then="#token-value")


def refused_service_token(visit: Visit) -> None:
    first_of(APPS, "import", "/tokens/new")(visit)
    visit.send(then=".error, [role=alert]")


def installed(visit: Visit) -> None:
    visit.go(INSTALL)
    visit.send(then="#token-value")


def refused_user(visit: Visit) -> None:
    visit.go(f"{USERS}/new")
    visit.fill(login="admin", name_en="Another one", email="admin@demo.example")
    visit.send(then=ALERT)


def invited_by_mail(visit: Visit) -> None:
    visit.go("/manage/invite")
    visit.fill(email="peter@customer.example", name="Peter Petrov")
    visit.send()


def sessions(visit: Visit) -> None:
    call_api(visit)
    visit.go("/manage/sessions")
    visit.require("table")


def session_to_close(visit: Visit) -> None:
    visit.go("/manage/sessions")
    visit.go(visit.link("td.actions a"))


def sign_in_to_end(visit: Visit) -> None:
    visit.go("/manage/sessions/sign-ins")
    visit.go(visit.link("td.actions a"))


def licences(visit: Visit) -> None:
    visit.go("/manage/licences")
    visit.require("form[action$='/reserve']")
    visit.page.fill("form[action$='/reserve'] input[type=text]", "john.doe")
    visit.send("form[action$='/reserve'] button")


def saved_settings(visit: Visit) -> None:
    visit.go("/manage/settings")
    visit.send("main form .actions button")


def compromised_key(visit: Visit) -> None:
    visit.go("/manage/keys")
    visit.go(visit.link("a[href$='/compromised']"))


def dialog(visit: Visit) -> None:
    first_of(APPS, "planner")(visit)
    visit.require("a[data-confirm]")
    visit.page.click("a[data-confirm] >> nth=0")
    visit.page.wait_for_selector("dialog[open]")


def menu(visit: Visit) -> None:
    """The navigation where it is not beside the page, else who one is."""
    visit.go("/manage")
    navigation = visit.page.locator("[popovertarget=navigation]")
    visit.page.click(
        "[popovertarget=navigation]" if navigation.is_visible() else "[popovertarget=account-menu]"
    )


def of_app(name: str, below: str, text: str = "planner") -> Shot:
    return Shot(f"manage-app-{name}", first_of(APPS, text, below), "admin")


def of_user(name: str, below: str) -> Shot:
    return Shot(f"manage-user-{name}", first_of(USERS, "john.doe", below), "admin")


def of(name: str, there: str | Steps) -> Shot:
    return Shot(f"manage-{name}", there, "admin")


PAGES = [
    of("home-month", "/manage?range=month"),
    Shot("manage-menu", menu, "admin", is_whole=False),
    Shot("manage-dialog", dialog, "admin", is_whole=False),
    of("apps-none", f"{APPS}?search=nothing"),
    *(
        of(f"app-new-{kind}", f"{APPS}/new?kind={kind}")
        for kind in ("browser", "service", "tokens")
    ),
    of_app("edit", "/edit"),
    of_app("remove", "/remove"),
    of_app("revoke", "/revoke-everything"),
    of_app("secret-new", "/secrets/rotate", "service"),
    of("app-secret-once", new_secret),
    of("app-created", new_application),
    of_app("token-new", "/tokens/new", "import"),
    of("app-token-wrong", refused_service_token),
    of("app-token-once", service_token),
    of_app("tokens-some", "/tokens", "import"),
    of_app("tokens-refresh", "/tokens"),
    of("install", INSTALL),
    of("installed", installed),
    of("install-wrong", f"{APPS}/install?applicationUri=x&redirectUri=http://shop.example/"),
    of("install-again", INSTALL),
    of("uninstall", f"{APPS}/uninstall?applicationUri={INSTALLED}"),
    of("users-none", f"{USERS}?search=nobody"),
    of_user("edit", "/edit"),
    of_user("password", "/password"),
    of_user("lock", "/lock"),
    of_user("remove", "/remove"),
    of("user-wrong", refused_user),
    of("user-some", first_of(USERS, "admin")),
    of("invite-mailed", invited_by_mail),
    of("sessions-some", sessions),
    of("session-close", session_to_close),
    of("sign-in-end", sign_in_to_end),
    of("licences-some", licences),
    of("keys-rotate", "/manage/keys/rotate/now"),
    of("key-compromised", compromised_key),
    of("consents-some", "/manage/consents"),
    of("audit-none", "/manage/audit?event=nothing.here"),
    of("audit-filtered", "/manage/audit?event=application.&actor=admin"),
    of("inspector-ask", "/manage/inspector"),
    of("inspector-good", good_token),
    of("settings-saved", saved_settings),
]
