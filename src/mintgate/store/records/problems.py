"""What can be wrong with a query or a change of data; the caller may read every message."""

from __future__ import annotations


class QueryProblem(Exception):
    """A query that cannot be understood: unknown attribute, wrong type, too much of something."""


class ValueProblem(Exception):
    """A body with an unknown attribute, a missing one, or a value of the wrong type [API-42]."""


class RuleViolation(Exception):
    """A change that a business rule forbids, such as a number that is taken [API-42]."""


class NoSuchRecord(Exception):
    """The addressed entity does not exist [API-43]."""
