"""--debug: requests and replies, with all that authenticates left out."""

import re
from collections.abc import Callable
from typing import Any

from imagectl.text import REDACTED, without_passwords

Log = Callable[[str], None]

# --debug. Headers are let through by name, so that whatever carries credentials today or one day isn't.
_SHOWN_HEADERS = frozenset(
    ("amz-sdk-request", "content-length", "content-type", "date", "host", "user-agent", "x-amz-target")
)


def log_request(request: Any, log: Log) -> None:
    """Tell `log` a request: everything but what authenticates it."""
    log(f"> {request.method} {without_passwords(request.url)}")
    for name, value in request.headers.items():
        shown = value.decode("latin-1") if isinstance(value, bytes) else value
        log(f"> {name}: {shown if name.lower() in _SHOWN_HEADERS else '[redacted]'}")
    body = request.body.decode("utf-8", "replace") if isinstance(request.body, bytes) else request.body
    log(f"> {body}")


def log_reply(parsed: dict[str, Any] | None, exception: Exception | None, log: Log) -> None:
    """Tell `log` what came of a request."""
    if exception is not None:
        log(f"< {type(exception).__name__}")
    elif parsed is not None:
        meta = parsed.get("ResponseMetadata", {})
        log(f"< HTTP {meta.get('HTTPStatusCode')} request id {meta.get('RequestId')}")
        log(f"< { {key: value for key, value in parsed.items() if key != 'ResponseMetadata'} }")


def without_password(url: str) -> str:
    """The same for what is meant as a URL, be it one or not: it may lack the scheme."""
    return re.sub(r"^(https?://)?.*@", rf"\1{REDACTED}", url, flags=re.DOTALL | re.IGNORECASE)
