"""A system of the bank that is told of events, for the demo: it answers 204 and keeps one line of JSON an event.

`python -m far_end.receiver --port 5080 --log FILE`. On this machine alone; it does not look at the signature.
"""

import argparse
import json
import signal
import sys
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

MOST_BYTES = 1 << 20


class Receiver(ThreadingHTTPServer):
    """Raises OSError for a port that is taken; 0 = any free one."""

    daemon_threads = True

    def __init__(self, port: int, log: Path) -> None:
        self.log = log
        super().__init__(("127.0.0.1", port), _Handler)


class _Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        if length > MOST_BYTES:
            self.send_error(413)
            return
        body = self.rfile.read(length).decode("utf-8", "replace")
        said = {"at": datetime.now(UTC).isoformat(timespec="milliseconds"), "path": self.path, "said": _read(body)}
        with self.server.log.open("a", encoding="utf-8") as out:
            out.write(json.dumps(said, ensure_ascii=False) + "\n")
        self.send_response(204)
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 (the library's name)
        """The file says enough."""


def _read(body: str) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        return body


def main() -> int:
    parser = argparse.ArgumentParser(prog="far_end.receiver", description="Takes the demo's webhooks.")
    parser.add_argument("--port", type=int, default=5080)
    parser.add_argument("--log", type=Path, required=True)
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with Receiver(options.port, options.log) as server:
        server.serve_forever()
    return 0


if __name__ == "__main__":
    sys.exit(main())
