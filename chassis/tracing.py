"""A span for every HTTP request, continuing the caller's trace (OpenTelemetry HTTP conventions)."""

from opentelemetry import trace
from opentelemetry.trace import SpanKind, Status, StatusCode
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from chassis import telemetry


class Tracing:
    """ASGI middleware: the work on a request happens inside its span, and so do the outbox rows it writes.

    A span is named by the route, never by the path: a path may hold a member's reference of a person.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http" or scope["path"].startswith("/health/"):
            await self._app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        traceparent = headers[b"traceparent"].decode("ascii", "replace") if b"traceparent" in headers else None
        method = scope["method"]
        span = telemetry.start_child(method, traceparent, SpanKind.SERVER, {"http.request.method": method})

        async def observe(message: Message) -> None:
            if message["type"] == "http.response.start":
                span.set_attribute("http.response.status_code", message["status"])
                if message["status"] >= 500:
                    span.set_status(Status(StatusCode.ERROR))
            await send(message)

        with trace.use_span(span, end_on_exit=True):
            try:
                await self._app(scope, receive, observe)
            finally:
                # Without the converters of the pattern: a route is called what the API document calls it.
                route = getattr(scope.get("route"), "path_format", None)
                if route is not None:
                    span.update_name(f"{method} {route}")
                    span.set_attribute("http.route", route)
