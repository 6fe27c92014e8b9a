"""Score every example with the champion: `python -m workloads.batch`.

Predictions land at `ARTIFACTS_URI/predictions/<model>/<version>/<fingerprint>`, a Parquet object
a partition, each written once; `predictions.json` is written last and says that all are there.
"""

from dataclasses import dataclass
from functools import lru_cache

import pyarrow as pa
import torch

from workloads import store
from workloads.bundle import Bundle
from workloads.engine import run
from workloads.environment import Environment
from workloads.errors import WorkloadError, command, logger
from workloads.feature_gen import make_view
from workloads.fetch import fetch_bundle
from workloads.registry import connect, scratch, version_at
from workloads.tables import ROW_NUMBER
from workloads.view import INPUT_PREFIX, FeatureView, Part

PROBABILITY = "probability"
ROWS_AT_ONCE = 8192


@dataclass(frozen=True)
class BatchTask:
    """Score one partition of a view with one version of the model."""

    view: FeatureView
    part: Part
    version: str
    uri: str


def main() -> None:
    """Score the examples of the champion's feature view."""
    environment = Environment.load()
    version = version_at(connect(environment), environment.model_name, environment.model_alias)
    if version is None:
        raise WorkloadError(
            f"{environment.model_name}@{environment.model_alias}: no such version; "
            "run python -m workloads.promote"
        )
    bundle = _bundle(str(version.version))
    view = FeatureView.current(environment)
    if bundle.spec.features != view.spec:
        view = make_view(environment, bundle.spec.features.definition)
    root = f"{environment.artifacts_uri.rstrip('/')}/predictions/{environment.model_name}"
    uri = f"{root}/{version.version}/{view.fingerprint}"
    if not store.exists(f"{uri}/predictions.json"):
        tasks = [
            BatchTask(view, part, str(version.version), f"{uri}/part-{index:05}.parquet")
            for index, part in enumerate(view.parts)
        ]
        rows = run(score, tasks, "batch inference")
        manifest = {"version": version.version, "data_fingerprint": view.fingerprint, "rows": rows}
        store.write_json(f"{uri}/predictions.json", manifest)
    total = sum(store.read_json(f"{uri}/predictions.json")["rows"])
    logger.info("batch: %s predictions of version %s at %s", f"{total:,}", version.version, uri)


def score(task: BatchTask) -> int:
    """Write the predictions of one partition once; return how many."""
    if not store.exists(task.uri):
        torch.set_num_threads(1)  # partitions run side by side already
        rows = task.view.read_part(task.part)
        bundle = _bundle(task.version)
        batches = [pa.Table.from_batches([b]) for b in rows.to_batches(ROWS_AT_ONCE)]
        answers = torch.cat([bundle.predict(batch) for batch in batches])
        inputs = [name for name in rows.column_names if name.startswith(INPUT_PREFIX)]
        kept = rows.select([ROW_NUMBER, *inputs])
        kept = kept.rename_columns([name.removeprefix(INPUT_PREFIX) for name in kept.column_names])
        store.write_table(task.uri, kept.append_column(PROBABILITY, pa.array(answers.numpy())))
    return task.part.rows


@lru_cache(maxsize=1)
def _bundle(version: str) -> Bundle:
    """Fetch and verify the model once a process, wherever the partition runs."""
    environment = Environment.load()
    client = connect(environment)
    with scratch() as folder:
        found = client.get_model_version(environment.model_name, version)
        return fetch_bundle(client, found, environment, folder)


if __name__ == "__main__":
    command(main)
