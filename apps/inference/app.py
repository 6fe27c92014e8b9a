"""The application: what answers at which path."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException
from starlette.staticfiles import StaticFiles

from apps.inference import protocol, routes
from apps.inference.asgi import Envelope
from apps.inference.errors import RequestError
from apps.inference.metrics import Metrics
from apps.inference.refresh import Serving
from apps.inference.service import Service
from apps.inference.settings import Settings
from apps.inference.workers import Workers

STATIC = Path(__file__).parent / "static"


def create_app(settings: Settings) -> FastAPI:
    """Return the application; nothing runs before it starts."""
    metrics = Metrics()
    serving = Serving(settings, metrics)
    workers = Workers(settings.threads, settings.max_pending, metrics)
    service = Service(settings, metrics, serving, workers)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        serving.start()
        yield
        serving.stop()
        workers.stop()

    # The interactive documentation loads scripts of other sites, so there is none.
    app = FastAPI(
        title="Inference service",
        description="Predictions of the model version that an alias points to.",
        version="1",
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        lifespan=lifespan,
    )
    app.state.serving = serving
    app.include_router(routes.create(service))
    app.include_router(protocol.create(service))
    app.mount("/static", StaticFiles(directory=STATIC), name="static")
    app.add_exception_handler(RequestError, _refused)
    app.add_exception_handler(HTTPException, _unrouted)
    routes.add_openapi(app, service)
    app.add_middleware(Envelope, metrics=metrics)
    return app


def _refused(_: Request, error: Exception) -> Response:
    if not isinstance(error, RequestError):
        raise error
    content: dict[str, object] = {"error": error.message}
    if error.problems:
        content["problems"] = [vars(problem) for problem in error.problems]
    return JSONResponse(content, error.status, error.headers)


def _unrouted(request: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        raise error
    place = f"{request.method} {request.url.path[:200]}"
    return JSONResponse({"error": f"{place}: {error.detail}"}, error.status_code, error.headers)
