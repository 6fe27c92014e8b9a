"""A feature view: the features of every example and the lookup tables, of one state of the data.

It lies at `FEATURES_URI/<model>/<fingerprint>`; `view.json` is written last and makes it whole.
`FEATURES_URI/<model>/current.json` names the newest one.
"""

from datetime import datetime
from typing import Literal

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import BaseModel, ConfigDict, ValidationError

from workloads import store
from workloads.definition import Static
from workloads.environment import Environment
from workloads.errors import WorkloadError
from workloads.features import FeatureSpec
from workloads.lookups import Span

Split = Literal["train", "tune", "test"]
SPLITS: tuple[Split, ...] = ("train", "tune", "test")
SPLIT = "split"
TARGET = "target"
INPUT_PREFIX = "input."


class Part(BaseModel):
    """One partition of the view's examples."""

    model_config = ConfigDict(frozen=True)

    file: str
    rows: int
    labelled: dict[Split, int]
    """Rows with a target, by split."""


class Slice(BaseModel):
    """One object of a lookup table, and when its first and last rows became known."""

    model_config = ConfigDict(frozen=True)

    file: str
    first: datetime | None = None
    last: datetime | None = None


class FeatureView(BaseModel):
    """The manifest of a view."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    uri: str
    fingerprint: str
    """Digest of the definition's feature part and of every source byte."""
    sources: dict[str, str]
    """Table -> digest of its files."""
    spec: FeatureSpec
    parts: list[Part]
    lookups: dict[str, list[Slice]]

    @classmethod
    def at(cls, uri: str) -> "FeatureView":
        """Return the view whose manifest lies at a URI."""
        try:
            return cls.model_validate_json(store.read(f"{uri}/view.json"))
        except ValidationError as error:
            raise WorkloadError(
                f"{uri}/view.json: made by another release; run python -m workloads.feature_gen"
            ) from error

    @classmethod
    def current(cls, environment: Environment) -> "FeatureView":
        """Return the newest whole view of the model."""
        pointer = f"{home(environment)}/current.json"
        try:
            return cls.at(store.read_json(pointer)["uri"])
        except FileNotFoundError as error:
            raise WorkloadError(
                f"no features of {environment.model_name!r} at {pointer}; "
                "run python -m workloads.feature_gen"
            ) from error

    def labelled(self, split: Split) -> int:
        """Return how many examples of a split have a target."""
        return sum(part.labelled.get(split, 0) for part in self.parts)

    def read_part(self, part: Part) -> pa.Table:
        """Return one partition: `row_number`, `split`, `target`, inputs and features."""
        return store.read_table(f"{self.uri}/{part.file}")

    def read_split(self, split: Split) -> pa.Table:
        """Return the labelled examples of a split in their order, without the inputs."""
        columns = ["row_number", SPLIT, TARGET, *self.spec.names]
        chosen = [part for part in self.parts if part.labelled.get(split)]
        if not chosen:
            raise WorkloadError(
                f"{self.uri}: no example with a target in split {split!r}; check examples.split"
            )
        tables = [store.read_table(f"{self.uri}/{part.file}", columns) for part in chosen]
        rows = pa.concat_tables(tables)
        inside = pc.equal(rows[SPLIT], split)
        return rows.filter(pc.and_(inside, pc.is_valid(rows[TARGET])))

    def read_lookup(self, name: str) -> pa.Table:
        """Return a lookup's whole table."""
        uris = [f"{self.uri}/{part.file}" for part in self.lookups[name]]
        return pa.concat_tables([store.read_table(uri) for uri in uris])

    def lookup_slices(self, name: str, first: datetime, last: datetime) -> list[str]:
        """Return the slices of a lookup that hold rows within the closed range, at least one.

        A static lookup's rows lie in every range.
        """
        slices = self.lookups[name]
        spans = [Span(f"{self.uri}/{part.file}", part.first, part.last) for part in slices]
        if isinstance(self.spec.definition.lookups[name], Static):
            return [span.uri for span in spans]
        return [span.uri for span in spans if span.touches(first, last)] or [spans[0].uri]


def home(environment: Environment) -> str:
    """Return the prefix below which the model's views and table parts lie."""
    return f"{environment.features_uri.rstrip('/')}/{environment.model_name}"
