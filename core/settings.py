"""Every setting, read once from the environment and ``.env``. The README's table is tested against this module."""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import Any

from pydantic import AliasChoices, Field, Json, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from core.errors import SettingsError
from core.policy import Policy


class Backend(StrEnum):
    EMBEDDED = "embedded"
    AWS = "aws"


class OperationLog(StrEnum):
    AUTO = "auto"
    STDERR = "stderr"
    FILE = "file"
    OFF = "off"


class Settings(BaseSettings):
    """One field per setting; its upper-case name (or alias) is the environment variable."""

    model_config = SettingsConfigDict(env_file=".env", extra="ignore", frozen=True, populate_by_name=True)

    backend: Backend = Field(
        Backend.EMBEDDED,
        validation_alias="FACEDESK_BACKEND",
        description="`embedded` (this machine alone) or `aws`",
    )
    data_dir: Path = Field(
        Path("data"),
        validation_alias="FACEDESK_DATA_DIR",
        description="where the embedded backend keeps its database and photos",
    )

    dynamodb_table: str | None = Field(
        None,
        validation_alias="DYNAMODB_FACE_VALIDATION_TABLE",
        description="DynamoDB table of the validation records",
    )
    event_index_check_minutes: float = Field(
        30,
        ge=0,
        validation_alias="EVENT_INDEX_CHECK_MINUTES",
        description="how often the table is read for records that its event index lacks (minutes); "
        "`0`: never, Facedesk alone writes this table",
    )
    aws_region: str | None = Field(
        None,
        validation_alias=AliasChoices("AWS_REGION", "AWS_DEFAULT_REGION"),
        description="AWS region; `AWS_DEFAULT_REGION` is read where it is absent",
    )
    images_bucket: str | None = Field(
        None, validation_alias="FACE_IMAGES_BUCKET", description="S3 bucket of the photos"
    )
    mongodb_uri: SecretStr | None = Field(
        None, validation_alias="MONGODB_URI", description="connection string of the registrations' MongoDB"
    )
    mongodb_database: str | None = Field(None, validation_alias="MONGODB_DATABASE", description="its database")
    mongodb_collection: str = Field(
        "registrations",
        validation_alias="MONGODB_REGISTRATIONS_COLLECTION",
        description="its collection of registrations",
    )
    mongodb_fields: Json[dict[str, str]] = Field(
        default_factory=dict,
        validate_default=False,
        validation_alias="MONGODB_FIELDS",
        description='JSON: where a registration document keeps what, e.g. `{"email": "contact.email"}`; '
        "names: registrationId (`_id`), userId, eventId, name, email, referencePhotoKey (`storedFaceKey`), "
        "submittedPhotoKey (`faceImageKey`)",
    )

    record_ttl_days: int = Field(
        30, ge=1, le=3650, validation_alias="RECORD_TTL_DAYS", description="days that a record is kept"
    )
    engine_deadline_seconds: float = Field(
        8,
        gt=4,
        le=60,
        validation_alias="ENGINE_DEADLINE_SECONDS",
        description="after this the face engine counts as unavailable and the attempt waits (seconds)",
    )
    store_deadline_seconds: float = Field(
        8,
        gt=4,
        le=60,
        validation_alias="STORE_DEADLINE_SECONDS",
        description="after this a store counts as unavailable (seconds, retries included)",
    )

    max_upload_mb: int = Field(
        15, ge=1, le=50, validation_alias="MAX_UPLOAD_MB", description="largest photo file taken, megabytes"
    )

    api_threads: int = Field(
        16, ge=1, le=256, validation_alias="API_THREADS", description="API requests that are worked on at once"
    )
    api_queue: int = Field(
        64,
        ge=0,
        validation_alias="API_QUEUE",
        description="API requests that may wait for their turn; beyond them the answer is 503",
    )
    api_exports: int = Field(
        8, ge=1, le=64, validation_alias="API_EXPORTS", description="CSV downloads that may run at once"
    )
    operation_log: OperationLog = Field(
        OperationLog.AUTO,
        validation_alias="OPERATION_LOG",
        description="where each operation's line of JSON goes: `stderr`, `file` (`logs/` in the data folder), `off`; "
        "`auto`: `stderr` with `aws`, `file` with `embedded`",
    )
    hash_key: SecretStr | None = Field(
        None,
        min_length=16,
        validation_alias="HASH_KEY",
        description="secret key of the hashes that stand for ids in the log, the audit trail and pseudonymised CSVs, "
        "16 characters or more; without it `embedded` makes one, `hash.key` in the data folder",
    )
    rekognition_calls_per_second: float = Field(
        25,
        gt=0,
        validation_alias="REKOGNITION_CALLS_PER_SECOND",
        description="the region's quota of DetectFaces, and of CompareFaces, calls a second",
    )

    price_dynamodb_write: float = Field(
        0.71,
        ge=0,
        validation_alias="PRICE_DYNAMODB_WRITE",
        description="USD for a million write units on demand (ap-south-1, November 2026)",
    )
    price_dynamodb_read: float = Field(
        0.1425,
        ge=0,
        validation_alias="PRICE_DYNAMODB_READ",
        description="USD for a million read units on demand (ap-south-1, November 2026)",
    )

    price_rekognition: float = Field(
        1.0,
        ge=0,
        validation_alias="PRICE_REKOGNITION",
        description="USD for a thousand images examined; DetectFaces and CompareFaces are one each",
    )

    similarity_threshold: float = Field(
        80, validation_alias="SIMILARITY_THRESHOLD", description="similarity from which two faces match"
    )
    review_threshold: float = Field(
        70,
        validation_alias="REVIEW_THRESHOLD",
        description="similarity from which a person decides; below it the photo fails",
    )
    min_confidence: float = Field(
        90, validation_alias="MIN_CONFIDENCE", description="engine's confidence that a face must reach"
    )
    min_face_pixels: int = Field(
        50, validation_alias="MIN_FACE_PIXELS", description="shorter side that a face must have, pixels"
    )
    other_face_ratio: float = Field(
        0.25,
        validation_alias="OTHER_FACE_RATIO",
        description="share of the largest face's area from which another face counts",
    )
    min_brightness: float = Field(20, validation_alias="MIN_BRIGHTNESS", description="below: too dark (0-100)")
    max_brightness: float = Field(97, validation_alias="MAX_BRIGHTNESS", description="above: too bright (0-100)")
    min_sharpness: float = Field(15, validation_alias="MIN_SHARPNESS", description="below: blurred (0-100)")
    high_quality_brightness: float = Field(
        35, validation_alias="HIGH_QUALITY_BRIGHTNESS", description="brightness from which quality is high"
    )
    high_quality_sharpness: float = Field(
        40, validation_alias="HIGH_QUALITY_SHARPNESS", description="sharpness from which quality is high"
    )
    max_yaw: float = Field(
        45, validation_alias="MAX_YAW", description="degrees that the head may be turned to either side"
    )
    min_pitch: float = Field(
        -30, validation_alias="MIN_PITCH", description="degrees that the head may be lowered (negative)"
    )
    max_pitch: float = Field(45, validation_alias="MAX_PITCH", description="degrees that the head may be raised")
    min_attribute_confidence: float = Field(
        90,
        validation_alias="MIN_ATTRIBUTE_CONFIDENCE",
        description="engine's confidence from which closed eyes, sunglasses or a covered face count",
    )

    @model_validator(mode="after")
    def _complete(self) -> Settings:
        if self.backend is Backend.AWS:
            for name, value in {
                "DYNAMODB_FACE_VALIDATION_TABLE": self.dynamodb_table,
                "AWS_REGION": self.aws_region,
                "FACE_IMAGES_BUCKET": self.images_bucket,
                "MONGODB_URI": self.mongodb_uri,
                "MONGODB_DATABASE": self.mongodb_database,
                "HASH_KEY": self.hash_key,
            }.items():
                if not value:
                    raise ValueError(f"{name} is missing; FACEDESK_BACKEND=aws needs it")
        return self

    @property
    def record_ttl(self) -> timedelta:
        return timedelta(days=self.record_ttl_days)

    @property
    def event_index_check(self) -> timedelta | None:
        """Time between two checks of the event index; None: it is trusted."""
        return timedelta(minutes=self.event_index_check_minutes) if self.event_index_check_minutes else None

    @property
    def max_upload_bytes(self) -> int:
        return self.max_upload_mb * 1024 * 1024

    @property
    def policy(self) -> Policy:
        return Policy(**{name: getattr(self, name) for name in Policy.model_fields})


def load_settings(**given: Any) -> Settings:
    """Read the settings, but for those ``given``; ``SettingsError`` is one line that names the first bad one."""
    try:
        settings = Settings(**given)
        _ = settings.policy  # its own checks
        return settings
    except ValidationError as error:
        raise SettingsError(_first_line(error)) from None


def _first_line(error: ValidationError) -> str:
    """Names the setting and what is wrong, without the value: it may be a secret."""
    first = error.errors(include_input=False, include_url=False)[0]
    message = first["msg"].removeprefix("Value error, ")
    name = str(first["loc"][0]).upper() if first["loc"] else None
    return f"Bad setting {name}: {message}" if name else f"Bad setting: {message}"
