"""The played `aws.SageMaker`: sends requests on a network where anything may become of them.

How a call is repeated is botocore's standard mode; how an exception and a code become an error, and what is
known of a request after each attempt, is imagectl's own code.
"""

from collections.abc import Callable
from copy import copy
from functools import partial
from typing import Any, NamedTuple, Protocol

from botocore.exceptions import (
    ConnectionClosedError,
    ConnectTimeoutError,
    EndpointConnectionError,
    NoCredentialsError,
    ReadTimeoutError,
)

from imagectl.aws.attempts import Attempts
from imagectl.aws.failures import FOREIGN, Row, translated
from imagectl.errors import THROTTLES, ImagectlError
from imagectl.image import Image, ImageUpdate, Page, Progress

from .backend import THROTTLED, Answer, Backend, Request
from .events import READ, Fate
from .scheduler import Scheduler

_URL = "https://sagemaker.example"
_EXCEPTIONS: dict[str, Callable[[], Exception]] = {
    "EndpointConnectionError": lambda: EndpointConnectionError(endpoint_url=_URL),
    "ConnectTimeoutError": lambda: ConnectTimeoutError(endpoint_url=_URL),
    "ConnectionClosedError": lambda: ConnectionClosedError(endpoint_url=_URL),
    "ReadTimeoutError": lambda: ReadTimeoutError(endpoint_url=_URL),
}
_UNSENT = frozenset(("EndpointConnectionError", "ConnectTimeoutError"))  # where nothing was written
_REPEATED_STATUS = frozenset((500, 502, 503, 504))


class Network(NamedTuple):
    """What lies between client and service, in one world."""

    latency: float = 0.05  # seconds there and back, at most
    late: float = 30.0  # seconds after which a request is carried out that was given up
    attempts: int = 3
    connect_timeout: float = 5.0
    read_timeout: float = 30.0


class Weather(Protocol):
    """Who says what becomes of the next request."""

    @property
    def run(self) -> int: ...

    def sends(self, backend: Backend, request: Request) -> None: ...

    def fate(self, operation: str) -> tuple[str, Fate]: ...

    def read_failed(self) -> None: ...


class _ServiceError(Exception):
    """Has what botocore's ClientError has."""

    def __init__(self, code: str, status: int, request_id: str | None) -> None:
        super().__init__(code)
        meta = {"HTTPStatusCode": status, **({"RequestId": request_id} if request_id else {})}
        self.response: dict[str, dict[str, Any]] = {
            "Error": {"Code": code, "Message": code},
            "ResponseMetadata": meta,
        }


