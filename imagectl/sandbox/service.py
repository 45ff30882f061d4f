"""What SageMaker does with images: its five operations, states that pass, failures on demand.

Knows nothing of moto or HTTP.
"""

import json
import math
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any, NamedTuple

from imagectl.constraints import python_pattern
from imagectl.image import PROPERTIES, ImageArn


class Refusal(NamedTuple):
    status: int
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Magic:
    """What an image of a magic name does when it is updated; a test of a script reads like its row here."""

    says: str
    refusal: Refusal | None = None
    denied: str = ""  # the IAM action; iam:PassRole only where a role is given
    failure: str = ""  # FailureReason of an update that is accepted and not carried out
    seconds: float | None = None  # how long an update takes
    page: str = ""  # the body of a reply that is not the service's
    lost: bool = False  # the update is carried out, its reply isn't sent
    there: bool = True


_BUSY = Refusal(400, "ResourceInUse", "Resource was modified concurrently")
_NOTHING = Magic("")

MAGIC: dict[str, Magic] = {
    "sandbox-update-failed": Magic(
        "accepts an update, then fails it: UPDATE_FAILED with a FailureReason",
        failure="The sandbox fails every update of this image.",
    ),
    "sandbox-slow": Magic("stays UPDATING for an hour", seconds=3600),
    "sandbox-in-use": Magic("ResourceInUse, as if somebody else were changing it", refusal=_BUSY),
    "sandbox-invalid-state": Magic(
        "ValidationException: the image is in an invalid state",
        refusal=Refusal(400, "ValidationException", "Image sandbox-invalid-state is in an invalid state."),
    ),
    "sandbox-access-denied": Magic(
        "AccessDeniedException for sagemaker:UpdateImage", denied="sagemaker:UpdateImage"
    ),
    "sandbox-pass-role-denied": Magic(
        "AccessDeniedException for iam:PassRole, where a role is given", denied="iam:PassRole"
    ),
    "sandbox-expired-token": Magic(
        "ExpiredTokenException",
        refusal=Refusal(
            400, "ExpiredTokenException", "The security token included in the request is expired"
        ),
    ),
    "sandbox-throttled": Magic(
        "ThrottlingException", refusal=Refusal(400, "ThrottlingException", "Rate exceeded")
    ),
    "sandbox-internal-failure": Magic(
        "InternalFailure, HTTP 500",
        refusal=Refusal(500, "InternalFailure", "The request processing has failed."),
    ),
    "sandbox-unavailable": Magic(
        "ServiceUnavailable, HTTP 503",
        refusal=Refusal(503, "ServiceUnavailable", "The request has failed: the server is overloaded."),
    ),
    "sandbox-lost-reply": Magic("applies an update, then closes the connection without a reply", lost=True),
    "sandbox-foreign-reply": Magic(
        "HTTP 200 with a web page, as a captive portal answers",
        page="<!DOCTYPE html><title>Welcome to our network</title>",
    ),
    "sandbox-not-found": Magic("ResourceNotFound: there is no such image", there=False),
}

# The images that every account and region begins with, beside those: Description, DisplayName, age in days.
# A list by age shows them first.
ORDINARY: dict[str, tuple[str, str, int]] = {
    "my-image": ("Python 3.11 with the team's data tools", "My image", 9),
    "pytorch-training": ("PyTorch 2 for training on GPUs", "PyTorch training", 40),
    "pandas-notebook": ("JupyterLab with pandas and pyarrow", "pandas notebook", 120),
}
_SEEDS = ORDINARY | {name: (magic.says, name, 365) for name, magic in MAGIC.items() if magic.there}
_PAGE = 10  # ListImages' own default of MaxResults
OPERATIONS = ("create_image", "describe_image", "update_image", "list_images", "delete_image")
_TYPES: dict[str, Any] = {"string": str, "list": list, "integer": int, "timestamp": (int, float)}
JSON = "application/x-amz-json-1.1"


class _AnswerError(Exception):
    """Ends an operation with an answer that is not its result."""

    def __init__(self, status: int, body: str, content_type: str = JSON) -> None:
        super().__init__(status, content_type, body)


def aws_error(code: str, message: str) -> str:
    return json.dumps({"__type": code, "message": message})


def _refusal(status: int, code: str, message: str) -> _AnswerError:
    return _AnswerError(status, aws_error(code, message))


