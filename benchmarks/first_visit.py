"""A first visit to Event overview over a slow line: bytes and seconds until the page is there, in Chromium.

The embedded backend with an event of 6,000 records, served by a process of its own. The browser's cache is empty and
its line has 5 Mbit/s and 40 ms, as its own network emulation makes them. Run as ``python -m benchmarks.first_visit``.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import tempfile
import time
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from playwright.sync_api import Browser, expect, sync_playwright

from benchmarks import data, results
from tests.support.browser import dashboard

SECTION = "First visit"
PEOPLE = 6000
BITS_A_SECOND, LATENCY_MS = 5_000_000, 40
#: Charts that Event overview draws.
CHARTS = 6
PATIENCE_MS = 120_000


@dataclass(frozen=True)
class Visit:
    seconds: float
    #: Bytes that came over the line, by kind of address.
    received: dict[str, int]


def visit(browser: Browser, address: str, *, show: bool = False) -> Visit:
    """Opens the page in a browser that has never been there, until all of its charts and tables are drawn."""
    context = browser.new_context(viewport={"width": 1440, "height": 1000})
    page = context.new_page()
    line = context.new_cdp_session(page)
    line.send("Network.enable")
    throughput = BITS_A_SECOND / 8
    line.send(
        "Network.emulateNetworkConditions",
        {
            "offline": False,
            "latency": LATENCY_MS,
            "downloadThroughput": throughput,
            "uploadThroughput": throughput,
        },
    )
    paths: dict[str, str] = {}
    received: defaultdict[str, int] = defaultdict(int)
    began = time.monotonic()

    def asked(event: dict[str, Any]) -> None:
        paths[event["requestId"]] = urlsplit(event["request"]["url"]).path

    def finished(event: dict[str, Any]) -> None:
        path, size = paths.get(event["requestId"], ""), int(event["encodedDataLength"])
        received["scripts and styles" if path.startswith("/static/") else "the rest"] += size
        if show:
            print(f"{time.monotonic() - began:6.2f} s {size:>9,} {path}")

    def framed(event: dict[str, Any]) -> None:
        # Binary frames are given in Base64.
        received["websocket"] += len(event["response"]["payloadData"]) * 3 // 4

    line.on("Network.requestWillBeSent", asked)
    line.on("Network.loadingFinished", finished)
    line.on("Network.webSocketFrameReceived", framed)
    page.goto(f"{address}/event_overview", wait_until="commit", timeout=PATIENCE_MS)
    expect(page.locator(".js-plotly-plot .main-svg").first).to_be_visible(timeout=PATIENCE_MS)
    expect(page.locator(".js-plotly-plot")).to_have_count(CHARTS, timeout=PATIENCE_MS)
    expect(page.locator("[data-testid=stDataFrame] canvas").first).to_be_visible(timeout=PATIENCE_MS)
    seconds = time.monotonic() - began
    page.wait_for_timeout(3000)  # what comes late counts among the bytes
    context.close()
    return Visit(seconds, dict(received))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--visits", type=int, default=3)
    parser.add_argument("--show", action="store_true", help="print each file of the first visit")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, sync_playwright() as playwright:
        folder = Path(name)
        (folder / "data").mkdir(mode=0o700)
        data.embedded(folder / "data", PEOPLE, registered=PEOPLE * 6 // 5)
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"]
        )
        with dashboard({"FACEDESK_DATA_DIR": str(folder / "data")}, folder / "log") as address:
            visits = [visit(browser, address, show=given.show and number == 0) for number in range(given.visits)]
        browser.close()
    rows = [
        [
            f"{number}",
            f"{made.seconds:.1f}",
            f"{sum(made.received.values()) / 1e6:.2f}",
            ", ".join(f"{kind} {size / 1e6:.2f}" for kind, size in sorted(made.received.items())),
        ]
        for number, made in enumerate(visits, 1)
    ]
    rows.append(["median", f"{statistics.median(made.seconds for made in visits):.1f}", "", ""])
    results.publish(
        SECTION,
        f"Event overview of {PEOPLE:,} people in Chromium with an empty cache, over {BITS_A_SECOND / 1e6:g} Mbit/s "
        f"and {LATENCY_MS} ms, until every chart and table is drawn. Visit 1 is the first one after the start.\n\n"
        + results.table(["visit", "seconds", "MB", "of these"], rows),
    )


if __name__ == "__main__":
    main()
