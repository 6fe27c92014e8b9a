"""The types of inputs: what JSON may stand for a value of a SQL type."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, time
from typing import Annotated, Literal, TypeVar

import pyarrow as pa
from pydantic import (
    AfterValidator,
    AwareDatetime,
    BeforeValidator,
    Field,
    NaiveDatetime,
    TypeAdapter,
)

Kind = Literal["text", "integer", "number", "boolean", "datetime", "instant", "date", "time"]
T = TypeVar("T")
_ISO = re.compile(r"\d{4}-\d\d-\d\d|\d\d:\d\d")


@dataclass(frozen=True)
class CellType:
    """One type of input."""

    kind: Kind
    check: Callable[[object], Sequence[object]]
    """Check and convert a column; `ValidationError` places each fault by its row."""
    schema: dict[str, object]
    """JSON schema of one value."""
    arrow: pa.DataType


def _type(kind: Kind, column: TypeAdapter[list[T]], arrow: pa.DataType) -> CellType:
    return CellType(kind, column.validate_python, column.json_schema()["items"], arrow)


def _whole(value: object) -> object:
    """Take 3.0 for 3: pandas writes it so where a column has missing values."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _iso(value: object) -> object:
    """Take text only: pydantic would read a number as seconds since 1970."""
    if isinstance(value, str) and _ISO.match(value):
        return value
    raise ValueError("write it as ISO 8601 text, such as 2013-11-05, 05:15 or 2013-11-05T05:15:00")


def _storable(value: str) -> str:
    if "\0" in value:
        raise ValueError("must not hold the character U+0000")
    return value


def _integers(bits: int, arrow: pa.DataType, *, signed: bool = True) -> CellType:
    low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)
    whole = Field(strict=True, ge=low, le=high)
    column = TypeAdapter(list[Annotated[int, whole, BeforeValidator(_whole)] | None])
    return _type("integer", column, arrow)


def _numbers(arrow: pa.DataType) -> CellType:
    column = TypeAdapter(list[Annotated[float, Field(strict=True, allow_inf_nan=False)] | None])
    return _type("number", column, arrow)


_Text = Annotated[str, Field(strict=True, max_length=10_000), AfterValidator(_storable)]
_Local = Annotated[NaiveDatetime, BeforeValidator(_iso)]
_Instant = Annotated[AwareDatetime, BeforeValidator(_iso)]
_Day = Annotated[date, BeforeValidator(_iso)]
_Clock = Annotated[time, BeforeValidator(_iso)]
_Truth = Annotated[bool, Field(strict=True)]

TYPES: dict[str, CellType] = {
    "VARCHAR": _type("text", TypeAdapter(list[_Text | None]), pa.string()),
    "BOOLEAN": _type("boolean", TypeAdapter(list[_Truth | None]), pa.bool_()),
    "TINYINT": _integers(8, pa.int8()),
    "SMALLINT": _integers(16, pa.int16()),
    "INTEGER": _integers(32, pa.int32()),
    "BIGINT": _integers(64, pa.int64()),
    "UTINYINT": _integers(8, pa.uint8(), signed=False),
    "USMALLINT": _integers(16, pa.uint16(), signed=False),
    "UINTEGER": _integers(32, pa.uint32(), signed=False),
    "UBIGINT": _integers(64, pa.uint64(), signed=False),
    "FLOAT": _numbers(pa.float32()),
    "DOUBLE": _numbers(pa.float64()),
    "TIMESTAMP": _type("datetime", TypeAdapter(list[_Local | None]), pa.timestamp("us")),
    "TIMESTAMP WITH TIME ZONE": _type(
        "instant", TypeAdapter(list[_Instant | None]), pa.timestamp("us", "UTC")
    ),
    "DATE": _type("date", TypeAdapter(list[_Day | None]), pa.date32()),
    "TIME": _type("time", TypeAdapter(list[_Clock | None]), pa.time64("us")),
}
"""By DuckDB's name."""
