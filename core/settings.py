"""Every setting, read once from the environment and ``.env``; ``docs/settings.md`` is tested against them."""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pydantic import AliasChoices, AliasGenerator, Field, Json, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from core.domain.alerts import Limits
from core.domain.errors import SettingsError
from core.domain.policy import Policy
from core.domain.profiles import MAX_SHARDS
from core.domain.records import Percent
from core.domain.roles import ApiToken, Role
from core.domain.second_looks import Sampling

#: Names of this machine that no other can reach.
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


class Backend(StrEnum):
    EMBEDDED = "embedded"
    AWS = "aws"


class Auth(StrEnum):
    AUTO = "auto"
    OFF = "off"
    OIDC = "oidc"


class OperationLog(StrEnum):
    AUTO = "auto"
    STDERR = "stderr"
    FILE = "file"
    OFF = "off"


class Settings(Policy, Limits, Sampling, BaseSettings):
    """One field per setting; the environment variable is its name in upper case, or the alias that it gives.

    The numbers of the rules are those of ``Policy``, of the morning digest ``Limits``, of second looks ``Sampling``.
    """

    model_config = SettingsConfigDict(
        env_file=".env",
        extra="ignore",
        frozen=True,
        populate_by_name=True,
        alias_generator=AliasGenerator(validation_alias=str.upper),
    )

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

    auth: Auth = Field(
        Auth.AUTO,
        validation_alias="FACEDESK_AUTH",
        description="`oidc`: everybody signs in, by OpenID Connect; `off`: nobody does; `auto`: `oidc` where "
        "`OIDC_METADATA_URL` is set, else `off` with `embedded`, and no start with `aws`",
    )
    oidc_metadata_url: str | None = Field(
        None,
        description="the provider's description of itself, its issuer's address with "
        "`/.well-known/openid-configuration` behind it",
    )
    oidc_client_id: str | None = Field(None, description="as what Facedesk is registered with the provider")
    oidc_client_secret: SecretStr | None = Field(None, description="the secret that goes with it")
    oidc_redirect_uri: str | None = Field(
        None,
        description="Facedesk's own address with `/oauth2callback` behind it; https, but for this machine",
    )
    oidc_roles_claim: str = Field(
        "roles",
        description="claim of the ID token that tells a person's roles, a text or a list; dots lead into objects, "
        "e.g. `realm_access.roles`",
    )
    oidc_roles: Json[dict[str, Role]] = Field(
        default_factory=dict,
        validate_default=False,
        description='JSON: what that claim says -> role, e.g. `{"Events/Helpdesk": "support"}`; without it the '
        "claim says the role's own name",
    )
    oidc_events_claim: str | None = Field(
        None,
        description="claim that lists the ids of a person's events, who then sees those alone (`*`: all; absent: "
        "none); without this setting everybody sees all",
    )
    cookie_secret: SecretStr | None = Field(
        None,
        min_length=32,
        description="secret that signs the cookies of those who are signed in, 32 characters or more",
    )
    session_hours: float = Field(
        8,
        gt=0,
        le=24 * 30,
        description="hours after which people must sign in again, unless the ID token expires earlier",
    )
    api_tokens: Json[tuple[ApiToken, ...]] = Field(
        (),
        validate_default=False,
        repr=False,
        description="JSON, with `embedded` alone: the API's tokens, a list of what `python -m core token` prints",
    )
    api_requests_per_minute: float = Field(
        600,
        gt=0,
        description="API requests a minute of a token, over all instances; a sixth of them may come at once",
    )

    dynamodb_table: str | None = Field(
        None,
        validation_alias="DYNAMODB_FACE_VALIDATION_TABLE",
        description="DynamoDB table of the validation records",
    )
    audit_table: str = Field(
        "facedesk-audit",
        min_length=3,
        validation_alias="DYNAMODB_AUDIT_TABLE",
        description="DynamoDB table of the audit trail",
    )
    state_table: str = Field(
        "facedesk-state",
        min_length=3,
        validation_alias="DYNAMODB_STATE_TABLE",
        description="DynamoDB table of what Facedesk itself keeps: who has which case, the notes on cases, second "
        "looks, the profiles of events, alerts, sign-outs, tokens, batches, and what else all servers must see",
    )
    event_index_check_minutes: float = Field(
        30,
        ge=0,
        description="minutes between two searches of the table for records that its event index lacks; "
        "`0`: never, Facedesk alone writes this table",
    )
    event_index_stream: bool = Field(
        False,
        description="whether something follows the table's stream and brings what other services write into the "
        "event index; the search then rests once it found nothing",
    )
    event_index_shards: int = Field(
        0,
        ge=0,
        le=MAX_SHARDS,
        description="over how many keys of the event index an event is spread by itself once DynamoDB throttles its "
        "writes because its key takes no more; `0`: none",
    )
    aws_region: str | None = Field(
        None,
        validation_alias=AliasChoices("AWS_REGION", "AWS_DEFAULT_REGION"),
        description="AWS region; `AWS_DEFAULT_REGION` is read where it is absent",
    )
    images_bucket: str | None = Field(
        None, validation_alias="FACE_IMAGES_BUCKET", description="S3 bucket of the photos"
    )
    mongodb_uri: SecretStr | None = Field(None, description="connection string of the registrations' MongoDB")
    mongodb_database: str | None = Field(None, description="its database")
    mongodb_collection: str = Field(
        "registrations",
        validation_alias="MONGODB_REGISTRATIONS_COLLECTION",
        description="its collection of registrations",
    )
    mongodb_fields: Json[dict[str, str]] = Field(
        default_factory=dict,
        validate_default=False,
        description='JSON: where a registration document keeps what, e.g. `{"email": "contact.email"}`; '
        "names: registrationId (`_id`), userId, eventId, name, email, referencePhotoKey (`storedFaceKey`), "
        "submittedPhotoKey (`faceImageKey`)",
    )

    mongodb_events_collection: str | None = Field(
        None,
        description="a collection of this database in which another system keeps the profiles of events; without it "
        "Facedesk keeps them",
    )
    mongodb_event_fields: Json[dict[str, str]] = Field(
        default_factory=dict,
        validate_default=False,
        description='JSON: where a document of an event keeps what, e.g. `{"startsAt": "schedule.begin"}`; names: '
        "eventId (`_id`), name, timeZone, startsAt, endsAt, photoDeadline, keepDays, similarityThreshold, "
        "reviewThreshold",
    )

    infer_age_gender_smile: bool = Field(
        False,
        description="whether the face engine infers age, gender and smile of each person, for statistics; no rule "
        "needs them, and inferring them has legal duties of its own",
    )
    review_due_hours: float = Field(
        24, gt=0, description="hours after which a case in the review queue counts as overdue"
    )
    record_ttl_days: int = Field(30, ge=1, le=3650, description="days that a record is kept")
    engine_deadline_seconds: float = Field(
        8,
        gt=4,
        le=60,
        description="after this the face engine counts as unavailable and the attempt waits (seconds)",
    )
    engine_cores: int | None = Field(
        None,
        ge=1,
        le=256,
        description="with `embedded`: cores that the face engine may use at once; without it all but one, so that "
        "pages stay quick while a batch runs",
    )
    store_deadline_seconds: float = Field(
        8,
        gt=4,
        le=60,
        description="after this a store counts as unavailable (seconds, retries included)",
    )

    duplicate_threshold: Percent | None = Field(
        None,
        description="similarity from which two faces are a pair in a search for duplicates; none: where one false "
        "pair is expected among 10,000 people, as far as the face engine's rate is known",
    )

    max_upload_mb: int = Field(15, ge=1, le=50, description="largest photo file taken, megabytes")

    api_threads: int = Field(16, ge=1, le=256, description="API validations at once, and as many other requests")
    api_queue: int = Field(
        64,
        ge=0,
        description="API requests that may wait for their turn; beyond them the answer is 503",
    )
    api_exports: int = Field(8, ge=1, le=64, description="CSV downloads that may run at once")
    api_requests_per_person: int = Field(
        20,
        ge=1,
        description="with sign-in: API requests of one token or person that may be open at once; beyond them the "
        "answer is 429",
    )
    api_exports_per_person: int = Field(
        3,
        ge=1,
        description="with sign-in: downloads of one token or person that may run at once; beyond them the answer is "
        "429",
    )
    pages_open: int = Field(
        300,
        ge=1,
        le=10_000,
        description="pages (browser tabs) that may be open at once",
    )
    pages_per_person: int = Field(
        20,
        ge=1,
        description="pages (browser tabs) that one signed-in person may have open at once, on all devices",
    )
    uploads_mb: int = Field(
        1024,
        ge=1,
        description="files that people have uploaded on pages and not removed yet, megabytes in all",
    )
    operation_log: OperationLog = Field(
        OperationLog.AUTO,
        description="where each operation's line of JSON goes: `stderr`, `file` (`logs/` in the data folder), `off`; "
        "`auto`: `stderr` with `aws`, `file` with `embedded`",
    )
    hash_key: SecretStr | None = Field(
        None,
        min_length=16,
        description="secret key of the hashes that stand for ids in the log, the audit trail and pseudonymised CSVs, "
        "16 characters or more; without it `embedded` makes one, `hash.key` in the data folder",
    )
    rekognition_calls_per_second: float = Field(
        25,
        gt=0,
        description="the region's quota of DetectFaces, and of CompareFaces, calls a second; instances share it",
    )
    rekognition_collection_calls_per_second: float = Field(
        5,
        gt=0,
        description="the region's quota of IndexFaces, and of SearchFaces, calls a second; searches for duplicates "
        "need them",
    )

    price_dynamodb_write: float = Field(
        0.71,
        ge=0,
        description="USD for a million write units on demand (ap-south-1, November 2026)",
    )
    price_dynamodb_read: float = Field(
        0.1425,
        ge=0,
        description="USD for a million read units on demand (ap-south-1, November 2026)",
    )

    price_rekognition: float = Field(
        1.0,
        ge=0,
        description="USD for a thousand images examined; DetectFaces and CompareFaces are one each",
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

    @model_validator(mode="after")
    def _sign_in(self) -> Settings:
        if not self.sign_in:
            return self
        for name, value in {
            "OIDC_METADATA_URL": self.oidc_metadata_url,
            "OIDC_CLIENT_ID": self.oidc_client_id,
            "OIDC_CLIENT_SECRET": self.oidc_client_secret,
            "OIDC_REDIRECT_URI": self.oidc_redirect_uri,
            "COOKIE_SECRET": self.cookie_secret,
        }.items():
            if not value:
                raise ValueError(f"{name} is missing; sign-in needs it")
        address = urlsplit(self.oidc_redirect_uri or "")
        if not address.path.endswith("/oauth2callback"):
            raise ValueError("OIDC_REDIRECT_URI must be Facedesk's address with /oauth2callback behind it")
        if address.scheme != "https" and address.hostname not in LOOPBACK:
            raise ValueError("OIDC_REDIRECT_URI must begin with https, but for this machine's own address")
        return self

    @property
    def sign_in(self) -> bool:
        """Whether everybody has to sign in."""
        return self.auth is Auth.OIDC or (self.auth is Auth.AUTO and self.oidc_metadata_url is not None)

    @property
    def origin(self) -> str | None:
        """Facedesk's own origin as browsers name it, where it is known: with sign-in."""
        address = urlsplit(self.oidc_redirect_uri or "")
        return f"{address.scheme}://{address.netloc}" if self.sign_in else None

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
        return Settings(**given)
    except ValidationError as error:
        raise SettingsError(_first_line(error)) from None
    except UnicodeDecodeError:
        raise SettingsError("Bad file .env: it is not UTF-8.") from None
    except OSError as error:
        raise SettingsError(f"Cannot read the file .env: {error.strerror}.") from None


def _first_line(error: ValidationError) -> str:
    """Names the setting and what is wrong, without the value: it may be a secret."""
    first = error.errors(include_input=False, include_url=False)[0]
    message = first["msg"].removeprefix("Value error, ")
    name = str(first["loc"][0]).upper() if first["loc"] else None
    return f"Bad setting {name}: {message}" if name else f"Bad setting: {message}"
