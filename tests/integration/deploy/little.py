"""A process to be looked after: it notes that it ran, and serves its health until it is ended, or as it is told."""

import http.server
import os
import signal
import sys
import time
from pathlib import Path


class _Health(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        if self.path == "/fail":
            os._exit(3)
        self.send_response(200)
        self.end_headers()
        self.wfile.write(os.environ.get("GREETING", "hello").encode())

    def log_message(self, *_: object) -> None:
        return


def main() -> None:
    notes = Path(os.environ["NOTES"])
    notes.mkdir(exist_ok=True)
    with (notes / "runs").open("a") as file:
        file.write(f"{sys.argv[1]} {time.monotonic()}\n")
    if sys.argv[1] == "once":
        tries = (notes / "runs").read_text().count("once")
        sys.exit(0 if tries > int(os.environ["FAILS"]) else 1)
    if "IGNORES_SIGTERM" in os.environ:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    http.server.ThreadingHTTPServer((os.environ["HTTP_HOST"], int(os.environ["HTTP_PORT"])), _Health).serve_forever()


if __name__ == "__main__":
    main()
