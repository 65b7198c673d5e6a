"""Who may upload a file to which address of Streamlit's, and how much is kept of it.

Streamlit takes any file for any page session that is open, and keeps it in memory for as long as that session lasts.
Here an upload needs an address that was handed out through a websocket of the same sign-in, a role that has a page
with an uploader, and room in two budgets of bytes: the person's and the process's. A file that no field of its page
holds any more is dropped.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from streamlit.runtime.uploaded_file_manager import UploadedFileManager

from core.domain.roles import Action, Principal
from core.settings import Settings
from dashboard.access.authentication import Visitor

#: The pages that take files are for those who may do one of these.
UPLOADING = (Action.VALIDATE, Action.LOAD_DATA)
#: Seconds for which a file is kept that no field of a page holds: the page has yet to say so, or is reconnecting, for
#: which Streamlit gives it as long.
UNUSED_SECONDS = 120.0
#: The same for a file that no field has held yet: the fields of a form say nothing before it is sent.
UNSENT_SECONDS = 900.0
#: Seconds between two looks for files that are to be dropped.
SWEEP_SECONDS = 15.0
#: Seconds after which an address that was handed out is good for no upload.
ADDRESS_SECONDS = 3600.0
#: Addresses that one page session may ask for at once.
MAX_ADDRESSES = 100
#: What a form has around its file, bytes.
ENVELOPE_BYTES = 64 * 1024
#: Photos of the largest size that a person who may only validate can have uploaded at once.
PHOTOS_AT_ONCE = 8

#: Session of a page, and a file's id: what an address of Streamlit's consists of.
Address = tuple[str, str]


@dataclass
class _Upload:
    owner: str
    issued_at: float
    reserved: int = 0
    #: Whether a field of a page holds the file, None if none has yet; and since when.
    held: bool | None = None
    held_at: float = 0.0


class Refused(Exception):
    """The upload is not taken; ``status`` is that of the answer."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Uploads:
    """The addresses that were handed out, and the bytes that they hold. For the event loop's thread alone."""

    def __init__(
        self,
        settings: Settings,
        max_file_bytes: int,
        files: Callable[[], UploadedFileManager | None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """``max_file_bytes`` is Streamlit's own limit, which imports may use; ``files`` gives its store of files."""
        self._max_photo_bytes = settings.max_upload_bytes
        self._max_file_bytes = max_file_bytes
        self._max_bytes = settings.uploads_mb * 1024 * 1024
        self._files = files
        self._clock = clock
        self._uploads: dict[Address, _Upload] = {}

    @property
    def bytes(self) -> int:
        """What all uploads that are kept or under way take."""
        return sum(upload.reserved for upload in self._uploads.values())

    def issue(self, owner: str, addresses: Iterable[Address]) -> None:
        """These were handed out through a websocket of ``owner``."""
        now = self._clock()
        for address in addresses:
            self._uploads[address] = _Upload(owner, now)

    def reserve(self, owner: str, principal: Principal, address: Address, size: int | None) -> None:
        """Make room for an upload of ``size`` bytes; raises ``Refused`` if the caller may not send it."""
        upload = self.of(owner, address)
        if not may_upload(principal):
            raise Refused(403, "Your role has no page that takes files.")
        if size is None:
            raise Refused(411, "Send the length of the file (Content-Length).")
        imports = principal.may(Action.LOAD_DATA)
        largest = self._max_file_bytes if imports else self._max_photo_bytes
        if size > largest + ENVELOPE_BYTES:
            raise Refused(413, f"The file is larger than {largest // (1024 * 1024)} MB. Send a smaller one.")
        theirs = sum(each.reserved for each in self._uploads.values() if each.owner == owner and each is not upload)
        if theirs + size > (2 * largest if imports else PHOTOS_AT_ONCE * largest):
            raise Refused(413, "You have uploaded too much at once. Remove files that you do not need, or reload.")
        if self.bytes - upload.reserved + size > self._max_bytes:
            raise Refused(503, "Too many files are being uploaded right now. Try again in a minute.")
        upload.reserved, upload.held, upload.held_at = size, None, self._clock()

    def of(self, owner: str, address: Address) -> _Upload:
        """The upload at an address of the caller's own; raises ``Refused`` for every other address."""
        upload = self._uploads.get(address)
        if upload is None or upload.owner != owner:
            raise Refused(403, "This upload address was not given to you. Reload the page and try again.")
        return upload

    def release(self, address: Address) -> None:
        """Keep nothing at an address: the upload failed, or the file was deleted."""
        if upload := self._uploads.get(address):
            upload.reserved = 0
        self._remove(address)

    def hold(self, owner: str, held: Collection[str], before: Collection[str] = ()) -> None:
        """The fields of a page of ``owner`` hold these files, by their ids; they no longer hold others ``before``."""
        now = self._clock()
        for (_, file_id), upload in self._uploads.items():
            if upload.owner == owner and (file_id in held or file_id in before):
                upload.held, upload.held_at = file_id in held, now

    def sweep(self, is_open: Callable[[str], bool]) -> None:
        """Drop the files that no field has held for a while, and forget old addresses.

        ``is_open`` says whether a page session has its websocket: the fields of one that has none hold nothing.
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
    """ASGI application: takes or removes a file at Streamlit's address, for one visitor."""

    def __init__(self, app: ASGIApp, uploads: Uploads, visitor: Visitor) -> None:
        self._app = app
        self._uploads = uploads
        self._visitor = visitor

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        address = address_of(scope["path"])
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


def address_of(path: str) -> Address:
    """The last two parts of the path of an upload."""
    *_, session, file_id = path.split("/")
    return session, file_id


def _length(scope: Scope) -> int | None:
    announced = Headers(scope=scope).get("content-length", "")
    return int(announced) if announced.isascii() and announced.isdecimal() else None


def may_upload(principal: Principal) -> bool:
    return any(map(principal.may, UPLOADING))
