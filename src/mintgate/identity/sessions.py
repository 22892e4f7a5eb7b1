"""Identity sessions: who is signed in at this browser, and signing in and out [SES-50..56]."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
from starlette.requests import Request

from mintgate.contract import lifetimes
from mintgate.contract.clock import Clock
from mintgate.contract.identifiers import new_hex128, new_token, token_digest
from mintgate.contract.logout_urls import front_channel_address
from mintgate.contract.users import MAY_SIGN_IN, User
from mintgate.identity.cookies import Cookies
from mintgate.identity.directory import Directory
from mintgate.identity.forms import client_address
from mintgate.store import (
    AuditEvent,
    Database,
    Transaction,
    interactions,
    sessions,
    user_devices,
)
from mintgate.store.sessions import SIGNED_OUT, IdentitySession


class SignedIn(msgspec.Struct, frozen=True):
    """A live session with its user."""

    session: IdentitySession
    user: User


async def note_use(
    database: Database, instance_id: str, session: IdentitySession, request: Request, now: float
) -> None:
    """Note that a sign-in is used, from time to time; `now` in Unix seconds."""
    if now - (session.last_used_at or 0) < lifetimes.SESSION_USE_NOTED:
        return
    address, user_agent = client_address(request.scope), request.headers.get("user-agent")

    def work(tx: Transaction) -> None:
        sessions.note_use(tx, instance_id, session.sid, address=address, user_agent=user_agent)

    await database.write(work)


class Sessions:
    """Reads, starts and ends the identity sessions of one instance."""

    def __init__(
        self, directory: Directory, database: Database, cookies: Cookies, clock: Clock
    ) -> None:
        self._directory = directory
        self._database = database
        self._cookies = cookies
        self._clock = clock

    async def current(self, request: Request) -> SignedIn | None:
        """The live session of this browser, if its user may still sign in."""
        cookie = self._cookies.session_of(request)
        if not cookie:
            return None
        instance_id = self._directory.instance.id
        digest = token_digest(cookie)
        session = await self._database.read(
            lambda connection: sessions.by_cookie(connection, instance_id, digest)
        )
        now = self._clock()
        if session is None or now >= session.expires_at:
            return None
        user = await self._directory.user(session.user_id)
        if (
            user is None
            or not user.active
            or user.is_locked(now)
            or user.user_type not in MAY_SIGN_IN
        ):
            return None
        await note_use(self._database, instance_id, session, request, now)
        return SignedIn(session, user)

    async def start(
        self,
        user: User,
        *,
        holds: Callable[[Transaction], str | None],
        amr: tuple[str, ...],
        remember: bool,
        before: SignedIn | None,
        interaction_hash: str,
        address: str | None,
        device_hash: str,
        user_agent: str | None,
    ) -> str | None:
        """Sign a user in, note it in the interaction, and return the cookie's new value.

        None when what proved the user does not hold any more: a change of the password ends every
        sign-in with the old one [USR-22], also the one that comes a moment later.

        The same user keeps the `sid` [SES-51]; another one gets a new one [SES-52]. The cookie
        is new in every case, so that one planted before the sign-in is worth nothing.

        Args:
            holds: looks once more, in the transaction, and tells why the proof does not hold.
            amr: the methods of the sign-in [IDT-13].
            device_hash: of the device's name; see `user_devices`.
        """
        now = self._clock()
        cookie = new_token()
        same_user = before is not None and before.user.id == user.id
        lifetime = lifetimes.REMEMBERED_SESSION if remember else lifetimes.BROWSER_SESSION
        session = IdentitySession(
            sid=before.session.sid if before is not None and same_user else new_hex128(),
            cookie_hash=token_digest(cookie),
            user_id=user.id,
            auth_time=int(now),
            amr=amr,
            idp="local",
            tid=None,
            created_at=now,
            expires_at=now + lifetime,
            last_used_at=now,  # as `note_use` would at the next request, with a commit of its own
            address=address,
            user_agent=user_agent,
            device_hash=device_hash,
        )
        instance_id = self._directory.instance.id

        def work(tx: Transaction) -> bool:
            problem = holds(tx)
            if problem is not None:
                failed = self._event("user.sign_in_failed", user, None, address)
                tx.record(msgspec.structs.replace(failed, cause=problem))
                return False
            if before is not None and not same_user:
                # Nobody holds that cookie any more; tokens of its sid live on [SES-53].
                sessions.forget(tx, instance_id, before.session.sid)
            sessions.put(tx, instance_id, session)
            user_devices.note(tx, instance_id, user.id, device_hash, user_agent)
            interactions.note_authentication(tx, instance_id, interaction_hash, session.sid)
            begun = self._event("user.signed_in", user, session.sid, address)
            tx.record(msgspec.structs.replace(begun, details={"amr": list(amr)}))
            return True

        return cookie if await self._database.write(work) else None

    async def end(self, signed_in: SignedIn, address: str | None) -> list[str]:
        """Sign out: the session ends, its refresh tokens and its open codes [END-4].

        Returns:
            What this browser can load so that applications know of it [EXT-3].
        """
        return await self._end(signed_in.session.sid, signed_in.user, address)

    async def end_sid(self, sid: str, address: str | None, *, only_if_over: bool) -> list[str]:
        """The same for a `sid`, without its browser.

        Args:
            only_if_over: does nothing while a browser is signed in by it.
        """
        return await self._end(sid, None, address, only_if_over=only_if_over)

    async def _end(
        self, sid: str, user: User | None, address: str | None, *, only_if_over: bool = False
    ) -> list[str]:
        instance = self._directory.instance

        def work(tx: Transaction) -> list[str]:
            live = sessions.by_sid(tx.connection, instance.id, sid) if only_if_over else None
            if live is not None and tx.now < live.expires_at:
                return []
            urls = sessions.end(tx, instance.id, sid, SIGNED_OUT)
            tx.record(self._event("user.signed_out", user, sid, address))
            return [front_channel_address(url, instance.issuer, sid) for url in urls]

        return await self._database.write(work)

    def _event(
        self, event: str, user: User | None, sid: str | None, address: str | None
    ) -> AuditEvent:
        return AuditEvent(
            instance_id=self._directory.instance.id,
            at=self._clock(),
            event=event,
            actor=user.login if user else None,
            actor_id=user.id if user else None,
            session=sid,
            address=address,
        )
