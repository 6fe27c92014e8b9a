"""Judge the challenger: `python -m workloads.evaluate`.

Challenger and champion answer the same held-out examples. The verdict, signed, lands in the
challenger's run with plots and slices. A verdict that is no is a result, not an error: exit 0.
"""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from mlflow.entities import Metric
from mlflow.entities.model_registry import ModelVersion
from mlflow.tracking import MlflowClient

from workloads import baselines, plots
from workloads.bundle import Bundle
from workloads.definition import ModelDefinition, load_definition
from workloads.environment import Environment
from workloads.errors import WorkloadError, command, logger
from workloads.feature_gen import make_view
from workloads.fetch import fetch_bundle
from workloads.metrics import Vector, row_losses, summarize
from workloads.registry import (
    challenger_of,
    connect,
    put_folder,
    scratch,
    version_at,
)
from workloads.signature import BundleError
from workloads.tables import ROW_NUMBER
from workloads.verdict import FOLDER, Verdict, judge, now, slice_figures, write_verdict
from workloads.view import SPLITS, TARGET, FeatureView


@dataclass(frozen=True)
class Contest:
    """The models' answers on the same rows."""

    rows: pa.Table
    target: Vector
    answers: dict[str, Vector]

    @property
    def losses(self) -> dict[str, Vector]:
        """Row losses by model."""
        return {name: row_losses(self.target, answer) for name, answer in self.answers.items()}


def main() -> None:
    """Compare challenger and champion on the test split and store the verdict."""
    environment = Environment.load()
    model = load_definition(environment.model_name, environment.model_definition)
    view = FeatureView.current(environment)
    client = connect(environment)
    version = challenger_of(client, environment)
    champion = version_at(client, model.name, environment.model_alias)
    if champion is not None and champion.version == version.version:
        logger.info("evaluate: version %s is the %s", version.version, environment.model_alias)
        return
    with scratch() as folder:
        bundle = fetch_bundle(client, version, environment, folder)
    if bundle.spec.features != view.spec:
        raise WorkloadError(
            f"version {version.version} was trained on other features than {view.uri}; "
            "run python -m workloads.train"
        )
    contest = _compete(client, environment, view, bundle, champion)
    verdict = _judge(model, view, version, champion, bundle, contest)
    _store(client, environment, model, version, verdict, contest)
    _tell(verdict)


def _compete(
    client: MlflowClient,
    environment: Environment,
    view: FeatureView,
    challenger: Bundle,
    champion: ModelVersion | None,
) -> Contest:
    train, tune, rows = (view.read_split(split) for split in SPLITS)
    target = rows[TARGET].to_numpy().astype(np.float64)
    if target.min() == target.max():
        raise WorkloadError(
            f"split 'test' holds one class only; check examples.split of {view.uri}"
        )
    answers = {"challenger": _answer(challenger, rows)}
    if champion is not None:
        rival = _champion(client, environment, champion)
        if rival is not None:
            answers["champion"] = _answer(rival, _rows_for(environment, view, rival, rows))
    answers["base rate"] = baselines.base_rate(train, rows.num_rows)
    answers["trees"] = baselines.trees(challenger.spec.encoder, train, tune, rows)
    return Contest(rows, target, answers)


def _champion(
    client: MlflowClient, environment: Environment, version: ModelVersion
) -> Bundle | None:
    """Return the champion, or None if no service could load it either."""
    try:
        with scratch() as folder:
            return fetch_bundle(client, version, environment, folder)
    except BundleError as error:
        logger.warning("evaluate: the champion cannot be read, so it is no rival: %s", error)
        return None


