"""Requests of the Open Inference Protocol: one tensor per input, made into rows."""

import math
from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from apps.inference.cells import Kind
from apps.inference.documents import Json
from apps.inference.errors import RequestError
from apps.inference.inputs import Inputs
from apps.inference.predict import check_count

OUTPUT = "probability"
_SIGNED, _FLOATS = ("INT64", "INT32", "INT16", "INT8"), ("FP64", "FP32", "FP16")
_INTEGERS = (*_SIGNED, "UINT64", "UINT32", "UINT16", "UINT8")
_TAKEN: dict[Kind, tuple[str, ...]] = {
    "text": ("BYTES",),
    "integer": (*_INTEGERS, *_FLOATS),
    "number": (*_FLOATS, *_INTEGERS),
    "boolean": ("BOOL",),
    "datetime": ("BYTES",),
    "instant": ("BYTES",),
    "date": ("BYTES",),
    "time": ("BYTES",),
}
"""The datatypes that each kind of input takes; the first is the one that metadata names."""
_COLUMN = 2
"""Dimensions of a tensor that is written as a column, [n, 1]."""

Parameters = dict[str, str | int | float | bool]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Tensor(_Part):
    """One input column."""

    name: str
    shape: Annotated[list[Annotated[int, Field(ge=0)]], Field(min_length=1, max_length=_COLUMN)]
    datatype: Literal[
        "BYTES", "BOOL", "INT64", "INT32", "INT16", "INT8", "UINT64", "UINT32", "UINT16", "UINT8",
        "FP64", "FP32", "FP16",
    ]  # fmt: skip
    data: list[Json]
    parameters: Parameters = {}


class Wanted(_Part):
    """One output that the client asks for."""

    name: str
    parameters: Parameters = {}


class InferRequest(_Part):
    """The document of an inference request."""

    inputs: Annotated[list[Tensor], Field(min_length=1)]
    id: Annotated[str, Field(max_length=1000)] | None = None
    outputs: list[Wanted] | None = None
    parameters: Parameters = {}


def read_request(document: Json) -> InferRequest:
    """Return an inference request; 400 says what is wrong with it."""
    try:
        return InferRequest.model_validate(document)
    except ValidationError as error:
        fault = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(step) for step in fault["loc"]) or "request"
        raise RequestError(400, f"{place}: {fault['msg']}") from error


def rows_of(request: InferRequest, inputs: Inputs, most: int) -> list[Json]:
    """Return the rows that a request's tensors hold."""
    kinds: dict[str, Kind] = {entry.name: entry.kind for entry in inputs.listed}
    columns: dict[str, Sequence[Json]] = {}
    for tensor in request.inputs:
        if tensor.name not in kinds:
            names = list(kinds)
            raise RequestError(400, f"{tensor.name!r} is not an input; inputs are {names}")
        if tensor.name in columns:
            raise RequestError(400, f"{tensor.name}: stands twice")
        taken = _TAKEN[kinds[tensor.name]]
        if tensor.datatype not in taken:
            words = f"datatype {tensor.datatype} does not fit; send {' or '.join(taken)}"
            raise RequestError(400, f"{tensor.name}: {words}")
        columns[tensor.name] = _column(tensor)
    sizes = {name: len(column) for name, column in columns.items()}
    if len(set(sizes.values())) > 1:
        raise RequestError(400, f"inputs of different lengths: {sizes}")
    check_count(next(iter(sizes.values())), most)
    return [dict(zip(columns, cells, strict=True)) for cells in zip(*columns.values(), strict=True)]


def check_outputs(request: InferRequest) -> None:
    """Refuse an output that no model of ours has."""
    for output in request.outputs or []:
        if output.name != OUTPUT:
            raise RequestError(400, f"{output.name!r} is not an output; the one output is {OUTPUT}")


def described(inputs: Inputs) -> list[dict[str, object]]:
    """Return the inputs as the model's metadata lists them."""
    return [
        {"name": entry.name, "datatype": _TAKEN[entry.kind][0], "shape": [-1]}
        for entry in inputs.listed
    ]


def _column(tensor: Tensor) -> list[Json]:
    if len(tensor.shape) == _COLUMN and tensor.shape[1] != 1:
        words = f"shape {tensor.shape} is not [n] or [n, 1]"
        raise RequestError(400, f"{tensor.name}: {words}")
    data = tensor.data
    if len(tensor.shape) == _COLUMN and data and all(isinstance(cell, list) for cell in data):
        data = [value for cell in data if isinstance(cell, list) for value in cell]
    if len(data) != math.prod(tensor.shape):
        words = f"shape {tensor.shape} holds {math.prod(tensor.shape)} values, data {len(data)}"
        raise RequestError(400, f"{tensor.name}: {words}")
    return data
