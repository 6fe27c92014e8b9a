"""Reasons: how the probability changes when one feature is put back to its typical value."""

from dataclasses import dataclass

import pyarrow as pa
import torch

from workloads.bundle import Bundle

REASONS = 5
Value = str | float | None


@dataclass(frozen=True)
class Reason:
    """One feature's share in a prediction."""

    feature: str
    value: Value
    effect: float
    """The probability less what it would be with the feature's typical value."""


class Explainer:
    """Answers rows together with copies that each have one feature at its typical value."""

    def __init__(self, bundle: Bundle) -> None:
        self._bundle = bundle
        typical = feature_table(bundle, [bundle.spec.typical])
        self._indices, self._numbers = _encode(bundle, typical)
        self._categorical = list(bundle.spec.encoder.vocabularies)
        self._names = [*self._categorical, *bundle.spec.encoder.numeric]

    def explain(self, features: pa.Table) -> tuple[list[float], list[list[Reason]]]:
        """Return the probability of each row and its main reasons, by one forward pass."""
        indices, numbers = _encode(self._bundle, features)
        rows, copies = features.num_rows, len(self._names) + 1
        indices = indices.repeat_interleave(copies, 0).view(rows, copies, -1)
        numbers = numbers.repeat_interleave(copies, 0).view(rows, copies, -1)
        for place in range(len(self._categorical)):
            indices[:, place + 1, place] = self._indices[0, place]
        for place in range(numbers.shape[2]):
            numbers[:, len(self._categorical) + place + 1, place] = self._numbers[0, place]
        with torch.inference_mode():
            answers = self._bundle.network.probability(indices.flatten(0, 1), numbers.flatten(0, 1))
        answers = answers.view(rows, copies)
        effects = answers[:, :1] - answers[:, 1:]
        order = effects.abs().argsort(dim=1, descending=True)[:, :REASONS].tolist()
        values = features.select(self._names).to_pylist()
        reasons = [
            self._reasons(chosen, row, effect)
            for chosen, row, effect in zip(order, values, effects.tolist(), strict=True)
        ]
        return answers[:, 0].tolist(), reasons

    def _reasons(
        self, chosen: list[int], row: dict[str, Value], effects: list[float]
    ) -> list[Reason]:
        named = [(self._names[place], effects[place]) for place in chosen]
        return [Reason(name, row[name], effect) for name, effect in named if effect]


def feature_table(bundle: Bundle, rows: list[dict[str, Value]]) -> pa.Table:
    """Return rows of features as the table that the encoder reads."""
    encoder = bundle.spec.encoder
    types = {name: pa.string() for name in encoder.vocabularies}
    types |= {name: pa.float64() for name in encoder.numeric}
    columns = {
        name: pa.chunked_array([pa.array([row[name] for row in rows], type_)])
        for name, type_ in types.items()
    }
    return pa.table(columns)


def _encode(bundle: Bundle, features: pa.Table) -> tuple[torch.Tensor, torch.Tensor]:
    indices, numbers = bundle.spec.encoder.encode(features)
    return torch.from_numpy(indices), torch.from_numpy(numbers)
