"""The metadata document (CSDL XML 4.0) and the service document."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from typing import Any
from xml.etree import ElementTree as Xml

from mintgate.store.records import ENTITY_SETS, Attribute, EntitySet, Kind

_EDMX = "http://docs.oasis-open.org/odata/ns/edmx"
_EDM = "http://docs.oasis-open.org/odata/ns/edm"
NAMESPACE = "Erp"
_TYPES = {
    Kind.STRING: "Edm.String",
    Kind.DISPLAY: "Edm.String",
    Kind.BOOLEAN: "Edm.Boolean",
    Kind.INTEGER: "Edm.Int32",
    Kind.AMOUNT: f"{NAMESPACE}.Amount",
    Kind.DECIMAL: "Edm.Decimal",
    Kind.DATE: "Edm.DateTimeOffset",
    Kind.TIME: "Edm.DateTimeOffset",
    Kind.TRANSLATED: f"{NAMESPACE}.MultilanguageString",
    Kind.GUID: "Edm.Guid",
}


def service_document(odata_root: str, names: Iterable[str] = ENTITY_SETS) -> dict[str, Any]:
    """The list of entity sets (OData JSON §5)."""
    return {
        "@odata.context": f"{odata_root}$metadata",
        "value": [{"name": n, "kind": "EntitySet", "url": n} for n in names],
    }


@lru_cache(maxsize=1)
def metadata_document() -> bytes:
    """That of the DomainAPI."""
    return document_of(tuple(ENTITY_SETS.values()))


def document_of(entity_sets: Sequence[EntitySet]) -> bytes:
    """Every entity type, enumeration and set; attributes that are secret are not in it [API-72]."""
    root = Xml.Element("edmx:Edmx", {"xmlns:edmx": _EDMX, "Version": "4.0"})
    services = Xml.SubElement(root, "edmx:DataServices")
    schema = Xml.SubElement(services, "Schema", {"xmlns": _EDM, "Namespace": NAMESPACE})
    for entity_set in entity_sets:
        _entity_type(schema, entity_set)
    for entity_set in entity_sets:
        for attribute in entity_set.attributes:
            if attribute.kind is Kind.ENUM:
                _enumeration(schema, entity_set, attribute)
    amount = Xml.SubElement(schema, "ComplexType", {"Name": "Amount"})
    Xml.SubElement(
        amount,
        "Property",
        {"Name": "Value", "Type": "Edm.Decimal", "Nullable": "false", "Scale": "2"},
    )
    Xml.SubElement(amount, "Property", {"Name": "Currency", "Type": "Edm.String", "MaxLength": "3"})
    # Its properties are languages, so it is open.
    Xml.SubElement(schema, "ComplexType", {"Name": "MultilanguageString", "OpenType": "true"})
    container = Xml.SubElement(schema, "EntityContainer", {"Name": "Container"})
    for entity_set in entity_sets:
        _set(container, entity_set)
    document: bytes = Xml.tostring(root, encoding="utf-8", xml_declaration=True)
    return document


def _visible(entity_set: EntitySet) -> Iterator[Attribute]:
    return (attribute for attribute in entity_set.attributes if not attribute.is_secret)


def _entity_type(schema: Xml.Element, entity_set: EntitySet) -> None:
    entity = Xml.SubElement(schema, "EntityType", {"Name": entity_set.type_name})
    Xml.SubElement(Xml.SubElement(entity, "Key"), "PropertyRef", {"Name": "Id"})
    for attribute in _visible(entity_set):
        nullable = not attribute.required and attribute.default is None
        facets = {"Name": attribute.name, "Type": _type(entity_set, attribute)}
        if not nullable:
            facets["Nullable"] = "false"
        if attribute.max_length and attribute.kind is Kind.STRING:
            facets["MaxLength"] = str(attribute.max_length)
        if attribute.kind is Kind.DECIMAL:
            facets["Scale"] = "2"
        tag = "NavigationProperty" if attribute.kind is Kind.REFERENCE else "Property"
        Xml.SubElement(entity, tag, facets)


def _type(entity_set: EntitySet, attribute: Attribute) -> str:
    if attribute.kind is Kind.REFERENCE:
        return f"{NAMESPACE}.{ENTITY_SETS[attribute.target or ''].type_name}"
    if attribute.kind is Kind.ENUM:
        return f"{NAMESPACE}.{_enumeration_name(entity_set, attribute)}"
    return _TYPES[attribute.kind]


def _enumeration_name(entity_set: EntitySet, attribute: Attribute) -> str:
    return f"{entity_set.type_name}_{attribute.name}"


def _enumeration(schema: Xml.Element, entity_set: EntitySet, attribute: Attribute) -> None:
    name = _enumeration_name(entity_set, attribute)
    enumeration = Xml.SubElement(schema, "EnumType", {"Name": name})
    for value, option in enumerate(attribute.options):
        Xml.SubElement(enumeration, "Member", {"Name": option, "Value": str(value)})


def _set(container: Xml.Element, entity_set: EntitySet) -> None:
    element = Xml.SubElement(
        container,
        "EntitySet",
        {"Name": entity_set.name, "EntityType": f"{NAMESPACE}.{entity_set.type_name}"},
    )
    for attribute in _visible(entity_set):
        if attribute.target is not None:
            Xml.SubElement(
                element,
                "NavigationPropertyBinding",
                {"Path": attribute.name, "Target": attribute.target},
            )
