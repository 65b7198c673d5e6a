"""Fixtures of the whole suite live in ``tests/support``, one module per thing they provide."""

from __future__ import annotations

_WITH_FIXTURES = (
    "calls",
    "servers",
    "portraits",
    "desk",
    "app",
    "browser",
    "spreadsheet",
    "dynamodb",
    "mongodb",
    "s3",
    "rekognition",
    "production",
    "registrations",
)
pytest_plugins = [f"tests.support.{name}" for name in _WITH_FIXTURES]
