"""An application's secrets: list, rotate without a gap, end [EXT-10]."""

from __future__ import annotations

from mintgate.contract.automation.credentials import MadeSecret, Page
from mintgate.contract.automation.secrets import SecretLine, SecretRotation, SecretToEnd
from mintgate.contract.identifiers import new_secret, secret_hash
from mintgate.contract.secret_rotation import lines_of, rotated, without
from mintgate.identity.administration import applications
from mintgate.identity.administration.call import Call, whole


def list_all(call: Call) -> Page[SecretLine]:
    return whole(lines_of(applications.stored(call), call.now))


def rotate(call: Call) -> MadeSecret:
    """Make a new first secret; that of until now becomes the second one for a while.

    Access tokens already issued stay valid [TAP-32]. An application has at most two secrets: an
    older second one ends.
    """
    secret = new_secret()
    wanted = call.given(SecretRotation)
    applications.change_secrets(
        call, lambda before: rotated(before, secret_hash(secret), call.now, wanted)
    )
    return MadeSecret(secret)


def end(call: Call) -> None:
    """The next request with it is refused. Raises NoSuchRecord when there is none."""
    which = call.given(SecretToEnd).which
    applications.change_secrets(call, lambda before: without(before, which))
