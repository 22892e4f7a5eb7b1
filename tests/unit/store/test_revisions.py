"""The names of the migrations, read without Alembic, are those that Alembic knows."""

from __future__ import annotations

from pathlib import Path

from alembic.config import Config
from alembic.script import ScriptDirectory

from mintgate.store.revisions import VERSIONS, revisions


def test_migrations_are_read_as_alembic_reads_them() -> None:
    config = Config()
    config.set_main_option("script_location", str(VERSIONS.parent))
    scripts = ScriptDirectory.from_config(config)
    known, heads = revisions()
    assert heads == set(scripts.get_heads())
    assert known == {script.revision for script in scripts.walk_revisions()}


def test_two_that_were_made_side_by_side_are_both_heads(tmp_path: Path) -> None:
    for name, before in (("a", "None"), ("b", '"a"'), ("c", "'a'")):
        (tmp_path / f"{name}.py").write_text(
            f'revision: str = "{name}"\ndown_revision: str | None = {before}\n'
        )
    known, heads = revisions(tmp_path)
    assert (known, heads) == ({"a", "b", "c"}, {"b", "c"})
