"""AWS's failures -> ours: the one table, by error code and by exception class. Imports nothing of AWS's."""

import re
from typing import Any, NamedTuple

from imagectl.errors import BUSY, DENIED, THROTTLES, ImagectlError, Kind
from imagectl.text import quote, without_passwords


class Row(NamedTuple):
    """How one failure is told. `message` replaces the failure's own text where that may hold secrets
    or says too little.
    """

    kind: Kind
    hint: str | None = None
    message: str | None = None


LOGIN = "renew the credentials and run the command again; for SSO:\naws sso login"
AGAIN = "it is safe to run the same command again"
_ENDPOINT = "does the endpoint serve SageMaker?"
_PERMISSIONS = "the README lists the permissions that each command needs"
_CLOCK = "check this machine's clock, and the secret key"
CONFIG = "check the environment and ~/.aws/config"
_CA = "for a private CA: --ca-bundle FILE or AWS_CA_BUNDLE"
NETWORK = "check the network, the proxy and the region; " + AGAIN


# The service's error codes, without the suffix `Exception`: they appear with and without it.
CODES: dict[str, Row] = {
    "ResourceNotFound": Row("not-found"),
    "Validation": Row("refused"),
    "ValidationError": Row("refused"),
    "ResourceLimitExceeded": Row("refused", "ask for a higher service quota"),
    "InvalidAction": Row("refused", _ENDPOINT),
    "UnknownOperation": Row("refused", _ENDPOINT),
    "InvalidParameterCombination": Row("refused"),
    "InvalidParameterValue": Row("refused"),
    "InvalidQueryParameter": Row("refused"),
    "MalformedQueryString": Row("refused"),
    "MalformedHttpRequest": Row("refused"),
    "MissingAction": Row("refused", _ENDPOINT),
    "MissingParameter": Row("refused"),
    "RequestEntityTooLarge": Row("refused"),
    "Serialization": Row("refused"),
    **dict.fromkeys(DENIED, Row("access", _PERMISSIONS)),
    "OptInRequired": Row("access", "the account is not signed up for SageMaker, or not in this region"),
    "ExpiredToken": Row("access", LOGIN),
    "RequestExpired": Row("access", _CLOCK),
    "UnrecognizedClient": Row(
        "access", "the access key is not valid here: check profile, account and region"
    ),
    "InvalidClientTokenId": Row("access", "the access key is not valid: check the profile"),
    "InvalidAccessKeyId": Row("access", "the access key is not valid: check the profile"),
    "InvalidSignature": Row("access", _CLOCK),
    "SignatureDoesNotMatch": Row("access", _CLOCK),
    "IncompleteSignature": Row("access", _CLOCK),
    "MissingAuthenticationToken": Row("access", "the request was not signed: check the credentials"),
    "InternalFailure": Row("transient", AGAIN),
    "InternalError": Row("transient", AGAIN),
    "InternalServerError": Row("transient", AGAIN),
    "ServiceUnavailable": Row("transient", AGAIN),
    "RequestTimeout": Row("transient", AGAIN),
    "RequestAborted": Row("transient", AGAIN),
    **dict.fromkeys(THROTTLES, Row("transient", "the account's rate limit; " + AGAIN)),
    **dict.fromkeys(BUSY, Row("transient", "another change of the image is under way; " + AGAIN)),
}

FOREIGN = Row(
    "refused",
    "is a proxy or captive portal answering? Check the endpoint and the network",
    "the reply is not SageMaker's",
)

