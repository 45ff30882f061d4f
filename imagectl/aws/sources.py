"""Where credentials come from, and what it means that there are none to be had: the sources' own table.

Whoever answers while credentials are had, it isn't SageMaker: a failure of theirs is `access`, or `transient`
where it may pass. No text of a source is passed on that could quote a secret. Imports nothing of AWS's.
"""

import re
import shlex
from typing import Any, NamedTuple

from imagectl.aws.failures import AGAIN, CODES, CONFIG, EXCEPTIONS, LOGIN, NETWORK, Row, of_exception
from imagectl.errors import THROTTLES, ImagectlError
from imagectl.text import WHOLE, quote, without_passwords


class Provider(NamedTuple):
    """A provider of credentials: its name (`{}` is the profile), what it gives, what helps by itself."""

    name: str
    gives: str = "the answer"
    hint: str = CONFIG


_KEPT = "the token that is kept of it"

# By botocore's words for them.
PROVIDERS: dict[str | None, Provider] = {
    "assume-role": Provider("the role of profile {}"),
    "assume-role-with-web-identity": Provider(
        "the web identity of profile {}", "the token in web_identity_token_file"
    ),
    "config-file": Provider("the keys of profile {}"),
    "container-role": Provider(
        "the container's credentials",
        hint="check the variables AWS_CONTAINER_CREDENTIALS_* and AWS_CONTAINER_AUTHORIZATION_*",
    ),
    "custom-process": Provider(
        "credential_process of profile {}",
        hint="run its command by hand: what it says is not shown here, as it may hold secrets",
    ),
    "env": Provider("the credentials in the environment", "AWS_CREDENTIAL_EXPIRATION"),
    "iam-role": Provider("the instance metadata service"),
    "login": Provider("the login session of profile {}", _KEPT, "log in again:\naws login --profile {}"),
    "shared-credentials-file": Provider("the keys of profile {}"),
    "sso": Provider("the SSO login of profile {}", _KEPT, "log in again:\naws sso login --profile {}"),
    # Ours, for where no profile is asked.
    "web-identity-of-variables": Provider(
        "the web identity of AWS_WEB_IDENTITY_TOKEN_FILE", "the token in AWS_WEB_IDENTITY_TOKEN_FILE"
    ),
}


class Source(NamedTuple):
    """Where credentials were to be had from: botocore's word for it, the profile, the call under way."""

    method: str | None
    profile: str
    call: str | None = None

    @property
    def provider(self) -> Provider:
        return PROVIDERS.get(self.method, Provider("the credentials of profile {}"))

    @property
    def gives(self) -> str:
        """What was being read when it failed: where a service was called, its answer."""
        return "the answer" if self.call else self.provider.gives

    def __str__(self) -> str:
        return self.provider.name.format(quote(self.profile))


class MisshapenError(Exception):
    """Credentials that can't be any; the text says why."""


_MFA = (
    "get a session first, and run the command with its variables:"
    "\naws sts get-session-token --serial-number MFA_SERIAL --token-code CODE"
)
_MISSHAPEN = Row("access", CONFIG, "{gives} is not of the form that it has to be")
_LATE = Row("transient", CONFIG, "no answer in time")

# On top of EXCEPTIONS, by class name, the nearest parent's: what botocore stumbles over while it has
# credentials is what a source gave, or a setting.
HAVING: dict[str, Row] = {
    "ArithmeticError": _MISSHAPEN,
    "AttributeError": _MISSHAPEN,
    "EOFError": Row("access", _MFA, "no MFA code was given"),
    "ForeignReplyError": _MISSHAPEN,
    "GetPassWarning": Row("access", _MFA, "an MFA code is needed, and there is no terminal to ask for it on"),
    "JSONDecodeError": Row("access", CONFIG, "{gives} is no JSON"),
    "KeyError": Row("access", CONFIG, "{gives} lacks {detail}"),
    "LookupError": _MISSHAPEN,
    "MisshapenError": Row("access", CONFIG),
    "MissingDependencyException": Row("access", None, "its keys can't be read without awscrt, an extra"),
    "OSError": Row("access", CONFIG),
    "ParamValidationError": Row("access", CONFIG, "not valid: {detail}"),
    "PartialCredentialsError": Row("access", CONFIG, "{detail} is missing"),
    "ResponseParserError": _MISSHAPEN,
    "RuntimeError": Row("access", f"check this machine's clock, or {LOGIN}", "what it gives has expired"),
    "TimeoutError": _LATE,
    "TimeoutExpired": _LATE,
    "TypeError": _MISSHAPEN,
    "UnicodeDecodeError": _MISSHAPEN,
    "ValueError": _MISSHAPEN,
}

# What passes of the codes of STS, SSO and sign-in, with no `Exception` at the end.
_UNAVAILABLE = ("InternalError", "InternalFailure", "InternalServer", "RequestTimeout", "ServiceUnavailable")
PASSING = frozenset(("IDPCommunicationError", *_UNAVAILABLE, *THROTTLES))


