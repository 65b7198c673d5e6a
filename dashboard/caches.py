"""What pages keep in memory of people, and show of them."""

from __future__ import annotations

from core.services.forgetting import Forgetting


def forget_when_erased(forgetting: Forgetting) -> None:
    """Empty the pages' caches whenever somebody is erased, and show nobody's face on who is gone."""
    # They use the services, which are being made when this is called.
    from dashboard.parts import event, photos

    forgetting.on_erased(lambda _: event.forget_all())
    forgetting.on_erased(lambda _: photos.forget())  # last: pages run again, on what is left
