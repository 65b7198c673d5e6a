"""``python -m dashboard``: serves the dashboard."""

from __future__ import annotations

from typing import Any

import click
from streamlit.web.cli import configurator_options

from dashboard.server import serve


@click.command(epilog="Streamlit's own options can be given as well; 'streamlit run --help' lists them.")
@click.option("--port", type=click.IntRange(1, 2**16 - 1), help="TCP port (8501 by default).")
@click.option("--address", help="IP address or host name to listen at (127.0.0.1 by default).")
@configurator_options
def main(port: int | None, address: str | None, **options: Any) -> None:
    """Serve the dashboard and the API."""
    given = {"server_port": port, "server_address": address}
    serve({**options, **{name: value for name, value in given.items() if value is not None}})


for parameter in main.params:
    if isinstance(parameter, click.Option) and parameter.name not in ("port", "address"):
        parameter.hidden = True

if __name__ == "__main__":
    main(prog_name="python -m dashboard")