def _rows_for(
    environment: Environment, view: FeatureView, bundle: Bundle, rows: pa.Table
) -> pa.Table:
    """Return the same examples with the features that an older model was trained on."""
    if bundle.spec.features == view.spec:
        return rows
    other = make_view(environment, bundle.spec.features.definition)
    tables = [other.read_part(part) for part in other.parts]
    every = pa.concat_tables(tables).sort_by(ROW_NUMBER)
    places = pc.index_in(rows[ROW_NUMBER], value_set=every[ROW_NUMBER])
    if places.null_count:
        raise WorkloadError(
            f"the champion's definition reads other examples than {view.uri}; no comparison is fair"
        )
    return every.take(places)


def _answer(bundle: Bundle, rows: pa.Table) -> Vector:
    chunks = [bundle.predict(pa.Table.from_batches([b])) for b in rows.to_batches(16_384)]
    answer = np.concatenate([chunk.numpy() for chunk in chunks]).astype(np.float64)
    if not np.isfinite(answer).all():
        raise WorkloadError(f"{bundle.spec.name}, run {bundle.spec.run_id}: answers are not finite")
    return answer


def _judge(
    model: ModelDefinition,
    view: FeatureView,
    version: ModelVersion,
    champion: ModelVersion | None,
    bundle: Bundle,
    contest: Contest,
) -> Verdict:
    challenger = contest.answers["challenger"]
    checks, differences = judge(
        model.gate, contest.target, contest.losses, challenger, contest.rows
    )
    return Verdict(
        model=model.name,
        version=str(version.version),
        bundle_sha256=bundle.digest,
        champion_version=str(champion.version) if champion else None,
        data_fingerprint=view.fingerprint,
        rows=contest.rows.num_rows,
        judged_at=now(),
        passed=all(check.passed for check in checks),
        checks=checks,
        metrics={name: summarize(contest.target, a) for name, a in contest.answers.items()},
        differences=differences,
    )


def _store(
    client: MlflowClient,
    environment: Environment,
    model: ModelDefinition,
    version: ModelVersion,
    verdict: Verdict,
    contest: Contest,
) -> None:
    run = client.get_run(version.run_id or "")
    figures = slice_figures(
        model.gate.slices, contest.rows, contest.losses, model.gate.slice_minimum_rows
    )
    with scratch() as folder:
        _draw(folder, contest, figures)
        (folder / "slices.json").write_text(json.dumps(figures, indent=2))
        put_folder(client, run, folder, "evaluation")
    moment = int(verdict.judged_at.timestamp() * 1000)
    metrics = [
        Metric(f"test.{name.replace(' ', '_')}.{metric}", figure, moment, 0)
        for name, row in verdict.metrics.items()
        for metric, figure in row.items()
    ]
    client.log_batch(run.info.run_id, metrics=metrics)
    with scratch() as folder:
        write_verdict(folder, verdict, environment.model_signing_key)
        put_folder(client, run, folder, FOLDER)


def _draw(folder: Path, contest: Contest, figures: dict[str, dict[str, float]]) -> None:
    models = {n: a for n, a in contest.answers.items() if n != "base rate"}
    plots.calibration(folder / "calibration.png", contest.target, models)
    plots.roc(folder / "roc.png", contest.target, models)
    plots.precision_recall(folder / "precision_recall.png", contest.target, models)
    if figures:
        plots.slices(folder / "slices.png", "Log loss by slice", figures)


def _tell(verdict: Verdict) -> None:
    logger.info("evaluate: %s examples of the test split", f"{verdict.rows:,}")
    for name, row in verdict.metrics.items():
        gap = verdict.differences.get(name)
        words = f"  challenger {gap.mean:+.4f} [{gap.low:+.4f}, {gap.high:+.4f}]" if gap else ""
        logger.info(
            "  %-11s log loss %.4f  ROC AUC %.3f%s", name, row["log_loss"], row["roc_auc"], words
        )
    if verdict.passed:
        logger.info("  verdict: version %s may be promoted", verdict.version)
    else:
        logger.info(
            "  verdict: version %s is refused: %s", verdict.version, "; ".join(verdict.failures)
        )


if __name__ == "__main__":
    command(main)
