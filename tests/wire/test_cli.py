"""The `mintgate` program as people run it: a process, its files, its exit codes."""

from __future__ import annotations

import json
import os
import pty
import select
import shutil
import stat
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from mintgate.contract.identifiers import secret_hash
from tests.warm_program import run_command

OK, REFUSED, MISUSED = 0, 1, 2
SECRETS = {"SERVICE_SECRET": "service", "WEB_SECRET": "web", "ADMIN_PASSWORD": "admin-password"}


class Shell:
    """A working directory of its own, and an environment without anything of ours."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        ours = ("MINTGATE_", *SECRETS)
        kept = {k: v for k, v in os.environ.items() if not k.startswith(ours)}
        self.environment = {**kept, "COLUMNS": "200", "NO_COLOR": "1"}

    def __call__(
        self,
        *arguments: str,
        code: int = OK,
        text: str = "",
        environment: Mapping[str, str] | None = None,
    ) -> subprocess.CompletedProcess[str]:
        done = run_command(
            *arguments,
            cwd=self.directory,
            environment={**self.environment, **(environment or {})},
            text=text,
        )
        assert done.returncode == code, done.stdout + done.stderr
        assert "Traceback" not in done.stderr
        return done


@pytest.fixture
def mintgate(tmp_path: Path) -> Shell:
    return Shell(tmp_path)


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    shell = Shell(tmp_path_factory.mktemp("declared"))
    shell("init")
    shell("apply", "mintgate.toml", environment=SECRETS)
    return shell.directory


@pytest.fixture
def declared(template: Path, tmp_path: Path) -> Shell:
    """A directory in which the example is applied."""
    shutil.copytree(template, tmp_path, dirs_exist_ok=True)
    return Shell(tmp_path)


def test_init_writes_a_file_that_applies_twice_with_one_change(mintgate: Shell) -> None:
    assert "mintgate apply mintgate.toml" in mintgate("init").stdout
    assert "--force" in mintgate("init", code=REFUSED).stderr
    mintgate("init", "--force")
    first = mintgate("apply", "mintgate.toml", environment=SECRETS)
    assert "+ application my.trusted.app/service" in first.stdout
    assert "No change" in mintgate("apply", "mintgate.toml", environment=SECRETS).stdout
    key = mintgate.directory / "mintgate.key"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600


def test_problems_are_told_by_file_and_line_and_nothing_is_made(mintgate: Shell) -> None:
    mintgate("init")
    file = mintgate.directory / "mintgate.toml"
    file.write_text(file.read_text().replace("licences = 10", "licenses = 10"))
    refused = mintgate("apply", "mintgate.toml", code=REFUSED)
    assert "mintgate.toml:9: licenses: is not a key here; did you mean licences?" in refused.stderr
    assert "SERVICE_SECRET is not set" in refused.stderr
    assert "4 problems in mintgate.toml; nothing was applied" in refused.stderr
    assert {path.name for path in mintgate.directory.iterdir()} == {"mintgate.toml"}


def test_a_dry_run_tells_the_changes_and_makes_nothing(mintgate: Shell) -> None:
    mintgate("init")
    told = mintgate("apply", "mintgate.toml", "--dry-run", environment=SECRETS).stdout
    assert "+ instance main" in told
    assert "nothing was changed" in told
    assert {path.name for path in mintgate.directory.iterdir()} == {"mintgate.toml"}


def test_export_and_apply_round_trip(declared: Shell) -> None:
    exported = declared("export").stdout
    assert "PasswordHash" in exported
    assert "No change" in declared("apply", "-", text=exported).stdout
    assert "Hash =" not in declared("export", "--no-secrets").stdout
    declared("export", "-o", "copy.toml")
    copy = declared.directory / "copy.toml"
    assert copy.read_text() == exported
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600


def test_prune_is_shown_before_it_is_done(declared: Shell) -> None:
    file = declared.directory / "mintgate.toml"
    file.write_text(file.read_text().partition("[[applications]]")[0])
    dry = declared("apply", "mintgate.toml", "--prune", "--dry-run").stdout
    assert "- application my.trusted.app/web" in dry
    assert "warning: no administrator is left afterwards (now: 'admin')" in dry
    assert "5 removed" in declared("apply", "mintgate.toml", "--prune").stdout


def test_the_database_and_the_key_are_where_the_environment_says(mintgate: Shell) -> None:
    mintgate("init")
    key = "a2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2s="
    place = {"MINTGATE_DATABASE": "sqlite:///other.db", "MINTGATE_KEY_ENCRYPTION_KEY": key}
    mintgate("apply", "mintgate.toml", environment=SECRETS | place)
    names = {path.name for path in mintgate.directory.iterdir()}
    assert "other.db" in names
    assert "mintgate.key" not in names
    assert "my.trusted.app/web" in mintgate("app", "list", environment=place).stdout


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("sqlite:////nowhere/at/all.db", "unable to open database file"),
        ("mysql://host/name", "use sqlite or postgresql"),
        ("rubbish", "not a usable database URL"),
    ],
)
def test_a_database_that_cannot_be_used_is_told(mintgate: Shell, url: str, sentence: str) -> None:
    mintgate("init")
    arguments = ("apply", "mintgate.toml", "--database", url)
    assert sentence in mintgate(*arguments, code=REFUSED, environment=SECRETS).stderr


def test_commands_that_read_make_no_database(mintgate: Shell) -> None:
    told = mintgate("app", "list", code=REFUSED).stderr
    assert "there is no database at mintgate.db" in told
    assert list(mintgate.directory.iterdir()) == []


def test_several_instances_need_a_choice(declared: Shell) -> None:
    file = declared.directory / "mintgate.toml"
    text = file.read_text().replace('name = "main"', 'name = "second"').replace(":8080", ":8081")
    declared("apply", "-", text=text, environment=SECRETS)
    assert "--instance: main, second" in declared("user", "list", code=REFUSED).stderr
    declared("user", "list", "--instance", "second")
    declared("user", "list", environment={"MINTGATE_INSTANCE": "main"})
    assert "it has: main" in declared("user", "list", "--instance", "x", code=REFUSED).stderr


def test_an_application_from_its_first_to_its_last_day(declared: Shell) -> None:
    made = declared(
        *("app", "add", "new/app", "--name", "New", "--scope", "read"),
        *("--system-user", "svc.integration", "--redirect", "https://a.example/cb", "--generate"),
    )
    assert len(made.stdout.strip()) == 43
    shown = json.loads(declared("app", "show", "new/app", "--json").stdout)
    assert shown["SystemUser"] == "svc.integration"
    assert shown["HasSecret"] is True
    assert "ApplicationSecretHash" not in shown
    declared("app", "disable", "new/app")
    assert json.loads(declared("app", "show", "new/app", "--json").stdout)["IsEnabled"] is False
    declared("app", "enable", "new/app")
    declared("app", "set-secret", "new/app", "--secret-stdin", text="from-standard-input\n")
    assert secret_hash("from-standard-input") in declared("export").stdout
    declared("app", "remove", "new/app", "--yes")
    gone = declared("app", "show", "new/app", code=REFUSED).stderr
    assert "there is no application 'new/app'" in gone


def test_an_application_that_breaks_rules_is_refused(declared: Shell) -> None:
    refused = declared(
        *("app", "add", "MY.trusted.app/web", "--name", "x", "--type", "Public"),
        *("--redirect", "http://example.com/", "--scope", "write"),
        code=REFUSED,
    ).stderr
    for part in ("must use https", "unknown scope 'write'", "exists already"):
        assert part in refused
    told = declared("app", "set-secret", "mintgate.cli", "--generate", code=REFUSED).stderr
    assert "a Public application has no secret" in told


def test_which_declared_apis_an_application_may_call(declared: Shell) -> None:
    """[EXT-12]"""
    shops = '[[apis]]\nName = "Shop"\n[[apis]]\nName = "Store"\n'
    told = declared("apply", "-", text=declared("export").stdout + shops).stdout
    assert "Shop: no application lists it in Audiences" in told
    add = ("app", "add", "new/app", "--name", "New", "--scope", "read", "--generate")
    both = ("--audience", "Store", "--audience", "Shop")
    declared(*add, *both)
    assert 'Audiences = "Store Shop"' in declared("export").stdout
    assert "No change" in declared("apply", "-", text=declared("export").stdout).stdout
    change = ("app", "set-audiences", "new/app")
    declared("app", "secret", "rotate", "new/app")
    declared(*change, "--audience", "Shop")
    shown = json.loads(declared("app", "show", "new/app", "--json").stdout)
    assert shown["Audiences"] == "Shop"
    refused = declared(*change, "--audience", "shop", code=REFUSED).stderr
    assert "names 'shop', which the instance does not declare; declared are: Shop Store" in refused
    for wrong in (change, (*change, "--none", *both)):
        assert (
            "give --audience once for each API, or --none" in declared(*wrong, code=MISUSED).stderr
        )
    declared(*change, "--none")
    shown = json.loads(declared("app", "show", "new/app", "--json").stdout)
    assert shown["Audiences"] is None


def test_where_an_application_is_told_of_sign_outs(declared: Shell) -> None:
    """[EXT-3]"""
    web, url = "my.trusted.app/web", "https://app.example.com/back"
    front = ("--front-channel-logout-url", "http://127.0.0.1:9101/front")
    declared("app", "set-logout", web, "--back-channel-logout-url", url, *front)
    exported = declared("export").stdout
    assert f'BackChannelLogoutUrl = "{url}"' in exported
    assert f'FrontChannelLogoutUrl = "{front[1]}"' in exported
    settings = exported.replace("[instance]", "[instance]\nallow_private_logout_targets = true")
    assert "allow_private_logout_targets" in declared("apply", "-", text=settings).stdout
    assert "No change" in declared("apply", "-", text=declared("export").stdout).stdout
    declared("app", "set-logout", web, "--back-channel-logout-url", "")
    shown = json.loads(declared("app", "show", web, "--json").stdout)
    assert (shown["BackChannelLogoutUrl"], shown["FrontChannelLogoutUrl"]) == (None, front[1])
    wrong = ("app", "set-logout", web, "--front-channel-logout-url", "https://evil.example/")
    assert "one entry of ImpersonateLoginUrl" in declared(*wrong, code=REFUSED).stderr
    assert "give --back-channel" in declared("app", "set-logout", web, code=MISUSED).stderr
    add = ("app", "add", "x", "--name", "X", "--generate", "--back-channel-logout-url", "ftp://x")
    assert "BackChannelLogoutUrl" in declared(*add, code=REFUSED).stderr


def test_a_user_from_the_first_to_the_last_day(declared: Shell) -> None:
    declared(
        "user", "add", "jane", "--name", "Jane", "--password-env", "PW", environment={"PW": "jane"}
    )
    declared("user", "rename", "jane", "jane.doe")
    declared("user", "disable", "jane.doe")
    listed = json.loads(declared("user", "list", "--json").stdout)
    jane = next(user for user in listed if user["Login"] == "jane.doe")
    assert jane["Active"] is False
    declared("user", "enable", "jane.doe")
    declared("user", "set-password", "jane.doe", "--password-stdin", text="another\n")
    taken = declared("user", "rename", "jane.doe", "ADMIN", code=REFUSED).stderr
    assert "exists already" in taken
    guess = declared("user", "disable", "jane.do", code=REFUSED).stderr
    assert "did you mean jane.doe?" in guess


def test_secrets_come_from_one_place_and_never_from_an_argument(declared: Shell) -> None:
    argument = ("user", "set-password", "admin", "--password", "x")
    assert "No such option" in declared(*argument, code=MISUSED).stderr
    both = ("user", "set-password", "admin", "--generate", "--password-stdin")
    assert "give only one of" in declared(*both, code=MISUSED).stderr
    nowhere = declared("user", "set-password", "admin", code=MISUSED).stderr
    assert "there is no terminal to ask on" in nowhere
    bytes_only = ("user", "set-password", "admin", "--password-env", "PW")
    told = declared(*bytes_only, code=REFUSED, environment={"PW": "\udcff"}).stderr
    assert "must be UTF-8 text" in told
    empty = ("user", "set-password", "admin", "--password-stdin")
    assert "must not be empty" in declared(*empty, code=REFUSED).stderr


def test_a_password_is_asked_for_twice_and_not_shown(declared: Shell) -> None:
    program = [sys.executable, "-m", "mintgate.cli", "user", "set-password", "admin"]
    terminal, its_end = pty.openpty()
    asking = subprocess.Popen(
        program,
        cwd=declared.directory,
        env=declared.environment,
        stdin=its_end,
        stdout=its_end,
        stderr=its_end,
        start_new_session=True,
    )
    os.close(its_end)
    seen = b""
    for _ in range(2):
        seen += _read_until(terminal, b": ")
        os.write(terminal, b"typed-in\n")
    seen += _read_until(terminal, b"is changed.")
    assert asking.wait(timeout=30) == OK
    os.close(terminal)
    assert b"typed-in" not in seen


def _read_until(terminal: int, end: bytes) -> bytes:
    seen = b""
    while end not in seen:
        assert select.select([terminal], [], [], 30)[0], seen
        seen += os.read(terminal, 1024)
    return seen


def test_help_and_version_need_no_database(mintgate: Shell) -> None:
    assert mintgate("--version").stdout.startswith("mintgate ")
    told = mintgate("--help").stdout
    assert all(
        command in told for command in ("init", "apply", "export", "serve", "app", "user", "token")
    )
    assert "MINTGATE_DATABASE" in mintgate("apply", "--help").stdout
    assert mintgate("no-such-command", code=MISUSED).stdout == ""


def test_a_missing_extra_is_named(tmp_path: Path) -> None:
    for package, extra, arguments in (
        ("typer", "cli", ["--help"]),
        ("sqlalchemy", "server", ["app", "list"]),
    ):
        program = (
            f"import sys; sys.modules[{package!r}] = None; sys.argv[1:] = {arguments!r}; "
            "from mintgate.cli import main; main()"
        )
        done = subprocess.run(
            [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True
        )
        assert done.returncode == REFUSED
        assert f"pip install 'mintgate[{extra}]'" in done.stderr
        assert "Traceback" not in done.stderr
