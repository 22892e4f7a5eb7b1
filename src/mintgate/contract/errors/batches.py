"""What is refused of an OData batch [API-32]."""

from __future__ import annotations

from mintgate.contract.errors.resources import ResourceRefusal


class BatchNotTaken(ResourceRefusal):
    """A batch at a place that does not see bodies, so that its parts cannot be judged [API-32]."""

    error = "not_implemented"
    status = 501
    sentence = (
        "A $batch cannot be checked here. Send its requests one by one, or have its path routed "
        "through `mintgate gate`, which takes it apart."
    )

    def challenge(self, realm: str) -> None:
        return None


class BatchTooLarge(ResourceRefusal):
    """More requests or bytes than one batch may have."""

    error = "batch_too_large"
    status = 413
    sentence = "The $batch is too large. Send it as several smaller ones."

    def challenge(self, realm: str) -> None:
        return None


class NotABatch(ResourceRefusal):
    """A body at `$batch` that is neither `multipart/mixed` nor JSON (OData 4.01 part 1 §11.7.2)."""

    error = "unsupported_media_type"
    status = 415
    sentence = "A $batch is multipart/mixed or application/json, and not compressed."

    def challenge(self, realm: str) -> None:
        return None


class FailedDependency(ResourceRefusal):
    """A part of a batch that could only run together with, or after, one that was refused.

    OData JSON Format 4.01 §19: `424` for what depends on a request that failed.
    """

    error = "failed_dependency"
    status = 424
    sentence = "Another request of the batch, on which this one depends, was refused."

    def challenge(self, realm: str) -> None:
        return None


class UnreadableAnswer(ResourceRefusal):
    """The API behind answered a batch with something that is no answer to it.

    What the batch changed may have been changed nevertheless.
    """

    error = "bad_gateway"
    status = 502
    sentence = (
        "The API's answer to the $batch cannot be read. Its requests may have been carried out."
    )

    def challenge(self, realm: str) -> None:
        return None