@dataclass(frozen=True, slots=True)
class _Image:
    """DescribeImage's reply as it is, and what takes its place at `due`; an `after` of None is a deletion."""

    fields: dict[str, Any]
    due: float = math.inf
    after: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class _Place:
    """One account in one region, and its images."""

    account: str
    region: str
    partition: str
    images: dict[str, _Image] = field(default_factory=dict)

    def arn(self, name: str) -> str:
        return str(ImageArn(self.partition, self.region, self.account, name))

    def denial(self, action: str, resource: str) -> _AnswerError:
        user = f"arn:{self.partition}:sts::{self.account}:assumed-role/sandbox/session"
        what = f"is not authorized to perform: {action} on resource: {resource}"
        why = f"because no identity-based policy allows the {action} action"
        return _refusal(400, "AccessDeniedException", f"User: {user} {what} {why}")


class Service:
    """What SageMaker does with images. The operations run one at a time, under one lock."""

    def __init__(self, update_seconds: float, clock: Callable[[], float]) -> None:
        self._shapes = _request_shapes()
        self._update_seconds = update_seconds
        self._clock = clock
        self._epoch = time.time() - clock()  # so that the times in replies move with `clock`
        self._places: dict[tuple[str, str], _Place] = {}
        self._lock = threading.Lock()

    def answer(self, operation: str, body: str, *place: str) -> tuple[int, str, str]:
        """HTTP status, content type and body."""
        request = {name: value for name, value in json.loads(body or "{}").items() if value is not None}
        try:
            with self._lock:
                _check(self._shapes[operation], request)
                return 200, JSON, json.dumps(getattr(self, operation)(self._at(*place), request))
        except _AnswerError as other:
            status, content_type, text = other.args
            return status, content_type, text

    def create_image(self, place: _Place, request: Mapping[str, Any]) -> dict[str, Any]:
        name = request["ImageName"]
        if name in place.images:
            message = f"The Image with ImageName {name} already exists. Please use a different ImageName."
            raise _refusal(400, "ResourceInUse", message)
        fields = self._new(place, name, {key: request[key] for key in PROPERTIES if key in request})
        self._begin(place, "CREATING", fields, fields)
        return {"ImageArn": place.arn(name)}

    def describe_image(self, place: _Place, request: Mapping[str, Any]) -> dict[str, Any]:
        return _find(place, request["ImageName"]).fields

    def update_image(self, place: _Place, request: Mapping[str, Any]) -> dict[str, Any]:
        name, deleted = request["ImageName"], request.get("DeleteProperties", ())
        for both in deleted:
            if both in request:
                raise _refusal(
                    400,
                    "ValidationException",
                    f"The property {both} can't be set and deleted in one request.",
                )
        image = _find(place, name)
        magic = MAGIC.get(name, _NOTHING)
        if magic.denied == "iam:PassRole" and "RoleArn" in request:
            raise place.denial(magic.denied, request["RoleArn"])
        if magic.denied == "sagemaker:UpdateImage":
            raise place.denial(magic.denied, place.arn(name))
        if magic.page:
            raise _AnswerError(200, magic.page, "text/html")
        if magic.refusal:
            raise _refusal(*magic.refusal)

        before = {key: value for key, value in _idle(image).items() if key != "FailureReason"}
        after = {key: value for key, value in before.items() if key not in deleted}
        after |= {key: request[key] for key in PROPERTIES if key in request} | {"ImageStatus": "CREATED"}
        if magic.failure:
            after = before | {"ImageStatus": "UPDATE_FAILED", "FailureReason": magic.failure}
        self._begin(place, "UPDATING", before, after)
        if magic.lost:
            raise ConnectionAbortedError
        return {"ImageArn": place.arn(name)}

    def list_images(self, place: _Place, request: Mapping[str, Any]) -> dict[str, Any]:
        token = request.get("NextToken", "0")
        if not (token.isascii() and token.isdigit() and len(token) < 10):
            raise _refusal(400, "ValidationException", "The NextToken is not valid.")
        key = _camel(request.get("SortBy", "CREATION_TIME"))
        found = sorted(
            (image.fields for image in place.images.values() if _chosen(image.fields, request)),
            key=lambda fields: (fields[key], fields["ImageName"]),
            reverse=request.get("SortOrder") != "ASCENDING",
        )
        end = int(token) + request.get("MaxResults", _PAGE)
        page = [{**fields} for fields in found[int(token) : end]]
        for fields in page:
            fields.pop("RoleArn", None)
        return {"Images": page} | ({"NextToken": str(end)} if end < len(found) else {})

    def delete_image(self, place: _Place, request: Mapping[str, Any]) -> dict[str, Any]:
        self._begin(place, "DELETING", _idle(_find(place, request["ImageName"])), None)
        return {}

    def _at(self, account: str, region: str, partition: str) -> _Place:
        """The images of one place, as time has left them."""
        place = self._places.get((account, region))
        if not place:
            place = self._places[account, region] = _Place(account, region, partition)
            role = f"arn:{partition}:iam::{account}:role/service-role/SageMakerImages"
            for name, (description, display_name, days) in _SEEDS.items():
                values = {"Description": description, "DisplayName": display_name, "RoleArn": role}
                place.images[name] = _Image(self._new(place, name, values, days))
        for name, image in tuple(place.images.items()):
            if image.due <= self._clock():
                del place.images[name]
                if image.after is not None:
                    place.images[name] = _Image(image.after)
        return place

    def _new(self, place: _Place, name: str, values: dict[str, str], days: int = 0) -> dict[str, Any]:
        born = self._epoch + self._clock() - days * 86_400
        times = {"CreationTime": born, "LastModifiedTime": born}
        return {"ImageName": name, "ImageArn": place.arn(name), "ImageStatus": "CREATED", **times, **values}

    def _begin(
        self, place: _Place, status: str, before: dict[str, Any], after: dict[str, Any] | None
    ) -> None:
        """Show `before` with this status from now on, and `after` when its time has come."""
        name, now = before["ImageName"], self._clock()
        seconds = MAGIC.get(name, _NOTHING).seconds
        due = now + (self._update_seconds if seconds is None else seconds)
        shown = before | {"ImageStatus": status, "LastModifiedTime": self._epoch + now}
        place.images[name] = _Image(shown, due, after and after | {"LastModifiedTime": self._epoch + due})


