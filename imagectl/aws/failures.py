"""AWS's failures -> ours: the one table, by error code and by exception class. Imports nothing of AWS's."""

import re
from typing import Any, NamedTuple

from imagectl.aws.debug import without_passwords
from imagectl.errors import BUSY, THROTTLES, ImagectlError, Kind
from imagectl.text import quote


class Row(NamedTuple):
    """How one failure is told. `message` replaces the failure's own text where that may hold secrets
    or says too little; `{detail}` in it is that text.
    """

    kind: Kind
    hint: str | None = None
    message: str | None = None


_LOGIN = "renew the credentials (for SSO: aws sso login) and run the command again"
_AGAIN = "it is safe to run the same command again"
_ENDPOINT = "does the endpoint serve SageMaker?"
_PERMISSIONS = "the README lists the permissions that each command needs"
_CLOCK = "check this machine's clock, and the secret key"
_CONFIG = "check the environment and ~/.aws/config"
_MFA = (
    "get a session first, and run the command with its variables:"
    " aws sts get-session-token --serial-number MFA_SERIAL --token-code CODE"
)
_CA = "for a private CA: --ca-bundle FILE or AWS_CA_BUNDLE"
_NETWORK = "check the network, the proxy and the region; " + _AGAIN


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
    "AccessDenied": Row("access", _PERMISSIONS),
    "NotAuthorized": Row("access", _PERMISSIONS),
    "UnauthorizedOperation": Row("access", _PERMISSIONS),
    "OptInRequired": Row("access", "the account is not signed up for SageMaker, or not in this region"),
    "ExpiredToken": Row("access", _LOGIN),
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
    "InternalFailure": Row("transient", _AGAIN),
    "InternalError": Row("transient", _AGAIN),
    "InternalServerError": Row("transient", _AGAIN),
    "ServiceUnavailable": Row("transient", _AGAIN),
    "RequestTimeout": Row("transient", _AGAIN),
    "RequestAborted": Row("transient", _AGAIN),
    **dict.fromkeys(THROTTLES, Row("transient", "the account's rate limit; " + _AGAIN)),
    **dict.fromkeys(BUSY, Row("transient", "the image is being changed by somebody else; " + _AGAIN)),
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
        "log in (aws login, aws sso login), name a profile, or set AWS_ACCESS_KEY_ID and its secret",
        "no AWS credentials found",
    ),
    "PartialCredentialsError": Row("access", _CONFIG, "{detail} is missing"),
    "CredentialRetrievalError": Row("access", _CONFIG, "no credentials could be had"),
    "UnknownCredentialError": Row("access", _CONFIG, "an unknown kind of credentials is configured"),
    "RefreshWithMFAUnsupportedError": Row("access", _LOGIN, "the credentials expired and need MFA"),
    "MetadataRetrievalError": Row("access", _CONFIG, "no credentials could be had"),
    "TokenRetrievalError": Row("access", _LOGIN, "the SSO token has expired, or can't be read"),
    "NoAuthTokenError": Row("access", _LOGIN, "there is no SSO token"),
    "UnknownTokenProviderError": Row("access", _CONFIG, "an unknown kind of token is configured"),
    "SSOError": Row("access", _LOGIN, "the SSO session has expired or is not valid"),
    "LoginError": Row("access", "log in again (aws login)", "the login session has expired or is not valid"),
    "JSONDecodeError": Row("access", _CONFIG, "what should be JSON is none"),
    # Configuration.
    "ProfileNotFound": Row("access", "see `aws configure list-profiles`"),
    "ConfigNotFound": Row("access", _CONFIG),
    "ConfigParseError": Row("access", _CONFIG),
    "InvalidConfigError": Row("access", _CONFIG),
    "InvalidDefaultsMode": Row("access", _CONFIG),
    "InvalidProxiesConfigError": Row("access", _CONFIG, "the proxy configuration is not valid"),
    "InvalidRetryConfigurationError": Row("access", _CONFIG),
    "InvalidIMDSEndpointError": Row("access", _CONFIG),
    "InvalidIMDSEndpointModeError": Row("access", _CONFIG),
    "InvalidSTSRegionalEndpointsConfigError": Row("access", _CONFIG),
    "InvalidChecksumConfigError": Row("access", _CONFIG),
    "InvalidEndpointConfigurationError": Row("access", _CONFIG),
    "NoRegionError": Row("access", "set --region or AWS_REGION", "no region is set"),
    "BaseEndpointResolverError": Row("access", "check the region and the FIPS and dual-stack settings"),
    "EndpointProviderError": Row("access", "check the region and the FIPS and dual-stack settings"),
    "ServiceNotInRegionError": Row("access", "check the region"),
    "UnknownRegionError": Row("access", "check the region"),
    "InvalidRegionError": Row("access", "check the region"),
    "InvalidDNSNameError": Row("access", _CONFIG),
    "InvalidS3AddressingStyleError": Row("access", _CONFIG),
    "InvalidS3UsEast1RegionalEndpointConfigError": Row("access", _CONFIG),
    "InvalidHostLabelError": Row("access", _CONFIG),
    "UnknownSignatureVersionError": Row("access", _CONFIG),
    "UnsupportedSignatureVersionError": Row("access", _CONFIG),
    "FileNotFoundError": Row("access", _CONFIG),
    "PermissionError": Row("access", _CONFIG),
    "UnicodeDecodeError": Row("access", _CONFIG, "a configuration file is not UTF-8"),
    "ValueError": Row("access", _CONFIG),
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
    "ConnectionError": Row("transient", _NETWORK),
    # Its text may quote a header: it isn't passed on. Those of its children quote the URL at most.
    "HTTPClientError": Row("transient", _NETWORK, "the request could not be sent, or its reply not read"),
    "ReadTimeoutError": Row("transient", _NETWORK),
    "ConnectionClosedError": Row("transient", _NETWORK),
    "CapacityNotAvailableError": Row("transient", "too many failures in a row; " + _AGAIN),
    "IncompleteReadError": Row("transient", _NETWORK),
    "ResponseStreamingError": Row("transient", _NETWORK),
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
EXCEPTIONS |= {name: Row("internal") for name in _OURS.split()}


