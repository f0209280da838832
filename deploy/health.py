"""Whether this container's process is ready: `python -m deploy.health`, the health check of docker-compose.yml."""

import http.client
import json
import os
import sys
from collections.abc import Mapping


def trouble(environment: Mapping[str, str], timeout: float = 3) -> str | None:
    """None where the process that has this environment says it is ready, else what stands in the way.

    A process of a service answers on METRICS_PORT, whatever its role; one without metrics answers on HTTP_PORT.
    """
    port = environment.get("METRICS_PORT") or environment["HTTP_PORT"]
    host = environment.get("HTTP_HOST", "127.0.0.1")
    connection = http.client.HTTPConnection("127.0.0.1" if host == "0.0.0.0" else host, int(port), timeout=timeout)  # noqa: S104  # compared, not bound
    try:
        connection.request("GET", "/health/ready")
        answer = connection.getresponse()
        body = answer.read(10_000)
    except (OSError, http.client.HTTPException) as error:
        return f"{type(error).__name__}: {error}"
    finally:
        connection.close()
    if answer.status == http.HTTPStatus.OK:
        return None
    try:
        return "; ".join(json.loads(body)["causes"])
    except (ValueError, KeyError, TypeError):
        return f"it answers {answer.status}"


if __name__ == "__main__":
    sys.exit(trouble(os.environ))
