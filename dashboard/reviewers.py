"""Who has cases of the review queue on a page of this process, and what becomes of them when the page is closed."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from hashlib import sha256

from starlette.concurrency import run_in_threadpool
from streamlit import runtime
from streamlit.runtime.scriptrunner import get_script_run_ctx

from core.domain.errors import FacedeskError
from core.runtime.facades.cases import GuardedClaims

logger = logging.getLogger(__name__)

#: Seconds between two looks for pages that were closed. One that is closed at two looks in a row has gone: a
#: connection that broke off comes back sooner.
LOOK_SECONDS = 10.0
#: A holder of claims -> what ends all of theirs.
_release: dict[str, Callable[[], None]] = {}
_closed: set[str] = set()


def holder(person: str, claims: GuardedClaims) -> str:
    """What identifies ``person`` (a principal's id), on the page that runs, as the holder of claims.

    When the page is closed, its ``claims`` end.
    """
    context = get_script_run_ctx()
    name = _holder(person, context.session_id if context else "")
    _release[name] = lambda: claims.release_all(name)
    return name


def is_left(person: str, other: str) -> bool:
    """Whether the holder ``other`` is ``person`` on a page of this process that is not open any more."""
    theirs, _, page = other.rpartition("/")
    return theirs == person and other in _release and page not in _open_pages()


@asynccontextmanager
async def released_when_closed() -> AsyncIterator[None]:
    """While it is entered, the claims of pages that were closed are ended."""
    watching = asyncio.create_task(_watch())
    try:
        yield
    finally:
        watching.cancel()
        with suppress(asyncio.CancelledError):
            await watching


async def _watch() -> None:
    while True:
        await asyncio.sleep(LOOK_SECONDS)
        await run_in_threadpool(look)


def look() -> None:
    """Ends the claims of pages that were closed at the last look already."""
    pages = _open_pages()
    closed = {name for name in list(_release) if name.rpartition("/")[2] not in pages}
    for name in closed & _closed:
        release = _release.pop(name)
        try:
            release()
        except FacedeskError as error:
            # The claims end by themselves.
            logger.warning("the claims of a closed page were not ended: %s", type(error).__name__)
    _closed.clear()
    _closed.update(closed & _release.keys())


def _holder(person: str, session_id: str) -> str:
    # Not the session's own id: whoever knows it could take the page over.
    return f"{person}/{sha256(session_id.encode()).hexdigest()[:32]}"


def _open_pages() -> set[str]:
    if not runtime.exists():
        return {_holder("", "").rpartition("/")[2]}
    sessions = runtime.get_instance()._session_mgr.list_active_sessions()
    return {_holder("", info.session.id).rpartition("/")[2] for info in sessions}
