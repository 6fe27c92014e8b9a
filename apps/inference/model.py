"""A model version with the lookups that it is asked over: what one request is answered from."""

import difflib
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pyarrow as pa
import torch

from apps.inference.documents import Json
from apps.inference.errors import Problem, refuse
from apps.inference.features import FeatureEngine
from apps.inference.inputs import Inputs
from apps.inference.reasons import Explainer, Reason, feature_table
from apps.inference.tables import Tables
from workloads.bundle import Bundle
from workloads.signature import BundleError

TOLERANCE = 1e-4
MOST_KNOWN = 40
"""Known values that an error lists."""


@dataclass(frozen=True)
class Version:
    """Which entry of the registry a model is."""

    name: str
    version: str
    alias: str
    run_id: str


@dataclass(frozen=True)
class Prediction:
    """The answer for one row."""

    probability: float
    reasons: list[Reason]
    warnings: list[str]


class Model:
    """A verified bundle over lookups. It never changes; a new version or view makes a new one."""

    def __init__(
        self, bundle: Bundle, version: Version, tables: Tables, memory_limit_mb: int
    ) -> None:
        spec = bundle.spec
        self.bundle = bundle
        self.version = version
        self.tables = tables
        self.inputs = Inputs(spec.features, spec.encoder.vocabularies)
        self._engine = FeatureEngine(
            spec.features, self.inputs.arrow_schema, tables.by_name, memory_limit_mb
        )
        self._explainer = Explainer(bundle)
        self._known = {name: frozenset(v) for name, v in spec.encoder.vocabularies.items()}

    @property
    def lacks_lookups(self) -> bool:
        """Tell whether lookups are empty because their tables could not be found."""
        return bool(self.bundle.spec.features.lookups) and self.tables.view is None

    def predict(self, rows: Sequence[Json], *, explain: bool) -> list[Prediction]:
        """Answer rows; `RequestError` says what is wrong with them."""
        examples = self.inputs.table(rows)
        features = self._engine.compute(examples)
        warnings = self._check_categories(features, examples)
        if explain:
            probabilities, reasons = self._explainer.explain(features)
        else:
            probabilities, reasons = self.bundle.predict(features).tolist(), []
        return [
            Prediction(probability, reasons[place] if reasons else [], warnings[place])
            for place, probability in enumerate(probabilities)
        ]

    def features(self, rows: Sequence[Json]) -> pa.Table:
        """Return the features of rows."""
        return self._engine.compute(self.inputs.table(rows))

    def self_test(self) -> None:
        """Refuse a model that does not give its own answers to its own examples."""
        spec = self.bundle.spec
        if not spec.samples:
            raise BundleError("carries no samples to test itself with")
        for name, weight in self.bundle.network.state_dict().items():
            if not torch.isfinite(weight).all():
                raise BundleError(f"weight {name} is not finite")
        expected = [sample.probability for sample in spec.samples]
        rows = feature_table(self.bundle, [sample.features for sample in spec.samples])
        answers: list[float] = self.bundle.predict(rows).tolist()
        for place, (answer, promised) in enumerate(zip(answers, expected, strict=True)):
            if not math.isfinite(answer) or abs(answer - promised) > TOLERANCE:
                raise BundleError(f"answers {answer} to its sample {place}, not {promised}")
        if examples := self.examples():
            self.predict(examples, explain=True)

    def examples(self) -> list[dict[str, Json]]:
        """Return the inputs of the bundle's examples that this service would answer."""
        definition = self.bundle.spec.features.definition
        strict = [n for n, each in definition.categorical.items() if each.new_values == "refuse"]
        return [
            self.inputs.written(sample.inputs)
            for sample in self.bundle.spec.samples
            if not any(self._is_new(name, sample.features[name]) for name in strict)
        ]

    def _is_new(self, name: str, value: object) -> bool:
        """Tell whether training never saw a value of a categorical feature."""
        encoder = self.bundle.spec.encoder
        return value is not None and value not in (*self._known[name], *encoder.rare.get(name, []))

    def _check_categories(self, features: pa.Table, examples: pa.Table) -> list[list[str]]:
        """Return warnings a row; raise for values that the definition refuses."""
        warnings: list[list[str]] = [[] for _ in range(features.num_rows)]
        if self.lacks_lookups:
            for listed in warnings:
                listed.append(
                    "the feature store has no matching tables: features from it are missing"
                )
        self._warn_of_missing(warnings, examples)
        problems: list[Problem] = []
        for name, feature in self.bundle.spec.features.definition.categorical.items():
            for row, value in self._unknown(name, features):
                if feature.new_values == "refuse" and self._is_new(name, value):
                    message = f"{value!r} is not known to the model; {self._hint(name, value)}"
                    problems.append(Problem(message, row if features.num_rows > 1 else None, name))
                else:
                    warnings[row].append(f"{name}: {value!r} is rare or new to the model")
        if problems:
            raise refuse(problems)
        return warnings

    def _warn_of_missing(self, warnings: list[list[str]], examples: pa.Table) -> None:
        for entry in self.inputs.listed:
            column = examples[entry.name]
            if column.null_count:
                for row, value in enumerate(column.is_null().to_pylist()):
                    if value:
                        warnings[row].append(f"{entry.name}: missing")

    def _unknown(self, name: str, features: pa.Table) -> Iterator[tuple[int, str]]:
        known = self._known[name]
        for row, value in enumerate(features[name].to_pylist()):
            if value is not None and value not in known:
                yield row, value

    def _hint(self, name: str, value: str) -> str:
        known = self.bundle.spec.encoder.vocabularies[name]
        close = difflib.get_close_matches(value, known, 3, cutoff=0.5)
        listed = [*close, *(each for each in known if each not in close)][:MOST_KNOWN]
        more = f" and {len(known) - MOST_KNOWN} more" if len(known) > MOST_KNOWN else ""
        return f"known: {', '.join(listed)}{more}"
