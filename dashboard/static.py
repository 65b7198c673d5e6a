"""Streamlit's own page, scripts and styles, sent compressed: each is packed once, when it is first asked for.

A browser that waits gets what is packed quickly. A better packing, which takes seconds for a large file, is made
meanwhile and written into a folder beside the environment's libraries, where later processes find it.
"""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import json
import queue
import re
import sys
import tempfile
import threading
import zlib
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from mimetypes import guess_type
from pathlib import Path

import brotli
import streamlit as st
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.staticfiles import NotModifiedResponse, StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from streamlit.file_util import get_static_dir

from core.domain.roles import PAGES
from dashboard.codings import named_codings

#: Packed files for later processes. If the folder cannot be written, each process packs for itself.
FOLDER = Path(sys.prefix) / "var" / "facedesk" / f"streamlit-{st.__version__}"
#: Text. Fonts and pictures are packed already.
SUFFIXES = frozenset({".css", ".html", ".js", ".json", ".svg"})
#: Parts of Streamlit that event pages load once their script has run; with the page itself they come earlier.
_PRELOADED = ("PlotlyChart", "DataFrame", "StreamlitMarkdown", "Metric", "LinkButton", "ButtonGroup", "Selectbox")
_IMPORT = re.compile(r'(?:from|import)\s*"\./([\w.-]+\.js)"')
#: The font that Streamlit's page loads beforehand; the theme has another one.
_UNUSED_FONT = re.compile(r'<link\s+rel="preload"[^>]*as="font"[^>]*/>')
#: What each page runs before Streamlit does.
_SCRIPTS = [Path(__file__).with_name(name) for name in ("history.js", "reconnect.js")]
_YEAR = 365 * 24 * 60 * 60


@dataclass(frozen=True)
class _Coding:
    quick: Callable[[bytes], bytes]
    best: Callable[[bytes], bytes]
    unpack: Callable[[bytes], bytes]


#: Content codings, the preferred one first.
_CODINGS = {
    "br": _Coding(
        lambda data: brotli.compress(data, quality=5),
        lambda data: brotli.compress(data, quality=11),
        brotli.decompress,
    ),
    "gzip": _Coding(
        lambda data: gzip.compress(data, 6, mtime=0),
        lambda data: gzip.compress(data, 9, mtime=0),
        gzip.decompress,
    ),
}


@dataclass(frozen=True)
class Packed:
    body: bytes
    etag: str


class Packing:
    """Packs each content once a process; for the event loop."""

    def __init__(self, folder: Path = FOLDER) -> None:
        self._folder = folder
        self._made: dict[tuple[str, str], asyncio.Task[Packed]] = {}
        self._better: dict[tuple[str, str], Packed] = {}
        self._to_improve: queue.SimpleQueue[tuple[str, str, bytes]] = queue.SimpleQueue()
        self._improving: threading.Thread | None = None

    async def of(self, name: str, read: Callable[[], bytes], coding: str) -> Packed:
        """What ``read`` gives, known by ``name``, in a coding of ``_CODINGS``. Raises what ``read`` raises."""
        key = name, coding
        if better := self._better.get(key):
            return better
        if key not in self._made:
            self._made[key] = asyncio.create_task(run_in_threadpool(self._pack, name, read, coding))
        try:
            # The others who wait for it must not lose it if one of them leaves.
            return await asyncio.shield(self._made[key])
        except OSError:
            self._made.pop(key, None)
            raise

    def _pack(self, name: str, read: Callable[[], bytes], coding: str) -> Packed:
        data = read()
        with suppress(OSError, ValueError, EOFError, zlib.error, brotli.error):
            body = self._place(data, coding).read_bytes()
            if _CODINGS[coding].unpack(body) == data:  # else it is damaged
                return _packed(body)
        self._to_improve.put((name, coding, data))
        if self._improving is None:
            # A daemon: the end of the process does not wait for it, and loses no more than a packing.
            self._improving = threading.Thread(target=self._improve, name="packing", daemon=True)
            self._improving.start()
        return _packed(_CODINGS[coding].quick(data))

    def _improve(self) -> None:
        while True:
            name, coding, data = self._to_improve.get()
            body = _CODINGS[coding].best(data)
            self._better[name, coding] = _packed(body)
            with suppress(OSError):
                _write(self._place(data, coding), body)

    def _place(self, data: bytes, coding: str) -> Path:
        return self._folder / f"{hashlib.sha256(data).hexdigest()}.{coding}"