# Exceptions by class name. A class without a row of its own takes its nearest parent's; the roots have
# none, so that a class botocore adds one day is noticed by a test instead of being guessed at.
EXCEPTIONS: dict[str, Row] = {
    # Credentials. Their texts may quote a credential_process's stderr or a token: never passed on.
    "NoCredentialsError": Row(
        "access",
        "name a profile, set AWS_ACCESS_KEY_ID and its secret, or log in:\naws login\naws sso login",
        "no AWS credentials found",
    ),
    "PartialCredentialsError": Row("access", CONFIG, "the AWS credentials are incomplete"),
    "CredentialRetrievalError": Row("access", CONFIG, "no credentials could be had"),
    "UnknownCredentialError": Row("access", CONFIG, "an unknown kind of credentials is configured"),
    "RefreshWithMFAUnsupportedError": Row("access", LOGIN, "the credentials expired and need MFA"),
    "MetadataRetrievalError": Row("access", CONFIG, "no credentials could be had"),
    "TokenRetrievalError": Row("access", LOGIN, "the SSO token has expired, or can't be read"),
    "NoAuthTokenError": Row("access", LOGIN, "there is no SSO token"),
    "UnknownTokenProviderError": Row("access", CONFIG, "an unknown kind of token is configured"),
    "SSOError": Row("access", LOGIN, "the SSO session has expired or is not valid"),
    "LoginError": Row("access", "log in again:\naws login", "the login session has expired or is not valid"),
    "JSONDecodeError": Row("access", CONFIG, "what should be JSON is none"),
    # Configuration.
    "ProfileNotFound": Row("access", "to see which profiles there are:\naws configure list-profiles"),
    "ConfigNotFound": Row("access", CONFIG),
    "ConfigParseError": Row("access", CONFIG),
    "InvalidConfigError": Row("access", CONFIG),
    "InvalidDefaultsMode": Row("access", CONFIG),
    "InvalidProxiesConfigError": Row("access", CONFIG, "the proxy configuration is not valid"),
    "InvalidRetryConfigurationError": Row("access", CONFIG),
    "InvalidIMDSEndpointError": Row("access", CONFIG),
    "InvalidIMDSEndpointModeError": Row("access", CONFIG),
    "InvalidSTSRegionalEndpointsConfigError": Row("access", CONFIG),
    "InvalidChecksumConfigError": Row("access", CONFIG),
    "InvalidEndpointConfigurationError": Row("access", CONFIG),
    "NoRegionError": Row("access", "set --region or AWS_REGION", "no region is set"),
    "BaseEndpointResolverError": Row("access", "check the region and the FIPS and dual-stack settings"),
    "EndpointProviderError": Row("access", "check the region and the FIPS and dual-stack settings"),
    "ServiceNotInRegionError": Row("access", "check the region"),
    "UnknownRegionError": Row("access", "check the region"),
    "InvalidRegionError": Row("access", "check the region"),
    "InvalidDNSNameError": Row("access", CONFIG),
    "InvalidS3AddressingStyleError": Row("access", CONFIG),
    "InvalidS3UsEast1RegionalEndpointConfigError": Row("access", CONFIG),
    "InvalidHostLabelError": Row("access", CONFIG),
    "UnknownSignatureVersionError": Row("access", CONFIG),
    "UnsupportedSignatureVersionError": Row("access", CONFIG),
    "FileNotFoundError": Row("access", CONFIG),
    "PermissionError": Row("access", CONFIG),
    "UnicodeDecodeError": Row("access", CONFIG, "a configuration file is not UTF-8"),
    "ValueError": Row("access", CONFIG),
    "ClearTextError": Row("access"),
    # TLS and proxies are configuration, unlike the network behind them.
    "SSLError": Row("access", _CA),  # botocore's, of what it asks without our transport
    "BundleError": Row("access", "--ca-bundle, AWS_CA_BUNDLE, REQUESTS_CA_BUNDLE or the profile's ca_bundle"),
    "CertificateUntrustedError": Row("access", _CA),
    "CertificateNotOfBundleError": Row(
        "access", "is that the endpoint's CA? (--ca-bundle, AWS_CA_BUNDLE, the profile's ca_bundle)"
    ),
    "CertificateExpiredError": Row("access", "the server has to renew it; is this machine's clock right?"),
    "CertificateNotYetValidError": Row("access", "is this machine's clock right?"),
    "CertificateOfAnotherHostError": Row("access", "check the endpoint's URL; is a proxy answering?"),
    "ClientCertificateWantedError": Row(
        "access", "is it the right endpoint? AWS's own want none, and imagectl sends none"
    ),
    "NotTlsError": Row("access", "is it an http:// endpoint or proxy, or another port?"),
    "OldTlsError": Row("access", "is it the right endpoint? A proxy in between may be too old"),
    "TlsError": Row("access", "does the server want a client certificate, or other versions or ciphers?"),
    "ProxyUnusableError": Row(
        "access", "as in http://USER:PASSWORD@HOST:PORT, with special characters in them as %XX"
    ),
    "ProxyRefusedError": Row("access", "check the proxy's URL, user and password, and what it lets through"),
    # The network.
    "ConnectionError": Row("transient", NETWORK),
    # Its text may quote a header: it isn't passed on. Those of its children quote the URL at most.
    "HTTPClientError": Row("transient", NETWORK, "the request could not be sent, or its reply not read"),
    "ReadTimeoutError": Row("transient", NETWORK),
    "ConnectionClosedError": Row("transient", NETWORK),
    "CapacityNotAvailableError": Row("transient", "too many failures in a row; " + AGAIN),
    "IncompleteReadError": Row("transient", NETWORK),
    "ResponseStreamingError": Row("transient", NETWORK),
    # A reply that is not SageMaker's.
    "ForeignReplyError": FOREIGN,
    "ResponseParserError": FOREIGN,
    "ChecksumError": Row("refused", "the reply was damaged on its way"),
    "FlexibleChecksumError": Row("refused", "the reply was damaged on its way"),
}

