"""From what was proved to a session: at once, or by way of the page for the second factor."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from mintgate.contract import lifetimes
from mintgate.contract.clock import Clock
from mintgate.contract.identifiers import new_secret, token_digest
from mintgate.contract.users import MAY_SIGN_IN, User
from mintgate.identity.cookies import Cookies
from mintgate.identity.directory import Directory
from mintgate.identity.endpoints.authorize import RESUME_PATH, see_other
from mintgate.identity.forms import client_address
from mintgate.identity.interactions import OpenInteraction
from mintgate.identity.sessions import Sessions
from mintgate.identity.signin.devices import KnownDevices, digest_of
from mintgate.identity.signin.passkey_sign_in import ProvedPasskey
from mintgate.identity.signin.password import Proved
from mintgate.store import Database, Transaction, passkeys, sign_in_proofs, users
from mintgate.store.sign_in_proofs import SignInProof

SECOND_FACTOR_PATH = "/signin/second-factor"
ENROL_PATH = "/signin/enrol"

Holds = Callable[[Transaction], str | None]


class HalfSignedIn(msgspec.Struct, frozen=True):
    """A person whose password was right."""

    proof: SignInProof
    user: User


class SignInSteps:
    """Keeps what is half proved, and starts sessions.

    Args:
        devices: where people signed in before.
        clock: Unix seconds.
    """

    def __init__(
        self,
        directory: Directory,
        database: Database,
        sessions: Sessions,
        cookies: Cookies,
        devices: KnownDevices,
        clock: Clock,
    ) -> None:
        self._directory = directory
        self._database = database
        self._sessions = sessions
        self._cookies = cookies
        self._devices = devices
        self._clock = clock

    async def begin(
        self, interaction: OpenInteraction, proved: Proved, *, remember: bool, path: str
    ) -> Response:
        """Keep that the password was right, and go on to the page for the rest.

        The name is in a new cookie only. The page's address alone proves nothing, so nobody gets
        in who opened it in another browser and waited for the password to be typed there.
        """
        name = new_secret()
        proof = SignInProof(
            proof_hash=token_digest(name),
            interaction_hash=interaction.row.id_hash,
            user_id=proved.user.id,
            password_digest=token_digest(proved.password_hash),
            remember=remember,
            expires_at=self._clock() + lifetimes.SIGN_IN_PROOF,
        )
        instance = self._directory.instance

        def work(tx: Transaction) -> None:
            proved.settle(tx)
            sign_in_proofs.put(tx, instance.id, proof)

        await self._database.write(work)
        response = see_other(instance.issuer, path, interaction.name)
        self._cookies.set_proof(response, name)
        return response

    async def find(self, request: Request, interaction: OpenInteraction) -> HalfSignedIn | None:
        """Whose password was right at this browser for this request; None when that is over."""
        name = self._cookies.proof_of(request)
        if not name:
            return None
        here, digest, now = self._directory.instance.id, token_digest(name), self._clock()
        proof = await self._database.read(
            lambda c: sign_in_proofs.find(c, here, digest, interaction.row.id_hash, now)
        )
        user = await self._directory.user(proof.user_id) if proof is not None else None
        if proof is None or user is None or not user.active or user.is_locked(now):
            return None
        return HalfSignedIn(proof, user) if user.user_type in MAY_SIGN_IN else None

    async def note(self, half: HalfSignedIn, amr: tuple[str, ...]) -> None:
        """The second factor is proved, too; the session waits for one more page."""
        here, digest = self._directory.instance.id, half.proof.proof_hash
        await self._database.write(
            lambda tx: sign_in_proofs.note_second_factor(tx, here, digest, amr)
        )

    async def complete_password(
        self,
        request: Request,
        interaction: OpenInteraction,
        proved: Proved,
        amr: tuple[str, ...],
        *,
        remember: bool,
    ) -> Response | None:
        """A session for a password that was enough; None when it was changed meanwhile."""
        digest = token_digest(proved.password_hash)

        def holds(tx: Transaction) -> str | None:
            proved.settle(tx)  # before the user's row is held: never in the other order
            return self._password_problem(tx, proved.user.id, digest)

        return await self._complete(
            request, interaction, proved.user, amr, holds, remember=remember
        )

    async def complete_half(
        self,
        request: Request,
        interaction: OpenInteraction,
        half: HalfSignedIn,
        amr: tuple[str, ...],
    ) -> Response | None:
        """A session for a password and what came to it; None when another request was quicker."""
        here, proof = self._directory.instance.id, half.proof

        def holds(tx: Transaction) -> str | None:
            problem = self._password_problem(tx, proof.user_id, proof.password_digest)
            if problem is None and not sign_in_proofs.take(tx, here, proof.proof_hash):
                problem = "the sign-in took too long, or was completed already"
            return problem

        response = await self._complete(
            request, interaction, half.user, amr, holds, remember=proof.remember
        )
        if response is not None:
            self._cookies.drop_proof(response)
        return response

    async def complete_passkey(
        self,
        request: Request,
        interaction: OpenInteraction,
        proved: ProvedPasskey,
        *,
        remember: bool,
    ) -> Response | None:
        """A session for a passkey alone; None when it was removed meanwhile."""
        here = self._directory.instance.id

        def holds(tx: Transaction) -> str | None:
            is_there = passkeys.hold(tx, here, proved.passkey.id)
            return None if is_there else "the passkey was removed"

        return await self._complete(
            request, interaction, proved.user, proved.amr, holds, remember=remember
        )

    async def _complete(
        self,
        request: Request,
        interaction: OpenInteraction,
        user: User,
        amr: tuple[str, ...],
        holds: Holds,
        *,
        remember: bool,
    ) -> Response | None:
        device = self._devices.remember(self._cookies.device_of(request), user.id)
        cookie = await self._sessions.start(
            user,
            holds=holds,
            amr=amr,
            remember=remember,
            before=await self._sessions.current(request),
            interaction_hash=interaction.row.id_hash,
            address=client_address(request.scope),
            device_hash=digest_of(device),
            user_agent=request.headers.get("user-agent"),
        )
        if cookie is None:
            return None
        response = see_other(self._directory.instance.issuer, RESUME_PATH, interaction.name)
        self._cookies.set_session(response, cookie, remember=remember)
        self._cookies.set_device(response, device)
        return response

    def _password_problem(self, tx: Transaction, user_id: str, digest: str) -> str | None:
        stored = users.hold_password_hash(tx, self._directory.instance.id, user_id)
        is_same = stored is not None and token_digest(stored) == digest
        return None if is_same else "the password was changed"
