"""What a model definition is: tables, examples, lookups, features, network, and the promotion gate.

A definition is data. Every expression is DuckDB SQL, so that the same text, stored as JSON in the
signed bundle, makes a feature in training and in the inference service. The service therefore
needs no code of the definition, and the two paths cannot drift apart.
"""

import importlib
import importlib.util
from datetime import date, timedelta
from pathlib import Path
from types import ModuleType
from typing import Annotated, Literal, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PositiveFloat,
    PositiveInt,
    ValidationError,
    model_validator,
)

from workloads.errors import WorkloadError

Name = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_]*$")]
Sql = Annotated[str, Field(min_length=1)]
Share = Annotated[float, Field(gt=0, lt=1)]


def _by_name(given: object) -> object:
    return {name: name for name in given} if isinstance(given, list | tuple) else given


Columns = Annotated[dict[Name, Sql], BeforeValidator(_by_name)]
"""Name -> SQL; a list of names stands for columns that keep theirs."""


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Table(_Frozen):
    """A source table: one file, or a pattern of files of the same columns, below `DATA_URI`."""

    path: str
    """Such as `flights.csv` or `flights/*.parquet`; the suffix says which format."""
    package: str | None = None
    """File of an installed distribution, `<distribution>:<file>`, that is copied to `path` once."""
    separator: Annotated[str, Field(min_length=1, max_length=1)] = ","
    """What stands between the fields of a CSV file."""
    null: str = ""
    """How a CSV file spells a missing value, beside the empty field."""


class TimeSplit(_Frozen):
    """Train before `tune`, tune before `test`, report from `test` on."""

    tune: date
    test: date

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.tune >= self.test:
            raise ValueError(f"tune ({self.tune}) must be before test ({self.test})")
        return self


class ColumnSplit(_Frozen):
    """A column of the table says `train`, `tune` or `test`."""

    column: Sql


class RandomSplit(_Frozen):
    """Shares of the rows, drawn by a hash of the row's number: stable from run to run."""

    tune: Share = 0.2
    test: Share = 0.2


class Examples(_Frozen):
    """The rows to learn from: one row of `table` is one example."""

    table: Name
    inputs: Columns
    """What is known when the prediction is asked for; a request carries these by name."""
    target: Sql
    """True or false, or 1 or 0, over the table's columns; rows where it is NULL teach nothing."""
    time: Name | None = None
    """The input that holds the moment of the prediction; needed for lookups that know time."""
    split: TimeSplit | ColumnSplit | RandomSplit = RandomSplit()


class _Lookup(_Frozen):
    table: Name
    on: Columns
    """Column of the looked-up table -> SQL over the inputs that must equal it."""


class Static(_Lookup):
    """A row that does not change with time, found by its key."""

    kind: Literal["static"] = "static"
    columns: Columns


class Latest(_Lookup):
    """The newest row that was known at the moment of the prediction."""

    kind: Literal["latest"] = "latest"
    columns: Columns
    known_at: Sql
    """When a row became known, over the looked-up table's columns."""
    within: timedelta
    """How old it may be."""


class History(_Lookup):
    """Means over the outcomes of earlier days, as they were known at the last midnight."""

    kind: Literal["history"] = "history"
    means: Columns
    """Name -> SQL whose mean is taken; NULLs are left out. `rows` is the number of outcomes."""
    known_at: Sql
    """When an outcome became known, over the looked-up table's columns."""
    days: PositiveInt
    """Length of the trailing window, in days."""

    @property
    def within(self) -> timedelta:
        """How old a row may be: as old as the window is long."""
        return timedelta(days=self.days)


Lookup = Annotated[Static | Latest | History, Field(discriminator="kind")]


class Categorical(_Frozen):
    """A feature with a vocabulary, learned from the training rows."""

    sql: Sql
    at_least: PositiveInt = 20
    """Values seen less often in training share one entry with the missing ones."""
    new_values: Literal["refuse", "accept"] = "accept"
    """What a request with a value that training never saw gets: an error, or the shared entry."""


class Network(_Frozen):
    """Embeddings and piecewise-linear encodings into a multi-layer perceptron."""

    hidden: tuple[PositiveInt, ...] = (256, 128)
    bins: Annotated[int, Field(ge=2)] = 16
    """Pieces of the encoding of a numeric feature, cut at its training quantiles."""
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.1


