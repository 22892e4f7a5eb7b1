"""Settings from files: what containers and systemd hand out as secrets."""

from __future__ import annotations

from pathlib import Path

import pytest

from mintgate.cli.setting_files import read_setting_files


def test_a_file_gives_the_value(tmp_path: Path) -> None:
    file = tmp_path / "database"
    file.write_text("postgresql://mintgate@db/mintgate\n")
    environment = {"MINTGATE_DATABASE_FILE": str(file), "MINTGATE_DATABASE": ""}
    read_setting_files(environment)
    assert environment["MINTGATE_DATABASE"] == "postgresql://mintgate@db/mintgate"


@pytest.mark.parametrize(
    ("environment", "words"),
    [
        ({"MINTGATE_COUNTERS_FILE": "/nowhere"}, "/nowhere cannot be read: No such file"),
        ({"MINTGATE_COUNTERS_FILE": "/x", "MINTGATE_COUNTERS": "y"}, "are both set"),
    ],
)
def test_what_is_wrong_is_said(environment: dict[str, str], words: str) -> None:
    with pytest.raises(SystemExit, match=words):
        read_setting_files(environment)
