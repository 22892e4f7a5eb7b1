"""What is wrong with the declared APIs [ITR-1, EXT-12]."""

from __future__ import annotations

from collections.abc import Iterator

from mintgate.contract import declared_apis as rules
from mintgate.server.declaration.model import Declaration, DeclaredApi
from mintgate.server.declaration.problems import Problem
from mintgate.server.declaration.resolve import Resolved
from mintgate.server.declaration.stored import Stored


def api_problems(declaration: Declaration, resolved: Resolved, stored: Stored) -> Iterator[Problem]:
    """Everything that forbids an API to be as it is declared."""
    yield from _problems_of_names(declaration, resolved, stored)
    applications = {a.application_uri for a in resolved.applications_afterwards}
    for api in declaration.apis:
        yield from _problems_of_settings(api)
        yield from _problems_of_basic_client(api, applications)


def names_afterwards(
    declaration: Declaration, resolved: Resolved, stored: Stored
) -> frozenset[str]:
    """The declared APIs that there are when all is applied."""
    kept = stored.apis.keys() - set(resolved.removed_apis)
    return frozenset(kept | {api.name for api in declaration.apis})


def _problems_of_names(
    declaration: Declaration, resolved: Resolved, stored: Stored
) -> Iterator[Problem]:
    declared = {api.name for api in declaration.apis}
    # Two names that differ in case only would be taken for one another by people.
    owners = {
        name.lower(): f"the stored API {name!r}; --prune removes it"
        for name in stored.apis.keys() - declared - set(resolved.removed_apis)
    }
    seen: set[str] = set()
    for api in declaration.apis:
        problem = rules.problem_of_name(api.name)
        if problem is not None:
            yield api.source.problem("Name", problem)
        elif api.name in seen:
            yield api.source.problem("Name", f"{api.name!r} is declared twice")
        elif api.name.lower() in owners:
            owner = owners[api.name.lower()]
            sentence = f"{api.name!r} must be unique in any case, and there is {owner}"
            yield api.source.problem("Name", sentence)
        seen.add(api.name)
        owners.setdefault(api.name.lower(), f"{api.name!r} in this file")


def _problems_of_settings(api: DeclaredApi) -> Iterator[Problem]:
    if api.policy is not None:
        for key, sentence in rules.problems_of_policy(api.name, api.policy):
            inside = api.source.inside("policy")
            yield inside.problem(key, sentence) if key else api.source.problem("policy", sentence)
    for key, sentence in rules.problems_of_limits(api.limits):
        yield api.source.inside("limits").problem(key, sentence)


def _problems_of_basic_client(api: DeclaredApi, applications: set[str]) -> Iterator[Problem]:
    if api.basic_client is None:
        return
    problem = rules.problem_of_basic_client(api.name)
    if problem is None and api.basic_client not in applications:
        problem = f"there is no application {api.basic_client!r}; give its ApplicationUri"
    if problem is not None:
        yield api.source.problem("basic_client", problem)
