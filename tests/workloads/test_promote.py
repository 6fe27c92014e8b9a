"""From a verdict to the alias and back, on a real registry."""

import json
from pathlib import Path

import pytest
from mlflow.tracking import MlflowClient

from tests.workloads.conftest import tiny_tables
from workloads import evaluate, feature_gen, promote, store, train
from workloads.bundle import BundleError
from workloads.environment import Environment
from workloads.errors import WorkloadError
from workloads.promote import Ledger, Promotion
from workloads.verdict import VERDICT


@pytest.fixture
def client(tracked: dict[str, str]) -> MlflowClient:
    return MlflowClient(tracked["MLFLOW_TRACKING_URI"])


def challenge(contract: dict[str, str], seed: int) -> None:
    """Train another challenger: the same model with another seed."""
    path = Path(contract["MODEL_DEFINITION"])
    text = path.read_text().split("\nMODEL = MODEL.model_copy")[0]
    again = f"MODEL.training.model_copy(update=dict(seed={seed}))"
    path.write_text(f"{text}\nMODEL = MODEL.model_copy(update=dict(training={again}))\n")
    feature_gen.main()
    train.main()


def champion(client: MlflowClient, contract: dict[str, str]) -> str:
    return str(client.get_model_version_by_alias(contract["MODEL_NAME"], "champion").version)


def verdict_file(client: MlflowClient, contract: dict[str, str], version: str) -> Path:
    run_id = client.get_model_version(contract["MODEL_NAME"], version).run_id
    uri = client.get_run(run_id).info.artifact_uri
    return Path(uri.removeprefix("file://")) / "verdict" / VERDICT


def test_a_model_becomes_champion_and_rolls_back(
    tracked: dict[str, str], client: MlflowClient
) -> None:
    for seed in (1, 2, 3):
        challenge(tracked, seed)
        evaluate.main()
        promote.main(["--why", f"seed {seed}"])
        assert champion(client, tracked) == str(seed)
    records = Ledger.of(Environment.load()).records()
    assert [(r.before, r.after, r.why) for r in records] == [
        (None, "1", "seed 1"),
        ("1", "2", "seed 2"),
        ("2", "3", "seed 3"),
    ]
    assert all("@" in record.who for record in records)
    promote.main(["--rollback"])
    assert champion(client, tracked) == "2"
    promote.main(["--rollback", "--why", "still wrong"])
    assert champion(client, tracked) == "1"
    with pytest.raises(WorkloadError, match=r"nothing to return to"):
        promote.main(["--rollback"])
    assert (
        client.get_model_version(tracked["MODEL_NAME"], "1").tags["promoted.why"] == "still wrong"
    )


def test_no_verdict_no_promotion(tracked: dict[str, str], client: MlflowClient) -> None:
    challenge(tracked, 1)
    with pytest.raises(WorkloadError, match=r"no verdict; run python -m workloads.evaluate"):
        promote.main([])
    with pytest.raises(Exception, match=r"not found|Registered model alias"):
        champion(client, tracked)


def test_a_refused_challenger_is_not_promoted(
    tracked: dict[str, str], client: MlflowClient
) -> None:
    path = Path(tracked["MODEL_DEFINITION"])
    path.write_text(path.read_text().replace("minimum_rows=50", "minimum_rows=10000"))
    challenge(tracked, 1)
    evaluate.main()
    with pytest.raises(WorkloadError, match=r"did not pass: enough rows: .*at least 10,000"):
        promote.main([])


def test_an_edited_verdict_is_refused(tracked: dict[str, str], client: MlflowClient) -> None:
    path = Path(tracked["MODEL_DEFINITION"])
    path.write_text(path.read_text().replace("minimum_rows=50", "minimum_rows=10000"))
    challenge(tracked, 1)
    evaluate.main()
    file = verdict_file(client, tracked, "1")
    document = json.loads(file.read_text())
    for check in document["checks"]:
        check["passed"] = True
    file.write_text(json.dumps(document | {"passed": True}))
    with pytest.raises(BundleError, match=r"signature does not hold"):
        promote.main([])


