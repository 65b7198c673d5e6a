"""What an error's code tells the person on duty: one sentence each, which says what to look at and what to do."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from core.domain.errors import DiskFull, NotConfigured, Refused, ServiceError, Throttled, Unavailable


class Hint(StrEnum):
    """The sentences. None repeats anything that a service said."""

    # AWS
    REGION = "The region is wrong: set AWS_REGION to the region of the tables and the bucket."
    NO_CREDENTIALS = (
        "This machine has no AWS credentials: give it a role, or set AWS_PROFILE, or both AWS_ACCESS_KEY_ID and "
        "AWS_SECRET_ACCESS_KEY."
    )
    PROFILE = "The AWS configuration cannot be used: check AWS_PROFILE and AWS's configuration files."
    EXPIRED = (
        "The AWS credentials have expired, and looking them up again found no others: sign in again, for example "
        "with aws sso login, or replace the temporary keys."
    )
    UNKNOWN_KEY = (
        "AWS does not know the access key or its token: check whether the key was rotated, deactivated or deleted, "
        "and whether AWS_SESSION_TOKEN belongs to it."
    )
    NO_ISSUER = (
        "The service that issues this machine's credentials does not answer: check the metadata service of the "
        "instance or container, its role, and credential_process if one is configured."
    )
    CLOCK = (
        "The clock of this machine is wrong: synchronise it (NTP). AWS accepts at most a few minutes of difference."
    )
    SIGNATURE = (
        "AWS does not accept the signature: check the clock of this machine first, then the secret access key, then "
        "whether a proxy changes the requests."
    )
    EXPIRED_REQUEST = (
        "AWS considers the request expired: check the clock of this machine first, then whether the credentials have "
        "expired."
    )
    PERMISSION = (
        "The role lacks a permission: attach the policy facedesk-dashboard of infra/ (for provision and "
        "backfill-index facedesk-provisioner), and check the policies of the bucket, the key and the organisation."
    )
    QUOTA = (
        "The service is asked more often than its quota allows: compare REKOGNITION_CALLS_PER_SECOND and "
        "REKOGNITION_COLLECTION_CALLS_PER_SECOND with the quotas of the region, check the capacity of the tables, "
        "and look for other systems that use the same quotas."
    )
    TABLE = (
        "A table is missing: check AWS_REGION, DYNAMODB_FACE_VALIDATION_TABLE, DYNAMODB_AUDIT_TABLE and "
        "DYNAMODB_STATE_TABLE, or create the tables with python -m core provision."
    )
    BUCKET = "The bucket is missing: check FACE_IMAGES_BUCKET and AWS_REGION, or create the bucket with infra/."
    KEY = (
        "The encryption key (KMS) cannot be used: check that it is enabled, in the same region, and open to the role."
    )
    ADDRESS = (
        "The service cannot be reached: check the network, DNS, the proxy and the firewall, and AWS_REGION, which is "
        "part of the address."
    )
    TIME = "The service did not answer in time: check the network, and whether the provider reports an outage."
    TLS = (
        "The encrypted connection failed: check the certificates, a proxy that inspects traffic, and the clock of "
        "this machine."
    )
    ANSWER = (
        "The answer did not come from the service itself: check for a proxy or a sign-in page in between, and the "
        "variables AWS_ENDPOINT_URL."
    )
    # MongoDB
    MONGODB_SIGN_IN = "MongoDB refused the sign-in: check the user, the password and authSource in MONGODB_URI."
    MONGODB_PERMISSION = "The MongoDB user lacks a permission: grant it the role read on MONGODB_DATABASE."
    MONGODB_ADDRESS = (
        "No MongoDB server can be reached: check that it runs, the hosts and TLS options in MONGODB_URI, DNS, the "
        "certificates, and that its firewall or IP access list admits this machine."
    )
    MONGODB_DNS = "The name of the MongoDB server cannot be looked up: check DNS and the host in MONGODB_URI."
    MONGODB_URI = (
        "The options in MONGODB_URI do not suit the server: check replicaSet, authMechanism and TLS options."
    )
    MONGODB_TIME = (
        "MongoDB did not answer in time: check its load, and that the indexes of infra/mongodb-indexes.js exist."
    )
    # This machine
    DATABASE = (
        "The database cannot be used: stop Facedesk and restore a backup (python -m core restore FILE --replace)."
    )
    REPLACED = "The database file was replaced while Facedesk was running: restart Facedesk."
    FILES = "Facedesk may not use its files: check the owner and the permissions of FACEDESK_DATA_DIR and its disk."
    DISK = "The disk is full: free some space on it."
    # Of codes that are not listed below, by the class of the error
    UNAVAILABLE = "It may pass by itself; if it lasts, check the network, and whether the provider reports an outage."
    REFUSED = "It will not pass by itself: check the settings and permissions of the service."
    NOT_CONFIGURED = "Something that the service needs is missing: check its settings, and create what they name."
    UNEXPECTED = "This is a defect of Facedesk: report it with the lines of the server's log."


_CODES: Mapping[Hint, str] = {
    Hint.REGION: "AuthorizationHeaderMalformed IllegalLocationConstraintException InvalidRegionError "
    "NoRegionError PermanentRedirect UnknownRegionError",
    Hint.NO_CREDENTIALS: "MissingAuthenticationToken MissingAuthenticationTokenException NoCredentialsError "
    "PartialCredentialsError",
    Hint.PROFILE: "ConfigNotFound ConfigParseError InvalidConfigError ProfileNotFound",
    Hint.EXPIRED: "ExpiredToken ExpiredTokenException LoginRefreshRequired LoginTokenLoadError "
    "RefreshWithMFAUnsupportedError SSOTokenLoadError TokenRefreshRequired TokenRetrievalError "
    "UnauthorizedSSOTokenError",
    Hint.UNKNOWN_KEY: "InvalidAccessKeyId InvalidClientTokenId InvalidToken NotSignedUp UnrecognizedClientException",
    Hint.NO_ISSUER: "CredentialRetrievalError IDPCommunicationError MetadataRetrievalError",
    Hint.CLOCK: "RequestInTheFuture RequestTimeTooSkewed",
    Hint.SIGNATURE: "IncompleteSignature IncompleteSignatureException InvalidSignatureException "
    "SignatureDoesNotMatch",
    Hint.EXPIRED_REQUEST: "RequestExpired",
    Hint.PERMISSION: "AccessDenied AccessDeniedException AllAccessDisabled Forbidden NotAuthorized "
    "UnauthorizedOperation",
    Hint.TABLE: "ResourceNotFoundException TableNotFoundException",
    Hint.BUCKET: "NoSuchBucket",
    Hint.ADDRESS: "EndpointConnectionError ProxyConnectionError",
    Hint.TIME: "ConnectTimeoutError ConnectionClosedError ReadTimeout ReadTimeoutError RequestTimeout "
    "RequestTimeoutException",
    Hint.TLS: "SSLError",
    Hint.ANSWER: "UnreadableAnswer",
    Hint.MONGODB_SIGN_IN: "AtlasError AuthenticationFailed",
    Hint.MONGODB_PERMISSION: "Unauthorized",
    Hint.MONGODB_ADDRESS: "AutoReconnect HostNotFound HostUnreachable NetworkTimeout ServerSelectionTimeoutError",
    Hint.MONGODB_DNS: "LifetimeTimeout NXDOMAIN NoAnswer NoNameservers NoResolverConfiguration YXDOMAIN",
    Hint.MONGODB_URI: "ConfigurationError",
    Hint.MONGODB_TIME: "ExceededTimeLimit ExecutionTimeout MaxTimeMSExpired WaitQueueTimeoutError",
    Hint.DATABASE: "CorruptError ForeignDatabase IncompleteSchema MissingDatabase NotADBError",
    Hint.REPLACED: "ReplacedDatabase",
    Hint.FILES: "CantOpenError EACCES EPERM EROFS PermissionError PermissionsError ReadOnlyError",
}
_OF_CODE = {code: hint for hint, codes in _CODES.items() for code in codes.split()}
_OF_CLASS: Mapping[type[Exception], Hint] = {
    DiskFull: Hint.DISK,
    Unavailable: Hint.UNAVAILABLE,
    Refused: Hint.REFUSED,
    NotConfigured: Hint.NOT_CONFIGURED,
    Exception: Hint.UNEXPECTED,
}


def of_code(code: str) -> Hint | None:
    """What is known of a service's own code; None for any other."""
    return _OF_CODE.get(code) or (Hint.KEY if code.startswith("KMS") else None)


def specific(error: ServiceError) -> Hint | None:
    """What is known of ``error`` beyond the sentence that every error of its class has."""
    return of_code(error.code) or (Hint.QUOTA if isinstance(error, Throttled) else None)


def of(error: Exception) -> Hint:
    """The sentence for ``error``: by its code or, if that is not known, by its class."""
    known = specific(error) if isinstance(error, ServiceError) else None
    return known or next(_OF_CLASS[kind] for kind in type(error).__mro__ if kind in _OF_CLASS)
