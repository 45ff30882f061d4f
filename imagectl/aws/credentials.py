"""Whose requests they are: botocore's credentials, had when they are needed, and whose failure is whose.

Credentials are also renewed in the middle of a call to SageMaker. Whatever STS, SSO, a process or a metadata
service then says leaves here as an ImagectlError of its own, so that nobody takes it for SageMaker's word.
"""

import os
import threading
import time
import warnings
from collections.abc import Callable, Sequence
from typing import Any

from imagectl.aws.bounded import within
from imagectl.aws.sources import MisshapenError, Source, not_had

# What was just had is not had again at once, however soon it ends: a credential process may be slow.
_FRESH = 60.0  # seconds

# Seconds that they may take where nobody is asked for a code: a chain of roles is several calls, each with
# attempts and timeouts of its own.
_LONGEST = 300.0


class Credentials:
    """What botocore takes for the credentials of a session, of the first of its providers that has some.

    `left` says how many seconds this thread's call still has. `asks`: to have them may ask for an MFA code
    on the terminal.
    """

    def __init__(
        self,
        session: Any,
        providers: Sequence[Any],
        profile: str,
        left: Callable[[], float],
        *,
        asks: bool = False,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._providers = providers
        self._profile = profile
        self._explicit = "profile" in session.instance_variables()  # which hides the variables
        self._left = left
        self._asks = asks
        self._now = now
        self._lock = threading.Lock()
        self._heard = _Heard(session)
        self._found: Any = None
        self._held: Any = None
        self._since = 0.0
        self.method: str | None = None  # botocore's word for their source

    @property
    def account_id(self) -> str | None:
        """The account that the credentials say they are of."""
        account = self.get_frozen_credentials().account_id
        return None if account is None else str(account).zfill(12)

    def load_credentials(self) -> "Credentials":
        """Be what a session asks for its credentials."""
        return self

    def get_deferred_property(self, name: str) -> Callable[[], Any]:
        return lambda: getattr(self, name, None)

    def get_frozen_credentials(self) -> Any:
        """Keys that are valid now. Raises ImagectlError where there are none to be had, or not in time."""
        if self._asks or not self._is_due():
            return self._have()
        try:
            return within(min(_LONGEST, self._left()), self._have)
        except TimeoutError as exc:
            raise not_had(exc, Source(self._source(), self._profile)) from exc

    def _is_due(self) -> bool:
        """Whether to have them is more than to remember them."""
        return self._found is None or getattr(self._found, "refresh_needed", bool)()

    def _have(self) -> Any:
        self._heard.clear()
        try:
            frozen = self._current()
            _check(frozen)
        except Exception as exc:
            source = Source(self._source(), self._profile, self._heard.call)
            raise not_had(exc, source, self._heard.trouble) from exc
        return frozen

    def _source(self) -> str | None:
        by_variable = "AWS_WEB_IDENTITY_TOKEN_FILE" in os.environ and not self._explicit
        web_identity = self.method == "assume-role-with-web-identity"
        return "web-identity-of-variables" if web_identity and by_variable else self.method

    def _current(self) -> Any:
        with self._lock:
            if self._found is None:
                self._found = self._first()
        frozen = self._found.get_frozen_credentials()
        if frozen is not self._held:
            self._held, self._since = frozen, self._now()
        return frozen

    def _first(self) -> Any:
        found = self._find()
        if self._asks:
            from getpass import GetPassWarning  # botocore has imported it

            with warnings.catch_warnings():
                # Without a terminal getpass warns, and would go on to read the code from standard input.
                warnings.simplefilter("error", GetPassWarning)
                found.get_frozen_credentials()
        return found

    def _find(self) -> Any:
        from botocore.exceptions import NoCredentialsError

        for provider in self._providers:
            self.method = provider.METHOD
            found = provider.load()
            if found is not None:
                self._since = self._now()
                return self._unhurried(found)
        self.method = None
        raise NoCredentialsError

    def _unhurried(self, found: Any) -> Any:
        """`found`, which is not renewed a moment after it was had unless it has expired."""
        if needed := getattr(found, "refresh_needed", None):
            found.refresh_needed = lambda refresh_in=None: needed(
                0 if self._now() - self._since < _FRESH else refresh_in
            )
        return found


class _Heard:
    """What this thread's botocore asked of other services while it had credentials, and to what end."""

    def __init__(self, session: Any) -> None:
        self._here = threading.local()
        session.register("before-parameter-build", self._asks)
        session.register("after-call", self._is_answered)
        session.register("after-call-error", self._fails)

    def clear(self) -> None:
        self._here.call, self._here.trouble = None, None

    @property
    def call(self) -> str | None:
        """As in `sts:AssumeRole`."""
        return getattr(self._here, "call", None)

    @property
    def trouble(self) -> dict[str, Any] | Exception | None:
        """The refusal or the exception that the call ended with: botocore keeps some to itself."""
        return getattr(self._here, "trouble", None)

    def _asks(self, model: Any, **_: Any) -> None:
        if model.service_model.service_name != "sagemaker":
            self._here.call, self._here.trouble = f"{model.service_model.service_name}:{model.name}", None

    def _is_answered(self, parsed: dict[str, Any], **_: Any) -> None:
        self._here.trouble = parsed if "Error" in parsed else None

    def _fails(self, exception: Exception, **_: Any) -> None:
        self._here.trouble = exception


def _check(frozen: Any) -> None:
    """Raise for what can't be credentials: http.client would quote the whole header, and so the secret."""
    texts = [frozen.access_key, frozen.secret_key, *filter(None, [frozen.token])]
    if not all(isinstance(text, str) and text for text in texts):
        raise MisshapenError("they are not what credentials look like")
    if not all(text.isprintable() for text in texts):
        raise MisshapenError("they contain control characters: a line ending of the file they come from?")