# What botocore may raise and only a bug of ours, or a broken installation, can cause.
_OURS = (
    "ApiVersionNotFoundError AwsChunkedWrapperError DataNotFoundError"
    " EndpointDiscoveryException InvalidEndpointDiscoveryConfigurationError"
    " InvalidExpressionError "
    " MD5UnavailableError MissingDependencyException MissingParametersError OperationNotPageableError"
    " PaginationError ParamValidationError StubResponseError UnknownClientMethodError UnknownServiceStyle"
    " UnseekableStreamError UnsupportedOutpostResourceError UnsupportedS3AccesspointConfigurationError"
    " UnsupportedS3ArnError UnsupportedS3ConfigurationError UnsupportedS3ControlArnError"
    " UnsupportedS3ControlConfigurationError UnsupportedServiceProtocolsError ValidationError"
    " WaiterConfigError WaiterError UndefinedModelAttributeError EventStreamError"
)
EXCEPTIONS |= {name: Row("internal") for name in (*_OURS.split(), "ImportError", "MemoryError")}


def of_code(code: str, http_status: int | None) -> Row:
    """The row of a service's error code; one that isn't known is judged by its HTTP status."""
    row = CODES.get(code.removesuffix("Exception"))
    if row:
        return row
    status = http_status or 0
    if status >= 500 or status in {408, 429}:
        return Row("transient", AGAIN)
    if status in {401, 403, 407}:
        return Row(
            "access", "refused before it reached SageMaker? Check the proxy, the endpoint and the credentials"
        )
    return Row("refused")


def of_exception(cls: type[BaseException]) -> Row | None:
    """The row of an exception's class: its own or its nearest parent's; None where it has none."""
    return next((EXCEPTIONS[base.__name__] for base in cls.__mro__ if base.__name__ in EXCEPTIONS), None)


def translated(exc: Exception, otherwise: Row, **facts: Any) -> ImagectlError:
    """`exc` by the error table; `otherwise` is the row of what has none there."""
    response = getattr(exc, "response", None)
    if isinstance(response, dict):  # botocore's ClientError: the service answered
        return _service_error(response, **facts)
    row = of_exception(type(exc)) or otherwise
    message = row.message or without_passwords(str(exc))
    if row.kind == "internal":
        message = f"unexpected {type(exc).__name__}: {message}"
    return ImagectlError(
        row.kind, message, hint=row.hint, code=None if row is otherwise else type(exc).__name__, **facts
    )


def _service_error(response: dict[str, Any], **facts: Any) -> ImagectlError:
    error, meta = response.get("Error", {}), response.get("ResponseMetadata", {})
    code, message = str(error.get("Code") or ""), str(error.get("Message") or "").strip()
    status, request_id = meta.get("HTTPStatusCode"), meta.get("RequestId")
    row = of_code(code, status)
    hint = row.hint
    if code.isdigit() and not request_id:  # botocore's code for a body that is no error of AWS's
        message = f"HTTP {status} that is not SageMaker's: {quote(message, 200)}"
    elif row.kind == "not-found" and facts.get("image_name"):
        account = re.search(r"arn:[\w-]+:sagemaker:[^:\s]*:(\d{12}):image/", message)
        where = f" (account {account[1]})" if account else ""
        message = f"no image {quote(facts['image_name'])} in {facts.get('region')}{where}"
    elif row.kind == "access" and (action := re.search(r"not authorized to perform: ([\w-]+:\w+)", message)):
        hint = f"allow {action[1]}; the README lists the permissions that each command needs"
    return ImagectlError(
        row.kind,
        message or f"HTTP {status} without a message",
        hint=hint,
        code=code or None,
        request_id=request_id,
        http_status=status,
        **facts,
    )
