"""Figures of probabilities against outcomes, and what a difference of two models is worth."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from sklearn.metrics import average_precision_score, brier_score_loss, roc_auc_score

Vector = npt.NDArray[np.float64]
EPSILON = 1e-7


def row_losses(target: Vector, probability: Vector) -> Vector:
    """Return the log loss of each row, (rows,)."""
    p = np.clip(probability, EPSILON, 1 - EPSILON)
    return -(target * np.log(p) + (1 - target) * np.log(1 - p))


def calibration_curve(
    target: Vector, probability: Vector, bins: int = 15
) -> tuple[Vector, Vector, Vector]:
    """Return mean probability, share of positives and rows of bins that hold equally many rows."""
    groups = [g for g in np.array_split(np.argsort(probability, kind="stable"), bins) if len(g)]
    mean = np.array([probability[group].mean() for group in groups])
    share = np.array([target[group].mean() for group in groups])
    return mean, share, np.array([float(len(group)) for group in groups])


def calibration_error(target: Vector, probability: Vector) -> float:
    """Return the mean distance of predicted and observed rates over bins (expected, in [0, 1])."""
    mean, share, rows = calibration_curve(target, probability)
    return float(np.average(np.abs(mean - share), weights=rows))


def summarize(target: Vector, probability: Vector) -> dict[str, float]:
    """Return the headline figures of a model on one split."""
    return {
        "log_loss": float(row_losses(target, probability).mean()),
        "roc_auc": float(roc_auc_score(target, probability)),
        "average_precision": float(average_precision_score(target, probability)),
        "brier": float(brier_score_loss(target, probability)),
        "calibration_error": calibration_error(target, probability),
    }


@dataclass(frozen=True)
class Interval:
    """A mean and the ends of its 95 % interval."""

    mean: float
    low: float
    high: float


def bootstrap(values: Vector, *, draws: int = 2000, seed: int = 0) -> Interval:
    """Return the mean of paired differences with its percentile bootstrap interval.

    Rows are first averaged in at most 5,000 equal blocks: of many rows, resampling blocks gives
    the same interval as resampling rows, in constant time.
    """
    generator = np.random.default_rng(seed)
    blocks = [
        block.mean() for block in np.array_split(generator.permutation(values), _blocks(values))
    ]
    means = np.array(blocks)
    drawn = [generator.choice(means, len(means)).mean() for _ in range(draws)]
    low, high = np.quantile(drawn, [0.025, 0.975])
    return Interval(float(values.mean()), float(low), float(high))


def _blocks(values: Vector) -> int:
    return min(len(values), 5000)
