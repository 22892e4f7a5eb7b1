"""The data of the built-in APIs: entity sets over tables, their queries and their changes."""

from mintgate.store.records.attributes import Attribute, EntitySet, Kind
from mintgate.store.records.catalog import DATA_SETS, ENTITY_SETS
from mintgate.store.records.demo import fill_demo_data
from mintgate.store.records.problems import (
    NoSuchRecord,
    QueryProblem,
    RuleViolation,
    ValueProblem,
)
from mintgate.store.records.security_sets import APPLICATIONS, USERS

__all__ = [
    "APPLICATIONS",
    "DATA_SETS",
    "ENTITY_SETS",
    "USERS",
    "Attribute",
    "EntitySet",
    "Kind",
    "NoSuchRecord",
    "QueryProblem",
    "RuleViolation",
    "ValueProblem",
    "fill_demo_data",
]
