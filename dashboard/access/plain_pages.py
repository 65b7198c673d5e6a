"""Plain HTML pages that need no websocket: signing in, and why a page was closed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from html import escape

import streamlit as st
from starlette.responses import HTMLResponse, Response

from dashboard.access.websocket import FULL, TOO_FAST, TOO_MANY
from dashboard.prefix import address_of

LOGIN = "/auth/login"
#: The address of the page that says that nobody can be let in right now.
UNKNOWN = "/closed/unknown"
#: The pages contain inline styles and nothing else. Form targets are not limited: signing in redirects to the
#: provider.
POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'"


@dataclass(frozen=True)
class _Closed:
    status: int
    title: str
    text: str


CLOSED_PAGES: Mapping[str, _Closed] = {
    TOO_MANY: _Closed(
        429,
        "Too many open pages",
        "You have as many Facedesk pages open as one person can have. Close some browser tabs, then try again.",
    ),
    FULL: _Closed(
        503,
        "Facedesk is full",
        "As many pages are open as this server allows. Try again in a moment, or ask whoever runs Facedesk to allow "
        "more (PAGES_OPEN).",
    ),
    TOO_FAST: _Closed(
        429,
        "Too many requests",
        "This page was closed because it sent far more requests than a person can make. Nothing that was stored is "
        "lost.",
    ),
    UNKNOWN: _Closed(
        503,
        "Facedesk cannot work right now",
        "It cannot find out who is signed in. Try again in a moment. If this lasts, tell whoever runs Facedesk.",
    ),
}


def sign_in_page(*, over: bool) -> Response:
    """Returns the page that asks a visitor to sign in; ``over`` says that their session has ended."""
    title = "Your session is over" if over else "Sign in to go on"
    text = (
        "Sign in again to go on. Nothing that you stored is lost."
        if over
        else "Faces and ids are personal data, so everybody who looks at them has to sign in."
    )
    return _page(401, title, text, f'<form action="{address_of(LOGIN)}"><button autofocus>Sign in</button></form>')


def closed_page(address: str) -> Response:
    """Returns the page that says why a page was closed; ``address`` is one of ``CLOSED_PAGES``."""
    closed = CLOSED_PAGES[address]
    form = f'<form action="{address_of("/")}"><button autofocus>Try again</button></form>'
    return _page(closed.status, closed.title, closed.text, form)


def _page(status: int, title: str, text: str, form: str) -> Response:
    return HTMLResponse(
        f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(title)} · Facedesk</title>
<style>
{_colours("light")}
@media (prefers-color-scheme: dark) {{ {_colours("dark")} }}
body {{ margin: 0; padding: 12vh 1rem; background: var(--background); color: var(--text);
  font: 15px/1.5 {st.get_option("theme.font")}; }}
main {{ max-width: 32rem; margin: auto; }}
section {{ padding: 1.5rem; border: 1px solid var(--border); border-radius: .6rem; background: var(--card); }}
h1 {{ margin: 0 0 1rem; font-size: 2rem; }}
h2 {{ margin: 0 0 .5rem; font-size: 1.5rem; }}
button {{ padding: .5rem 1.25rem; border: 0; border-radius: .6rem; background: var(--primary);
  color: #ffffff; font: inherit; font-weight: 600; cursor: pointer; }}
button:focus-visible {{ outline: 3px solid var(--text); outline-offset: 2px; }}
</style>
</head>
<body>
<main>
<h1>Facedesk</h1>
<section>
<h2>{escape(title)}</h2>
<p>{escape(text)}</p>
{form}
</section>
</main>
</body>
</html>
""",
        status_code=status,
        headers={"Cache-Control": "no-store", "Content-Security-Policy": POLICY},
    )


def _colours(theme: str) -> str:
    """Returns the theme's colours from Streamlit's settings as CSS variables."""
    named = {
        "background": "backgroundColor",
        "card": "secondaryBackgroundColor",
        "text": "textColor",
        "border": "borderColor",
        "primary": "primaryColor",
    }
    values = {name: st.get_option(f"theme.{theme}.{option}") for name, option in named.items()}
    return ":root {{ {} }}".format(" ".join(f"--{name}: {value};" for name, value in values.items()))
