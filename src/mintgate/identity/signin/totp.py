"""One-time codes of authenticator apps (RFC 6238): six digits by SHA-1, as every app knows them.

The libraries are imported with the first code: most servers start and stop without one.
"""

from __future__ import annotations

import hmac

import msgspec

STEP_SECONDS = 30
DRIFT = 1
"""Steps that a phone's clock may be off (RFC 6238 §5.2)."""
SECRET_CHARACTERS = 32
"""160 bits in base32 (RFC 4226 §4)."""


class TotpOffer(msgspec.Struct, frozen=True, kw_only=True):
    """A secret that a person is to put into an authenticator app.

    Args:
        secret: in base32, to be typed where no picture can be taken.
        uri: `otpauth://…`, a link on a phone.
        picture: the same as a QR code, a `data:` URL of an SVG.
    """

    secret: str
    uri: str
    picture: str

    def __repr__(self) -> str:
        return "TotpOffer(…)"


def new_secret() -> str:
    """A random secret in base32."""
    import pyotp

    return str(pyotp.random_base32(SECRET_CHARACTERS))


def offer_of(secret: str, *, issuer: str, account: str) -> TotpOffer:
    """What a person is shown.

    Args:
        issuer: what the app calls the instance.
        account: the login.
    """
    import pyotp
    import segno

    uri = pyotp.TOTP(secret).provisioning_uri(name=account, issuer_name=issuer)
    # Dark on light in a dark theme as well, with its quiet zone: cameras want it so.
    picture = segno.make(uri, error="m", micro=False).svg_data_uri(
        scale=4, border=4, dark="#000", light="#fff"
    )
    return TotpOffer(secret=secret, uri=uri, picture=picture)


def step_of(secret: str, code: str, now: float) -> int | None:
    """The time step that this code is of; None when it is no code for about now.

    Args:
        now: Unix seconds.
    """
    import pyotp

    totp = pyotp.TOTP(secret)
    current = int(now // STEP_SECONDS)
    found = None
    for step in range(max(current - DRIFT, 0), current + DRIFT + 1):
        # Every one is looked at, so that the time does not tell which.
        if hmac.compare_digest(totp.generate_otp(step), code):
            found = step
    return found
