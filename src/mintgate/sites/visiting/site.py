"""The two sites: where each stands, and as which application it signs people in [TOP-12]."""

from __future__ import annotations

import re

import msgspec

from mintgate.contract.first_party import MANAGE_CLIENT, PROFILE_CLIENT
from mintgate.contract.instance import MANAGE_PATH, PROFILE_PATH

# What addresses of pages are made of: nothing that a browser would read as another place.
_PATH = re.compile(r"[A-Za-z0-9_-]+(/[A-Za-z0-9_-]+)*/?")
_QUERY = re.compile(r"[A-Za-z0-9_.~%&=+:/-]*")
MAX_ADDRESS = 2000


class Site(msgspec.Struct, frozen=True, kw_only=True):
    """Args:
    name: in cookies and rows.
    root: its path below the base URL.
    client_id: of its application.
    administrators_only: whether others get a page that says so [IMG-1].
    """

    name: str
    root: str
    client_id: str
    administrators_only: bool = False

    def address(self, path: str, query: str = "") -> str:
        """An address to come back to after a sign-in, without the host.

        The site's root in place of anything that is not plainly a page of this site [SGN-5].
        """
        below = path.removeprefix(self.root + "/")
        is_ours = path == self.root or (below != path and _PATH.fullmatch(below) is not None)
        if not is_ours or not _QUERY.fullmatch(query):
            return self.root
        address = f"{path}?{query}" if query else path
        return address if len(address) <= MAX_ADDRESS else self.root


PROFILE = Site(name="profile", root=PROFILE_PATH, client_id=PROFILE_CLIENT)
MANAGE = Site(name="manage", root=MANAGE_PATH, client_id=MANAGE_CLIENT, administrators_only=True)