def not_had(exc: Exception, source: Source, trouble: Any = None) -> ImagectlError:
    """Why there are no credentials: `exc` ended the try, `trouble` is what the last call of it ended with."""
    kept_back = type(exc).__name__ == "TokenRetrievalError"  # by botocore, which says no more than that
    response = trouble if kept_back else getattr(exc, "response", None)
    if isinstance(response, dict):
        return _refused(response, source)
    row = _row(exc, source)
    message = (row.message or "{detail}").format(gives=source.gives, detail=_detail(exc, source))
    status = _status(exc)
    behind = _passes(exc, status)
    return ImagectlError(
        "transient" if behind or row.kind == "transient" else "access",
        f"{_where(source, exc)}{message}{f' (HTTP {status})' if status else ''}",
        hint=NETWORK if behind else _hint(exc, row, source),
        code=None if isinstance(exc, MisshapenError) else type(exc).__name__,
        operation=source.call,
        http_status=status,
        outcome="not-applied",
    )


def _row(exc: Exception, source: Source) -> Row:
    if source.method == "container-role" and type(exc) is ValueError:
        return Row("access", CONFIG)  # botocore's own words, about the address or the token that is set
    for base in type(exc).__mro__:
        row = HAVING.get(base.__name__) or EXCEPTIONS.get(base.__name__)
        if row and row.kind != "internal":
            return row
    return Row("access", CONFIG, f"unexpected {type(exc).__name__}")


def _hint(exc: Exception, row: Row, source: Source) -> str | None:
    if type(exc).__name__ == "MissingDependencyException":
        from imagectl.installed import adding  # of no use to anybody else

        return f"to add it:\n{adding('login')}"
    own = source.provider.hint.format(shlex.quote(source.profile))
    return own if row.hint in {CONFIG, LOGIN} and own != CONFIG else row.hint


def _where(source: Source, exc: Exception) -> str:
    if source.method is None:
        return ""
    words = [str(source)]
    if (nested := getattr(exc, "kwargs", {}).get("provider")) in PROVIDERS and nested != source.method:
        words.append(f"its source ({nested})")
    return ": ".join(filter(None, [*words, source.call])) + ": "


def _detail(exc: Exception, source: Source) -> str:
    name = type(exc).__name__
    if name == "PartialCredentialsError":
        return str(getattr(exc, "kwargs", {}).get("cred_var"))
    if name == "ParamValidationError":
        return _wrong_settings(str(exc), source)
    if isinstance(exc, OSError) and exc.filename:
        setting = "web_identity_token_file " if source.method == "assume-role-with-web-identity" else ""
        return f"{setting}{quote(exc.filename, WHOLE)}: {exc.strerror}"
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


_VARIABLES = {
    "RoleArn": "AWS_ROLE_ARN",
    "RoleSessionName": "AWS_ROLE_SESSION_NAME",
    "WebIdentityToken": "the token in AWS_WEB_IDENTITY_TOKEN_FILE",
}


def _wrong_settings(report: str, source: Source) -> str:
    """Which settings make up what botocore won't send. Its report is not passed on: it may quote a code."""
    settings = _VARIABLES if source.method == "web-identity-of-variables" else _SETTINGS
    names = [name for parameter, name in settings.items() if re.search(rf"\b{parameter}\b", report)]
    return ", ".join(names) or "its settings"


def _status(exc: BaseException) -> int | None:
    """The HTTP status with which the container's endpoint refused: it is nowhere but in the text."""
    said = re.search(r" response (\d{3})\b", str(exc))
    return int(said[1]) if said and getattr(exc, "kwargs", {}).get("provider") == "container-role" else None


def _passes(exc: BaseException, status: int | None) -> bool:
    """Whether a status that passes, or a failure of the network, stands behind the container's refusal."""
    if type(exc).__name__ != "CredentialRetrievalError":
        return False
    behind, reasons = exc.__context__, []
    while behind is not None:
        reasons.append(of_exception(type(behind)))
        behind = behind.__context__
    return _is_passing(status) or any(row and row.kind == "transient" for row in reasons)


def _is_passing(status: int | None) -> bool:
    return status is not None and (status >= 500 or status in {408, 429})


def _refused(response: dict[str, Any], source: Source) -> ImagectlError:
    error, meta = response.get("Error", {}), response.get("ResponseMetadata", {})
    code, message = str(error.get("Code") or ""), str(error.get("Message") or "").strip()
    status = meta.get("HTTPStatusCode")
    passes = code.removesuffix("Exception") in PASSING or _is_passing(status)
    says = message or f"HTTP {status} without a message"
    return ImagectlError(
        "transient" if passes else "access",
        f"{source}: {source.call}: {says}{f' ({code})' if code else ''}",
        hint=AGAIN if passes else _hint_of_code(code.removesuffix("Exception"), source),
        code=code or None,
        operation=source.call,
        request_id=meta.get("RequestId"),
        http_status=status,
        outcome="not-applied",
    )


def _hint_of_code(code: str, source: Source) -> str | None:
    if code == "AccessDenied" and source.call and source.call.startswith("sts:"):
        return f"allow {source.call} to the caller, and the caller in the role's trust policy"
    row = CODES.get(code)
    if row and row.kind == "access" and code != "AccessDenied":
        return row.hint
    return f"check profile {quote(source.profile)} in the environment and ~/.aws/config"