def test_the_verdict_of_another_version_is_refused(
    tracked: dict[str, str], client: MlflowClient
) -> None:
    challenge(tracked, 1)
    evaluate.main()
    challenge(tracked, 2)
    old, new = (verdict_file(client, tracked, version).parent for version in ("1", "2"))
    new.mkdir()
    for file in old.iterdir():
        (new / file.name).write_bytes(file.read_bytes())
    with pytest.raises(WorkloadError, match=r"version: judged 1, is 2; bundle: "):
        promote.main([])


def test_a_verdict_on_other_data_is_refused(
    tracked: dict[str, str], client: MlflowClient, tmp_path: Path
) -> None:
    challenge(tracked, 1)
    evaluate.main()
    tiny_tables(tmp_path / "data", seed=9)
    feature_gen.main()
    with pytest.raises(WorkloadError, match=r"data: judged \w+, is \w+; run python -m"):
        promote.main([])


def test_a_verdict_against_a_former_champion_is_refused(
    tracked: dict[str, str], client: MlflowClient
) -> None:
    challenge(tracked, 1)
    evaluate.main()
    promote.main([])
    challenge(tracked, 2)
    evaluate.main()
    client.delete_registered_model_alias(tracked["MODEL_NAME"], "champion")
    with pytest.raises(WorkloadError, match=r"champion: judged 1, is None"):
        promote.main([])


def test_of_two_promotions_at_once_one_is_refused(
    tracked: dict[str, str], client: MlflowClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    challenge(tracked, 1)
    evaluate.main()
    ledger = Ledger.of(Environment.load())
    claim = Ledger.claim

    def late(self: Ledger, record: Promotion, number: int) -> None:
        store.create(f"{ledger.uri}/{number:06}.json", record.model_dump_json().encode())
        claim(self, record, number)

    monkeypatch.setattr(Ledger, "claim", late)
    with pytest.raises(WorkloadError, match=r"promotion 1 of .* was just made by another"):
        promote.main([])


def test_a_promotion_that_died_before_the_move_leaves_the_old_champion(
    tracked: dict[str, str], client: MlflowClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    challenge(tracked, 1)
    evaluate.main()
    promote.main([])
    challenge(tracked, 2)
    evaluate.main()
    with monkeypatch.context() as broken:

        def die(*_: object) -> None:
            raise ConnectionError("killed here")

        broken.setattr(MlflowClient, "set_registered_model_alias", die)
        with pytest.raises(ConnectionError):
            promote.main([])
    assert champion(client, tracked) == "1"
    with pytest.raises(WorkloadError, match=r"has not moved the alias"):
        promote.main([])
    monkeypatch.setattr(promote, "SETTLED_AFTER", promote.SETTLED_AFTER * 0)
    promote.main([])
    assert champion(client, tracked) == "2"


def test_the_champion_is_judged_on_its_own_features(
    tracked: dict[str, str], client: MlflowClient
) -> None:
    challenge(tracked, 1)
    evaluate.main()
    promote.main([])
    path = Path(tracked["MODEL_DEFINITION"])
    path.write_text(
        path.read_text().replace('"amount": "amount", "size"', '"a2": "amount * 2", "size"')
    )
    challenge(tracked, 2)
    evaluate.main()
    verdict = json.loads(verdict_file(client, tracked, "2").read_text())
    assert verdict["champion_version"] == "1"
    assert set(verdict["metrics"]) == {"challenger", "champion", "base rate", "trees"}


def test_a_champion_that_nobody_can_read_is_no_rival(
    tracked: dict[str, str], client: MlflowClient
) -> None:
    challenge(tracked, 1)
    evaluate.main()
    promote.main([])
    run_id = client.get_model_version(tracked["MODEL_NAME"], "1").run_id
    uri = client.get_run(run_id).info.artifact_uri.removeprefix("file://")
    (Path(uri) / "bundle" / "spec.json").write_text("{}")
    challenge(tracked, 2)
    evaluate.main()
    verdict = json.loads(verdict_file(client, tracked, "2").read_text())
    assert set(verdict["metrics"]) == {"challenger", "base rate", "trees"}
    promote.main([])
    assert champion(client, tracked) == "2"
