"""Connecting: who we are, once per profile; where, once per region; then SageMaker there.

Sends nothing to SageMaker. botocore is imported here first, and not before all input has been checked.
"""

import os
import sys
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from imagectl.aws import settings
from imagectl.aws.connection import Connection, Patience, wrong_bundle
from imagectl.aws.credentials import Credentials
from imagectl.aws.debug import Log
from imagectl.aws.failures import Row, translated
from imagectl.aws.sagemaker import SageMaker
from imagectl.errors import ImagectlError
from imagectl.image import ImageArn
from imagectl.text import quote

# Whose credentials come with an account that AWS named; any other source only claims one.
_NAMED_BY_AWS = frozenset(
    ("assume-role", "assume-role-with-web-identity", "container-role", "login", "sso")  # botocore's words
)

_CLAIMED = {
    "config-file": "aws_account_id",
    "custom-process": "the credential process",
    "env": "AWS_ACCOUNT_ID",
    "shared-credentials-file": "aws_account_id",
}


def connect(connection: Connection, *, arn: ImageArn | None = None, log: Log | None = None) -> SageMaker:
    """Resolve region, endpoint and credentials, and make a client. Sends nothing to SageMaker.

    Raises ImagectlError: `access` for configuration and credentials, `usage` never (see `problems`).
    """
    return Login(connection, log).service(connection.region, arn)


class Logins:
    """Connects as often as it is asked to, and logs in once per profile: one MFA code for all its regions."""

    def __init__(self, log: Log | None = None) -> None:
        self._log = log
        self._logins: dict[Connection, Login] = {}

    def login(self, connection: Connection) -> "Login":
        """The login of the connection's profile. Not before a service of it is had, credentials are."""
        everywhere = replace(connection, region=None)
        if everywhere not in self._logins:
            self._logins[everywhere] = Login(everywhere, self._log, alone=False)
        return self._logins[everywhere]


