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
    numeric: list[str]

    @classmethod
    def fit(cls, definition: FeatureDefinition, rows: pa.Table) -> "Encoder":
        """Learn the vocabularies from the training rows."""
        return cls(
            vocabularies={
                name: _frequent(rows[name], feature.at_least)
                for name, feature in definition.categorical.items()
            },
            numeric=list(definition.numeric),
        )

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


def _frequent(column: pa.ChunkedArray, at_least: int) -> list[str]:
    counted = pc.value_counts(column.drop_null())
    pairs = zip(counted.field("values").to_pylist(), counted.field("counts"), strict=True)
    return sorted(value for value, count in pairs if count.as_py() >= at_least)


def _index(column: pa.ChunkedArray, values: list[str]) -> Indices:
    found = pc.index_in(column, value_set=pa.array(values, pa.string()))
    return np.asarray(pc.add(pc.fill_null(found, -1), 1).to_numpy(), np.int64)
