"""Names of Facedesk's settings, as files outside of the code give them."""

from __future__ import annotations

from core.settings import Settings


def setting_names() -> list[str]:
    aliases = [field.validation_alias for field in Settings.model_fields.values()]
    return [name for alias in aliases for name in (getattr(alias, "choices", None) or [alias])]