# While credentials are had, on top of the above: what botocore stumbles over then is a source's answer, or
# a setting. Texts are passed on only where they can't quote what a source said.
_BROKEN = "the answer is not of the form that it has to be"
HAVING: dict[str, Row] = {
    "KeyError": Row("access", _CONFIG, "the answer lacks {detail}"),
    "LookupError": Row("access", _CONFIG, _BROKEN),
    "ArithmeticError": Row("access", _CONFIG, _BROKEN),
    "AttributeError": Row("access", _CONFIG, _BROKEN),
    "TypeError": Row("access", _CONFIG, _BROKEN),
    "ValueError": Row("access", _CONFIG, _BROKEN),
    "JSONDecodeError": Row("access", _CONFIG, "the answer is no JSON"),
    "UnicodeDecodeError": Row("access", _CONFIG, _BROKEN),
    "ResponseParserError": Row("access", _CONFIG, _BROKEN),
    "OSError": Row("access", _CONFIG),
    "MisshapenError": Row("access", _CONFIG),
    "RuntimeError": Row(
        "access", f"{_LOGIN}; or is this machine's clock wrong?", "what it gives has expired"
    ),
    "ParamValidationError": Row("access", _CONFIG),
    "MissingDependencyException": Row("access", None, "its keys can't be read without awscrt, an extra"),
    "EOFError": Row("access", _MFA, "no MFA code was given"),
    "GetPassWarning": Row("access", _MFA, "an MFA code is needed, and there is no terminal to ask for it on"),
}
# Codes of STS, SSO and sign-in that pass, and those that deserve a hint of their own.
PASSING_CODES = frozenset(
    {"IDPCommunicationError", "InternalServer", "ServiceUnavailable", "TooManyRequests"}
)

# What helps by itself, where the failure doesn't say more.
_HINTS = {
    "custom-process": "run its command by hand: what it says is not shown here, as it may hold secrets",
    "sso": "log in again (aws sso login)",
    "login": "log in again (aws login)",
}

# botocore's word for a source of credentials -> ours; {} is the profile.
SOURCES: dict[str | None, str] = {
    "env": "the credentials in the environment",
    "assume-role": "the role of profile {}",
    "assume-role-with-web-identity": "the web identity of profile {}",
    "sso": "the SSO login of profile {}",
    "shared-credentials-file": "the keys of profile {}",
    "login": "the login session of profile {}",
    "web-identity-of-variables": "the web identity of AWS_WEB_IDENTITY_TOKEN_FILE",
    "custom-process": "credential_process of profile {}",
    "config-file": "the keys of profile {}",
    "container-role": "the container's credentials",
    "iam-role": "the instance metadata service",
}


class MisshapenError(Exception):
    """Credentials that can't be any; the text says why."""


class Source(NamedTuple):
    """Where credentials were to be had from: botocore's word for it, the profile, the call under way."""

    method: str | None
    profile: str
    call: str | None = None

    def __str__(self) -> str:
        return SOURCES.get(self.method, "the credentials of profile {}").format(quote(self.profile))


def of_code(code: str, http_status: int | None) -> Row:
    """The row of a service's error code; one that isn't known is judged by its HTTP status."""
    row = CODES.get(code.removesuffix("Exception"))
    if row:
        return row
    status = http_status or 0
    if status >= 500 or status in {408, 429}:
        return Row("transient", _AGAIN)
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


