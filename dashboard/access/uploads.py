"""Limits uploads: who may upload a file to which of Streamlit's addresses, and how many bytes are kept.

Streamlit accepts any file for any open page session, and keeps it in memory for as long as that session lasts.
Facedesk accepts an upload only to an address that was issued through a websocket of the same sign-in, from a role
that has a page with an uploader, and within two budgets of bytes: the person's and the process's. A file that no
field of its page holds any more is dropped.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from streamlit.runtime.memory_uploaded_file_manager import MemoryUploadedFileManager

from core.domain.roles import Action, Principal
from core.photos.sanitiser import SMALLER
from core.settings import Settings
from dashboard.access.authentication import Visitor

#: The actions that pages with an uploader require; one of them is enough.
UPLOADING = (Action.VALIDATE, Action.LOAD_DATA)
#: Seconds for which a file is kept after no field of a page holds it. The page may be reconnecting, for which
#: Streamlit allows the same time.
UNUSED_SECONDS = 120.0
#: The same for a file that no field has held yet: the fields of a form report their files only when it is sent.
UNSENT_SECONDS = 900.0
#: Seconds between two searches for files to drop.
SWEEP_SECONDS = 15.0
#: Seconds after which an unused address expires.
ADDRESS_SECONDS = 3600.0
#: Addresses that one message may request.
MAX_ADDRESSES = 100
#: Bytes that a form adds to its file.
ENVELOPE_BYTES = 64 * 1024
#: How many photos of the largest size a person without ``LOAD_DATA`` can have uploaded at once.
PHOTOS_AT_ONCE = 8

#: The page session and the file id, which make up an upload address of Streamlit.
Address = tuple[str, str]


@dataclass
class _Upload:
    owner: str
    issued_at: float
    reserved: int = 0
    #: Whether a field of a page holds the file (None: no field has yet), and since when.
    held: bool | None = None
    held_at: float = 0.0


class Refused(Exception):
    """The upload is refused; ``status`` is the HTTP status of the answer."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Uploads:
    """The issued addresses, and the bytes that they hold. Only for use by the event loop's thread."""

    def __init__(
        self,
        settings: Settings,
        max_file_bytes: int,
        files: Callable[[], MemoryUploadedFileManager | None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """``max_file_bytes`` is Streamlit's limit, which applies to imports; ``files`` returns its file store."""
        self._max_photo_bytes = settings.max_upload_bytes
        self._max_file_bytes = max_file_bytes
        self._max_bytes = settings.uploads_mb * 1024 * 1024
        self._files = files
        self._clock = clock
        self._uploads: dict[Address, _Upload] = {}

    @property
    def bytes(self) -> int:
        """Returns the bytes of all uploads that are kept or in progress."""
        return sum(upload.reserved for upload in self._uploads.values())

    def issue(self, owner: str, addresses: Iterable[Address]) -> None:
        """Notes that these addresses were issued through a websocket of ``owner``."""
        now = self._clock()
        for address in addresses:
            self._uploads[address] = _Upload(owner, now)

    def reserve(self, owner: str, principal: Principal, address: Address, size: int | None) -> None:
        """Reserves ``size`` bytes for an upload. Raises ``Refused`` if the caller may not send it."""
        upload = self.of(owner, address)
        if not may_upload(principal):
            raise Refused(403, "Your role has no page that takes files.")
        if size is None:
            raise Refused(411, "Send the length of the file (Content-Length).")
        imports = principal.may(Action.LOAD_DATA)
        largest = self._max_file_bytes if imports else self._max_photo_bytes
        if size > largest + ENVELOPE_BYTES:
            advice = "split it, or use the command line" if imports else SMALLER
            raise Refused(413, f"The file is larger than {largest // (1024 * 1024)} MB: {advice}.")
        theirs = sum(each.reserved for each in self._uploads.values() if each.owner == owner and each is not upload)
        if theirs + size > (2 * largest if imports else PHOTOS_AT_ONCE * largest):
            raise Refused(413, "You have uploaded too much at once. Remove files that you do not need, or reload.")
        if self.bytes - upload.reserved + size > self._max_bytes:
            raise Refused(503, "Too many files are being uploaded right now. Try again in a minute.")
        upload.reserved, upload.held, upload.held_at = size, None, self._clock()

    def of(self, owner: str, address: Address) -> _Upload:
        """Returns the upload at one of the owner's addresses. Raises ``Refused`` for every other address."""
        upload = self._uploads.get(address)
        if upload is None or upload.owner != owner:
            raise Refused(403, "This upload address was not given to you. Reload the page and try again.")
        return upload

    def release(self, address: Address) -> None:
        """Removes the file at an address, after a failed upload or a deletion."""
        if upload := self._uploads.get(address):
            upload.reserved = 0
        self._remove(address)

    def hold(self, owner: str, held: Collection[str], before: Collection[str] = ()) -> None:
        """Notes the ids of the files that a page of ``owner`` holds, and of those that it held ``before``."""
        now = self._clock()
        for (_, file_id), upload in self._uploads.items():
            if upload.owner == owner and (file_id in held or file_id in before):
                upload.held, upload.held_at = file_id in held, now

    def sweep(self, is_open: Callable[[str], bool]) -> None:
        """Drops files that no field has held for a while, and expired addresses.

        ``is_open`` says whether a page session has its websocket: the fields of a session without one hold nothing.
        """
        now = self._clock()
        for address, upload in list(self._uploads.items()):
            if upload.held is not False and not is_open(address[0]):
                upload.held, upload.held_at = False, now
            kept = UNSENT_SECONDS if upload.held is None else UNUSED_SECONDS
            if upload.reserved and not upload.held and now - upload.held_at > kept:
                self.release(address)
            elif not upload.reserved and now - upload.issued_at > ADDRESS_SECONDS:
                del self._uploads[address]

    def _remove(self, address: Address) -> None:
        if files := self._files():
            files.remove_file(*address)


class Upload:
    """ASGI application: stores or removes a file at Streamlit's address, for one visitor."""

    def __init__(self, app: ASGIApp, uploads: Uploads, visitor: Visitor) -> None:
        self._app = app
        self._uploads = uploads
        self._visitor = visitor

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        address = upload_of(scope["path"])
        try:
            match scope["method"]:
                case "PUT":
                    size = _length(scope)
                    self._uploads.reserve(self._visitor.key, self._visitor.principal, address, size)
                case "DELETE":
                    self._uploads.of(self._visitor.key, address)
                case _:
                    raise Refused(405, "Files are put and deleted here.")
        except Refused as refused:
            await PlainTextResponse(str(refused), refused.status)(scope, receive, send)
            return
        kept = False

        async def watched(message: Message) -> None:
            nonlocal kept
            if message["type"] == "http.response.start":
                kept = scope["method"] == "PUT" and message["status"] < 300
            await send(message)

        try:
            await self._app(scope, receive, watched)
        finally:
            if not kept:
                self._uploads.release(address)


def upload_of(path: str) -> Address:
    """Returns the last two parts of an upload's path."""
    *_, session, file_id = path.split("/")
    return session, file_id


def _length(scope: Scope) -> int | None:
    announced = Headers(scope=scope).get("content-length", "")
    return int(announced) if announced.isascii() and announced.isdecimal() else None


def may_upload(principal: Principal) -> bool:
    """Whether the principal has a page with an uploader."""
    return any(map(principal.may, UPLOADING))