def _find(place: _Place, name: str) -> _Image:
    if name not in place.images:
        raise _refusal(400, "ResourceNotFound", f"Image with ARN {place.arn(name)} does not exist")
    return place.images[name]


def _idle(image: _Image) -> dict[str, Any]:
    """The fields of an image that is not being changed."""
    if image.due < math.inf:
        raise _refusal(*_BUSY)
    return image.fields


def _chosen(fields: Mapping[str, Any], request: Mapping[str, Any]) -> bool:
    """Whether ListImages' filters let an image through."""
    return request.get("NameContains", "") in fields["ImageName"] and all(
        request.get(f"{key}After", -math.inf) <= fields[key] <= request.get(f"{key}Before", math.inf)
        for key in ("CreationTime", "LastModifiedTime")
    )


@cache
def _request_shapes() -> dict[str, Any]:
    """What each operation takes, with its limits, from botocore's model: no second table of them."""
    from botocore.loaders import Loader
    from botocore.model import ServiceModel

    model = ServiceModel(Loader().load_service_model("sagemaker", "service-2"), "sagemaker")
    return {name: model.operation_model(_camel(name)).input_shape for name in OPERATIONS}


def _check(shape: Any, request: Mapping[str, Any]) -> None:
    """Refuse `request` as the service does: all that is wrong, in one message. Tags go unread."""
    wrong = []
    for name, member in shape.members.items():
        value, at = request.get(name), f"at '{name[0].lower()}{name[1:]}' failed to satisfy constraint:"
        if value is None:
            if name in shape.required_members:
                wrong.append(f"Value null {at} Member must not be null")
            continue
        if not isinstance(value, _TYPES[member.type_name]):
            raise _refusal(400, "SerializationException", f"{name} is not a {member.type_name}")
        shown = f"[{', '.join(map(str, value))}]" if isinstance(value, list) else value
        wrong += [f"Value '{shown}' {at} {rule}" for rule, holds in _rules(member, value) if not holds]
    if wrong:
        errors = "error" if len(wrong) == 1 else "errors"
        raise _refusal(
            400, "ValidationException", f"{len(wrong)} validation {errors} detected: {'; '.join(wrong)}"
        )


def _rules(shape: Any, value: Any) -> Iterator[tuple[str, bool]]:
    """What botocore's `shape` asks of a value, in the service's words, and whether this one is so."""
    limits = shape.metadata
    if "enum" in limits:
        yield f"Member must satisfy enum value set: [{', '.join(limits['enum'])}]", value in limits["enum"]
    unit, size = ("value", value) if isinstance(value, int | float) else ("length", len(value))
    if "max" in limits:
        yield f"Member must have {unit} less than or equal to {limits['max']}", size <= limits["max"]
    if "min" in limits:
        yield f"Member must have {unit} greater than or equal to {limits['min']}", size >= limits["min"]
    if "pattern" in limits:
        matches = python_pattern(limits["pattern"]).fullmatch(value)
        yield f"Member must satisfy regular expression pattern: {limits['pattern']}", bool(matches)
    if shape.type_name == "list" and shape.member.type_name == "string":
        texts = (text for text, _ in _rules(shape.member, ""))
        holds = all(holds for item in value for _, holds in _rules(shape.member, item))
        yield f"Member must satisfy constraint: [{', '.join(texts)}]", holds


def _camel(name: str) -> str:
    """The API's spelling: `update_image` -> `UpdateImage`, `CREATION_TIME` -> `CreationTime`."""
    return name.title().replace("_", "")
