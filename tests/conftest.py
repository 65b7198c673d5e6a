"""Fixtures of the whole suite live in ``tests/support``, one module per thing they provide."""

from __future__ import annotations

import importlib.util

_SUPPORT = ("portraits", "desk", "app", "browser", "dynamodb", "mongodb", "s3", "rekognition", "production")
pytest_plugins = [f"tests.support.{name}" for name in _SUPPORT if importlib.util.find_spec(f"tests.support.{name}")]
