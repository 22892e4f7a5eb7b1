"""What an answer shows: `$select` and `$expand` as attributes of entity sets [API-62, API-63]."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from mintgate.apis.odata.problems import BadRequest
from mintgate.store.records import ENTITY_SETS, Attribute, EntitySet

MAX_DEPTH = 4
MAX_EXPANDED = 30


class Shape(msgspec.Struct, frozen=True):
    """The attributes that an entity shows, and the shapes of the references that it opens.

    `selected` is the text of `$select` as the context URL repeats it.
    """

    attributes: tuple[Attribute, ...]
    expanded: dict[str, Shape]
    selected: str | None = None


def shape_of(entity_set: EntitySet, select: str | None, expand: str | None) -> Shape:
    """The shape that the two options describe.

    Raises:
        BadRequest: an unknown or a secret attribute [API-72], or too much nesting.
    """
    return _shape(entity_set, select, expand, 1)


def _shape(entity_set: EntitySet, select: str | None, expand: str | None, depth: int) -> Shape:
    expanded = dict(_expanded(entity_set, expand, depth)) if expand is not None else {}
    names = {a.name for a in _selected(entity_set, select)} | set(expanded)
    attributes = tuple(a for a in entity_set.attributes if a.name in names)
    if select is None:
        return Shape(attributes, expanded)
    return Shape(attributes, expanded, ",".join(a.name for a in attributes))


def _selected(entity_set: EntitySet, select: str | None) -> Iterator[Attribute]:
    for item in [] if select is None else select.split(","):
        name = item.strip()
        if name == "*":
            yield from entity_set.visible
        elif name == "default":
            yield from entity_set.defaults
        else:
            yield _readable(entity_set, name, "$select")
    if select is None:
        yield from entity_set.defaults


def _expanded(entity_set: EntitySet, expand: str, depth: int) -> Iterator[tuple[str, Shape]]:
    items = list(_split(expand, ","))
    if depth > MAX_DEPTH or len(items) > MAX_EXPANDED:
        raise BadRequest("$expand is too deep or too long.")
    for item in items:
        name, parenthesis, rest = item.partition("(")
        if parenthesis and not rest.endswith(")"):
            raise BadRequest("$expand has a parenthesis without its pair.")
        if name == "*":
            references = [a for a in entity_set.visible if a.target is not None]
        else:
            references = [_readable(entity_set, name.strip(), "$expand")]
        options = _options(rest[:-1] if parenthesis else "")
        for reference in references:
            if reference.target is None:
                raise BadRequest(f"$expand: {reference.name} is not a reference.")
            target = ENTITY_SETS[reference.target]
            shape = _shape(target, options.get("$select"), options.get("$expand"), depth + 1)
            yield reference.name, shape


def _options(text: str) -> dict[str, str]:
    options: dict[str, str] = {}
    for item in _split(text, ";") if text.strip() else ():
        name, equals, value = item.partition("=")
        if name.strip() not in {"$select", "$expand"} or not equals or name.strip() in options:
            raise BadRequest("$expand takes $select and $expand in parentheses.")
        options[name.strip()] = value
    return options


def _split(text: str, separator: str) -> Iterator[str]:
    """The parts between separators that stand in no parenthesis."""
    depth = start = 0
    for index, character in enumerate(text):
        depth += (character == "(") - (character == ")")
        if character == separator and depth == 0:
            yield text[start:index].strip()
            start = index + 1
        if depth < 0:
            break
    if depth != 0:
        raise BadRequest("$expand has a parenthesis without its pair.")
    yield text[start:].strip()


def _readable(entity_set: EntitySet, name: str, option: str) -> Attribute:
    attribute = entity_set.attribute(name)
    if attribute is None:
        raise BadRequest(f"{option}: {entity_set.name} has no attribute {name[:64]!r}.")
    if attribute.is_secret:  # [API-72]
        raise BadRequest(f"{option}: {name} can be written and never read.")
    return attribute
