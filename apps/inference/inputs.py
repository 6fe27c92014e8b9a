"""The inputs of a model: what a request may carry, checked and made into a table."""

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, time

import pyarrow as pa
from pydantic import ValidationError

from apps.inference.cells import TYPES, Kind
from apps.inference.documents import Json
from apps.inference.errors import Problem, refuse
from workloads.features import FeatureSpec
from workloads.signature import BundleError
from workloads.tables import ROW_NUMBER

LONGEST = 80
"""Characters of a wrong value that an error repeats."""


@dataclass(frozen=True)
class Input:
    """One input, as the form and the protocol's metadata show it."""

    name: str
    kind: Kind
    required: bool
    known: tuple[str, ...] | None
    """The values that training saw, where the input is itself a categorical feature."""


class Inputs:
    """The inputs of one bundle."""

    def __init__(self, spec: FeatureSpec, vocabularies: Mapping[str, Sequence[str]]) -> None:
        unknown = {name: kind for name, kind in spec.inputs.items() if kind not in TYPES}
        if unknown:
            raise BundleError(f"inputs of a type that a request cannot carry: {unknown}")
        self._types = {name: TYPES[kind] for name, kind in spec.inputs.items()}
        known = {
            feature.sql.strip().strip('"'): tuple(vocabularies[name])
            for name, feature in spec.definition.categorical.items()
        }
        moment = spec.definition.examples.time
        self.listed = [
            Input(name, type_.kind, name == moment, known.get(name))
            for name, type_ in self._types.items()
        ]
        columns = [(name, type_.arrow) for name, type_ in self._types.items()]
        self.arrow_schema = pa.schema([(ROW_NUMBER, pa.int64()), *columns])

    @property
    def json_schema(self) -> dict[str, object]:
        """Return the JSON schema of one row."""
        return {
            "type": "object",
            "properties": {name: type_.schema for name, type_ in self._types.items()},
            "required": [entry.name for entry in self.listed if entry.required],
            "additionalProperties": False,
        }

    def table(self, rows: Sequence[Json]) -> pa.Table:
        """Check rows and return them as the table of examples; `RequestError` lists the faults."""
        objects = self._objects(rows)
        problems: list[Problem] = []
        columns: list[Sequence[object]] = [range(len(rows))]
        for entry in self.listed:
            values = [row.get(entry.name) for row in objects]
            try:
                columns.append(self._types[entry.name].check(values))
            except ValidationError as error:
                problems += _faults(error, entry.name, len(rows))
            if entry.required and None in values:
                place = values.index(None) if len(rows) > 1 else None
                problems.append(Problem("is required", place, entry.name))
        if problems:
            raise refuse(problems)
        return pa.table(columns, schema=self.arrow_schema)

    def written(self, values: Mapping[str, object]) -> dict[str, Json]:
        """Return inputs as a request writes them: moments as text."""
        return {name: _written(value) for name, value in values.items()}

    def _objects(self, rows: Sequence[Json]) -> list[Mapping[str, Json]]:
        objects: list[Mapping[str, Json]] = []
        problems: list[Problem] = []
        names = list(self._types)
        for place, row in enumerate(rows):
            shown = place if len(rows) > 1 else None
            if not isinstance(row, Mapping):
                problems.append(Problem(f"a row is an object with the names {names}", shown))
                continue
            objects.append(row)
            for name in row.keys() - self._types.keys():
                problems.append(Problem(_not_an_input(name, names), shown, name[:LONGEST]))
        if problems:
            raise refuse(problems)
        return objects


def _not_an_input(name: str, names: list[str]) -> str:
    close = difflib.get_close_matches(name[:LONGEST], names, 1)
    hint = f"did you mean {close[0]!r}? " if close else ""
    return f"is not an input of this model; {hint}inputs are {names}"


def _faults(error: ValidationError, name: str, rows: int) -> list[Problem]:
    return [
        Problem(
            f"{fault['msg'].removeprefix('Value error, ')} (is {_short(fault['input'])})",
            int(fault["loc"][0]) if rows > 1 else None,
            name,
        )
        for fault in error.errors(include_url=False, include_context=False)
    ]


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 3]}..."


def _written(value: object) -> Json:
    if isinstance(value, date | time):
        return value.isoformat()
    return value if isinstance(value, str | int | float | None) else str(value)
