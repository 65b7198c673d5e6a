"""Which of several processes on the same stores this one is."""

from __future__ import annotations

import os
import secrets
import socket
from functools import cache


@cache
def instance_id() -> str:
    """Names this process among all instances: by the machine, the process's number and something random.

    The random part tells two containers apart that have the same name and number, and a process from an earlier one.
    """
    return f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}"
