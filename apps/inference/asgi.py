"""What every request passes: headers, metrics, and the last catch of an error."""

import logging
import time
from collections.abc import MutableMapping

from starlette.datastructures import MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from apps.inference.metrics import Metrics

logger = logging.getLogger("inference")

HEADERS = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
        "img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
}


class Envelope:
    """Counts and times each request and adds the security headers to its answer."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass one request on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began, status = time.perf_counter(), 0

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = int(message["status"])
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
                headers.setdefault("cache-control", "no-store")
            await send(message)

        try:
            await self._app(scope, receive, send_with_headers)
        except Exception:
            logger.exception("a request failed")
            if not status:
                answer = JSONResponse({"error": "the service failed; see its log"}, 500)
                await answer(scope, receive, send_with_headers)
        finally:
            route = _route(scope)
            self._metrics.requests.labels(route, _method(scope), str(status or 499)).inc()
            self._metrics.seconds.labels(route).observe(time.perf_counter() - began)


def _route(scope: MutableMapping[str, object]) -> str:
    """Return the route's pattern: a path of the client's own would be a label without end."""
    return str(getattr(scope.get("route"), "path", "unmatched"))


def _method(scope: MutableMapping[str, object]) -> str:
    method = str(scope["method"])
    return method if method in ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS") else "other"
