"""A server whose settings say so spreads an event over shards once DynamoDB throttles its writes."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest

from core.adapters.aws.event_shards import KEY_IS_FULL, Shards
from core.adapters.aws.sharding import Sharding
from core.domain.clock import utc_now
from tests.support.dynamodb import Proxy, client_of, first
from tests.support.production import Servers, production
from tests.support.records import an_outcome
from tests.support.stores import PATIENT
from tests.support.waiting import until

EVENT = "event-1"


@pytest.mark.parametrize(("setting", "shards"), [("4", Shards(read=4)), ("0", Shards())])
def test_an_event_is_spread_over_as_many_shards_as_the_setting_says(
    dynamodb_proxy: Proxy, s3_server: str, mongodb_uri: str, setting: str, shards: Shards
) -> None:
    servers = Servers(dynamodb_proxy.url, s3_server, mongodb_uri, "http://127.0.0.1:1")
    with production(servers, EVENT_INDEX_SHARDS=setting) as site:
        dynamodb_proxy.fault = first(
            1, "UpdateItem", ("ProvisionedThroughputExceededException", 400, [(KEY_IS_FULL, "")])
        )
        outcome = an_outcome(event_id=EVENT, timestamp=utc_now())
        site.services.records.record_attempt(outcome, timedelta(days=30))
        # Of the thread that spreads the event, which waits until every server reads the shards.
        assert any(thread.name == "shards" for thread in threading.enumerate()) == bool(shards.read)
        client = client_of(dynamodb_proxy.url)
        stored = Sharding(client, site.environment["DYNAMODB_STATE_TABLE"], PATIENT, utc_now)
        until(lambda: stored._now(EVENT) == shards)
        client.close()
