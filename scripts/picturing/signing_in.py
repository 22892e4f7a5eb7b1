"""Pages of signing in, and those that letters lead to."""

from __future__ import annotations

import pyotp

from picturing.instance import CLUB, PASSWORD
from picturing.visit import ALERT, Shot, Visit

NEW_PASSWORD = "several words nobody guesses"  # noqa: S105 - of a demo
JOHN, KIM, JANE = "john.doe@demo.example", "kim@customer.example", "jane@customer.example"
OVER = "/id/password/reset?link=x"
ENROLLED = "enrolled"


def wrong_password(visit: Visit) -> None:
    visit.authorize()
    visit.page.check("#remember")
    visit.fill_in("admin", "wrong")
    visit.require(ALERT)


def forgotten_password(visit: Visit) -> None:
    visit.authorize()
    visit.send("a[href*='/password/forgot']")


def asked_for_link(visit: Visit) -> None:
    forgotten_password(visit)
    visit.fill(login="john.doe")
    visit.send()


def new_password(visit: Visit) -> None:
    asked_for_link(visit)
    visit.go(visit.served.link_for(JOHN))


def refused_password(visit: Visit) -> None:
    new_password(visit)
    visit.page.eval_on_selector("#password", "field => field.removeAttribute('minlength')")
    visit.fill(password="short")  # noqa: S106 - too short a one
    visit.send(then=ALERT)


def password_set(visit: Visit) -> None:
    new_password(visit)
    visit.fill(password=PASSWORD)
    visit.send()


def registration(visit: Visit) -> None:
    visit.authorize(client_id=CLUB, scope="openid profile")
    visit.send("a[href*='/register']")


def refused_registration(visit: Visit) -> None:
    registration(visit)
    visit.page.eval_on_selector("#password", "field => field.removeAttribute('minlength')")
    visit.fill(email=KIM, name="Kim Kirov", password="short")  # noqa: S106 - too short a one
    visit.send(then=ALERT)


def registered(visit: Visit) -> None:
    registration(visit)
    visit.fill(email=KIM, name="Kim Kirov", password=NEW_PASSWORD)
    visit.send()


def confirm_address(visit: Visit) -> None:
    visit.go(visit.served.link_for(KIM))


def address_confirmed(visit: Visit) -> None:
    confirm_address(visit)
    visit.send()


def invited(visit: Visit) -> None:
    """By a link that an administrator is shown."""
    visit.go("/manage/invite")
    visit.fill(email=JANE, name="Jane Jordanova")
    visit.page.check("#send-show")
    visit.send()
    visit.require("#invitation-link")
    visit.kept["invitation"] = visit.page.input_value("#invitation-link")


def invitation(visit: Visit) -> None:
    visit.go(visit.kept["invitation"])


def joined(visit: Visit) -> None:
    invitation(visit)
    visit.fill(password=NEW_PASSWORD)
    visit.send()


def foreign_form(visit: Visit) -> None:
    visit.go("/profile/security/password")
    visit.page.eval_on_selector("main [name=anti_forgery]", "field => field.value = 'x'")
    visit.fill(current="x", new="several words")
    visit.send()


def form_post(visit: Visit) -> None:
    """As it is without scripts, for nobody else sees it."""
    visit.page.route("**/submit.*.js", lambda route: route.abort())
    visit.authorize(response_mode="form_post", prompt="consent")
    visit.send("button[value=allow]", then="form[action*=callback]")


def signed_out(visit: Visit) -> None:
    visit.sign_in("admin")
    visit.go("/id/connect/endsession")
    visit.send("main button[type=submit]")
    visit.page.wait_for_function("document.querySelector('form') === null")


def strict_sign_in(visit: Visit) -> None:
    visit.authorize(visit.served.strict)


def half_signed_in(visit: Visit) -> None:
    """The password was right, and more is asked for."""
    strict_sign_in(visit)
    visit.fill_in("nora", PASSWORD)


def first_factor(visit: Visit) -> None:
    half_signed_in(visit)
    visit.require("#secret")


def wrong_first_factor(visit: Visit) -> None:
    first_factor(visit)
    visit.fill(one_time_code="000000")
    visit.send("button[value=confirm]", then=ALERT)


def recovery_codes(visit: Visit) -> None:
    first_factor(visit)
    visit.fill(one_time_code=code_of_app(visit))
    visit.send("button[value=confirm]", then="#codes")
    visit.kept[ENROLLED] = True


def code_of_app(visit: Visit) -> str:
    """Of the key that the page offers, in groups of letters."""
    secret = visit.page.text_content("#secret") or ""
    return pyotp.TOTP("".join(secret.split())).now()


def enrolled(visit: Visit) -> None:
    """Somebody who has a second factor is asked for it."""
    if ENROLLED not in visit.kept:
        recovery_codes(visit)
        visit.page.context.clear_cookies()
    half_signed_in(visit)


def wrong_second_factor(visit: Visit) -> None:
    enrolled(visit)
    visit.fill(one_time_code="000000")
    visit.send("button[value=verify]", then=ALERT)


def recovery(visit: Visit) -> None:
    enrolled(visit)
    visit.send("a[href*='use=recovery']")


PAGES = [
    Shot("forgotten-password-asked", asked_for_link),
    Shot("new-password", new_password),
    Shot("new-password-wrong", refused_password),
    Shot("new-password-set", password_set),
    Shot("new-password-over", OVER),
    Shot("register", registration),
    Shot("register-wrong", refused_registration),
    Shot("registered", registered),
    Shot("confirm-address", confirm_address),
    Shot("address-confirmed", address_confirmed),
    Shot("confirm-address-over", "/id/email/confirm?link=x"),
    Shot("manage-invited", invited, "admin"),
    Shot("invitation", invitation),
    Shot("joined", joined),
    Shot("invitation-over", "/id/invitation?link=x"),
    Shot("foreign-form", foreign_form, "admin"),
    # An instance with a look of its own, where a password alone is not enough
    Shot("own-look-sign-in", strict_sign_in),
    Shot("second-factor-first", first_factor),
    Shot("second-factor-first-wrong", wrong_first_factor),
    Shot("second-factor-codes", recovery_codes),
    Shot("second-factor-ask", enrolled),
    Shot("second-factor-wrong", wrong_second_factor),
    Shot("second-factor-recovery", recovery),
]
