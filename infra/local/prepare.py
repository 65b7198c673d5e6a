"""Fills the servers of ``docker compose --profile aws-local up``: the bucket, and the sample event once.

Run it after ``python -m core provision``, with the settings of the desks. It may run again: what is there stays.
"""

from __future__ import annotations

from collections.abc import Iterable

import boto3
import pymongo
from botocore.exceptions import ClientError

from core.adapters.aws.registrations import DEFAULT_FIELDS
from core.domain.clock import utc_now
from core.domain.records import Registration
from core.runtime.bootstrap import build
from core.services import sample
from core.settings import Settings, load_settings


class _Collection:
    """The registrations' collection, as another system fills it."""

    def __init__(self, settings: Settings) -> None:
        assert settings.mongodb_uri
        assert settings.mongodb_database
        client = pymongo.MongoClient(settings.mongodb_uri.get_secret_value())
        self._collection = client[settings.mongodb_database][settings.mongodb_collection]

    def import_many(self, registrations: Iterable[Registration]) -> int:
        people = list(registrations)
        fields = {
            "userId": "user_id",
            "eventId": "event_id",
            "name": "name",
            "email": "email",
            "referencePhotoKey": "reference_photo_key",
        }
        for person in people:
            document = {DEFAULT_FIELDS[name]: getattr(person, attribute) for name, attribute in fields.items()}
            self._collection.replace_one({"_id": person.registration_id}, document, upsert=True)
        return len(people)


def main() -> None:
    settings = load_settings()
    try:
        boto3.client("s3").create_bucket(
            Bucket=settings.images_bucket,
            CreateBucketConfiguration={"LocationConstraint": settings.aws_region},
        )
    except ClientError as error:
        if error.response["Error"]["Code"] != "BucketAlreadyOwnedByYou":
            raise
    services = build(settings)
    try:
        sample.load(services.records, _Collection(settings), services.photos, services.sanitiser, utc_now())
    finally:
        services.close()


if __name__ == "__main__":
    main()
