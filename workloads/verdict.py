"""A challenger's verdict: what was compared with what, on which rows, and every check's outcome."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Self

import numpy as np
import pyarrow as pa
from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from workloads.definition import Gate
from workloads.errors import WorkloadError
from workloads.metrics import Interval, Vector, bootstrap, calibration_error
from workloads.signature import SIGNATURE, BundleError, sign, verify

VERDICT = "verdict.json"
FOLDER = "verdict"


class Check(BaseModel):
    """One question, its figure, and the limit it was held against."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    passed: bool
    figure: float
    limit: float
    words: str


class Verdict(BaseModel):
    """Whether exactly this model may become champion, judged on exactly this data."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: str
    version: str
    bundle_sha256: str
    champion_version: str | None
    """The champion it was compared with; None if there was none."""
    data_fingerprint: str
    rows: int
    judged_at: datetime
    passed: bool
    """Whether every check passed."""
    checks: list[Check]
    metrics: dict[str, dict[str, float]]
    """Model -> metric -> figure, on the test split."""
    differences: dict[str, Interval]
    """Rival -> log loss of the challenger minus that of the rival, with its 95 % interval."""

    @model_validator(mode="after")
    def _passed_if_all_passed(self) -> Self:
        if self.passed != all(check.passed for check in self.checks):
            raise ValueError("passed does not follow from the checks")
        return self

    @property
    def failures(self) -> list[str]:
        """What the checks that failed say."""
        return [f"{check.name}: {check.words}" for check in self.checks if not check.passed]


def judge(
    gate: Gate, target: Vector, losses: dict[str, Vector], challenger: Vector, rows: pa.Table
) -> tuple[list[Check], dict[str, Interval]]:
    """Hold a challenger against its gate.

    `losses` are row losses by model, with `challenger`, `base rate` and, if there is one,
    `champion`; `challenger` are its probabilities and `rows` the features they were made from.
    """
    ours = losses["challenger"]
    rivals = {name: values for name, values in losses.items() if name != "challenger"}
    differences = {name: bootstrap(ours - values) for name, values in rivals.items()}
    rival = "champion" if "champion" in rivals else "base rate"
    checks = [
        _check("enough rows", len(target), gate.minimum_rows, len(target) >= gate.minimum_rows),
        _beats("beats the base rate", differences["base rate"], 0.0),
        _worst_slice(gate, ours - rivals[rival], rows, rival),
        _at_most(
            "calibration error",
            calibration_error(target, challenger),
            gate.maximum_calibration_error,
        ),
    ]
    if rival == "champion":
        checks.append(_beats("not worse than the champion", differences[rival], gate.margin))
    return checks, differences


def write_verdict(folder: Path, verdict: Verdict, signing_key: Path) -> None:
    """Write and sign a verdict into an empty folder."""
    (folder / VERDICT).write_text(verdict.model_dump_json(indent=2))
    sign(folder, signing_key)


def read_verdict(folder: Path, public_key: str) -> Verdict:
    """Verify and read a verdict; one that somebody edited is refused."""
    if not (folder / VERDICT).exists():
        raise WorkloadError("the challenger has no verdict; run python -m workloads.evaluate")
    verify(folder, public_key, frozenset({VERDICT, SIGNATURE}))
    try:
        return Verdict.model_validate_json((folder / VERDICT).read_bytes())
    except ValidationError as error:
        raise BundleError(f"{VERDICT}: made by another release, evaluate again") from error


def now() -> datetime:
    """Return the present moment, UTC."""
    return datetime.now(UTC)


def slice_figures(
    names: tuple[str, ...], rows: pa.Table, losses: dict[str, Vector], minimum: int
) -> dict[str, dict[str, float]]:
    """Return the mean log loss of each model by slice of at least `minimum` rows."""
    figures: dict[str, dict[str, float]] = {}
    for name in names:
        column = np.array(rows[name].to_pylist(), dtype=object)
        for value in sorted({str(v) for v in column if v is not None}):
            inside = column == value
            if inside.sum() >= minimum:
                figures[f"{name}={value}"] = {m: float(v[inside].mean()) for m, v in losses.items()}
    return figures


def _worst_slice(gate: Gate, difference: Vector, rows: pa.Table, rival: str) -> Check:
    figures = slice_figures(gate.slices, rows, {"d": difference}, gate.slice_minimum_rows)
    if not figures:
        words = "no slices are named, or none has enough rows"
        return Check(
            name="worst slice", passed=True, figure=0, limit=gate.slice_margin, words=words
        )
    worst = max(figures, key=lambda name: figures[name]["d"])
    figure = figures[worst]["d"]
    return Check(
        name="worst slice",
        passed=figure <= gate.slice_margin,
        figure=figure,
        limit=gate.slice_margin,
        words=f"{worst} loses {figure:+.4f} against the {rival} (at most {gate.slice_margin})",
    )


def _beats(name: str, difference: Interval, margin: float) -> Check:
    words = (
        f"log loss {difference.mean:+.4f} [{difference.low:+.4f}, {difference.high:+.4f}], "
        f"upper end must stay below {margin:+.4f}"
    )
    passed = difference.high < margin
    return Check(name=name, passed=passed, figure=difference.high, limit=margin, words=words)


def _at_most(name: str, figure: float, limit: float) -> Check:
    words = f"{figure:.4f}, at most {limit}"
    return Check(name=name, passed=figure <= limit, figure=figure, limit=limit, words=words)


def _check(name: str, figure: float, limit: float, passed: bool) -> Check:
    words = f"{figure:,.0f}, at least {limit:,.0f}"
    return Check(name=name, passed=passed, figure=figure, limit=limit, words=words)
