"""Train a challenger: `python -m workloads.train`.

Several processes: `torchrun --nproc-per-node 2 -m workloads.train`.

The newest feature view becomes a signed bundle, registered as a version of the model with the alias
`challenger`. Killed at any moment, the same command continues from the last checkpoint to the same
weights, bit for bit; when it is done, it says so and trains nothing twice.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import torch
from mlflow.entities import Param, Run
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from workloads import provenance, registry, store
from workloads.bundle import (
    Bundle,
    BundleSpec,
    Sample,
    build_network,
    read_bundle,
    spec_value,
    write_bundle,
)
from workloads.checkpoint import Progress, Training, Weights
from workloads.definition import ModelDefinition, load_definition
from workloads.encoder import Encoder
from workloads.environment import Environment
from workloads.errors import WorkloadError, command, logger
from workloads.fit import Plan, Rows, Workers, fit, predict_logits
from workloads.journal import Journal
from workloads.registry import connect, scratch
from workloads.signature import make_keys
from workloads.view import INPUT_PREFIX, SPLIT, TARGET, FeatureView

SAMPLES = 40


@dataclass(frozen=True)
class Job:
    """One training: what is fitted to which rows, and where its state lies."""

    environment: Environment
    model: ModelDefinition
    view: FeatureView
    encoder: Encoder
    tables: dict[str, pa.Table]
    uri: str


def main() -> None:
    """Train, sign and register a challenger of the current feature view."""
    environment = Environment.load()
    model = load_definition(environment.model_name, environment.model_definition)
    view = FeatureView.current(environment)
    if view.spec.definition != model.features:
        raise WorkloadError(
            f"{view.uri} was made for another definition of {model.name!r}; "
            "run python -m workloads.feature_gen"
        )
    make_keys(environment.model_signing_key, environment.model_public_key)
    workers = Workers.join()
    try:
        _train(_prepare(environment, model, view, workers), workers)
    finally:
        workers.leave()


def _prepare(
    environment: Environment, model: ModelDefinition, view: FeatureView, workers: Workers
) -> Job:
    tables = {"train": view.read_split("train"), "tune": view.read_split("tune")}
    for split, table in tables.items():
        _check_target(table[TARGET], split)
    text = f"{view.fingerprint} {model.model_dump_json()} {workers.count} {workers.device.type}"
    identity = hashlib.sha256(text.encode()).hexdigest()[:32]
    uri = f"{environment.artifacts_uri.rstrip('/')}/training/{model.name}/{identity}"
    encoder = Encoder.fit(model.features, tables["train"])
    return Job(environment, model, view, encoder, tables, uri)


def _train(job: Job, workers: Workers) -> None:
    client = connect(job.environment) if workers.is_first else None
    done = workers.agree(_done_version(client, job) if client else "")
    if done:
        if workers.is_first:
            logger.info("train: version %s is trained on just this; nothing to do", done)
        return
    torch.manual_seed(job.model.training.seed)
    rows = {split: _encode(job.encoder, table) for split, table in job.tables.items()}
    network = build_network(job.model.network, job.encoder)
    network.piecewise.fit(rows["train"].numbers.numpy())
    rows = {split: encoded.to(workers.device) for split, encoded in rows.items()}
    shape = job.model.training
    plan = Plan.of(shape, len(rows["train"].target))
    optimizer = torch.optim.AdamW(
        network.to(workers.device).parameters(),
        lr=shape.learning_rate,
        weight_decay=shape.weight_decay,
        fused=True,
    )
    losses = torch.zeros((), device=workers.device)
    training = Training(network, optimizer, Progress(run_id=""), losses)
    checkpoint = f"{job.uri}/checkpoint.safetensors"
    if training.restore(checkpoint) and workers.is_first:
        logger.info("train: continuing from step %s", training.progress.step)
    if client is None:
        fit(training, plan, rows, workers, lambda _: None, 0)
        return
    run = _run(client, job, training.progress)
    training.progress.run_id = run.info.run_id
    journal = Journal(client, run.info.run_id, checkpoint)
    fit(training, plan, rows, workers, journal.save, job.environment.checkpoint_seconds)
    journal.close()
    _finish(client, job, run, training, rows["tune"])


def _done_version(client: MlflowClient, job: Job) -> str:
    """Return the version that this training once made, if the registry still has it."""
    try:
        version = str(store.read_json(f"{job.uri}/done.json")["version"])
        client.get_model_version(job.model.name, version)
        return version
    except (FileNotFoundError, MlflowException):
        return ""


def _run(client: MlflowClient, job: Job, progress: Progress) -> Run:
    """Return the run that the checkpoint belongs to, or a new one."""
    try:
        if progress.run_id:
            return client.get_run(progress.run_id)
    except MlflowException:
        logger.info("train: MLflow no longer has run %s; making a new one", progress.run_id)
    experiment = client.get_experiment_by_name(job.model.name)
    number = experiment.experiment_id if experiment else client.create_experiment(job.model.name)
    run = client.create_run(
        number, tags=provenance.tags() | {"data.fingerprint": job.view.fingerprint}
    )
    parameters = {
        **{f"network.{k}": v for k, v in job.model.network.model_dump().items()},
        **{f"training.{k}": v for k, v in job.model.training.model_dump().items()},
        "features": len(job.view.spec.names),
        "rows.train": job.view.labelled("train"),
        "rows.tune": job.view.labelled("tune"),
        **{f"source.{name}": digest for name, digest in job.view.sources.items()},
    }
    client.log_batch(run.info.run_id, params=[Param(k, str(v)) for k, v in parameters.items()])
    return run


def _finish(client: MlflowClient, job: Job, run: Run, training: Training, tune: Rows) -> None:
    """Calibrate, bundle, sign, register."""
    network = build_network(job.model.network, job.encoder)
    network.load_state_dict({name: value.cpu() for name, value in training.best.items()})
    cpu = tune.to(torch.device("cpu"))
    network.temperature.fill_(_temperature(predict_logits(network, cpu), cpu.target))
    with scratch() as folder, scratch() as extras:
        _write_bundle(folder, job, run, network.state_dict())
        registry.put_folder(client, run, folder, registry.BUNDLE)
        (extras / "packages.txt").write_text(provenance.packages())
        registry.put_folder(client, run, extras, "training")
    version = registry.register(client, job.model.name, run)
    client.set_terminated(run.info.run_id)
    store.write_json(f"{job.uri}/done.json", {"version": version.version, "run": run.info.run_id})
    store.remove(f"{job.uri}/checkpoint.safetensors")
    logger.info(
        "train: version %s of %s, log loss on tune %.4f",
        version.version,
        job.model.name,
        training.progress.best_loss,
    )


def _write_bundle(folder: Path, job: Job, run: Run, weights: Weights) -> None:
    """Write the bundle, with real examples as the model answers them, and read it back."""
    spec = BundleSpec(
        name=job.model.name,
        run_id=run.info.run_id,
        data_fingerprint=job.view.fingerprint,
        features=job.view.spec,
        encoder=job.encoder,
        network=job.model.network,
        typical=_typical(job),
        samples=[],
    )
    network = build_network(spec.network, spec.encoder)
    network.load_state_dict(weights)
    samples = _samples(job, Bundle(spec, network.eval(), ""))
    spec = spec.model_copy(update={"samples": samples})
    write_bundle(folder, spec, weights, job.environment.model_signing_key)
    read_bundle(folder, job.environment.model_public_key)


def _samples(job: Job, bundle: Bundle) -> list[Sample]:
    """Take real examples evenly over the last partition that has some to report on."""
    parts = [part for part in job.view.parts if part.labelled.get("test")]
    rows = job.view.read_part(parts[-1]) if parts else job.view.read_part(job.view.parts[-1])
    rows = rows.filter(pc.equal(rows[SPLIT], "test")) if parts else rows
    rows = rows.take(np.unique(np.linspace(0, rows.num_rows - 1, SAMPLES).astype(int)))
    probabilities = bundle.predict(rows).tolist()
    names = list(job.view.spec.inputs)
    made = []
    for row, probability in zip(rows.to_pylist(), probabilities, strict=True):
        inputs = {name: spec_value(row[f"{INPUT_PREFIX}{name}"]) for name in names}
        features = {name: row[name] for name in job.view.spec.names}
        made.append(Sample(inputs=inputs, features=features, probability=probability))
    return made


def _typical(job: Job) -> dict[str, str | float | None]:
    table = job.tables["train"]
    typical: dict[str, str | float | None] = {}
    for name in job.model.categorical:
        counted = pc.value_counts(table[name].drop_null()).to_pylist()
        most = max(counted, key=lambda entry: entry["counts"], default={"values": None})
        typical[name] = most["values"]
    for name in job.model.numeric:
        typical[name] = pc.quantile(table[name], 0.5)[0].as_py()
    return typical


def _encode(encoder: Encoder, table: pa.Table) -> Rows:
    indices, numbers = encoder.encode(table)
    target = table[TARGET].to_numpy().astype(np.float32)
    return Rows(torch.from_numpy(indices), torch.from_numpy(numbers), torch.from_numpy(target))


def _temperature(logits: torch.Tensor, target: torch.Tensor) -> float:
    """Return the temperature with the least log loss."""
    log_temperature = torch.zeros((), requires_grad=True)
    optimizer = torch.optim.LBFGS([log_temperature], max_iter=50, line_search_fn="strong_wolfe")

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        scaled = logits / log_temperature.exp()
        loss = torch.nn.functional.binary_cross_entropy_with_logits(scaled, target)
        loss.backward()
        return loss

    optimizer.step(closure)
    return float(log_temperature.detach().exp().clamp(0.05, 20))


def _check_target(target: pa.ChunkedArray, split: str) -> None:
    values = set(pc.unique(target).to_pylist())
    if not values <= {0.0, 1.0}:
        shown = sorted(values)[:5]
        raise WorkloadError(
            f"examples.target: {shown} in split {split!r}; only 0 and 1 are classes"
        )
    if len(values) == 1:
        raise WorkloadError(
            f"examples.target: split {split!r} holds the one class {values.pop():g}; "
            "there is nothing to learn, check examples.target and examples.split"
        )


if __name__ == "__main__":
    command(main)
