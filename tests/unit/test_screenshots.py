"""The pictures in the documentation are those that `scripts/screenshots` draws, and no others."""

from __future__ import annotations

import importlib.machinery
import importlib.util
import sys
from collections import Counter
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parent.parent.parent
SCRIPT = ROOT / "scripts" / "screenshots"


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(SCRIPT.parent))
    loader = importlib.machinery.SourceFileLoader("screenshots", str(SCRIPT))
    spec = importlib.util.spec_from_loader("screenshots", loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    # A compiled file beside a script without an ending would be in everybody's way.
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    loader.exec_module(module)
    return module


def test_every_page_has_its_own_name(script: ModuleType) -> None:
    twice = [name for name, n in Counter(shot.name for shot in script.PAGES).items() if n > 1]
    assert twice == []


def test_the_pictures_are_those_of_the_pages(script: ModuleType) -> None:
    from picturing.drawing import DEVICES, THEMES  # type: ignore[import-not-found]

    wanted = {
        f"{shot.name}-{device}-{theme}.png"
        for shot in script.PAGES
        for device in DEVICES
        for theme in THEMES
    }
    there = {path.name for path in script.FOLDER.glob("*.png")}
    assert (wanted - there, there - wanted) == (set(), set()), "draw them: make screenshots"
