"""The declared file: what is read, and what is said about each mistake with its line."""

from __future__ import annotations

import math
import re
import tomllib
from pathlib import Path

import msgspec
import pytest

from mintgate.contract.applications import ReferenceTokenPolicy, TrustedApplication
from mintgate.contract.identifiers import secret_hash
from mintgate.contract.users import ATTRIBUTES as USER_FIELDS
from mintgate.contract.users import User
from mintgate.server.declaration import InvalidDeclaration, keys, read
from mintgate.server.declaration.locate import Path as KeyPath
from mintgate.server.declaration.locate import lines_of

INSTANCE = '[instance]\nname = "i"\ndatabase = "d"\nbase_url = "http://127.0.0.1:8080"\n'
"""Four lines; the next one is line 5."""

ODD_TOML = '''# comment with = and [brackets]
top.dotted."quoted key" = 1

[instance]   # after a header
name = "with # and ] and = inside" # comment
text = """
[not.a.header]
key = "no key"
"""
literal = \'\'\'
[[nor.this]]\'\'\'
quotes = """a quote at the end""""
list = [  # one
  "a", # two
  { inner = "x", other = [1, 2] },
]
when = 1979-05-27 07:32:00
[[applications]]
Name.en = "first"
Name.bg = "първо"
[applications.nested]
deep = true
[[applications]]
"Name" = { en = "second", \'bg\' = \'второ\' }
ApplicationSecret.env = "NAME"
[[applications.children]]
x = 1
[[applications.children]]
x = 2
'''


def test_every_key_of_an_odd_file_is_found_on_its_line() -> None:
    lines = lines_of(ODD_TOML)
    expected: dict[KeyPath, int] = {
        ("top", "dotted", "quoted key"): 2,
        ("instance",): 4,
        ("instance", "name"): 5,
        ("instance", "text"): 6,
        ("instance", "literal"): 10,
        ("instance", "quotes"): 12,
        ("instance", "list"): 13,
        ("instance", "list", 1, "inner"): 15,
        ("instance", "when"): 17,
        ("applications", 0): 18,
        ("applications", 0, "Name", "bg"): 20,
        ("applications", 0, "nested", "deep"): 22,
        ("applications", 1): 23,
        ("applications", 1, "Name"): 24,
        ("applications", 1, "Name", "bg"): 24,
        ("applications", 1, "ApplicationSecret", "env"): 25,
        ("applications", 1, "children", 0, "x"): 27,
        ("applications", 1, "children", 1, "x"): 29,
    }
    assert {path: lines.get(path) for path in expected} == expected


@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_every_key_that_tomllib_reads_has_a_line_and_no_other(line_end: str) -> None:
    text = ODD_TOML.replace("\n", line_end)
    found = {path for path in lines_of(text) if isinstance(path[-1], str)}
    assert found == set(_paths(tomllib.loads(text), ()))


def _paths(value: object, path: KeyPath) -> list[KeyPath]:
    if isinstance(value, dict):
        nested = [p for key, inner in value.items() for p in _paths(inner, (*path, key))]
        return [*([path] if path and isinstance(path[-1], str) else []), *nested]
    if isinstance(value, list):
        nested = [p for n, inner in enumerate(value) for p in _paths(inner, (*path, n))]
        return [path, *nested] if isinstance(path[-1], str) else nested
    return [path] if isinstance(path[-1], str) else []


APPLICATION = '[[applications]]\nApplicationUri = "a"\nName = "A"\n'
USER = '[[users]]\nLogin = "u"\nName = "U"\nUserType = "SystemUserNoLogin"\n'