class Login:
    """One profile's session and credentials, shared by the services of its regions.

    `alone`: no other profile will log in.
    """

    def __init__(self, connection: Connection, log: Log | None = None, *, alone: bool = True) -> None:
        self._connection = connection
        self._log = log
        self._among = not alone and connection.profile is not None  # others, that may stand in a manifest
        self._empty = settings.forget_empty(os.environ)
        self._profile = settings.chosen_profile(connection.profile, os.environ) or "default"
        if not settings.uses_aws_login(self._profile if alone else None, os.environ):
            # botocore imports it wherever it is installed: 33 ms, for nothing but the keys of `aws login`.
            sys.modules.setdefault("awscrt", None)  # type: ignore[arg-type]
        self._credentials: Credentials | None = None
        self._session: Any = None
        try:
            self._session = self._new_session()
        except settings.SettingError as exc:
            raise ImagectlError("access", str(exc), outcome="not-applied") from exc
        except Exception as exc:
            raise self._wrong(exc, None) from exc

    @property
    def region(self) -> str | None:
        """The region that is configured."""
        return settings.region_of(self._session, None, None, self._profile, os.environ)

    @property
    def asks(self) -> bool:
        """Whether having the credentials may ask for an MFA code on the terminal."""
        profiles = self._session.full_config["profiles"]
        return any("mfa_serial" in values for _, values in settings.chain(profiles, self._profile))

    @property
    def account(self) -> str | None:
        """Whose account it is, once a service was had and where AWS itself has named it."""
        had = self._credentials
        return had.account_id if had and had.method in _NAMED_BY_AWS else None

    def service(self, region: str | None, arn: ImageArn | None = None) -> SageMaker:
        """The service in one region, `region` or else the one that is configured, with credentials had."""
        found = settings.region_of(
            self._session, region, arn.region if arn else None, self._profile, os.environ
        )
        try:
            if found is None:
                from botocore.exceptions import NoRegionError

                raise NoRegionError  # noqa: TRY301 - its row is found by its class, below
            if arn:
                self._check_partition(arn, found)
            credentials = self._log_in(found)
            service = SageMaker(
                self._session, self._transport, self._connection, found, arn=arn, log=self._log
            )
            # Here, so that a failure to have them is no failure of a call.
            credentials.get_frozen_credentials()
        except ImagectlError as error:
            raise self._with_empty(error.but(region=error.region or found)) from error.__cause__
        except Exception as exc:
            raise self._with_empty(self._wrong(exc, found)) from exc
        if arn:
            self._check_account(arn, service, credentials)
        return service

    def _new_session(self) -> Any:
        # The door: importing botocore takes 0.1 s, and only commands that call the service need it.
        from botocore.config import Config
        from botocore.session import Session

        from imagectl.aws import model
        from imagectl.aws.transport import Transport

        given = self._connection
        session = Session(
            profile=given.profile,
            session_vars={"profile": (None, list(settings.PROFILE_VARIABLES), None, None)},
        )
        model.install(session)
        session.get_component("response_parser_factory").set_parser_defaults(timestamp_parser=_time)
        # For the clients that botocore makes for itself, too: of STS, SSO and sign-in.
        session.set_default_client_config(
            Config(
                connect_timeout=given.connect_timeout,
                read_timeout=given.read_timeout,
                retries={"total_max_attempts": given.max_attempts} if given.max_attempts else None,
            )
        )
        if given.ca_bundle:
            session.set_config_variable("ca_bundle", given.ca_bundle)
        keys_win = given.profile is None and "AWS_ACCESS_KEY_ID" in os.environ
        settings.check(session, self._profile, identity=not keys_win)
        patience = Patience(given.connect_timeout, given.read_timeout)
        bundle = self._bundle(session)
        self._transport = Transport(patience, bundle=bundle, allow_http=given.allow_http)
        session.register("before-send", self._transport.send)  # type: ignore[arg-type]  # the stubs know no reply
        return session

    def _bundle(self, session: Any) -> str | None:
        """The file of certificates that is configured, in botocore's order; None for certifi's."""
        bundle: str | None = session.get_config_variable("ca_bundle")
        where = (
            settings.source_of(session, "ca_bundle", self._profile).name if bundle else "REQUESTS_CA_BUNDLE"
        )
        bundle = bundle or os.environ.get("REQUESTS_CA_BUNDLE")
        if bundle and (wrong := wrong_bundle(bundle)):
            raise settings.SettingError(
                f"{'--ca-bundle' if self._connection.ca_bundle else where} {wrong[0]}"
            )
        return bundle

    def _log_in(self, region: str) -> Credentials:
        from botocore.credentials import create_credential_resolver

        from imagectl.aws import process

        if self._credentials is None:
            # Sign-in, for one, is asked there too.
            self._session.set_config_variable("region", region)
            process.install()
            providers = create_credential_resolver(self._session, region_name=region).providers
            self._credentials = Credentials(
                self._session, providers, self._profile, self._transport.left, asks=self.asks
            )
            self._session.register_component("credential_provider", self._credentials)
        return self._credentials

    def _wrong(self, exc: Exception, region: str | None) -> ImagectlError:
        """What is wrong with the configuration, by botocore's complaint."""
        error = translated(exc, Row("access"), region=region, outcome="not-applied")
        facts = getattr(exc, "kwargs", {})
        if type(exc).__name__ == "ConfigParseError":
            return error.but(message=settings.unparsable(facts["path"], facts["error"]))
        if type(exc).__name__ == "ProfileNotFound":
            if self._among:
                return error.but(message=f"no profile {quote(self._profile)} is configured")
            set_ = [name for name in settings.PROFILE_VARIABLES if name in os.environ]
            by = "--profile" if self._connection.profile else set_[0]
            return error.but(message=f"{by} names no profile that is configured: {quote(self._profile)}")
        where = self._session and settings.complained_of(self._session, exc, self._profile)
        return error.but(message=f"{where} is not valid: {error.message}") if where else error

    def _with_empty(self, error: ImagectlError) -> ImagectlError:
        """The error that nothing was found, with the variables that were meant to say something."""
        names = ", ".join(sorted(self._empty))
        if error.code not in {"NoCredentialsError", "NoRegionError"} or not names:
            return error
        are = "are" if len(self._empty) > 1 else "is"
        return error.but(hint=f"{names} {are} empty, which counts as unset; {error.hint}")

    def _check_partition(self, arn: ImageArn, region: str) -> None:
        from botocore.exceptions import UnknownRegionError

        try:
            partition = self._session.get_partition_for_region(region)
        except UnknownRegionError:  # newer than botocore: the service decides
            return
        if arn.partition != partition:
            raise ImagectlError(
                "access",
                f"the ARN is of partition {arn.partition}, but {region} is in {partition}",
                hint="check the ARN",
                image_name=arn.name,
                outcome="not-applied",
            )

    def _check_account(self, arn: ImageArn, service: SageMaker, credentials: Credentials) -> None:
        """UpdateImage takes a name only: sent as is, it would change this account's image of that name."""
        account = credentials.account_id
        if credentials.method not in _NAMED_BY_AWS or account is None:
            where = _CLAIMED.get(credentials.method or "")
            service.prove_account(f"{where} says {account}, which is no proof" if account and where else None)
        elif account != arn.account:
            raise ImagectlError(
                "access",
                f"the ARN is of account {arn.account}, the credentials are of account {account}",
                hint="choose the profile of the ARN's account",
                image_name=arn.name,
                region=service.region,
                outcome="not-applied",
            )


def _time(said: Any) -> datetime:
    """A time in a reply, in UTC: so is one without a zone, and all can be compared."""
    from botocore.utils import parse_timestamp

    time = parse_timestamp(said)
    return time.replace(tzinfo=time.tzinfo or UTC).astimezone(UTC)
