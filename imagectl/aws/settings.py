"""What environment and configuration files say before botocore acts on it, and what is wrong with that.

Imports nothing of AWS's: it reads the session that is passed in. No value of a file is ever quoted where it
could be a secret.
"""

import os
import re
import shlex
from collections.abc import Iterator, Mapping, MutableMapping
from pathlib import Path
from typing import Any, NamedTuple

from imagectl.errors import ImagectlError
from imagectl.image import is_region
from imagectl.text import WHOLE, quote

Profiles = Mapping[str, dict[str, Any]]

# The order of the variables that name a profile. botocore's own is the reverse, AWS CLI v2's is this.
PROFILE_VARIABLES = ("AWS_PROFILE", "AWS_DEFAULT_PROFILE")
REGION_VARIABLES = ("AWS_REGION", "AWS_DEFAULT_REGION")

# Settings that decide who we are. An empty one must not be passed over: without it we may be somebody else.
_IDENTITY = frozenset(
    (
        "aws_access_key_id",
        "aws_secret_access_key",
        "credential_process",
        "credential_source",
        "external_id",
        "login_session",
        "mfa_serial",
        "role_arn",
        "role_session_name",
        "source_profile",
        "sso_account_id",
        "sso_region",
        "sso_role_name",
        "sso_session",
        "sso_start_url",
        "web_identity_token_file",
    )
)
_TOKEN_FILES = ("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", "AWS_WEB_IDENTITY_TOKEN_FILE")
_COUNTS = ("max_attempts", "metadata_service_num_attempts", "metadata_service_timeout")


class SettingError(Exception):
    """A setting that is not valid; the text names where it stands."""


def forget_empty(environ: MutableMapping[str, str]) -> tuple[str, ...]:
    """Unset the variables that are empty, as no two parts of botocore agree on what those mean."""
    empty = [
        name
        for name in list(environ)
        if (name.startswith("AWS_") or name == "REQUESTS_CA_BUNDLE") and environ.get(name) == ""
    ]
    for name in empty:
        environ.pop(name, None)
    return tuple(empty)


def chosen_profile(given: str | None, environ: Mapping[str, str]) -> str | None:
    """The profile that was asked for, by option or variable."""
    return given or next((environ[name] for name in PROFILE_VARIABLES if environ.get(name)), None)


