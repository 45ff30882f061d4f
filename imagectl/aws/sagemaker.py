"""SageMaker's image operations: describes, lists, updates, and turns botocore's errors into ours.

Decides nothing about what to do next and prints nothing.
"""

import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from imagectl.aws.attempts import Attempts
from imagectl.aws.connection import Connection, Patience, wrong_endpoint
from imagectl.aws.debug import Log, log_reply, log_request
from imagectl.aws.failures import FOREIGN, Row, translated
from imagectl.aws.faults import ForeignReplyError
from imagectl.errors import ImagectlError
from imagectl.image import PAGE, PROPERTIES, Image, ImageArn, ImageUpdate, Page, Progress, all_images

if TYPE_CHECKING:
    from imagectl.aws.transport import Transport  # it imports botocore

# Of a look among many (polls, suggestions, completion), whatever the options say about the request that
# matters.
_LOOK_CONNECT, _LOOK_READ = 2.0, 5.0


class SageMaker:
    """SageMaker's image operations in one region, for one identity. Safe to share between threads."""

    def __init__(
        self,
        session: Any,
        transport: "Transport",
        connection: Connection,
        region: str | None,
        *,
        arn: ImageArn | None,
        log: Log | None,
    ) -> None:
        self._session = session
        self._transport = transport
        self._connection = connection
        self._arn = arn
        self._log = log
        self._local = threading.local()
        self._lock = threading.Lock()
        self._looking: Any = None
        self._unproven = False
        self._claim: str | None = None
        self._region = region
        self._client = self._new_client(connection.max_attempts)
        self.region: str = self._client.meta.region_name
        self.attempts: int = (self._client.meta.config.retries or {}).get("total_max_attempts", 3)
        endpoint = self._client.meta.endpoint_url
        if wrong := wrong_endpoint(endpoint, connection.allow_http):
            message = f"the configured endpoint {wrong[0]}"
            raise ImagectlError("access", message, region=self.region, outcome="not-applied")

    def once(self) -> "SageMaker":
        """The same service, each call tried once: for a caller that paces and repeats calls itself."""
        single = replace(self._connection, max_attempts=1)
        service = SageMaker(self._session, self._transport, single, self.region, arn=self._arn, log=self._log)
        service._unproven, service._claim = self._unproven, self._claim
        return service

    def prove_account(self, claim: str | None) -> None:
        """Have an update look first whether the image here is the ARN's, as the credentials don't tell.

        `claim` is what somebody only says about their account, for who reads that it is another.
        """
        self._unproven, self._claim = True, claim

    def describe(self, name: str, *, within: float | None = None) -> Image:
        """DescribeImage."""
        until = _moment(within)
        reply = self._call("DescribeImage", {"ImageName": name}, name=name, until=until)
        fields = {key: value for key, value in reply.items() if key != "ResponseMetadata"}
        image = Image(fields, _age(reply))
        self._arn_of(reply, "DescribeImage", name)
        if not _is_image(reply) or not image.status:
            raise self._foreign(reply, "DescribeImage", name)
        return image

    def update(self, update: ImageUpdate, progress: Progress) -> str:
        """UpdateImage, once; returns the image's ARN. `progress` says whether it may have arrived.

        Where an ARN was given and nobody knows whose account this is, DescribeImage is asked first.

        An error's `outcome` is `unknown` where a reply was lost: that is for the caller to find out.
        """
        if self._unproven:
            try:
                self.describe(update.name)
            except ImagectlError as error:
                raise error.but(outcome="not-applied") from error.__cause__
        attempts = Attempts(progress)
        reply = self._call("UpdateImage", update.request(), name=update.name, attempts=attempts)
        try:
            arn = self._arn_of(reply, "UpdateImage", update.name)
        except ImagectlError as wrong:
            raise wrong.but(late=attempts.late) from None
        progress.outcome = "applied"
        return arn

    def page(self, token: str | None = None, *, within: float | None = None, **filters: Any) -> Page:
        """ListImages, one page; `filters` are its parameters."""
        params = {"MaxResults": PAGE, **filters, **({"NextToken": token} if token else {})}
        reply = self._call("ListImages", params, until=_moment(within))
        listed, following = reply.get("Images"), reply.get("NextToken")
        if not isinstance(listed, list) or not all(map(_is_image, listed)) or not _is_text(following):
            raise self._foreign(reply, "ListImages")
        return Page([Image(fields) for fields in listed], following)

    def list(self, *, within: float | None = None, **filters: Any) -> Iterator[Image]:
        """ListImages, page after page as they are asked for; `within` is for all of it."""
        until = _moment(within)
        return all_images(self, lambda: None if until is None else until - time.monotonic(), **filters)

    def _new_client(self, attempts: int | None) -> Any:
        from botocore.config import Config

        client = self._session.create_client(
            "sagemaker",
            region_name=self._region,
            endpoint_url=self._connection.endpoint_url,
            # Only where asked for: else environment and profile decide, then botocore's default.
            config=Config(retries={"total_max_attempts": attempts} if attempts else None),
        )
        client.meta.events.register("before-send.sagemaker", self._on_send)
        client.meta.events.register("response-received.sagemaker", self._on_reply)
        return client

    def _looking_client(self) -> Any:
        with self._lock:
            if self._looking is None:
                self._looking = self._new_client(attempts=1)
            return self._looking

    def _patience(self, until: float | None) -> Patience:
        connect, read = self._connection.connect_timeout, self._connection.read_timeout
        if until is None:
            return Patience(connect, read)
        return Patience(min(connect, _LOOK_CONNECT), min(read, _LOOK_READ), until)

    def _call(
        self,
        operation: str,
        params: dict[str, Any],
        *,
        name: str | None = None,
        attempts: Attempts | None = None,
        until: float | None = None,
    ) -> dict[str, Any]:
        """One operation; raises ImagectlError for whatever goes wrong with it.

        With `until`, a moment of the monotonic clock, it is one attempt that ends by then.
        """
        from botocore import xform_name

        self._local.attempts = attempts = attempts or Attempts()
        client = self._client if until is None else self._looking_client()
        try:
            with self._transport.call(self._patience(until), attempts.write):
                reply: dict[str, Any] = getattr(client, xform_name(operation))(**params)
        except ImagectlError as unsigned:  # there were no credentials to sign it with
            raise unsigned.but(**self._facts(operation, name, attempts)) from unsigned.__cause__
        except Exception as exc:
            otherwise = Row("internal")
            if attempts.answered < attempts.begun and not type(exc).__module__.startswith("botocore."):
                # botocore's parser broke on the reply: whatever it is, it is not SageMaker's.
                exc, otherwise = ForeignReplyError(), FOREIGN
            facts = {"operation": operation, **self._facts(operation, name, attempts)}
            raise translated(exc, otherwise, **facts) from exc
        return reply

    def _facts(self, operation: str, name: str | None, attempts: Attempts) -> dict[str, Any]:
        return {"image_name": name, "region": self.region, **attempts.facts(operation)}

    def _on_send(self, request: Any, **_: Any) -> None:
        self._local.attempts.begin()
        if self._log:
            log_request(request, self._log)

    def _on_reply(
        self, parsed_response: dict[str, Any] | None, exception: Exception | None, **_: Any
    ) -> None:
        self._local.attempts.receive(parsed_response, exception)
        if self._log:
            log_reply(parsed_response, exception, self._log)

    def _arn_of(self, reply: dict[str, Any], operation: str, name: str) -> str:
        """The reply's ImageArn, if it names the image that was asked for.

        HTTP 200 with a page of somebody else's (a captive portal, a proxy) parses as an empty reply.
        """
        said = reply.get("ImageArn")
        arn = ImageArn.parse(said) if isinstance(said, str) else None
        if arn is None or arn.name.casefold() != name.casefold():
            raise self._foreign(reply, operation, name)
        if self._arn and not arn.same_image(self._arn):
            # The API takes a name only, so credentials of another account reach that account's image.
            changed = operation == "UpdateImage"
            hint = "choose the profile and the endpoint of the ARN's account and region"
            raise ImagectlError(
                "access",
                f"{'changed' if changed else 'read'} was {arn}, not {self._arn}",
                hint=f"{hint} ({self._claim})" if self._claim else hint,
                operation=operation,
                image_name=name,
                region=self.region,
                outcome="applied" if changed else "not-applied",
            )
        self._unproven = False
        return str(said)

    def _foreign(self, reply: dict[str, Any], operation: str, name: str | None = None) -> ImagectlError:
        meta = reply.get("ResponseMetadata", {})
        return ImagectlError(
            "refused",
            FOREIGN.message or "",
            hint=FOREIGN.hint,
            operation=operation,
            image_name=name,
            region=self.region,
            request_id=meta.get("RequestId"),
            http_status=meta.get("HTTPStatusCode"),
            outcome="unknown" if operation == "UpdateImage" else None,
        )


def _moment(within: float | None) -> float | None:
    return None if within is None else time.monotonic() + within


def _is_text(value: object) -> bool:
    return value is None or isinstance(value, str)


def _age(reply: dict[str, Any]) -> float | None:
    """How many seconds before its reply an image was modified, by the clock that both times are of."""
    from email.utils import parsedate_to_datetime

    try:
        replied = parsedate_to_datetime(reply["ResponseMetadata"]["HTTPHeaders"]["date"])
        return float((replied - reply["LastModifiedTime"]).total_seconds())
    except (KeyError, TypeError, ValueError, OverflowError):  # there is none, or not what it should be
        return None


def _is_image(fields: Any) -> bool:
    """Whether a reply's fields are an image's: botocore checks no type of what it reads."""
    if not isinstance(fields, dict) or not all(map(_is_text, map(fields.get, _TEXTS))):
        return False
    return bool(fields.get("ImageName")) and bool(fields.get("ImageArn"))


_TEXTS = ("ImageName", "ImageArn", "ImageStatus", "FailureReason", *PROPERTIES)
