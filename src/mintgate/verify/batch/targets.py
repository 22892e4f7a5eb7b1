"""Where a part of a batch goes, and what it may not carry."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from urllib.parse import quote

import msgspec

from mintgate.contract.request_target import cgi_name, normal_path, require_plain
from mintgate.verify.batch.parts import Headers, Part, ambiguous_part

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
_ORIGIN = re.compile(r"https?://([^/?#]*)", re.IGNORECASE)
# Segments with a dollar sign that OData itself gives a meaning (ABNF of 4.01, and those of 3.0).
_OWN_SEGMENTS = frozenset(
    {
        "$all",
        "$batch",
        "$count",
        "$crossjoin",
        "$each",
        "$entity",
        "$filter",
        "$links",
        "$metadata",
        "$query",
        "$ref",
        "$root",
        "$value",
    }
)
RESERVED_IDS = frozenset(name[1:] for name in _OWN_SEGMENTS) | {"it", "this"}
"""Names by which a reference could not be told from something of OData's own."""
_REFUSED_HEADERS = frozenset(
    {
        # OData 4.01 part 1 §11.7.2: a batch is sent by one caller, who is in its own headers.
        b"authorization",
        b"proxy-authorization",
        b"x-api-key",
        b"api-key",
        b"cookie",
        b"expect",
        b"from",
        b"max-forwards",
        b"range",
        b"te",
        # These belong to a connection (RFC 9110 §7.6.1), and a part has none.
        b"connection",
        b"keep-alive",
        b"proxy-connection",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
        # Where the caller is, which the proxy in front says.
        b"forwarded",
        b"x-real-ip",
        b"x-client-ip",
        b"true-client-ip",
        b"cf-connecting-ip",
    }
)


class Target(msgspec.Struct, frozen=True):
    """Where a part goes.

    Args:
        url: in the one form that is handed on: relative to the batch.
        path: normalised, from the server's root; None when it is known only while the batch
            runs, since it begins with what another part returns.
    """

    url: str
    path: str | None


class Places:
    """Reads the URLs of the parts of one batch.

    Args:
        path: of the batch itself, normalised, such as `/api/domain/odata/$batch`.
        host: the `Host` of the batch; empty when it has none.
    """

    def __init__(self, path: str, host: bytes) -> None:
        self.root = path[: path.rindex("/") + 1]
        self._raw_root = quote(self.root, safe="/!$&'()*+,=:@~")
        self._depth = self.root.count("/")
        self.host = host
        self._host = host.decode("latin-1").casefold()

    def target_of(self, part: Part, earlier: Collection[str]) -> Target:
        """Where a part goes.

        Args:
            earlier: the ids of the parts before it.

        Raises:
            AmbiguousRequest: it goes outside of the batch's own service, or servers could take it
                for going somewhere else.
        """
        text, question, query = part.url.partition("?")
        if "#" in part.url or "\\" in part.url:
            raise ambiguous_part("has a URL with a fragment or a backslash")
        require_plain((), query.encode("ascii"))
        raw = self._raw_path(text, part.headers)
        path = normal_path(raw.encode("ascii"))
        if text.startswith("$") and not _is_own(text.partition("/")[0]):
            return self._reference(text, path, part.url, earlier)
        if not path.startswith(self.root) and path + "/" != self.root:
            raise ambiguous_part("goes outside of the service that has the batch")
        segments = raw.split("/")[self._depth :]
        _require_no_reference(path.split("/")[self._depth :], segments)
        relative = "/".join(segments)
        if _SCHEME.match(relative):
            raise ambiguous_part("has a URL that could be read as one with a scheme")
        # The service itself has no relative address that can stand in a request line.
        return Target((relative or raw) + question + query, path)

    def _raw_path(self, text: str, headers: Headers) -> str:
        """The path from the server's root, as it is written."""
        host = dict(headers).get(b"host")
        if host is not None and host.decode("latin-1").casefold() != self._host:
            raise ambiguous_part("names another host than the batch")
        origin = _ORIGIN.match(text)
        if origin is not None:
            if not self._host or origin[1].casefold() != self._host:
                raise ambiguous_part("goes to another host than the batch")
            return text[origin.end() :] or "/"
        if _SCHEME.match(text) or text.startswith("//"):
            raise ambiguous_part("goes to another host than the batch")
        if not text:
            raise ambiguous_part("has a URL without a path")
        return text if text.startswith("/") else self._raw_root + text

    def _reference(self, text: str, path: str, url: str, earlier: Collection[str]) -> Target:
        # §11.7.5: a reference begins with `$` and the id of a request before this one.
        name, *raw = text[1:].split("/")
        if name not in earlier:
            raise ambiguous_part("refers to a request that is not before it in the batch")
        _require_no_reference(path.split("/")[self._depth + 1 :], raw)
        if any(segment.casefold() == "$batch" for segment in raw):
            raise ambiguous_part("is a $batch itself")
        return Target(url, None)


def plain_headers(headers: Headers) -> Headers:
    """The headers of a part, without those that its new URL makes superfluous.

    Raises:
        AmbiguousRequest: one of them names another caller, method, path or connection.
    """
    require_plain(headers, b"")
    for name, _ in headers:
        if cgi_name(name) != name:  # CGI and WSGI make one name of `-` and `_`
            raise ambiguous_part("has a header name of more than letters, digits and hyphens")
        if name in _REFUSED_HEADERS or name.startswith(b"x-forwarded"):
            raise ambiguous_part("has a header that stands at the batch itself only")
    return tuple(pair for pair in headers if pair[0] not in {b"host", b"content-length"})


def references_in(condition: str) -> set[str]:
    """The ids that the member `if` of a request speaks of."""
    return set(re.findall(r"\$([A-Za-z0-9._~-]+)", condition))


def _is_own(segment: str) -> bool:
    return segment.partition("(")[0].casefold() in _OWN_SEGMENTS


def _require_no_reference(segments: Sequence[str], raw: Sequence[str]) -> None:
    """Some servers put in what an id stands for wherever they find one."""
    for segment, written in zip(segments, raw, strict=True):
        if segment.startswith("$") and not (_is_own(segment) and written.startswith("$")):
            raise ambiguous_part("has a URL with a $ where no reference can be")