class Client:
    """Implements `imagectl.image.Service`."""

    def __init__(self, backend: Backend, network: Network, scheduler: Scheduler, weather: Weather) -> None:
        self._backend, self._network, self._scheduler, self._weather = backend, network, scheduler, weather
        self.region, self.attempts = backend.place.region, network.attempts

    def once(self) -> "Client":
        single = copy(self)
        single.attempts = 1
        return single

    def describe(self, name: str, *, within: float | None = None) -> Image:
        fields = self._call("DescribeImage", name, lambda: self._backend.describe(name), within=within)
        if "ImageArn" not in fields:
            raise self._foreign("DescribeImage", name)
        return Image({**fields}, self._scheduler.now - fields["LastModifiedTime"])

    def update(self, update: ImageUpdate, progress: Progress) -> str:
        call = Attempts(progress)
        name, sent = update.name, dict(update.wanted)

        def arriving() -> Callable[[], Answer]:
            request = Request(self._weather.run, name, sent, self._scheduler.now)
            self._weather.sends(self._backend, request)
            return lambda: self._backend.update(request)

        fields = self._call("UpdateImage", name, arriving, call=call)
        if "ImageArn" not in fields:
            raise self._foreign("UpdateImage", name).but(late=call.late)
        progress.outcome = "applied"
        return str(fields["ImageArn"])

    def page(self, token: str | None = None, *, within: float | None = None, **_filters: Any) -> Page:
        reply = self._call("ListImages", "", partial(self._backend.list, int(token or 0)), within=within)
        if "Images" not in reply:
            raise self._foreign("ListImages", None)
        return Page([Image(fields) for fields in reply["Images"]], reply.get("NextToken"))

    def _call(
        self,
        operation: str,
        name: str,
        arrives: Callable[[], Any],
        *,
        call: Attempts | None = None,
        within: float | None = None,
    ) -> dict[str, Any]:
        call = call or Attempts()
        attempts = 1 if within else self.attempts
        for number in range(1, attempts + 1):
            try:
                return self._try(operation, name, arrives, call, within=within)
            except Exception as failure:
                if number < attempts and _is_repeated(failure):
                    self._scheduler.sleep(self._scheduler.jitter() * min(2 ** (number - 1), 20))
                    continue
                facts = {"image_name": name or None, "region": self.region, **call.facts(operation)}
                raise translated(failure, Row("internal"), operation=operation, **facts) from failure
        raise AssertionError

    def _try(
        self, operation: str, name: str, arrives: Callable[[], Any], call: Attempts, *, within: float | None
    ) -> dict[str, Any]:
        """One attempt, until its reply is there or given up."""
        scheduler, network = self._scheduler, self._network
        scheduler.step()
        label, fate = self._weather.fate(operation)
        if fate.raises == "NoCredentialsError":
            raise NoCredentialsError
        call.begin()
        if fate.raises not in _UNSENT:
            call.write()
        carry_out = arrives() if operation == "UpdateImage" else arrives
        if operation == "UpdateImage":
            self._backend.requests[-1].fate = label
        answers: list[Answer] = []
        there, back = network.latency * scheduler.jitter(), network.latency * scheduler.jitter()
        if fate.carried != "never":
            self._backend.asked[self._weather.run, operation] += 1
            late = network.late if fate.carried == "late" else 0
            scheduler.at(scheduler.now + there + late, lambda: answers.append(carry_out()))
        patience = self._patience(fate, within)
        too_slow = there + back > patience  # which a look among many may find it
        scheduler.sleep(patience if fate.slow or too_slow else there + back)
        if too_slow:
            self._weather.read_failed()
        if fate.raises or too_slow:
            failure = _EXCEPTIONS[fate.raises or READ]()
            call.receive(None, failure)
            raise failure
        status, said = (fate.status, fate.code) if fate.status else answers[0]
        if not fate.status and answers[0] == THROTTLED:
            self._backend.throttled[self._weather.run, operation] += 1
        request_id = {"RequestId": "4f1c"} if said else {}
        call.receive({"ResponseMetadata": {"HTTPStatusCode": status, **request_id}}, None)
        if isinstance(said, dict):
            return said
        if status < 300:  # somebody else's page
            return {}
        raise _ServiceError(said or str(status), status, "4f1c" if said else None)

    def _patience(self, fate: Fate, within: float | None) -> float:
        connecting = fate.raises == "ConnectTimeoutError"
        patience = self._network.connect_timeout if connecting else self._network.read_timeout
        return min(patience, within, 2.0 if connecting else 5.0) if within else patience

    def _foreign(self, operation: str, name: str | None) -> ImagectlError:
        return ImagectlError(
            "refused",
            FOREIGN.message or "",
            operation=operation,
            image_name=name,
            region=self.region,
            outcome="unknown" if operation == "UpdateImage" else None,
        )


def _is_repeated(failure: Exception) -> bool:
    """Whether botocore's standard mode tries again."""
    if not isinstance(failure, _ServiceError):
        return not isinstance(failure, NoCredentialsError)
    code = str(failure.response["Error"]["Code"]).removesuffix("Exception")
    status = failure.response["ResponseMetadata"]["HTTPStatusCode"]
    return status in _REPEATED_STATUS or code in THROTTLES or code == "RequestTimeout"
