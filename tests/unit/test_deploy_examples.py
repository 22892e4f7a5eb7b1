"""The files of examples/deploy say what this program and its neighbours understand."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml
from typer.main import get_command

from mintgate.cli.commands import app
from mintgate.cli.setting_files import NAMES
from mintgate.server.application import HEALTH_PATHS
from mintgate.store.key_encryption import KEY_VARIABLE

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "examples" / "deploy"
CONTAINERFILE = (DEPLOY / "Containerfile").read_text()
UNIT = (DEPLOY / "mintgate.service").read_text()
COMPOSE = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
NGINX = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")


def serve_options() -> tuple[set[str], set[str]]:
    """The options of `mintgate serve`, and the variables that stand for them."""
    command = get_command(app).commands["serve"]  # type: ignore[attr-defined]
    options = {name for parameter in command.params for name in parameter.opts}
    variables = {p.envvar for p in command.params if p.envvar}
    return options, variables | {f"{name}_FILE" for name in NAMES} | {KEY_VARIABLE}


def require_understood(arguments: list[str]) -> None:
    assert arguments[0] == "serve"
    options, _ = serve_options()
    assert {one for one in arguments if one.startswith("--")} <= options


def test_the_unit_is_understood() -> None:
    [start] = re.findall(r"^ExecStart=/opt/mintgate/bin/mintgate (.*)$", UNIT, re.MULTILINE)
    require_understood(start.split())
    set_here = set(re.findall(r"^(?:# )?Environment=(\w+)=", UNIT, re.MULTILINE))
    assert set_here <= serve_options()[1]


def test_systemd_finds_no_fault(tmp_path: Path) -> None:
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("systemd-analyze is not installed")
    program = tmp_path / "mintgate"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    unit = tmp_path / "mintgate.service"
    unit.write_text(UNIT.replace("/opt/mintgate/bin/mintgate", str(program)))
    shutil.copy(DEPLOY / "mintgate.socket", tmp_path)
    for command in (
        ["verify", str(unit), str(tmp_path / "mintgate.socket")],
        # 0 is closed, 10 is open; without any of the settings it is 9.6.
        ["security", "--offline=true", "--threshold=15", str(unit)],
    ):
        done = subprocess.run([analyze, *command], capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stdout + done.stderr
        assert "mintgate" not in done.stderr, done.stderr


def test_the_image_is_made_of_what_there_is() -> None:
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", CONTAINERFILE, re.MULTILINE)
    sources = [source for line in copied for source in line.split()]
    assert "requirements/server.lock" in sources
    assert all((ROOT / source).exists() for source in sources)
    let_in = (DEPLOY / "Containerfile.dockerignore").read_text().splitlines()
    assert {f"!{source}" for source in sources} <= set(let_in)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    assert set(re.findall(r'"([^"]+>=[^"]+)"', CONTAINERFILE)) == {
        *extras["postgres"],
        *extras["valkey"],
    }
    assert "--require-hashes" in CONTAINERFILE


def test_the_image_runs_as_this_program_wants() -> None:
    entry, command = (
        json.loads(re.findall(rf"^{name} (\[.*\])$", CONTAINERFILE, re.MULTILINE)[0])
        for name in ("ENTRYPOINT", "CMD")
    )
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert entry[0] in project["scripts"]
    require_understood(command)
    assert set(re.findall(r"\b(MINTGATE_\w+)=", CONTAINERFILE)) <= serve_options()[1]
    [user] = re.findall(r"^USER (\d+)$", CONTAINERFILE, re.MULTILINE)
    assert int(user) > 0
    [path] = re.findall(r"127\.0\.0\.1:8080(/\w+)", CONTAINERFILE)
    assert path in HEALTH_PATHS


def test_compose_hands_out_files_that_are_made(tmp_path: Path) -> None:
    """Each password is in a file; none stands in compose.yaml or in an environment."""
    shutil.copy(DEPLOY / "make-secrets", tmp_path)
    subprocess.run([tmp_path / "make-secrets"], check=True, timeout=60)
    made = {f"secrets/{file.name}" for file in (tmp_path / "secrets").iterdir()}
    assert {secret["file"] for secret in COMPOSE["secrets"].values()} == made
    passwords = {(tmp_path / file).read_text() for file in made}
    subprocess.run([tmp_path / "make-secrets"], check=True, timeout=60)
    assert {(tmp_path / file).read_text() for file in made} == passwords
    assert (tmp_path / "secrets").stat().st_mode & 0o077 == 0
    for name, service in COMPOSE["services"].items():
        wanted = service.get("secrets", [])
        assert set(wanted) <= set(COMPOSE["secrets"]), name
        for value in service.get("environment", {}).values():
            assert not value.startswith("/run/secrets/") or value[13:] in wanted
        if name.startswith("mintgate"):
            require_understood(service["command"])
            assert set(service["environment"]) <= serve_options()[1]
            build = service["build"]
            assert (DEPLOY / build["context"] / build["dockerfile"]).exists()
        for volume in service.get("volumes", []):
            source = volume.partition(":")[0]
            assert source in COMPOSE["volumes"] or (DEPLOY / source).exists()


def test_nginx_finds_no_fault(tmp_path: Path) -> None:
    if NGINX is None:
        pytest.skip("nginx is not installed: run `make edge`")
    text = (DEPLOY / "nginx.conf").read_text()
    servers = re.findall(r"server (\S+):8080", text)
    assert set(servers) == {name for name in COMPOSE["services"] if name.startswith("mintgate")}
    for name in servers:
        text = text.replace(f"{name}:8080", "127.0.0.1:8080")
    (tmp_path / "site.conf").write_text(text)
    (tmp_path / "nginx.conf").write_text(
        f"pid {tmp_path}/pid;\nerror_log {tmp_path}/log;\nevents {{}}\n"
        f"http {{ access_log off; include {tmp_path}/site.conf; }}\n"
    )
    done = subprocess.run(
        [NGINX, "-t", "-p", str(tmp_path), "-c", str(tmp_path / "nginx.conf")],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
