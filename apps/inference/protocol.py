"""The Open Inference Protocol, version 2, over REST and JSON."""

from dataclasses import asdict
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Path, Request
from fastapi.responses import Response

from apps.inference.body import read_body
from apps.inference.documents import parse
from apps.inference.errors import RequestError
from apps.inference.model import Model
from apps.inference.service import Service
from apps.inference.settings import Settings
from apps.inference.tensors import OUTPUT, check_outputs, described, read_request, rows_of

BINARY = "inference-header-content-length"
SERVER = {"name": "inference", "version": "1", "extensions": []}
Name = Annotated[str, Path(max_length=200)]


def create(service: Service) -> APIRouter:
    """Return the protocol's routes."""
    router = APIRouter(prefix="/v2", tags=["Open Inference Protocol"])
    _add_metadata(router, service)
    _add_infer(router, service)
    return router


def _add_metadata(router: APIRouter, service: Service) -> None:
    @router.get("", summary="Server metadata")
    async def server() -> dict[str, object]:
        return dict(SERVER)

    @router.get("/health/live", summary="Whether the server answers")
    async def live() -> dict[str, bool]:
        return {"live": True}

    @router.get("/health/ready", summary="Whether the server can infer")
    async def ready() -> dict[str, bool]:
        return {"ready": bool(service.model)}

    @router.get("/models/{name}/versions/{version}", summary="Model metadata")
    @router.get("/models/{name}", summary="Model metadata")
    async def metadata(name: Name, version: str = "") -> dict[str, object]:
        model = _model(service, name, version)
        return {
            "name": model.version.name,
            "versions": [model.version.version],
            "platform": "pytorch",
            "inputs": described(model.inputs),
            "outputs": [{"name": OUTPUT, "datatype": "FP64", "shape": [-1]}],
            "parameters": asdict(model.version),
        }

    @router.get("/models/{name}/versions/{version}/ready", summary="Whether a model can infer")
    @router.get("/models/{name}/ready", summary="Whether a model can infer")
    async def model_ready(name: Name, version: str = "") -> dict[str, object]:
        return {"name": _model(service, name, version).version.name, "ready": True}


def _add_infer(router: APIRouter, service: Service) -> None:
    @router.post("/models/{name}/versions/{version}/infer", summary="Infer")
    @router.post("/models/{name}/infer", summary="Infer")
    async def infer(request: Request, name: Name, version: str = "") -> Response:
        settings = service.settings
        if BINARY in request.headers:
            message = f"the binary tensor extension ({BINARY}) is not supported; send JSON data"
            raise RequestError(400, message)
        body = await read_body(request, settings.max_body_bytes, settings.read_seconds)
        model = _model(service, name, version)
        try:
            return await service.predict(model, lambda: _infer(model, body, settings))
        except RequestError as error:
            if error.status != HTTPStatus.UNPROCESSABLE_ENTITY:
                raise
            raise RequestError(400, error.message) from error


def _model(service: Service, name: str, version: str) -> Model:
    model = service.model
    known = model.version
    if name != known.name:
        raise RequestError(404, f"no model {name!r}; this service has {known.name!r}")
    if version not in ("", known.version):
        raise RequestError(404, f"no version {version!r} of {name!r}; {known.version!r} answers")
    return model


def _infer(model: Model, body: bytes, settings: Settings) -> tuple[int, dict[str, object]]:
    request = read_request(parse(body))
    check_outputs(request)
    rows = rows_of(request, model.inputs, settings.max_rows)
    answers = model.predict(rows, explain=False)
    data = [answer.probability for answer in answers]
    output = {"name": OUTPUT, "datatype": "FP64", "shape": [len(data)], "data": data}
    warnings = sorted({warning for answer in answers for warning in answer.warnings})
    document: dict[str, object] = {
        "model_name": model.version.name,
        "model_version": model.version.version,
        "outputs": [output],
    }
    if request.id is not None:
        document["id"] = request.id
    if warnings:
        document["parameters"] = {"warnings": "; ".join(warnings[:20])}
    return len(rows), document
