"""A name in the link that Streamlit binds to a field belongs to one page alone (see ``dashboard.parts.link``)."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
CALLS = [
    (path, node)
    for folder in ("pages", "dashboard")
    for path in sorted((ROOT / folder).rglob("*.py"))
    for node in ast.walk(ast.parse(path.read_text()))
    if isinstance(node, ast.Call)
]


def bound() -> Iterator[str]:
    """The names that Streamlit binds, once for each field."""
    for path, call in CALLS:
        given = {keyword.arg: keyword.value for keyword in call.keywords}
        if "bind" in given:
            key = given["key"]
            # A name that is handed over is one of the page whose section this is.
            yield key.value if isinstance(key, ast.Constant) else f"{path.stem}: {ast.unparse(key)}"


def written() -> Iterator[str]:
    """The names that are read or written by our own code."""
    for _, call in CALLS:
        function = ast.unparse(call.func)
        ours = function in ("link.choice", "link.text", "link.put") or function.startswith("st.query_params.")
        if ours and call.args and isinstance(call.args[0], ast.Constant):
            yield str(call.args[0].value)


def test_no_name_is_bound_twice() -> None:
    names = Counter(bound())
    assert names["threshold"] == 1
    assert [name for name, count in names.items() if count > 1] == []


def test_no_name_that_is_bound_is_written_by_ourselves() -> None:
    assert {"user_id", "span", "q"} <= set(written())
    assert set(bound()) & {*written(), "event_id"} == set()
