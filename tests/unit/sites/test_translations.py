"""Nothing that a person reads is left untranslated, and the compiled catalogues are current."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from mintgate.sites.languages import LANGUAGES, best_language, language
from mintgate.sites.rendering import environment

ROOT = Path(__file__).parents[3]


def test_everything_is_translated_and_up_to_date() -> None:
    command = [sys.executable, str(ROOT / "scripts" / "translate"), "--check"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("code", LANGUAGES)
def test_what_is_not_ours_is_escaped(code: str) -> None:
    """`_()` of a template gives HTML, whatever value is given to it by mistake."""
    template = environment(code).from_string(
        "{{ _(text) }} {{ _('Allow %(application)s?', **more) }}"
    )
    shown = template.render(text="<b>100 %</b>", more={"application": "<i>"})
    assert shown.startswith("&lt;b&gt;100 %&lt;/b&gt; ")
    assert "&lt;i&gt;" in shown
    assert template.render(text="Menu", more={"application": "x"}).startswith(
        language(code).gettext("Menu")
    )


@pytest.mark.parametrize(
    ("wanted", "header", "chosen"),
    [
        pytest.param(("bg",), "en", "bg", id="the-person-decides"),
        pytest.param(("de", "bg-BG"), "en", "bg", id="the-next-wish"),
        pytest.param((None,), "de, bg;q=0.5, en;q=0.4", "bg", id="then-the-browser"),
        pytest.param((), "en;q=0.1, bg;q=0.9", "bg", id="by-weight"),
        pytest.param((), "bg;q=0, de", "en", id="not-what-is-refused"),
        pytest.param((), "*", "en", id="any"),
        pytest.param((), ";;q=x,,", "en", id="malformed"),
        pytest.param((), None, "en", id="nothing-is-known"),
    ],
)
def test_the_language_of_a_page(
    wanted: tuple[str | None, ...], header: str | None, chosen: str
) -> None:
    assert best_language(wanted, header).code == chosen


def test_dates_and_numbers_are_written_by_language() -> None:
    at = 1_790_000_100.0
    english, bulgarian = (language(code) for code in LANGUAGES)
    assert english.number(1234567.5) == "1,234,567.5"
    assert bulgarian.number(1234567.5) == "1\xa0234\xa0567,5"
    assert english.date(at) == "Sep 21, 2026"
    assert bulgarian.date(at) == "21.09.2026\u202fг."
    assert english.date_and_time(at).endswith("UTC")
    assert english.relative(at - 7200, at) == "2 hours ago"
    assert bulgarian.relative(at + 86400 * 3, at) == "след 3 дни"
    assert english.iso(at) == "2026-09-21T14:15:00+00:00"