class Static:
    """ASGI middleware: answers for Streamlit's page and the text files in its static folder."""

    def __init__(self, app: ASGIApp, packing: Packing | None = None) -> None:
        self._app = app
        self._packing = packing or Packing()
        self._folder = Path(get_static_dir())
        self._conditions = StaticFiles(directory=self._folder)
        #: Address -> file. Nothing else is ever read, whatever path is asked for.
        self._files = {
            f"/{path.relative_to(self._folder).as_posix()}": path
            for path in self._folder.rglob("*")
            if path.suffix in SUFFIXES
        }
        self._index = self._folder / "index.html"
        self._files |= {f"/{page}": self._index for page in ("", *PAGES)}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        file = self._files.get(scope["path"]) if scope["type"] == "http" else None
        if file is None or scope["method"] not in ("GET", "HEAD"):
            await self._app(scope, receive, send)
            return
        asked = Headers(scope=scope)
        named = named_codings(asked.getlist("accept-encoding"))
        coding = next((each for each in _CODINGS if named.get(each)), None)
        if coding is None or "range" in asked:  # a range is part of the file as it is
            await self._app(scope, receive, _with_vary(send))
            return
        read = self._page if file == self._index else file.read_bytes
        packed = await self._packing.of(file.name, read, coding)
        await self._answer(file, packed, coding, asked)(scope, receive, send)

    def _answer(self, file: Path, packed: Packed, coding: str, asked: Headers) -> Response:
        named_by_content = file.is_relative_to(self._folder / "static")
        answer = Response(packed.body, media_type=guess_type(file.name)[0])
        answer.headers["Content-Encoding"] = coding
        answer.headers["Vary"] = "Accept-Encoding"
        answer.headers["ETag"] = packed.etag
        answer.headers["Cache-Control"] = f"public, immutable, max-age={_YEAR}" if named_by_content else "no-cache"
        if self._conditions.is_not_modified(answer.headers, asked):
            return NotModifiedResponse(answer.headers)
        return answer

    def _page(self) -> bytes:
        """Streamlit's page, with what our pages need besides."""
        page = self._index.read_text()
        there = set(re.findall(r"static/js/([\w.-]+\.js)", page))
        scripts = self._folder / "static" / "js"
        wanted = _imported(scripts, (path.name for part in _PRELOADED for path in scripts.glob(f"{part}.*.js")))
        # The largest first, since it takes longest; low, since a browser has six connections, and Streamlit's own
        # first requests would wait for all of these otherwise.
        new = sorted(wanted - there, key=lambda name: (-(scripts / name).stat().st_size, name))
        links = [
            f'<link rel="modulepreload" crossorigin fetchpriority="low" href="./static/js/{name}">' for name in new
        ]
        # The theme comes with the first run of a script; until then Streamlit would load a font for its own.
        font = json.dumps({"bodyFont": st.get_option("theme.font")}).replace("<", "\\u003c")
        theme = f"<script>window.__streamlit = {{LIGHT_THEME: {font}, DARK_THEME: {font}}}</script>"
        own = [f"<script>\n{path.read_text()}</script>" for path in _SCRIPTS]
        page = _UNUSED_FONT.sub("", page)
        return page.replace("</head>", "\n".join([theme, *own, *links, "</head>"]), 1).encode()


def _imported(scripts: Path, names: Iterable[str]) -> set[str]:
    """The scripts with these names, and all that they import."""
    found: set[str] = set()
    new = set(names)
    while new:
        found |= new
        new = {name for each in new for name in _IMPORT.findall((scripts / each).read_text())} - found
    return found


def _packed(body: bytes) -> Packed:
    return Packed(body, f'"{hashlib.sha256(body).hexdigest()[:32]}"')


def _write(place: Path, body: bytes) -> None:
    """Write the file at once: other processes see all of it or nothing."""
    place.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=place.parent, delete=False) as file:
        new = Path(file.name)
        try:
            file.write(body)
            file.close()
            new.replace(place)
        except OSError:
            new.unlink()
            raise


def _with_vary(send: Send) -> Send:
    async def sent(message: Message) -> None:
        if message["type"] == "http.response.start":
            MutableHeaders(scope=message).add_vary_header("Accept-Encoding")
        await send(message)

    return sent
