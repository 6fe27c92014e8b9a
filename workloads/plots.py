"""Pictures of a comparison of models, as PNG files."""

from collections.abc import Mapping
from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")

from matplotlib.figure import Figure
from sklearn.metrics import precision_recall_curve, roc_curve

from workloads.metrics import Vector, calibration_curve

WIDTH, HEIGHT, DPI = 5.4, 4.0, 110
STEP = 50  # of a curve over many rows, every so manyth point shows all there is to see


def calibration(path: Path, target: Vector, models: Mapping[str, Vector]) -> None:
    """Draw observed against predicted rates."""
    figure = _figure()
    axes = figure.add_subplot(
        xlabel="predicted probability", ylabel="observed share", title="Calibration"
    )
    top = 0.0
    for name, probability in models.items():
        mean, share, _ = calibration_curve(target, probability)
        axes.plot(mean, share, marker="o", markersize=4, label=name)
        top = max(top, float(mean.max()), float(share.max()))
    axes.plot([0, top], [0, top], color="grey", linewidth=1, linestyle=":", label="perfect")
    axes.legend(frameon=False)
    figure.savefig(path)


def roc(path: Path, target: Vector, models: Mapping[str, Vector]) -> None:
    """Draw receiver operating characteristics."""
    figure = _figure()
    axes = figure.add_subplot(
        xlabel="false positive rate", ylabel="true positive rate", title="ROC"
    )
    for name, probability in models.items():
        false, true, _ = roc_curve(target, probability)
        axes.plot(_thin(false), _thin(true), label=name)
    axes.plot([0, 1], [0, 1], color="grey", linewidth=1, linestyle=":")
    axes.legend(frameon=False)
    figure.savefig(path)


def precision_recall(path: Path, target: Vector, models: Mapping[str, Vector]) -> None:
    """Draw precision against recall."""
    figure = _figure()
    axes = figure.add_subplot(xlabel="recall", ylabel="precision", title="Precision and recall")
    for name, probability in models.items():
        precision, recall, _ = precision_recall_curve(target, probability)
        axes.plot(_thin(recall), _thin(precision), label=name)
    axes.axhline(float(target.mean()), color="grey", linewidth=1, linestyle=":")
    axes.legend(frameon=False)
    figure.savefig(path)


def slices(path: Path, title: str, losses: Mapping[str, Mapping[str, float]]) -> None:
    """Draw the log loss of each model by slice, worst first."""
    figure = Figure(figsize=(WIDTH, max(2.0, 0.28 * len(losses) + 1)), dpi=DPI, layout="tight")
    axes = figure.add_subplot(xlabel="log loss", title=title)
    names = sorted(losses, key=lambda name: max(losses[name].values()))
    for model in next(iter(losses.values()), {}):
        axes.plot([losses[name][model] for name in names], names, "o", markersize=5, label=model)
    axes.grid(axis="y", alpha=0.3)
    axes.legend(frameon=False)
    figure.savefig(path)


def _figure() -> Figure:
    return Figure(figsize=(WIDTH, HEIGHT), dpi=DPI, layout="tight")


def _thin(values: Vector) -> Vector:
    return values if len(values) < 100 * STEP else values[::STEP]
