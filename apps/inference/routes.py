"""The service's own routes, and its OpenAPI document."""

from dataclasses import asdict
from pathlib import Path

from fastapi import APIRouter, FastAPI, Request
from fastapi.openapi.utils import get_openapi
from fastapi.responses import FileResponse, JSONResponse, Response

from apps.inference import predict
from apps.inference.body import read_body, require_json
from apps.inference.documents import Json
from apps.inference.service import Service

PAGE = Path(__file__).parent / "static" / "index.html"


def create(service: Service) -> APIRouter:
    """Return the routes of a service."""
    router = APIRouter()
    _add_state(router, service)
    _add_model(router, service)
    return router


def _add_state(router: APIRouter, service: Service) -> None:
    serving = service.serving

    @router.get("/", include_in_schema=False)
    async def page() -> Response:
        return FileResponse(PAGE)

    @router.get("/health/live", summary="Whether the process answers")
    async def live() -> dict[str, str]:
        return {"status": "live"}

    @router.get("/health/ready", summary="Whether a model answers")
    async def ready() -> Response:
        if serving.model is None:
            return JSONResponse({"status": "not ready", "error": serving.reason}, 503)
        return JSONResponse({"status": "ready", "model": asdict(serving.model.version)})

    @router.get("/metrics", summary="Metrics in the Prometheus text format")
    async def metrics() -> Response:
        return Response(service.metrics.text(), media_type="text/plain; version=0.0.4")


def _add_model(router: APIRouter, service: Service) -> None:
    settings = service.settings

    @router.get("/schema", summary="The inputs of the model")
    async def schema() -> dict[str, object]:
        model = service.model
        inputs = [asdict(entry) for entry in model.inputs.listed]
        return {"model": asdict(model.version), "inputs": inputs}

    @router.get("/examples", summary="Real rows that the model can be asked about")
    async def examples() -> list[dict[str, Json]]:
        return service.model.examples()

    @router.post("/predict", summary="Predict one row, or a list of rows")
    async def predict_rows(request: Request, reasons: bool = True) -> Response:
        require_json(request)
        body = await read_body(request, settings.max_body_bytes, settings.read_seconds)
        model = service.model
        return await service.predict(
            model, lambda: predict.answer(model, body, settings, explain=reasons)
        )


def add_openapi(app: FastAPI, service: Service) -> None:
    """Add `/openapi.json`, in which the body of `/predict` is that of the model of the moment."""

    @app.get("/openapi.json", include_in_schema=False)
    async def openapi() -> Response:
        document = get_openapi(
            title=app.title, version=app.version, description=app.description, routes=app.routes
        )
        model = service.serving.model
        row: dict[str, object] = model.inputs.json_schema if model else {}
        document.setdefault("components", {}).setdefault("schemas", {})["Row"] = row
        one = {"$ref": "#/components/schemas/Row"}
        most = service.settings.max_rows
        many = {"type": "array", "items": one, "minItems": 1, "maxItems": most}
        content = {"application/json": {"schema": {"oneOf": [one, many]}}}
        operation = document["paths"]["/predict"]["post"]
        operation["requestBody"] = {"required": True, "content": content}
        return JSONResponse(document)