MISTAKES = {
    "line break": (APPLICATION + 'Scope = "read\\nupdate"\n', 8, "Scope", "or line breaks"),
    "unknown table": ("[aplications]\n", 5, "aplications", "did you mean applications?"),
    "table instead of list": (
        '[users]\nLogin = "u"\n', 5, "users", "write [[users]] above each",
    ),
    "unknown key": (APPLICATION + 'scope = "read"\n', 8, "scope", "did you mean Scope?"),
    "unknown key lists what is allowed": (APPLICATION + "x = 1\n", 8, "x", "ImpersonateLoginUrl"),
    "key of the second application": (
        APPLICATION + APPLICATION.replace('"a"', '"b"') + "Scop = 1\n", 11, "Scop", "Scope?",
    ),
    "missing key, told at the table": (
        '[[applications]]\nName = "A"\n', 5, "ApplicationUri", "is missing",
    ),
    "text expected": (APPLICATION + "Scope = 3\n", 8, "Scope", "must be a text in quotes"),
    "flag expected": (APPLICATION + 'IsEnabled = "yes"\n', 8, "IsEnabled", "true or false"),
    "number expected": (USER + "LockoutEndUtc = 3\n", 9, "LockoutEndUtc", "2031-01-31T12:00:00Z"),
    "TAP-5": (
        APPLICATION + 'ClientType = "confidential"\n',
        8,
        "ClientType",
        "must be one of 'Confidential', 'Public', 'None'",
    ),
    "TAP-15 both spellings": (
        APPLICATION + 'ReferenceTokens = "None"\nAccessTokens = "None"\n',
        9,
        "AccessTokens",
        "is another name of ReferenceTokens",
    ),
    "USR-3 both spellings": (
        USER + "EmailVerified = true\nEmailConfirmed = true\n",
        9,
        "EmailVerified",
        "another name of EmailConfirmed",
    ),
    "USR-6 both spellings": (
        USER + 'Locale = "bg"\nDefaultLanguage = "bg"\n', 9, "Locale", "another name",
    ),
    "TAP-6 not a digest": (
        APPLICATION + 'ApplicationSecretHash = "abc"\n', 8, "ApplicationSecretHash", "SHA-256",
    ),
    "secret and hash": (
        APPLICATION + f'ApplicationSecret = "s"\nApplicationSecretHash = "{secret_hash("s")}"\n',
        9,
        "ApplicationSecretHash",
        "together with ApplicationSecret",
    ),
    "variable not set": (
        APPLICATION + 'ApplicationSecret = { env = "NOT_SET" }\n',
        8,
        "ApplicationSecret",
        "the environment variable NOT_SET is not set",
    ),
    "variable empty": (
        APPLICATION + 'ApplicationSecret = { env = "EMPTY" }\n', 8, "ApplicationSecret", "empty",
    ),
    "variable where no secret is": (
        APPLICATION + 'Scope = { env = "SET" }\n', 8, "Scope", "only a secret may be { env",
    ),
    "variable in dotted form": (
        APPLICATION + '[applications.ApplicationSecret]\nenv = "NOT_SET"\n',
        8,
        "ApplicationSecret",
        "NOT_SET",
    ),
    "EXT-1 MD5": (
        USER + 'PasswordHash = "5f4dcc3b5aa765d61d8327deb882cf99"\n',
        9,
        "PasswordHash",
        "MD5 is not accepted",
    ),
    "name in no language": (USER.replace('"U"', "3"), 7, "Name", "a table by language"),
    "Id": (USER + 'Id = "7"\n', 9, "Id", "must be a GUID"),
    "API": ("[[apis]]\nSecret = 3\nName = 'DomainAPI'\n", 6, "Secret", "must be a text"),
}  # fmt: skip


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_told_by_line_key_and_what_is_allowed(name: str) -> None:
    text, line, key, sentence = MISTAKES[name]
    problems = read(INSTANCE + text, {"EMPTY": "", "SET": "x"}).problems
    assert len(problems) == 1, problems
    assert (problems[0].line, problems[0].key) == (line, key)
    assert sentence in problems[0].sentence


