"""Move the registry alias: `python -m workloads.promote [--why TEXT]`, or `--rollback`.

Promotion needs a passing, signed verdict for exactly the challenger, the current data and the
current champion. A numbered record of who, when and why is claimed first, so of two promotions at
once one is refused; then the alias moves in one step. Rollback reads the records backwards.
"""

import argparse
import getpass
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from mlflow.entities.model_registry import ModelVersion
from mlflow.tracking import MlflowClient
from pydantic import BaseModel, ConfigDict

from workloads import store
from workloads.environment import Environment
from workloads.errors import WorkloadError, command, logger
from workloads.registry import (
    challenger_of,
    connect,
    fetch_files,
    get_folder,
    scratch,
    version_at,
)
from workloads.signature import SIGNATURE
from workloads.verdict import FOLDER, VERDICT, Verdict, read_verdict
from workloads.view import FeatureView

SETTLED_AFTER = timedelta(minutes=5)


class Promotion(BaseModel):
    """One move of the alias."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: str
    alias: str
    before: str | None
    """Version that the alias pointed to; None for the first."""
    after: str
    rollback: bool
    who: str
    when: datetime
    why: str


@dataclass(frozen=True)
class Ledger:
    """The numbered promotion records of a model, below `ARTIFACTS_URI/promotions`."""

    uri: str

    @classmethod
    def of(cls, environment: Environment) -> "Ledger":
        """Return the ledger of the environment's model and alias."""
        root = f"{environment.artifacts_uri.rstrip('/')}/promotions"
        return cls(f"{root}/{environment.model_name}/{environment.model_alias}")

    def records(self) -> list[Promotion]:
        """Return all records, oldest first."""
        uris = store.find(f"{self.uri}/*.json")
        return [Promotion.model_validate_json(store.read(uri)) for uri in uris]

    def claim(self, record: Promotion, number: int) -> None:
        """Write the record of the next move; refuse if another move came first."""
        try:
            document = record.model_dump_json(indent=2).encode()
            store.create(f"{self.uri}/{number:06}.json", document)
        except FileExistsError as error:
            raise WorkloadError(
                f"promotion {number} of {record.model} was just made by another; evaluate again"
            ) from error


def main(words: Sequence[str] | None = None) -> None:
    """Promote the challenger, or roll the alias back; `words` are the command's arguments."""
    parser = argparse.ArgumentParser(description="Move the registry alias of MODEL_NAME.")
    parser.add_argument("--rollback", action="store_true", help="return to the version before")
    parser.add_argument("--why", help="the reason that is recorded")
    arguments = parser.parse_args(words)
    environment = Environment.load()
    client = connect(environment)
    if arguments.rollback:
        _roll_back(client, environment, arguments.why or "rolled back by hand")
    else:
        _promote(client, environment, arguments.why or "passed its evaluation")


def _promote(client: MlflowClient, environment: Environment, why: str) -> None:
    version = challenger_of(client, environment)
    champion = version_at(client, environment.model_name, environment.model_alias)
    if champion is not None and champion.version == version.version:
        logger.info(
            "promote: version %s is the %s already", version.version, environment.model_alias
        )
        return
    _check(client, environment, version, champion)
    _move(client, environment, champion, str(version.version), why, rollback=False)


def _roll_back(client: MlflowClient, environment: Environment, why: str) -> None:
    champion = version_at(client, environment.model_name, environment.model_alias)
    moves = [r for r in Ledger.of(environment).records() if not r.rollback]
    made = [r for r in moves if champion is not None and r.after == str(champion.version)]
    if champion is None or not made or made[-1].before is None:
        now = f"version {champion.version}" if champion else "no version"
        raise WorkloadError(
            f"{environment.model_name}@{environment.model_alias} is {now}; "
            "no promotion to it from an earlier version is on record, so nothing to return to"
        )
    client.get_model_version(environment.model_name, made[-1].before)
    _move(client, environment, champion, made[-1].before, why, rollback=True)


def _check(
    client: MlflowClient,
    environment: Environment,
    version: ModelVersion,
    champion: ModelVersion | None,
) -> None:
    """Refuse unless a passing verdict speaks of exactly this model, data and champion."""
    run = client.get_run(version.run_id or "")
    with scratch() as folder, scratch() as bundle_folder:
        get_folder(client, run, FOLDER, frozenset({VERDICT, SIGNATURE}), folder / FOLDER)
        verdict = read_verdict(folder / FOLDER, environment.model_public_key)
        digest = fetch_files(client, version, environment, bundle_folder / "bundle")
    if not verdict.passed:
        raise WorkloadError(
            f"version {version.version} did not pass: {'; '.join(verdict.failures)}"
        )
    faults = _mismatches(verdict, environment, version, champion, digest)
    if faults:
        raise WorkloadError(
            f"the verdict is not about this promotion: {'; '.join(faults)}; "
            "run python -m workloads.evaluate"
        )


def _mismatches(
    verdict: Verdict,
    environment: Environment,
    version: ModelVersion,
    champion: ModelVersion | None,
    digest: str,
) -> list[str]:
    data = FeatureView.current(environment).fingerprint
    pairs = {
        "model": (verdict.model, environment.model_name),
        "version": (verdict.version, str(version.version)),
        "bundle": (verdict.bundle_sha256, digest),
        "data": (verdict.data_fingerprint, data),
        "champion": (verdict.champion_version, str(champion.version) if champion else None),
    }
    return [f"{name}: judged {a}, is {b}" for name, (a, b) in pairs.items() if a != b]


def _move(
    client: MlflowClient,
    environment: Environment,
    champion: ModelVersion | None,
    after: str,
    why: str,
    *,
    rollback: bool,
) -> None:
    ledger = Ledger.of(environment)
    records = ledger.records()
    before = str(champion.version) if champion else None
    _refuse_unsettled(records, before)
    record = Promotion(
        model=environment.model_name,
        alias=environment.model_alias,
        before=before,
        after=after,
        rollback=rollback,
        who=f"{getpass.getuser()}@{socket.gethostname()}",
        when=datetime.now(UTC),
        why=why,
    )
    ledger.claim(record, len(records) + 1)
    for key in ("who", "when", "why"):
        client.set_model_version_tag(
            record.model, after, f"promoted.{key}", str(getattr(record, key))
        )
    client.set_registered_model_alias(record.model, record.alias, after)
    verb = "rolled back" if rollback else "promoted"
    logger.info("promote: %s version %s -> %s (%s)", verb, before or "none", after, why)


def _refuse_unsettled(records: list[Promotion], before: str | None) -> None:
    """Refuse while another promotion has claimed its number and not yet moved the alias."""
    if not records or records[-1].after == before:
        return
    last = records[-1]
    if datetime.now(UTC) - last.when < SETTLED_AFTER and last.before == before:
        raise WorkloadError(
            f"a promotion to version {last.after} by {last.who} began at {last.when:%H:%M:%S} and "
            f"has not moved the alias; if it died, try again after {SETTLED_AFTER}"
        )


if __name__ == "__main__":
    command(main)