class Training(_Frozen):
    """How the network is fitted."""

    epochs: PositiveInt = 10
    """Passes over the training rows; more on a table that has few, up to `minimum_steps`."""
    minimum_steps: PositiveInt = 500
    batch_size: PositiveInt = 1024
    """Rows a step; fewer on a small table, so that an epoch has at least 16 steps."""
    learning_rate: PositiveFloat = 2e-3
    weight_decay: Annotated[float, Field(ge=0)] = 1e-2
    seed: int = 0


class Gate(_Frozen):
    """What a challenger must show on the test split before it may become champion."""

    margin: PositiveFloat = 0.002
    """Non-inferiority: the 95 % interval of the log-loss difference must end below this."""
    minimum_rows: PositiveInt = 1000
    maximum_calibration_error: PositiveFloat = 0.05
    slices: tuple[Name, ...] = ()
    """Categorical features whose every value is judged on its own."""
    slice_minimum_rows: PositiveInt = 500
    slice_margin: PositiveFloat = 0.02
    """No slice may lose more log loss than this against the champion."""


class FeatureDefinition(_Frozen):
    """How the features of a model are made from its tables."""

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]*$")]
    tables: dict[Name, Table]
    examples: Examples
    lookups: dict[Name, Lookup] = {}
    categorical: dict[Name, Categorical] = {}
    numeric: Columns = {}

    @model_validator(mode="after")
    def _names_meet(self) -> Self:
        used = {"examples": self.examples.table}
        used |= {f"lookups.{name}": lookup.table for name, lookup in self.lookups.items()}
        for place, table in used.items():
            if table not in self.tables:
                raise ValueError(f"{place}: no table {table!r}; tables are {sorted(self.tables)}")
        self._check_time()
        self._check_features()
        return self

    def _check_time(self) -> None:
        time = self.examples.time
        if time is not None and time not in self.examples.inputs:
            raise ValueError(f"examples.time: {time!r} is not one of the inputs")
        timed = [name for name, lookup in self.lookups.items() if lookup.kind != "static"]
        if time is None and (timed or isinstance(self.examples.split, TimeSplit)):
            raise ValueError(f"examples.time: name an input; a split or lookups {timed} need it")

    def _check_features(self) -> None:
        both = set(self.categorical) & set(self.numeric)
        if both:
            raise ValueError(f"categorical and numeric both hold {sorted(both)}")
        if not self.categorical and not self.numeric:
            raise ValueError("categorical, numeric: name at least one feature")
        clash = set(self.lookups) & set(self.examples.inputs)
        if clash:
            raise ValueError(f"lookups and examples.inputs both hold {sorted(clash)}")


class ModelDefinition(FeatureDefinition):
    """A model, from its tables to its gate. See `definitions/flight_delay.py` for one."""

    network: Network = Network()
    training: Training = Training()
    gate: Gate = Gate()

    @property
    def features(self) -> FeatureDefinition:
        """The part that decides the features: a change of the rest needs no new ones."""
        return FeatureDefinition(**{name: getattr(self, name) for name in _FEATURE_FIELDS})

    @model_validator(mode="after")
    def _slices_are_features(self) -> Self:
        unknown = set(self.gate.slices) - set(self.categorical)
        if unknown:
            raise ValueError(f"gate.slices: {sorted(unknown)} are not categorical features")
        return self


_FEATURE_FIELDS = tuple(FeatureDefinition.model_fields)


def load_definition(name: str, path: str = "") -> ModelDefinition:
    """Read the definition of the model `name`, from the Python file `path` if one is given."""
    try:
        module = _module_at(Path(path)) if path else _module_named(name)
    except ValidationError as error:
        raise WorkloadError(f"definition of {name!r}: {error}") from error
    definition = getattr(module, "MODEL", None)
    if not isinstance(definition, ModelDefinition):
        raise WorkloadError(f"{module.__file__}: set MODEL to a ModelDefinition")
    if definition.name != name:
        raise WorkloadError(
            f"MODEL_NAME is {name!r}, but {module.__file__} defines {definition.name!r}"
        )
    return definition


def _module_at(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None or not path.is_file():
        raise WorkloadError(f"MODEL_DEFINITION: {path} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _module_named(name: str) -> ModuleType:
    module = f"workloads.definitions.{name.replace('-', '_')}"
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name != module:
            raise
    folder = Path(__file__).parent / "definitions"
    known = sorted(file.stem.replace("_", "-") for file in folder.glob("[a-z]*.py"))
    raise WorkloadError(
        f"MODEL_NAME: no definition of {name!r}; there are {known}. "
        f"Add {folder / module.rsplit('.', 1)[1]}.py, or set MODEL_DEFINITION to its path"
    )
