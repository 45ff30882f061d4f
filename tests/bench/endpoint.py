"""The loopback endpoint of the benchmarks, as a process of its own: no client shares its interpreter.

Answers SageMaker's image operations from memory, and remembers nothing of what was asked. Bounded in all
that a client could make grow. Prints its URL, and ends when its standard input does.
"""

import argparse
import json
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

ACCOUNT = "123456789012"
CONNECTIONS = 64  # at once; more have to wait
LARGEST = 1 << 20  # bytes of a request
PAGE = 100


def image(number: int) -> dict[str, Any]:
    """The image of that number: `bench-0`, `bench-1` and so on."""
    name = f"bench-{number}"
    return {
        "CreationTime": 1750000000.0,
        "Description": "PyTorch 2.3 for training",
        "DisplayName": "PyTorch",
        "ImageArn": f"arn:aws:sagemaker:us-east-1:{ACCOUNT}:image/{name}",
        "ImageName": name,
        "ImageStatus": "CREATED",
        "LastModifiedTime": 1750000000.0,
    }


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"  # connections are kept alive, as the service keeps them
    wbufsize = -1  # a reply leaves in one piece, and doesn't wait for
    disable_nagle_algorithm = True  # the acknowledgement of the one before
    timeout = 60
    images: int
    delay: float

    def do_POST(self) -> None:
        length = int(self.headers.get("Content-Length", 0))
        if length > LARGEST:
            self.send_error(413)
            return
        body = json.loads(self.rfile.read(length) or b"{}")
        operation = self.headers.get("X-Amz-Target", ".").rpartition(".")[2]
        if self.delay:
            time.sleep(self.delay)
        status, reply = self._answer(operation, body)
        data = json.dumps(reply).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/x-amz-json-1.1")
        self.send_header("Content-Length", str(len(data)))
        self.send_header("x-amzn-RequestId", "4f1c0000-0000-4000-8000-000000000001")
        self.end_headers()
        self.wfile.write(data)

    def _answer(self, operation: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        if operation == "ListImages":
            start, size = int(body.get("NextToken", 0)), int(body.get("MaxResults", 10))
            end = min(start + min(size, PAGE), self.images)
            more = {"NextToken": str(end)} if end < self.images else {}
            return 200, {"Images": [image(number) for number in range(start, end)], **more}
        number = str(body.get("ImageName", "")).removeprefix("bench-")
        if not number.isdecimal() or int(number) >= self.images:
            return 400, {"__type": "ResourceNotFound", "message": "Image does not exist"}
        found = image(int(number))
        if operation == "UpdateImage":
            return 200, {"ImageArn": found["ImageArn"]}
        return 200, {**found, "RoleArn": f"arn:aws:iam::{ACCOUNT}:role/SageMakerRole"}

    def log_message(self, *args: Any) -> None:
        pass


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = CONNECTIONS
    _free = threading.BoundedSemaphore(CONNECTIONS)

    def process_request(self, request: Any, client_address: Any) -> None:
        self._free.acquire()
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._free.release()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--images", type=int, required=True)
    parser.add_argument("--delay", type=float, required=True)
    asked = parser.parse_args()
    handler = type("Handler", (_Handler,), {"images": asked.images, "delay": asked.delay})
    server = _Server(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(f"http://127.0.0.1:{server.server_port}", flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
