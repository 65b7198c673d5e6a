"""Signing in and out on the pages, by Streamlit's OpenID Connect with the settings of Facedesk."""

from __future__ import annotations

import streamlit as st
from streamlit.runtime.secrets import secrets_singleton

from core.domain.roles import Action, Principal
from core.settings import Backend, Settings
from dashboard import services
from dashboard.parts import your_name


def configure(settings: Settings) -> None:
    """Gives Streamlit the sign-in settings before it uses them.

    ``st.App(secrets=...)`` would be too late: Streamlit first makes the key that signs the cookie of a sign-in in
    progress, and each process would have a different one.
    """
    if not settings.sign_in:
        return
    assert settings.cookie_secret
    assert settings.oidc_client_secret
    secrets_singleton.merge_programmatic_secrets(
        {
            "auth": {
                "redirect_uri": settings.oidc_redirect_uri or "",
                "cookie_secret": settings.cookie_secret.get_secret_value(),
                "client_id": settings.oidc_client_id or "",
                "client_secret": settings.oidc_client_secret.get_secret_value(),
                "server_metadata_url": settings.oidc_metadata_url or "",
            }
        }
    )


def over() -> None:
    """Replaces a page whose session ends while it is being rendered; the gate then redirects the browser."""
    st.title("Facedesk", anchor=False)
    st.info("You are not signed in any more. Reload this page to sign in.", icon=":material/lock:")


def no_access() -> None:
    """Replaces a page that the person's role may not open."""
    st.title("No access", anchor=False)
    person = services.principal()
    if person and person.roles:
        st.info("This page is not for your role. The pages that are stand in the sidebar.", icon=":material/lock:")
    else:
        st.info("Your account has no role here yet. Ask who runs Facedesk to give it one.", icon=":material/lock:")


def sidebar(person: Principal | None) -> None:
    """Shows who is signed in, with a button to sign out; without sign-in, the box for the name."""
    if not services.shared().services.settings.sign_in:
        your_name.box()
    elif person:
        with st.sidebar.container():
            st.text(person.name or person.id)
            st.caption(", ".join(sorted(person.roles)) or "no role")
            if st.button("Sign out", icon=":material/logout:", width="stretch"):
                st.logout()
                # The rest of the script would run as nobody, and a rerun would lose the redirect of the sign-out.
                st.stop()


def banner() -> None:
    """Warns on every page that sign-in is off, with a backend that is meant to have it."""
    settings = services.shared().services.settings
    if settings.backend is Backend.AWS and not settings.sign_in:
        st.warning(
            "Sign-in is off (FACEDESK_AUTH=off): anybody who reaches this address sees and decides everything.",
            icon=":material/no_encryption:",
        )


def note() -> None:
    """Writes a sign-in into the audit trail, once, whichever page and process sees it first."""
    session = services.session() if services.shared().services.settings.sign_in else None
    if session and st.session_state.get("noted") != session.id:
        st.session_state.noted = session.id
        acting = services.services_of(session.principal).acting
        outcome = "ok" if session.principal.roles else "Forbidden"
        acting.tell(Action.SIGN_IN, outcome, at=session.began, entry_id=f"sign-in-{session.id}")
