"""What a checkpoint is, and what its signature is over."""

from __future__ import annotations

import hashlib

import msgspec

_LABEL = "mintgate audit checkpoint 1"
_encode = msgspec.json.Encoder().encode


class Checkpoint(msgspec.Struct, frozen=True, kw_only=True):
    """A checkpoint as it is stored.

    Args:
        at: Unix seconds.
        previous_hash: of the checkpoint before.
        rows: how many rows were ever covered.
        heads_digest: of the heads that it lists.
        removed_through: rows covered up to this checkpoint are gone by retention; 0 is none.
        removed_hash: the hash of that checkpoint.
        public_key: who signed, 32 bytes in base64url.
    """

    instance_id: str
    number: int
    at: float
    previous_hash: bytes
    rows: int
    heads_digest: bytes
    removed_through: int
    removed_hash: bytes | None
    public_key: str
    signature: bytes = b""

    @property
    def signed(self) -> bytes:
        """What the signature is over."""
        names = [name for name in self.__struct_fields__ if name != "signature"]
        return _encode([_LABEL, *(getattr(self, name) for name in names)])

    @property
    def hash(self) -> bytes:
        return hashlib.sha256(self.signed).digest()


class CheckpointHead(msgspec.Struct, frozen=True, order=True):
    """The head of a writer in a checkpoint; `is_cut` when it is where the chain begins now."""

    writer_id: str
    is_cut: bool
    sequence: int
    hash: bytes


def genesis(instance_id: str) -> bytes:
    """What the first checkpoint links to."""
    return hashlib.sha256(_encode([_LABEL, instance_id])).digest()


def digest_of(heads: list[CheckpointHead]) -> bytes:
    return hashlib.sha256(_encode(sorted(heads))).digest()
