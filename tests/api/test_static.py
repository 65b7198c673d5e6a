"""Streamlit's static files, compressed, before Streamlit's own handler of them."""

from __future__ import annotations

import asyncio
import gzip
import re
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import brotli
import httpx
import pytest
from starlette.applications import Starlette
from streamlit.file_util import get_static_dir
from streamlit.web.server.starlette.starlette_static_routes import create_streamlit_static_assets_routes

from dashboard.static import Packing, Static

FOLDER = Path(get_static_dir())
SCRIPT = next(iter(sorted((FOLDER / "static" / "js").glob("rolldown-runtime.*.js"))))
ADDRESS = f"/static/js/{SCRIPT.name}"
CONTENT = SCRIPT.read_bytes()
Ask = Callable[..., httpx.Response]


@pytest.fixture
def ask(tmp_path: Path) -> Ask:
    return asking(tmp_path / "packed")


def asking(folder: Path) -> Ask:
    app = Static(Starlette(routes=create_streamlit_static_assets_routes(None)), Packing(folder))

    def ask(path: str, accepted: str | None = "gzip, deflate, br", method: str = "GET", **headers: str) -> Any:
        async def asked() -> httpx.Response:
            async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost") as client:
                given = {**({"Accept-Encoding": accepted} if accepted is not None else {}), **headers}
                request = client.build_request(method, path, headers=given)
                if accepted is None:
                    del request.headers["accept-encoding"]
                return await client.send(request)

        return asyncio.run(asked())

    return ask


@pytest.mark.parametrize(
    ("accepted", "coding"),
    [
        ("gzip, deflate, br", "br"),
        ("gzip", "gzip"),
        ("GZIP;q=0.5", "gzip"),
        ("br;q=0, gzip", "gzip"),
        ("br;q=0.0, gzip;q=0", None),
        ("identity", None),
        ("", None),
        (None, None),
    ],
)
def test_a_script_is_sent_in_the_best_coding_that_the_client_takes(
    ask: Ask, accepted: str | None, coding: str | None
) -> None:
    answer = ask(ADDRESS, accepted)
    assert answer.status_code == 200
    assert answer.headers.get("content-encoding") == coding
    assert answer.content == CONTENT  # unpacked by the client
    assert answer.headers["vary"] == "Accept-Encoding"
    assert answer.headers["content-type"].startswith("text/javascript")
    assert answer.headers["cache-control"] == "public, immutable, max-age=31536000"


def test_each_coding_has_its_own_tag_and_is_not_sent_again_to_those_who_have_it(tmp_path: Path) -> None:
    for coding in ("br", "gzip"):  # else a better packing, with another tag, may come in between
        improved(tmp_path, coding)
    ask = asking(tmp_path)
    tags = {accepted: ask(ADDRESS, accepted).headers["etag"] for accepted in ("br", "gzip", "identity")}
    assert len(set(tags.values())) == len(tags)
    for accepted, tag in tags.items():
        for known in (tag, f'"another", W/{tag}'):
            answer = ask(ADDRESS, accepted, **{"If-None-Match": known})
            assert (answer.status_code, answer.content) == (304, b"")
            assert answer.headers["vary"] == "Accept-Encoding"
    assert ask(ADDRESS, "br", **{"If-None-Match": tags["gzip"]}).status_code == 200


def test_a_head_has_the_headers_of_the_answer_and_no_body(ask: Ask) -> None:
    # A better packing may take the place of the quick one between two requests, once.
    before, head, after = ask(ADDRESS), ask(ADDRESS, method="HEAD"), ask(ADDRESS)
    assert head.content == b""
    assert dict(head.headers) in (dict(before.headers), dict(after.headers))


def test_a_range_is_one_of_the_file_as_it_is(ask: Ask) -> None:
    answer = ask(ADDRESS, Range="bytes=2-5")
    assert (answer.status_code, answer.content) == (206, CONTENT[2:6])
    assert "content-encoding" not in answer.headers


@pytest.mark.parametrize(
    "path",
    [
        "/static/js/../../../__init__.py",
        "/static/js/%2e%2e/%2e%2e/%2e%2e/__init__.py",
        "/static/js/..%2f..%2f..%2f__init__.py",
        "//static/js/x.js",
        f"{ADDRESS}/",
        f"{ADDRESS}%00",
        "/static/js/none.js",
    ],
)
def test_what_is_no_file_of_the_folder_is_left_to_streamlit(ask: Ask, path: str) -> None:
    answer = ask(path)
    assert "content-encoding" not in answer.headers
    assert b"streamlit.logger" not in answer.content


def test_nothing_but_reading_is_answered(ask: Ask) -> None:
    assert ask(ADDRESS, method="POST").status_code == 405


@pytest.mark.parametrize("path", ["/", "/event_overview", "/index.html"])
def test_the_page_names_what_event_pages_need_and_is_asked_for_each_time(ask: Ask, path: str) -> None:
    answer = ask(path)
    assert answer.headers["content-encoding"] == "br"
    assert answer.headers["cache-control"] == "no-cache"
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert "PlotlyChart" in answer.text
    assert 'as="font"' not in answer.text
    named = set(re.findall(r'href="\./static/js/([^"]+)"', answer.text))
    assert all((FOLDER / "static" / "js" / name).is_file() for name in named)


async def packed(packing: Packing, read: Callable[[], bytes], coding: str = "br") -> bytes:
    return (await packing.of("x.js", read, coding)).body


def test_many_who_ask_at_once_have_it_packed_once(tmp_path: Path) -> None:
    calls: list[int] = []
    begun = threading.Event()

    def read() -> bytes:
        calls.append(1)
        begun.wait(0.1)
        return CONTENT

    async def all_at_once() -> list[bytes]:
        packing = Packing(tmp_path)
        return await asyncio.gather(*(packed(packing, read) for _ in range(20)))

    assert {brotli.decompress(each) for each in asyncio.run(all_at_once())} == {CONTENT}
    assert len(calls) == 1


def improved(folder: Path, coding: str = "br") -> Path:
    """The file that holds the better packing, once it is there."""

    async def pack() -> None:
        packing = Packing(folder)
        first = await packed(packing, lambda: CONTENT, coding)
        while not (files := list(folder.glob(f"*.{coding}"))) or not packing._better:
            await asyncio.sleep(0.01)
        assert len(files) == 1
        assert len(await packed(packing, lambda: CONTENT, coding)) <= len(first)

    asyncio.run(asyncio.wait_for(pack(), 60))
    return next(folder.glob(f"*.{coding}"))


@pytest.mark.parametrize(("coding", "unpack"), [("br", brotli.decompress), ("gzip", gzip.decompress)])
def test_a_better_packing_is_kept_for_later_processes(
    tmp_path: Path, coding: str, unpack: Callable[[bytes], bytes]
) -> None:
    file = improved(tmp_path, coding)
    assert unpack(file.read_bytes()) == CONTENT
    assert asyncio.run(packed(Packing(tmp_path), lambda: CONTENT, coding)) == file.read_bytes()
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.parametrize("damage", [b"", b"no packing", brotli.compress(b"alert(1)")])
def test_a_packing_that_is_damaged_or_of_something_else_is_not_sent(tmp_path: Path, damage: bytes) -> None:
    improved(tmp_path).write_bytes(damage)
    assert brotli.decompress(asyncio.run(packed(Packing(tmp_path), lambda: CONTENT))) == CONTENT


def test_without_a_folder_that_can_be_written_it_is_packed_in_memory(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    answer = asking(tmp_path / "file" / "packed")(ADDRESS)
    assert (answer.headers["content-encoding"], answer.content) == ("br", CONTENT)
