"""The query string as options of OData, strictly: what is not understood is refused [API-43]."""

from __future__ import annotations

from urllib.parse import parse_qsl

import msgspec

from mintgate.apis.odata.problems import BadRequest

MAX_QUERY = 65_536
MAX_NUMBER = 2**31 - 1
MAX_SEARCH = 500
MAX_WORDS = 16
FOR_LISTS = frozenset(
    {
        "$top",
        "$skip",
        "$skiptoken",
        "$filter",
        "$orderby",
        "$select",
        "$expand",
        "$count",
        "$search",
        "$format",
    }
)
FOR_ENTITIES = frozenset({"$select", "$expand", "$format"})
FOR_COUNTS = FOR_LISTS
"""`$count` as a path ignores paging and order (OData v4 part 2 §4.8)."""
FOR_DOCUMENTS = frozenset({"$format"})


class Parameters(msgspec.Struct, frozen=True):
    """The options of one request, each at most once.

    Args:
        system: those that start with `$`.
        other: the rest, such as `culture` and `options`.
    """

    system: dict[str, str]
    other: dict[str, str]

    def number(self, name: str) -> int | None:
        """The value of `$top` or `$skip`."""
        text = self.system.get(name)
        if text is None:
            return None
        if not (text.isascii() and text.isdigit() and len(text) <= 10 and int(text) <= MAX_NUMBER):
            raise BadRequest(f"{name} must be a whole number, 0 or more.")
        return int(text)

    def flag(self, name: str) -> bool:
        """The value of `$count`."""
        text = self.system.get(name, "false")
        if text not in {"true", "false"}:
            raise BadRequest(f"{name} must be true or false.")
        return text == "true"

    @property
    def skips_nulls(self) -> bool:
        """Whether `options=skipnulls` is asked for [API-63]."""
        return "skipnulls" in self.other.get("options", "").lower().split(",")

    @property
    def search_words(self) -> tuple[str, ...]:
        """The words and quoted phrases of `$search`, all of which must be found."""
        text = self.system.get("$search")
        if text is None:
            return ()
        return _words(text)


def parameters_of(query: bytes, allowed: frozenset[str]) -> Parameters:
    """Read a query string.

    Raises:
        BadRequest: an unknown or repeated option, or text that is not UTF-8.
    """
    if len(query) > MAX_QUERY:
        raise BadRequest("The query is too long.")
    try:
        pairs = parse_qsl(
            query.decode("ascii"),
            keep_blank_values=True,
            encoding="utf-8",
            errors="strict",
            max_num_fields=100,
        )
    except ValueError:  # also UnicodeDecodeError
        raise BadRequest("The query is malformed.") from None
    system: dict[str, str] = {}
    other: dict[str, str] = {}
    for name, value in pairs:
        if not name.startswith("$"):
            other.setdefault(name, value)
        elif name not in allowed:
            known = ", ".join(sorted(allowed))
            raise BadRequest(f"The query option {name[:32]!r} is not known here, but: {known}.")
        elif name in system:
            raise BadRequest(f"The query option {name} is given twice.")
        else:
            system[name] = value
    media_type = system.get("$format", "json").partition(";")[0].removeprefix("application/")
    if media_type not in ({"json", "xml"} if allowed is FOR_DOCUMENTS else {"json"}):
        raise BadRequest("$format must be json.")
    return Parameters(system, other)


def _words(text: str) -> tuple[str, ...]:
    if len(text) > MAX_SEARCH or "\x00" in text:
        raise BadRequest(f"$search must have at most {MAX_SEARCH} characters.")
    parts = text.split('"')
    if len(parts) % 2 == 0:
        raise BadRequest("$search has a quotation mark without its pair.")
    words: list[str] = []
    for index, part in enumerate(parts):
        if index % 2:
            words += [part] if part.strip() else []
            continue
        loose = part.split()
        if {"OR", "NOT"} & set(loose):
            raise BadRequest("$search finds entities that hold all words; OR and NOT are unknown.")
        words += [word for word in loose if word != "AND"]
    if not words or len(words) > MAX_WORDS:
        raise BadRequest(f"$search needs 1 to {MAX_WORDS} words.")
    return tuple(words)
