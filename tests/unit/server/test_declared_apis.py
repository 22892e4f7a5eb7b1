"""Operator-defined APIs in the file: what is refused and where, and what comes of the rest."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from mintgate.contract.declared_apis import Limits, settings_of
from mintgate.contract.identifiers import secret_hash
from mintgate.contract.policy import Policy
from mintgate.identity import passwords
from mintgate.server import declaration as declarations
from mintgate.server.declaration import InvalidDeclaration, export
from mintgate.store import Database, apis, applications, audit, instances
from mintgate.store.apis import StoredApi
from tests.unit.server.declared_example import (
    CHEAP_HASHER,
    EXAMPLE,
    a_database,
    applied,
    told,
)

WEB = "my.trusted.app/web"
# After the header of [[apis]] and the name of DomainAPI come its further keys.
SHOP = """
[[apis]]
Name = "Shop"
Secret = "shop-secret"
limits = { per_session = 120, per_address = 60 }

[apis.policy]
read_methods = ["GET"]
update_methods = ["*"]
security = [
  "/admin",
  "Sec_*",
]
reading = ["/search"]
batch = true
"""
WITH_SHOP = EXAMPLE.replace('Scope = "read"\n', 'Scope = "read"\nAudiences = "Shop"\n') + SHOP


@pytest.fixture(autouse=True)
def cheap_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passwords, "_hasher", CHEAP_HASHER)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    with a_database(tmp_path / "mintgate.db") as database:
        yield database


def line_of(text: str, fragment: str) -> int:
    """The line of the last place where the fragment stands."""
    return text[: text.rindex(fragment)].count("\n") + 1


def replaced(old: str, new: str) -> str:
    head, found, tail = WITH_SHOP.rpartition(old)
    assert found
    return head + new + tail


def builtin(key: str) -> str:
    return WITH_SHOP.replace('Name = "DomainAPI"\n', f'Name = "DomainAPI"\n{key}\n', 1)


def twice(name: str) -> str:
    return WITH_SHOP + f'[[apis]]\nName = "{name}"\n'


# The text, a fragment of the line that is blamed, the key, and part of the sentence.
REFUSED: dict[str, tuple[str, str, str, str]] = {
    "TOP-5": (twice("olap"), 'Name = "olap"', "Name", "is written OLAP"),
    "quote": (twice("Sh'op"), 'Name = "Sh\'op"', "Name", "without spaces, colons, quotes"),
    "TOK-50 name": (twice("a/resources"), "a/resources", "Name", "must not end in /resources"),
    "long": (twice("a" * 65), "a" * 65, "Name", "at most 64"),
    "twice": (twice("Shop"), 'Name = "Shop"', "Name", "declared twice"),
    "any case": (twice("SHOP"), 'Name = "SHOP"', "Name", "unique in any case"),
    "built-in policy": (
        builtin('policy = { read_methods = ["GET"] }'),
        "policy = {",
        "policy",
        "is built in and cannot be changed",
    ),
    "built-in policy, empty": (builtin("policy = {}"), "policy = {}", "policy", "is built in"),
    "policy not a table": (
        builtin("policy = 1"),
        "policy = 1",
        "policy",
        "must be a table with: read_methods, update_methods, security",
    ),
    "policy unknown key": (
        replaced("batch = true", "batches = true"),
        "batches",
        "batches",
        "did you mean batch?",
    ),
    "policy wrong kind": (
        replaced("batch = true", "batch = 1"),
        "batch = 1",
        "batch",
        "must be true or false",
    ),
    "policy not a list": (
        replaced('reading = ["/search"]', 'reading = "/search"'),
        "reading",
        "reading",
        "must be a list of texts",
    ),
    "policy method": (
        replaced('["GET"]', '["get"]'),
        "read_methods",
        "read_methods",
        "in upper case",
    ),
    "policy both": (
        replaced('["*"]', '["GET"]'),
        "update_methods",
        "update_methods",
        "read_methods has as well",
    ),
    "policy both, by default": (
        replaced('["GET"]\nupdate_methods = ["*"]', '["POST"]'),
        "[apis.policy]",
        "update_methods",
        "has POST",
    ),
    "policy place": (replaced('"Sec_*"', '"a/b"'), "security", "security", "begin with a slash"),
    "limit negative": (
        replaced("per_session = 120", "per_session = -1"),
        "per_session",
        "per_session",
        "between 0 (off) and 1000000",
    ),
    "limit kind": (
        replaced("per_session = 120", 'per_session = "120"'),
        "per_session",
        "per_session",
        "must be a whole number",
    ),
    "limit unknown": (
        replaced("per_session", "per_sesion"),
        "per_sesion",
        "per_sesion",
        "did you mean per_session?",
    ),
    "LEG-15": (
        replaced('Name = "Shop"\n', f'Name = "Shop"\nbasic_client = "{WEB}"\n'),
        "basic_client",
        "basic_client",
        "for DomainAPI and TableAPI only",
    ),
    "LEG-4": (
        builtin('basic_client = "my.trusted.app/WEB"'),
        "basic_client",
        "basic_client",
        "there is no application 'my.trusted.app/WEB'",
    ),
    "EXT-12 not declared": (
        replaced('Audiences = "Shop"', 'Audiences = "Shop Stock"'),
        "Audiences",
        "Audiences",
        "names 'Stock', which the instance does not declare; declared are: Shop",
    ),
    "EXT-12 exact": (
        replaced('Audiences = "Shop"', 'Audiences = "shop"'),
        "Audiences",
        "Audiences",
        "names 'shop'",
    ),
    "EXT-12 twice": (
        replaced('Audiences = "Shop"', 'Audiences = "Shop Shop"'),
        "Audiences",
        "Audiences",
        "twice",
    ),
    "TOK-50 built in": (
        replaced('Audiences = "Shop"', 'Audiences = "Shop DomainAPI"'),
        "Audiences",
        "Audiences",
        "must not name DomainAPI",
    ),
    "EXT-12 none": (
        EXAMPLE.replace('Scope = "read"\n', 'Scope = "read"\nAudiences = "Shop"\n'),
        "Audiences",
        "Audiences",
        "none is declared yet",
    ),
}


@pytest.mark.parametrize("rule", REFUSED)
def test_what_is_wrong_is_told_where_it_stands(database: Database, rule: str) -> None:
    text, fragment, key, sentence = REFUSED[rule]
    with pytest.raises(InvalidDeclaration) as refused:
        applied(database, text)
    (problem,) = refused.value.problems
    assert (problem.key, problem.line) == (key, line_of(text, fragment))
    assert sentence in problem.sentence
    assert database.read_now(instances.all_of) == []


def test_all_of_it_is_stored_told_and_audited(database: Database) -> None:
    planned = applied(database, WITH_SHOP)
    instance_id = planned.instance.id
    assert told(planned)[-2:] == ["api added DomainAPI", "api added Shop"]
    assert planned.warnings == ()
    shop = StoredApi(
        settings=settings_of(
            "Shop",
            Policy(
                read_methods=("GET",),
                update_methods=("*",),
                security=("/admin", "Sec_*"),
                reading=("/search",),
                batch=True,
            ),
            Limits(per_session=120, per_address=60),
        ),
        secret_hash=secret_hash("shop-secret"),
    )
    assert database.read_now(lambda c: apis.all_of(c, instance_id))[1] == shop
    web = database.read_now(lambda c: applications.by_uri(c, instance_id, WEB))
    assert web is not None
    assert web.audience_names == ("Shop",)
    assert applied(database, WITH_SHOP).changes == ()
    changed = applied(database, replaced("per_session = 120", "per_session = 90, per_user = 1"))
    assert [
        (d.attribute, d.before, d.after)
        for change in changed.changes
        for d in declarations.differences_of(change, {})
    ] == [("limits.per_session", "120", "90"), ("limits.per_user", None, "1")]
    events = database.read_now(lambda connection: audit.latest(connection, instance_id))
    (event,) = (e for e in events if e.event == "api.changed")
    assert event.details == {
        "name": "Shop",
        "before": {"limits.per_session": 120},
        "after": {"limits.per_session": 90, "limits.per_user": 1},
    }
    (added,) = (e for e in events if e.event == "api.added" and "policy" in repr(e))
    assert added.details is not None
    assert added.details["after"]["SecretHash"] == "(set)"
    assert secret_hash("shop-secret") not in repr(events)


def test_an_export_makes_the_same_apis_elsewhere(database: Database, tmp_path: Path) -> None:
    basic = 'basic_client = "my.trusted.app/web"\nlimits = { per_session = 0 }'
    text = builtin(basic) + '[[apis]]\nName = "Plain"\n'
    instance = applied(database, text).instance
    exported = export(database, instance)
    assert "[apis.policy]" in exported
    assert applied(database, exported, prune=True).changes == ()
    with a_database(tmp_path / "elsewhere.db") as elsewhere:
        applied(elsewhere, exported)
        there = elsewhere.read_now(instances.all_of)[0]
        assert export(elsewhere, there) == exported
        assert elsewhere.read_now(lambda c: apis.all_of(c, there.id)) == database.read_now(
            lambda c: apis.all_of(c, instance.id)
        )
    bare = export(database, instance, secrets=False)
    assert "SecretHash" not in bare
    assert applied(database, bare).changes == ()


def test_what_the_file_leaves_out_is_the_default_again(database: Database) -> None:
    applied(database, WITH_SHOP)
    head, _, _ = WITH_SHOP.partition("limits = {")
    planned = applied(database, head)
    (change,) = planned.changes
    removed = {d.attribute: d.after for d in declarations.differences_of(change, {})}
    assert removed["limits.per_session"] is None
    assert removed["policy.security"] is None
    stored = database.read_now(lambda c: apis.all_of(c, planned.instance.id))
    assert stored[1].settings == settings_of("Shop")
    assert stored[1].secret_hash == secret_hash("shop-secret")


def test_pruning_an_api_needs_its_name_out_of_every_list(database: Database) -> None:
    applied(database, WITH_SHOP)
    without = WITH_SHOP.replace(SHOP, "")
    assert applied(database, without).changes == ()  # it is in the database
    with pytest.raises(InvalidDeclaration, match="Audiences: names 'Shop'"):
        applied(database, without, prune=True)
    planned = applied(database, EXAMPLE, prune=True)
    assert "api removed Shop" in told(planned)
    renamed = EXAMPLE + SHOP.replace("Shop", "SHOP")
    applied(database, renamed)
    with pytest.raises(InvalidDeclaration, match="there is the stored API 'SHOP'; --prune"):
        applied(database, EXAMPLE + SHOP)
    planned = applied(database, EXAMPLE + SHOP, prune=True)
    assert told(planned) == ["api removed SHOP", "api added Shop"]


def test_what_is_probably_not_meant(database: Database) -> None:
    unlisted = applied(database, EXAMPLE + SHOP).warnings
    assert [w for w in unlisted if "no application lists it in Audiences" in w]
    text = builtin('basic_client = "my.trusted.app/web"')
    assert [w for w in applied(database, text).warnings if "BasicAuthenticationAllowed" in w]
    allowed = text.replace("Audiences =", "BasicAuthenticationAllowed = true\nAudiences =")
    assert applied(database, allowed).warnings == ()
