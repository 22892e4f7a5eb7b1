"""Pages of Profile in their states."""

from __future__ import annotations

import json
from urllib.parse import urlencode
from urllib.request import Request, urlopen

from picturing.instance import APPLICATION, EXCEL, PASSWORD, REDIRECT
from picturing.signing_in import code_of_app
from picturing.visit import VERIFIER, Shot, Visit

SECURITY = "/profile/security"
FACTORS = f"{SECURITY}/second-factors"
PHONE = {
    "protocol": "ctap2",
    "transport": "internal",
    "hasResidentKey": True,
    "hasUserVerification": True,
    "isUserVerified": True,
    "automaticPresenceSimulation": True,
}
"""Of Chromium's virtual authenticator."""


def wrong_new_password(visit: Visit) -> None:
    visit.go(f"{SECURITY}/password")
    visit.fill(current="wrong", new="several words nobody guesses")
    visit.send(then=".wrong, [role=alert]")


def new_token(visit: Visit) -> None:
    visit.go(f"{SECURITY}/tokens/new")
    visit.go(visit.link(f"main li:has-text('{EXCEL}') a"))


def refused_token(visit: Visit) -> None:
    new_token(visit)
    visit.fill(description="Excel at the office")
    for scope in visit.page.query_selector_all("[name^=scope_]:checked"):
        scope.uncheck()
    visit.page.check("[name=days][value=date]")
    visit.send(then=".wrong, [role=alert], .error")


def made_token(visit: Visit) -> None:
    new_token(visit)
    visit.fill(description="Excel at the office")
    visit.send(then="#token-value")
    visit.kept["token"] = visit.page.input_value("#token-value")
    visit.kept["made"] = visit.page.url


def token_shown_already(visit: Visit) -> None:
    visit.go(visit.kept["made"])


def stays_signed_in(visit: Visit) -> None:
    """Allow an application, and let it have a refresh token."""
    # In a window of its own: nobody answers at the application's address.
    window = Visit(visit.page.context.new_page(), visit.served, visit.kept)
    window.authorize(prompt="consent")
    window.require("button[value=allow]")
    with window.page.expect_request(f"{REDIRECT}**") as asked:
        window.page.click("button[value=allow]")
    window.page.close()
    code = asked.value.url.partition("code=")[2].partition("&")[0]
    form = {
        "grant_type": "authorization_code",
        "client_id": APPLICATION,
        "redirect_uri": REDIRECT,
        "code": code,
        "code_verifier": VERIFIER,
    }
    with urlopen(f"{visit.base}/id/connect/token", urlencode(form).encode(), timeout=60) as answer:
        visit.kept["refreshed"] = "refresh_token" in json.load(answer)


def tokens(visit: Visit) -> None:
    if "refreshed" not in visit.kept:
        stays_signed_in(visit)
    visit.go(f"{SECURITY}/tokens")
    visit.require("table")


def token_to_end(visit: Visit) -> None:
    visit.go(f"{SECURITY}/tokens")
    visit.go(visit.link("td.actions a"))


def consents(visit: Visit) -> None:
    visit.go("/profile/applications")
    visit.require("a[href*='/withdraw']")


def consent_to_withdraw(visit: Visit) -> None:
    consents(visit)
    visit.go(visit.link("a[href*='/withdraw']"))


def app(visit: Visit) -> None:
    visit.go(f"{FACTORS}/app")


def wrong_app(visit: Visit) -> None:
    app(visit)
    visit.fill(one_time_code="000000")
    visit.send(then=".wrong")


def fully_proved(visit: Visit) -> None:
    """Signed in to the strict instance, with what was made there the first time."""
    if "strict" in visit.kept:
        visit.page.context.add_cookies(visit.kept["strict"])
        return
    visit.go(f"{visit.served.strict}/profile")
    visit.fill(login="otto", password=PASSWORD)
    visit.send("button[value=sign_in]", then="#secret")
    visit.fill(one_time_code=code_of_app(visit))
    visit.send("button[value=confirm]", then="#codes")
    visit.send("button[value=continue]", then=".topbar")
    visit.kept["strict"] = visit.page.context.cookies()


def with_app(visit: Visit) -> None:
    fully_proved(visit)
    visit.go(visit.served.strict + FACTORS)


def with_passkey(visit: Visit) -> None:
    with_app(visit)
    if visit.page.query_selector("a[href*='/rename']") is not None:
        return
    phone = visit.page.context.new_cdp_session(visit.page)
    phone.send("WebAuthn.enable")
    phone.send("WebAuthn.addVirtualAuthenticator", {"options": PHONE})
    visit.fill(name="My phone")
    visit.send("button[data-passkey-use]", then="a[href*='/rename']")


def passkey_to_rename(visit: Visit) -> None:
    with_passkey(visit)
    visit.go(visit.link("a[href*='/rename']"))


def passkey_to_remove(visit: Visit) -> None:
    with_passkey(visit)
    visit.go(visit.link("a[href*='/passkeys/'][href$='/remove']"))


def app_to_remove(visit: Visit) -> None:
    with_passkey(visit)
    visit.go(visit.link("a[href$='/app/remove']"))


def new_recovery_codes(visit: Visit) -> None:
    with_app(visit)
    visit.send("form[action$='/recovery-codes'] button", then="#codes")


def second_step(visit: Visit) -> None:
    """Somebody who has an app and a passkey."""
    visit.authorize(visit.served.strict)
    visit.fill_in("otto", PASSWORD)
    visit.require("#one_time_code")


def call_api(visit: Visit) -> None:
    """With the token that was made: it opens an ERP session."""
    token = {"Authorization": f"Bearer {visit.kept['token']}"}
    address = f"{visit.base}/api/domain/odata/Crm_Sales_Customers?$top=1"
    with urlopen(Request(address, headers=token), timeout=60) as answer:
        answer.read()


PAGES = [
    Shot("profile-password-wrong", wrong_new_password, "admin"),
    Shot("profile-second-factors", FACTORS, "admin"),
    Shot("profile-app", app, "admin"),
    Shot("profile-app-wrong", wrong_app, "admin"),
    Shot("profile-token-choose", f"{SECURITY}/tokens/new", "admin"),
    Shot("profile-token-new", new_token, "admin"),
    Shot("profile-token-wrong", refused_token, "admin"),
    Shot("profile-token-made", made_token, "admin"),
    Shot("profile-token-shown-already", token_shown_already, "admin"),
    Shot("profile-tokens-some", tokens, "admin"),
    Shot("profile-token-end", token_to_end, "admin"),
    Shot("profile-applications-some", consents, "admin"),
    Shot("profile-applications-withdraw", consent_to_withdraw, "admin"),
    Shot("profile-second-factors-app", with_app),
    Shot("profile-second-factors-all", with_passkey),
    Shot("profile-passkey-rename", passkey_to_rename),
    Shot("profile-passkey-remove", passkey_to_remove),
    Shot("profile-app-remove", app_to_remove),
    Shot("profile-recovery-codes", new_recovery_codes),
    Shot("second-factor-ask-both", second_step),
]
