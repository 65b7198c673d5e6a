"""What the process shares, made when first needed and closed with the server, and each principal's view of it."""

from __future__ import annotations

import gc
import logging
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from importlib import import_module
from pkgutil import walk_packages
from typing import Any

import streamlit as st
from starlette.concurrency import run_in_threadpool

from core.domain.errors import FacedeskError, Forbidden, Refused, ServiceError, SettingsError, Unavailable
from core.domain.roles import Principal, local
from core.runtime.bootstrap import build
from core.runtime.facades.guard import Guard, GuardedServices
from core.runtime.housekeeping import Housekeeping
from core.services.exposure import check_exposure
from core.services.sessions import Session
from core.settings import Backend, Settings, load_settings
from dashboard.access import names
from dashboard.access.authentication import plain_address
from dashboard.caches import forget_when_erased
from dashboard.once import Once
from dashboard.prefix import check_prefix
from dashboard.reviewers import released_when_closed

logger = logging.getLogger(__name__)


def _make() -> Guard:
    services = build(load_settings())
    forget_when_erased(services.forgetting)
    return Guard(services)


#: What all sessions and routes share. Raises ``SettingsError``.
shared = Once(_make, close=lambda made: made.services.close())


def services_of(principal: Principal) -> GuardedServices:
    return shared().acting_as(principal)


def get_services() -> GuardedServices:
    """The services as the person at this page has them. Raises ``Forbidden`` where nobody is signed in any more."""
    person = principal()
    if person is None:
        raise Forbidden("You are not signed in any more.")
    return services_of(person)


def session() -> Session | None:
    """The session of the person at this page; None where there is none any more."""
    try:
        return shared().services.sessions.of(st.user.to_dict(), plain_address(st.context.ip_address))
    except Unavailable:  # the gate, which is asked again before the next message, says so
        return None


def principal() -> Principal | None:
    """Who is at this page: whoever signed in; without sign-in, whoever the box in the sidebar names."""
    if not shared().services.settings.sign_in:
        typed = st.session_state.get(names.FIELD)
        # Before the box is on the page there is what the browser has kept of it.
        name = names.kept(st.context.cookies) if typed is None else names.name_of(typed)
        return local(name, plain_address(st.context.ip_address))
    found = session()
    return found.principal if found else None


def require_settings() -> Settings:
    """The settings. Ends the process with one line if one is missing or bad, if the server would be open to those it
    must not be, or if the database cannot be used: better than a server that fails later, or does not.
    """
    address = st.get_option("server.address")
    try:
        settings = load_settings()
        check_exposure(settings, [address or "every address"], st.get_option("server.allowedHosts"))
        check_prefix(settings.oidc_redirect_uri if settings.sign_in else None)
        if settings.sign_in and st.get_option("server.trustedUserHeaders"):
            raise SettingsError("server.trustedUserHeaders: with sign-in nobody may name themself by a header.")
        if settings.backend is Backend.AWS and settings.api_tokens:
            raise SettingsError(
                "API_TOKENS: with FACEDESK_BACKEND=aws tokens are in the table DYNAMODB_STATE_TABLE. Put these there "
                "with python -m core tokens --take-over, then remove the setting."
            )
        if settings.backend is Backend.EMBEDDED:
            from core.runtime.installation import prepare  # loads SQLite, which aws has no use for

            prepare(settings.data_dir)
    except (SettingsError, Refused) as error:
        sys.exit(f"Facedesk did not start. {error}")
    except ServiceError as error:
        # It may pass, or be mended while the server runs; until then the pages say so.
        logger.warning("%s", error)
    return settings


@asynccontextmanager
async def lifespan(_app: Any) -> AsyncIterator[None]:
    """Loads what requests need before the first one, and closes it when the server ends."""
    keeping = Housekeeping(lambda: shared().services)
    await run_in_threadpool(_load)
    async with released_when_closed():
        yield
    keeping.close()
    shared.clear()  # stops the jobs and closes the services, if there ever were any


def _load() -> None:
    """Load what the pages need, and take it out of what the garbage collector looks through from now on.

    It stays as long as the process does, so a look through it, which takes 100 ms, would find nothing.
    """
    for package in ("dashboard.parts", "dashboard.charts", "dashboard.sections"):
        for module in walk_packages(import_module(package).__path__, f"{package}."):
            import_module(module.name)
    with suppress(FacedeskError):  # the pages say so
        services = shared().services
        if services.settings.sign_in:
            services.sessions.prepare()
            services.tokens.prepare()
    gc.collect()
    gc.freeze()