@pytest.mark.parametrize(
    ("text", "line", "sentence"),
    [
        ("[instance\n", 1, "not TOML"),
        (INSTANCE + "name = ", 5, "not TOML"),
        (INSTANCE + "name = 'again'\n", 5, "overwrite"),
        ("", None, "[instance] with name, database and base_url"),
        (INSTANCE.replace('"d"', "4"), 3, "must be a text"),
    ],
)
def test_a_file_without_a_readable_instance_is_refused(
    text: str, line: int | None, sentence: str
) -> None:
    with pytest.raises(InvalidDeclaration) as refused:
        read(text, {})
    assert refused.value.problems[0].line == line
    assert sentence in refused.value.problems[0].sentence


def test_all_mistakes_of_a_file_are_told_at_once() -> None:
    text = INSTANCE + APPLICATION + "x = 1\nScope = 1\n" + USER + "IsAdmin = 1\n"
    assert [problem.line for problem in read(text, {}).problems] == [8, 9, 14]


def test_a_secret_is_in_no_message_and_no_representation() -> None:
    text = INSTANCE + USER + 'Password = "hush-hush"\nPasswordHash = "hush-hush"\nEmail = 3\n'
    declaration = read(text, {})
    assert len(declaration.problems) == 3
    assert "hush" not in repr(declaration) + "".join(map(str, declaration.problems))


def test_names_are_english_or_by_language() -> None:
    text = INSTANCE + APPLICATION + USER.replace('"U"', '{ en = "U", bg = "Ю" }')
    declaration = read(text, {})
    assert declaration.applications[0].record.name == {"en": "A"}
    assert declaration.users[0].record.name == {"en": "U", "bg": "Ю"}


def test_aliases_are_read() -> None:
    user = 'EmailVerified = true\nLocale = "bg"\n'
    application = 'AccessTokens = "AdministratorsOnly"\n'
    declaration = read(INSTANCE + APPLICATION + application + USER + user, {})
    assert declaration.users[0].record.email_confirmed
    assert declaration.users[0].record.default_language == "bg"
    policy = declaration.applications[0].record.reference_tokens
    assert policy is ReferenceTokenPolicy.ADMINISTRATORS_ONLY


def test_a_lock_is_a_time_or_has_no_end() -> None:
    bounded = read(INSTANCE + USER + "LockoutEndUtc = 1970-01-01T01:00:10+01:00\n", {})
    assert bounded.users[0].record.locked_until == 10
    unbounded = read(INSTANCE + USER + "LockoutEndUtc = inf\n", {})
    assert unbounded.users[0].record.locked_until == math.inf


def test_a_variable_that_is_not_text_is_refused() -> None:
    text = INSTANCE + USER + 'Password = { env = "BYTES" }\n'
    assert "UTF-8" in read(text, {"BYTES": "\udcff"}).problems[0].sentence


@pytest.mark.parametrize(
    ("table", "shape"),
    [
        ("[instance]", keys.INSTANCE),
        ("[[apis]]", keys.api({})),
        ("[apis.policy]", keys.POLICY),
        ("[apis.limits]", keys.LIMITS),
        ("[[applications]]", keys.application({})),
        ("[[users]]", keys.user({})),
    ],
)
def test_every_key_is_documented(table: str, shape: keys.TableShape) -> None:
    page = Path(__file__).parents[3].joinpath("docs", "declared-instance.md").read_text("utf-8")
    section = re.split(r"\n##+ ", page.partition(f"## `{table}`")[2])[0]
    told = set(re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE))
    assert told == {*shape.kinds, *shape.tables}
    assert all(f"alias `{alias}`" in section for alias in shape.aliases)


def test_every_attribute_of_the_records_can_be_declared() -> None:
    read_only = {"CreationTimeUtc", "ApplicationSecretMadeUtc", "SecondSecretMadeUtc"}
    application = set(TrustedApplication.__struct_encode_fields__) - read_only
    assert application == set(keys.application({}).kinds) - {"ApplicationSecret", "SecondSecret"}
    user = set(keys.user({}).kinds) - {"Password", "PasswordHash"}
    assert user == set(USER_FIELDS)
    assert {field.name for field in msgspec.structs.fields(User)} == set(USER_FIELDS.values())
