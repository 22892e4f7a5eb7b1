"""A person's own devices: where one signed in, and may be forgotten again [PRF-8, SGN-6]."""

from __future__ import annotations

from mintgate.contract.automation.credentials import Ended
from mintgate.contract.automation.problems import NoSuchRecord
from mintgate.identity.administration import sessions
from mintgate.identity.administration.call import Call
from mintgate.store import user_devices
from mintgate.store.user_devices import UserDevice


def list_all(call: Call) -> list[UserDevice]:
    """The last used first."""
    return user_devices.of_user(call.connection, call.instance.id, call.acting.user.id, call.now)


def get(call: Call) -> UserDevice:
    """The one that the path names; a foreign one does not exist [PRF-7]. Raises NoSuchRecord."""
    wanted = call.path["device_id"]
    found = next((device for device in list_all(call) if device.id == wanted), None)
    if found is None:
        raise NoSuchRecord
    return found


def remove(call: Call) -> Ended:
    """Sign the person out there, and know the device no more. Raises NoSuchRecord."""
    call.lock()
    device = get(call)
    of_it = [
        session
        for session in sessions.of_user(call, call.acting.user.id)
        if session.device_hash == device.device_hash
    ]
    grants = sum(sessions.ended(call, session).grants for session in of_it)
    user_devices.remove(call.writing, call.instance.id, device)
    call.record("user.device_removed", subject_id=call.acting.user.id, details={"id": device.id})
    return Ended(sessions=len(of_it), grants=grants)
