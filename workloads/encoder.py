"""Features as tensors: text by a vocabulary learned in training, numbers as they are."""

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import BaseModel, ConfigDict

from workloads.definition import FeatureDefinition

Indices = npt.NDArray[np.int64]
Numbers = npt.NDArray[np.float32]


class Encoder(BaseModel):
    """The vocabulary of each categorical feature, and the order of all features.

    Entry 0 of a vocabulary stands for a missing, rare or new value.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    vocabularies: dict[str, list[str]]
    rare: dict[str, list[str]]
    """Values seen in training too seldom for an entry, of features that refuse new values."""
    numeric: list[str]

    @classmethod
    def fit(cls, definition: FeatureDefinition, rows: pa.Table) -> "Encoder":
        """Learn the vocabularies from the training rows."""
        vocabularies, rare = {}, {}
        for name, feature in definition.categorical.items():
            counts = _counts(rows[name])
            vocabularies[name] = [v for v, count in counts.items() if count >= feature.at_least]
            if feature.new_values == "refuse":
                rare[name] = [v for v, count in counts.items() if count < feature.at_least]
        return cls(vocabularies=vocabularies, rare=rare, numeric=list(definition.numeric))

    @property
    def sizes(self) -> list[int]:
        """Entries of each vocabulary, the shared one included."""
        return [len(values) + 1 for values in self.vocabularies.values()]

    def encode(self, rows: pa.Table) -> tuple[Indices, Numbers]:
        """Return indices (rows, categorical) and numbers (rows, numeric; NaN is missing)."""
        indices = np.empty((rows.num_rows, len(self.vocabularies)), np.int64)
        for place, (name, values) in enumerate(self.vocabularies.items()):
            indices[:, place] = _index(rows[name], values)
        numbers = np.empty((rows.num_rows, len(self.numeric)), np.float32)
        for place, name in enumerate(self.numeric):
            numbers[:, place] = rows[name].to_numpy()
        numbers[~np.isfinite(numbers)] = np.nan
        return indices, numbers


def _counts(column: pa.ChunkedArray) -> dict[str, int]:
    """Return how often each value is seen, in the order of the values."""
    counted = pc.value_counts(column.drop_null()).to_pylist()
    return dict(sorted((entry["values"], entry["counts"]) for entry in counted))


def _index(column: pa.ChunkedArray, values: list[str]) -> Indices:
    found = pc.index_in(column, value_set=pa.array(values, pa.string()))
    return np.asarray(pc.add(pc.fill_null(found, -1), 1).to_numpy(), np.int64)
