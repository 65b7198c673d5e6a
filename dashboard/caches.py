"""What pages keep in memory of people."""

from __future__ import annotations

from core.services.forgetting import Forgetting


def forget_when_erased(forgetting: Forgetting) -> None:
    """Let the pages' caches be emptied whenever somebody is erased."""
    # They use the services, which are being made when this is called.
    from dashboard.parts import event, photos

    forgetting.on_erased(lambda _: photos.forget())
    forgetting.on_erased(lambda _: event.forget_all())
