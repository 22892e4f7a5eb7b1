"""What the request of a batch says about it: format, host, preferences."""

from __future__ import annotations

import re

from mintgate.contract.errors import NotABatch
from mintgate.contract.request_target import Headers
from mintgate.verify.batch import mime
from mintgate.verify.batch.json_format import JSON, JsonBatch
from mintgate.verify.batch.multipart import Multipart
from mintgate.verify.batch.parts import BatchLimits, Format, Unit, ambiguous
from mintgate.verify.batch.targets import RESERVED_IDS

_CONTINUE = re.compile(r"((?:odata\.)?continue-on-error)(?:\s*=\s*\"?(true|false)\"?)?", re.I)
_PREFERENCE = re.compile(r'(?:[^,"]|"[^"]*")+')
_ASYNC = re.compile(r"(?:odata\.)?respond-async", re.I)
NOT_HANDED_ON = frozenset(
    {
        b"content-type",
        b"content-length",
        b"content-md5",
        b"content-digest",
        b"digest",
        b"transfer-encoding",
        b"trailer",
        b"expect",
        b"range",
        b"accept",
        b"accept-encoding",  # what comes back is read here
        b"prefer",
    }
)


def format_of(headers: Headers) -> Format:
    """In which format a batch is.

    Raises:
        NotABatch: in none of the two.
        AmbiguousRequest: the header that says so is malformed or there twice.
    """
    given = [value for name, value in headers if name == b"content-type"]
    encoded = [value for name, value in headers if name == b"content-encoding"]
    if any(value.strip().lower() != b"identity" for value in encoded):
        raise NotABatch(cause="the batch is compressed")
    if len(given) != 1:
        raise NotABatch(cause=f"{len(given)} Content-Type headers")
    kind, parameters = mime.media_type_of(given[0], ambiguous)
    if kind == b"multipart/mixed":
        return Multipart(mime.boundary_of(parameters, ambiguous))
    if kind == JSON:
        if parameters.get(b"charset", b"utf-8").lower() != b"utf-8":
            raise ambiguous("is in another charset than UTF-8")
        return JsonBatch(given[0].strip())
    raise NotABatch(cause="another media type")


def units_of(form: Format, body: bytes, limits: BatchLimits) -> tuple[Unit, ...]:
    """The requests of a batch, each of which a reference can name in one way only.

    Raises:
        BatchTooLarge, AmbiguousRequest: see `take_apart`.
    """
    units = form.read(body, limits.parts)
    ids = [part.id for unit in units for part in unit.parts if part.id is not None]
    if len(set(ids)) != len(ids):
        raise ambiguous("has two requests with one id")
    if any(name.casefold() in RESERVED_IDS for name in ids):
        raise ambiguous("has an id that OData uses itself")
    return units


def accepted_by(headers: Headers, form: Format) -> bytes:
    """The client's own wish, where it is for the same format: it may tell how numbers look."""
    given = [value for name, value in headers if name == b"accept"]
    kind = given[0].partition(b";")[0].strip().lower() if len(given) == 1 else b""
    return given[0] if kind == form.accept and b"," not in given[0] else form.accept


def host_of(headers: Headers) -> bytes:
    hosts = [value for name, value in headers if name == b"host"]
    return hosts[0] if len(hosts) == 1 else b""


def preferences_of(headers: Headers) -> tuple[bytes, bool]:
    """What is handed on of `Prefer`, and whether a batch goes on after a failure (§8.2.8.3).

    RFC 7240 §2: of a preference that is there twice, the first one counts.
    """
    kept: list[str] = []
    goes_on: bool | None = None
    spelling = ""
    for name, value in headers:
        if name != b"prefer":
            continue
        for preference in _PREFERENCE.findall(value.decode("latin-1")):
            text = preference.strip()
            found = _CONTINUE.fullmatch(text)
            if found is not None:
                if goes_on is None:
                    spelling, goes_on = found[1], (found[2] or "true").lower() == "true"
            # An answer that comes later, at another place, could not be put together here.
            elif text and not _ASYNC.match(text):
                kept.append(text)
    if goes_on:
        kept.append(spelling)  # some know only the name of 4.0, some only that of 4.01
    return ", ".join(kept).encode("latin-1"), bool(goes_on)