def chain(profiles: Profiles, name: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """The profile and those whose credentials it builds upon, each once."""
    seen = set()
    while name in profiles and name not in seen:
        seen.add(name)
        yield name, profiles[name]
        name = profiles[name].get("source_profile", "")


def uses_aws_login(profile: str | None, environ: Mapping[str, str]) -> bool:
    """Whether the profile's credentials are those of `aws login`; where it is None, whether any's are.

    Asked before botocore is imported. A file that can't be read or parsed says no: botocore tells what is
    wrong with it.
    """
    files = (
        (environ.get("AWS_CONFIG_FILE") or "~/.aws/config", "profile"),
        (environ.get("AWS_SHARED_CREDENTIALS_FILE") or "~/.aws/credentials", ""),
    )
    texts = [(_text(path), prefix) for path, prefix in files]
    if profile is None or not any("login_session" in text for text, _ in texts):
        return any("login_session" in text for text, _ in texts)  # nearly always nothing has to be parsed
    profiles: dict[str, dict[str, str]] = {}
    for text, prefix in texts:
        for section, values in _sections(text):
            words = shlex.split(section)
            if section == "default" or not prefix or words[:1] == [prefix]:
                profiles.setdefault(words[-1], {}).update(values)
    return any("login_session" in values for _, values in chain(profiles, profile))


def _text(path: str) -> str:
    try:
        file = Path(os.path.expandvars(path)).expanduser()
        # botocore passes over what is no regular file; a pipe could keep us waiting for ever.
        return file.read_text(encoding="utf-8", errors="replace") if file.is_file() else ""
    except (OSError, RuntimeError):
        return ""


def _sections(text: str) -> list[tuple[str, dict[str, str]]]:
    from configparser import Error, RawConfigParser

    parser = RawConfigParser(strict=False)
    try:
        parser.read_string(text)
        return [(name, dict(parser[name])) for name in parser.sections() if shlex.split(name)]
    except (Error, ValueError):
        return []


def check(session: Any, profile: str, *, identity: bool) -> None:
    """Raise SettingError for the first setting of botocore's that is not valid, and say where it stands.

    `identity`: whether the profile says who we are, too. What else is empty in a profile is unset.
    """
    config = session.full_config
    for holder, values in chain(config["profiles"], profile):
        _check_section(f"profile {quote(holder)}", values, identity=identity)
        if sso := config.get("sso_sessions", {}).get(values.get("sso_session")):
            _check_section(f"sso-session {quote(values['sso_session'])}", sso, identity=identity)
    for name in _TOKEN_FILES if identity else ():
        _check_token_file(name, os.environ.get(name))
    for key in session.session_var_map:
        _check_variable(session, key, profile)


def _check_section(where: str, values: dict[str, Any], *, identity: bool) -> None:
    for key in [key for key, value in values.items() if not value]:
        if key in _IDENTITY and identity:
            raise SettingError(f"{where}: {key} is empty")
        del values[key]
    if not identity:
        return
    if "sso_region" in values and not is_region(values["sso_region"]):
        raise SettingError(f"{where}: sso_region is no region's name: {quote(values['sso_region'])}")
    try:
        shlex.split(values.get("credential_process", ""))
    except ValueError as exc:
        raise SettingError(f"{where}: credential_process can't be taken apart: {exc}") from exc
    _check_token_file(f"{where}: web_identity_token_file", values.get("web_identity_token_file"))
    duration = values.get("duration_seconds", "1")
    if not (duration.isascii() and duration.isdigit()):
        raise SettingError(f"{where}: duration_seconds is no number: {quote(duration)}")


def _check_token_file(where: str, path: str | None) -> None:
    """Botocore reads it to its end, which a pipe or a device may not have."""
    if path and Path(path).exists() and not Path(path).is_file():
        raise SettingError(f"{where} is no regular file: {quote(path, WHOLE)}")


def _check_variable(session: Any, key: str, profile: str) -> None:
    try:
        value = session.get_config_variable(key)
    except (ValueError, TypeError) as exc:
        name, text = source_of(session, key, profile)
        raise SettingError(f"{name} is not valid: {quote(text)}") from exc
    if key in _COUNTS and value is not None and value < 1:
        name, text = source_of(session, key, profile)
        raise SettingError(f"{name} is not at least 1: {quote(text)}")


class Setting(NamedTuple):
    """Where a setting stands, as people know it, and its text; None where nobody set it."""

    name: str
    value: Any


def source_of(session: Any, key: str, profile: str) -> Setting:
    """Where botocore's variable `key` has its value from."""
    in_file, variables, _, _ = session.session_var_map[key]
    for variable in [variables] if isinstance(variables, str) else variables or ():
        if variable in os.environ:
            return Setting(variable, os.environ[variable])
    values = session.full_config["profiles"].get(profile, {})
    return Setting(f"profile {quote(profile)}: {in_file}", values.get(in_file))


def complained_of(session: Any, exc: Exception, profile: str) -> str | None:
    """Where the setting stands that botocore's complaint is about; None where that can't be seen."""
    values = {str(value).casefold() for value in getattr(exc, "kwargs", {}).values()}
    places = {key: source_of(session, key, profile) for key in session.session_var_map}
    places |= {n: Setting(n, v) for n, v in os.environ.items() if n.startswith("AWS_ENDPOINT_URL")}
    given = {key: place for key, place in places.items() if place.value is not None}
    by_value = [place for place in given.values() if str(place.value).casefold() in values]
    by_name = [place for key, place in given.items() if re.search(rf"\b{key}\b", str(exc))]
    by_text = [place for key, place in given.items() if "ENDPOINT_URL" in key and place.value in str(exc)]
    return next((place.name for place in (*by_value, *by_name, *by_text)), None)


def region_of(
    session: Any, given: str | None, of_arn: str | None, profile: str, environ: Mapping[str, str]
) -> str | None:
    """The region by the order that is documented, checked; None where nobody names one."""
    in_profile = session.full_config["profiles"].get(profile, {}).get("region")
    candidates = [
        ("--region", given),
        ("the ARN's region", of_arn),
        *((name, environ.get(name)) for name in REGION_VARIABLES),
        (f"profile {quote(profile)}: region", in_profile),
    ]
    name, region = next(((name, value) for name, value in candidates if value), ("", None))
    if region and not is_region(region):
        raise ImagectlError("access", f"{name} is no region's name: {quote(region)}", outcome="not-applied")
    return region


def unparsable(path: str, error: Exception) -> str:
    """What is wrong with a configuration file and in which line. Never quotes it: lines may hold secrets."""
    where = quote(path, WHOLE)
    with_mark = _head(path)
    if with_mark.startswith((b"\xff\xfe", b"\xfe\xff")) or b"\0" in with_mark:
        return f"{where} is UTF-16: save it as UTF-8"
    if with_mark.startswith(b"\xef\xbb\xbf"):
        return f"{where}, line 1: begins with a byte order mark: save it as UTF-8 without one"
    if isinstance(error, UnicodeDecodeError):
        return f"{where} is not UTF-8"
    kind = type(error).__name__
    line = getattr(error, "lineno", None) or next(iter(getattr(error, "errors", ())), (None,))[0]
    what = {
        "DuplicateSectionError": f"the section [{getattr(error, 'section', '')}] is there twice",
        "DuplicateOptionError": f"{getattr(error, 'option', '')} is set twice in"
        f" [{getattr(error, 'section', '')}]",
        "MissingSectionHeaderError": "a setting before the first [section]",
    }.get(kind, "neither a [section] nor NAME = VALUE")
    return f"{where}{f', line {line}' if line else ''}: {what}"


def _head(path: str) -> bytes:
    try:
        with Path(os.path.expandvars(path)).expanduser().open("rb") as file:
            return file.read(256)
    except (OSError, RuntimeError):
        return b""
