"""Photos in an S3 bucket."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from datetime import datetime, timedelta
from typing import Any

from botocore.exceptions import ClientError, FlexibleChecksumError, IncompleteReadError

from core.adapters.aws.clients import translated
from core.adapters.shared.photos import MAX_PHOTO_BYTES, is_valid_key, not_found, require_valid_key, too_large
from core.domain.errors import Service, Unavailable
from core.domain.expiry import is_due_for_renewal
from core.flow.retry import Retry
from core.photos.keys import SUBMITTED

_CHUNK_BYTES = 256 * 1024


class S3Photos:
    """``Photos`` in S3. A photo's key is the object's key, and the bucket's default encryption applies.

    The credentials need ``s3:ListBucket`` besides reading and writing: without it S3 answers 403 instead of 404 for a
    photo that does not exist.

    Nothing is asked by HEAD: its errors have no body, so a missing bucket looks like a missing photo, and a wrong
    clock or expired credentials like a missing permission. Listing needs no other permission than HeadBucket.
    """

    def __init__(self, client: Any, bucket: str, retry: Retry, max_bytes: int = MAX_PHOTO_BYTES) -> None:
        """``client`` makes one attempt per call (``core.adapters.aws.clients.client("s3", region)``); ``retry`` makes
        the others.
        """
        self._client = client
        self._bucket = bucket
        self._retry = retry
        self._max_bytes = max_bytes

    def put(self, key: str, data: bytes) -> None:
        require_valid_key(key)

        def attempt() -> None:
            with translated(Service.PHOTOS):
                self._client.put_object(Bucket=self._bucket, Key=key, Body=data, ContentType="image/jpeg")

        self._retry(attempt)

    def get(self, key: str) -> bytes:
        return self._retry(lambda: self._get(key))

    def exists(self, key: str) -> bool:
        return self.mark(key) is not None

    def mark(self, key: str) -> str | None:
        """What identifies the photo that is now under ``key``: it changes whenever another photo is put there.

        None if there is no photo, and for a key that cannot be one. Reads no photo.
        """
        if not is_valid_key(key):
            return None

        def attempt() -> str | None:
            with translated(Service.PHOTOS):
                # A key is listed before all longer ones that begin with it.
                found = self._client.list_objects_v2(Bucket=self._bucket, Prefix=key, MaxKeys=1)
                return next((entry["ETag"] for entry in found.get("Contents", ()) if entry["Key"] == key), None)

        return self._retry(attempt)

    def under(self, folder: str) -> list[str]:
        return sorted({key for key, _ in self._versions(folder)})

    def erase(self, key: str) -> None:
        if is_valid_key(key):
            self._erase((name, version) for name, version in self._versions(key) if name == key)

    def erase_under(self, folder: str, kept: Collection[str] = ()) -> None:
        self._erase((name, version) for name, version in self._versions(folder) if name not in kept)

    def renew(self, kept_until: Mapping[str, datetime], ttl: timedelta, now: datetime) -> int:
        """As ``AgeingPhotos.renew``. Lists all submitted photos once, whatever is renewed."""
        due = [
            key
            for key, stored_at in (self._submitted() if kept_until else ())
            if key in kept_until and is_due_for_renewal(stored_at, kept_until[key], ttl, now)
        ]
        return sum(map(self._renewed, due))

    def ping(self) -> None:
        def attempt() -> None:
            with translated(Service.PHOTOS):
                self._client.list_objects_v2(Bucket=self._bucket, MaxKeys=1)

        self._retry(attempt)

    def close(self) -> None:
        self._client.close()

    def _submitted(self) -> Iterator[tuple[str, datetime]]:
        """Key and age of each submitted photo."""
        request = {"Bucket": self._bucket, "Prefix": SUBMITTED}

        def page() -> Any:
            with translated(Service.PHOTOS):
                return self._client.list_objects_v2(**request)

        while True:
            answer = self._retry(page)
            yield from ((entry["Key"], entry["LastModified"]) for entry in answer.get("Contents", ()))
            if not answer.get("IsTruncated"):
                return
            request["ContinuationToken"] = answer["NextContinuationToken"]

    def _renewed(self, key: str) -> bool:
        """Copies the photo onto itself; False if it is gone meanwhile."""

        def once() -> bool:
            with translated(Service.PHOTOS):
                try:
                    self._client.copy_object(
                        Bucket=self._bucket,
                        Key=key,
                        CopySource={"Bucket": self._bucket, "Key": key},
                        # S3 refuses a copy onto itself that changes nothing.
                        MetadataDirective="REPLACE",
                        ContentType="image/jpeg",
                        TaggingDirective="REPLACE",  # without it, reading tags would need a permission of its own
                    )
                except ClientError as error:
                    if error.response.get("Error", {}).get("Code") == "NoSuchKey":
                        return False
                    raise
                return True

        return self._retry(once)

    def _versions(self, prefix: str) -> Iterator[tuple[str, str]]:
        """Key and version of every object whose key begins with ``prefix``, and of delete markers.

        In a bucket without versioning each object has one version, called null.
        """
        request = {"Bucket": self._bucket, "Prefix": prefix}

        def page() -> Any:
            with translated(Service.PHOTOS):
                return self._client.list_object_versions(**request)

        while True:
            answer = self._retry(page)
            for entry in (*answer.get("Versions", ()), *answer.get("DeleteMarkers", ())):
                yield entry["Key"], entry["VersionId"]
            if not answer.get("IsTruncated"):
                return
            request["KeyMarker"] = answer["NextKeyMarker"]
            request["VersionIdMarker"] = answer["NextVersionIdMarker"]

    def _erase(self, versions: Iterable[tuple[str, str]]) -> None:
        # Deleting a version by its id is final. Without the id, S3 would only add a delete marker.
        for key, version in list(versions):

            def once(key: str = key, version: str = version) -> None:
                with translated(Service.PHOTOS):
                    self._client.delete_object(Bucket=self._bucket, Key=key, VersionId=version)

            self._retry(once)

    def _get(self, key: str) -> bytes:
        deadline = time.monotonic() + self._retry.call_timeout
        with self._reading(key):
            answer = self._client.get_object(Bucket=self._bucket, Key=key)
            with closing(answer["Body"]) as body:
                if answer["ContentLength"] > self._max_bytes:
                    raise too_large(self._max_bytes)
                data = bytearray()
                # The SDK limits the wait for each chunk, but not for all of them.
                for chunk in body.iter_chunks(_CHUNK_BYTES):
                    data += chunk
                    if time.monotonic() > deadline:
                        raise Unavailable(Service.PHOTOS, "ReadTimeout")
                return bytes(data)

    @contextmanager
    def _reading(self, key: str) -> Iterator[None]:
        if not is_valid_key(key):
            raise not_found()
        with translated(Service.PHOTOS):
            try:
                yield
            except (IncompleteReadError, FlexibleChecksumError) as error:
                # The SDK does not retry these, but data that was lost or damaged on its way may arrive the next time.
                raise Unavailable(Service.PHOTOS, type(error).__name__) from error
            except ClientError as error:
                if error.response.get("Error", {}).get("Code") == "NoSuchKey":
                    raise not_found() from error
                raise
