"""The tables of access, as the documentation shows them."""

from __future__ import annotations

import re
from pathlib import Path

from core.domain.roles import ALLOWED, PAGES, Action, Role
from tests.support.routes import ROUTES

PAGE = (Path(__file__).parents[2] / "docs" / "access.md").read_text()


def table(first: str) -> dict[str, set[str]]:
    """What the first column names -> the roles that have a yes."""
    head = f"| {first} | " + " | ".join(f"`{role}`" for role in Role) + " |\n"
    _, _, rest = PAGE.partition(head)
    found = {}
    for line in rest.splitlines()[1:]:
        if not line.startswith("|"):
            break
        name, *said = [cell.strip() for cell in line.strip("|").split("|")]
        found[name.strip("`")] = {str(role) for role, yes in zip(Role, said, strict=True) if yes == "yes"}
    return found


def of(*actions: Action) -> set[str]:
    return {str(role) for role in Role if all(role in ALLOWED[action] for action in actions)}


def test_every_action_has_its_roles() -> None:
    assert set(ALLOWED) == set(Action)


def test_the_documentation_shows_the_actions() -> None:
    assert table("action") == {str(action): of(action) for action in Action}


def test_the_documentation_shows_the_pages() -> None:
    assert table("page") == {f"/{page}": of(action) for page, action in PAGES.items()}


def test_the_documentation_shows_the_routes() -> None:
    expected = {f"{method} {path}": of(*actions) for (method, path), actions in ROUTES.items() if actions}
    assert table("route") == expected


def test_only_health_is_open_to_everybody() -> None:
    assert [path for (_, path), actions in ROUTES.items() if not actions] == ["/api/health"]


def test_the_security_page_names_tests_that_exist() -> None:
    root = Path(__file__).parents[2]
    named = re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?(?:::(\w+))?`", (root / "docs" / "security.md").read_text())
    assert named
    for path, *names in named:
        text = (root / path).read_text()
        for name in filter(None, names):
            assert re.search(rf"^\s*(def|class) {name}\b", text, re.MULTILINE), f"{path}::{name}"
