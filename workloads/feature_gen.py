"""Make features: `python -m workloads.feature_gen`.

Source tables below `DATA_URI` become a feature view below `FEATURES_URI`. Work is cut into
partitions, each written once; run again after an interruption, it goes on where it stopped.
"""

import hashlib

from workloads import store
from workloads.check import check_definition
from workloads.definition import FeatureDefinition, load_definition
from workloads.engine import run
from workloads.environment import Environment
from workloads.errors import command, logger
from workloads.lookups import PartTask, Span, extract, make_slice, slices
from workloads.partition import PartitionTask, make_features
from workloads.tables import Landing, Source, find_sources, land
from workloads.view import SPLITS, FeatureView, Slice, home

FORMAT = 2  # raise when the same sources would make other features


def main() -> None:
    """Bring the model's feature view up to date with its source tables."""
    environment = Environment.load()
    model = load_definition(environment.model_name, environment.model_definition)
    view = make_view(environment, model.features)
    store.write_json(f"{home(environment)}/current.json", {"uri": view.uri})
    _tell(view)


def make_view(environment: Environment, definition: FeatureDefinition) -> FeatureView:
    """Return the whole view of a definition over the source tables as they are now."""
    sources = find_sources(definition, environment.data_uri)
    fingerprint = _fingerprint(definition, sources)
    uri = f"{home(environment)}/{fingerprint}"
    if not store.exists(f"{uri}/view.json"):
        view = _make(environment, definition, sources, uri, fingerprint)
        store.write_json(f"{uri}/view.json", view.model_dump(mode="json"))
    return FeatureView.at(uri)


def _make(
    environment: Environment,
    definition: FeatureDefinition,
    sources: list[Source],
    uri: str,
    fingerprint: str,
) -> FeatureView:
    landings = [Landing(s, f"{home(environment)}/tables/{s.name}-{s.sha256[:16]}") for s in sources]
    landed = run(land, landings, "source tables")
    parts = {source.name: made for source, made in zip(sources, landed, strict=True)}
    view = FeatureView(
        uri=uri,
        fingerprint=fingerprint,
        sources={source.name: source.sha256 for source in sources},
        spec=check_definition(definition, {name: made[0] for name, made in parts.items()}),
        parts=[],
        lookups={},
    )
    view = view.model_copy(update={"lookups": _make_lookups(view, parts)})
    tasks = [
        PartitionTask(view, part, f"features/part-{index:05}.parquet")
        for index, part in enumerate(parts[definition.examples.table])
    ]
    return view.model_copy(update={"parts": run(make_features, tasks, "features")})


def _make_lookups(view: FeatureView, parts: dict[str, list[str]]) -> dict[str, list[Slice]]:
    spans = _extract(view, parts)
    tasks = [
        task
        for name, lookup in view.spec.definition.lookups.items()
        for task in slices(name, lookup, spans[name], f"{view.uri}/lookups/{name}")
    ]
    made: dict[str, list[Slice]] = {name: [] for name in spans}
    for task, span in zip(tasks, run(make_slice, tasks, "lookups"), strict=True):
        file = span.uri.removeprefix(f"{view.uri}/")
        made[task.name].append(Slice(file=file, first=span.first, last=span.last))
    return made


def _extract(view: FeatureView, parts: dict[str, list[str]]) -> dict[str, list[Span]]:
    """Read each part of each looked-up table once; return where each lookup's rows lie."""
    lookups = view.spec.definition.lookups
    tasks = []
    for table in dict.fromkeys(lookup.table for lookup in lookups.values()):
        fed = {name: lookup for name, lookup in lookups.items() if lookup.table == table}
        for index, part in enumerate(parts[table]):
            uris = {name: f"{view.uri}/extracts/{name}/{index:05}.parquet" for name in fed}
            tasks.append(PartTask(fed, part, uris))
    made = run(extract, tasks, "lookup parts")
    return {name: [spans[name] for spans in made if name in spans] for name in lookups}


def _fingerprint(definition: FeatureDefinition, sources: list[Source]) -> str:
    digest = hashlib.sha256(f"{FORMAT} {definition.model_dump_json()}".encode())
    for source in sources:
        digest.update(f"{source.name} {source.sha256}".encode())
    return digest.hexdigest()[:32]


def _tell(view: FeatureView) -> None:
    rows = sum(part.rows for part in view.parts)
    splits = ", ".join(f"{split} {view.labelled(split):,}" for split in SPLITS)
    logger.info(
        "features: %s examples in %s partitions, %s features; with a target: %s",
        f"{rows:,}",
        len(view.parts),
        len(view.spec.names),
        splits,
    )


if __name__ == "__main__":
    command(main)