def not_had(exc: Exception, source: Source, trouble: Any = None) -> ImagectlError:
    """Why there are no credentials: `exc` ended the try, `trouble` is what the last call of it ended with.

    Whoever answered, it wasn't SageMaker: this is `access`, or `transient` where it may pass.
    """
    if type(exc).__name__ == "TokenRetrievalError" and trouble:  # botocore keeps the refusal to itself
        response = trouble
    else:
        response = getattr(exc, "response", None)
    if isinstance(response, dict):
        return _refused(response, source)
    row = _having(type(exc))
    message = (row.message or "{detail}").replace("{detail}", _detail(exc, source))
    if source.method == "env" and row.message == _BROKEN:
        message = "AWS_CREDENTIAL_EXPIRATION is no time"  # all else there is taken as it is
    status = _status(exc)
    passes = row.kind == "transient" or _passes(exc)
    hint = row.hint if row.hint != _CONFIG else _HINTS.get(source.method or "", _CONFIG)
    if type(exc).__name__ == "MissingDependencyException":
        from imagectl.installed import adding  # of no use to anybody else

        hint = f"to add it: {adding('login')}"
    return ImagectlError(
        "transient" if passes else "access",
        f"{_where(source, exc)}{message}{f' (HTTP {status})' if status else ''}",
        hint=_NETWORK if passes else hint,
        code=None if isinstance(exc, MisshapenError) else type(exc).__name__,
        operation=source.call,
        http_status=status,
        outcome="not-applied",
    )


def _having(cls: type[BaseException]) -> Row:
    for base in cls.__mro__:
        row = HAVING.get(base.__name__) or EXCEPTIONS.get(base.__name__)
        if row and row.kind != "internal":
            return row
    return Row("access", _CONFIG, f"unexpected {cls.__name__}")


def _where(source: Source, exc: Exception) -> str:
    if source.method is None:
        return ""
    words = [str(source)]
    if (nested := getattr(exc, "kwargs", {}).get("provider")) in SOURCES and nested != source.method:
        words.append(f"its source ({nested})")
    return ": ".join(filter(None, [*words, source.call])) + ": "


def _detail(exc: Exception, source: Source) -> str:
    if type(exc).__name__ == "PartialCredentialsError":
        return str(getattr(exc, "kwargs", {}).get("cred_var"))
    if type(exc).__name__ == "ParamValidationError":
        return _wrong_settings(str(exc))
    if isinstance(exc, OSError) and exc.filename:
        name = "web_identity_token_file " if source.method == "assume-role-with-web-identity" else ""
        return f"{name}{quote(exc.filename)}: {exc.strerror}"
    return without_passwords(str(exc))


# Parameters of STS and SSO -> the settings that they are made of.
_SETTINGS = {
    "DurationSeconds": "duration_seconds",
    "ExternalId": "external_id",
    "RoleArn": "role_arn",
    "RoleSessionName": "role_session_name",
    "SerialNumber": "mfa_serial",
    "TokenCode": "the MFA code",
    "WebIdentityToken": "the token in web_identity_token_file",
    "accountId": "sso_account_id",
    "roleName": "sso_role_name",
}


def _wrong_settings(report: str) -> str:
    """Which settings make up what botocore won't send. Its report is not passed on: it may quote a code."""
    names = [name for parameter, name in _SETTINGS.items() if re.search(rf"\b{parameter}\b", report)]
    return f"not valid: {', '.join(names) or 'its settings'}"


def _passes(exc: BaseException | None) -> bool:
    """Whether a failure of the network, or a status that passes, stands behind `exc`."""
    if (_status(exc) or 0) >= 500 or _status(exc) == 429:
        return True
    while exc is not None:
        row = of_exception(type(exc))
        if row and row.kind == "transient":
            return True
        exc = exc.__cause__ or exc.__context__
    return False


def _status(exc: BaseException | None) -> int | None:
    """The HTTP status with which the container's endpoint refused: it is nowhere but in the text."""
    said = re.search(r" response (\d{3})\b", str(exc))
    return int(said[1]) if said and getattr(exc, "kwargs", {}).get("provider") == "container-role" else None


def _refused(response: dict[str, Any], source: Source) -> ImagectlError:
    error, meta = response.get("Error", {}), response.get("ResponseMetadata", {})
    code, message = str(error.get("Code") or ""), str(error.get("Message") or "").strip()
    status = meta.get("HTTPStatusCode")
    bare = code.removesuffix("Exception")
    row = of_code(code, status)
    passes = bare in PASSING_CODES or row.kind == "transient"
    says = message or f"HTTP {status} without a message"
    hint: str | None
    if passes:
        hint = _AGAIN
    elif bare == "AccessDenied" and source.call and source.call.startswith("sts:"):
        hint = f"allow {source.call} to the caller, and the caller in the role's trust policy"
    elif bare in CODES and bare != "AccessDenied" and row.kind == "access":
        hint = row.hint
    else:
        hint = f"check profile {quote(source.profile)} in the environment and ~/.aws/config"
    return ImagectlError(
        "transient" if passes else "access",
        f"{source}: {source.call}: {says}{f' ({code})' if code else ''}",
        hint=hint,
        code=code or None,
        operation=source.call,
        request_id=meta.get("RequestId"),
        http_status=status,
        outcome="not-applied",
    )
