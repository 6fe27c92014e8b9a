"""Every step with the tables, features and artifacts on S3, and MLflow on a real PostgreSQL."""

import io
import os
import sys
import uuid
from pathlib import Path

import boto3
import httpx
import psycopg2
import pyarrow.parquet as pq
import pytest
from mlflow.tracking import MlflowClient

from tests.conftest import ROOT, free_port, mlflow_at, process, wait_until
from tests.workloads.conftest import TINY, tiny_tables
from workloads import batch, evaluate, feature_gen, promote, train


def ask_the_service(folder: Path) -> float:
    """Start the inference service on the same environment; return its answer to an example."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    env = {"PORT": str(port), "CACHE_DIR": f"{folder}/cache", "PYTHONPATH": str(ROOT)}
    with process([sys.executable, "-m", "apps.inference"], folder / "inference.log", env):
        wait_until(lambda: httpx.get(f"{url}/health/ready").is_success, "the service")
        row = httpx.get(f"{url}/examples").json()[0]
        answer = httpx.post(f"{url}/predict", json=row).raise_for_status().json()
    assert answer["predictions"][0]["warnings"] == []  # the feature store on S3 was found
    return float(answer["predictions"][0]["probability"])


def test_the_whole_loop_on_s3_and_postgresql(
    s3: dict[str, str], postgres: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in s3.items():
        monkeypatch.setenv(name, value)
    store, bucket = boto3.client("s3"), f"bucket-{uuid.uuid4().hex}"
    store.create_bucket(Bucket=bucket)
    tiny_tables(tmp_path / "data")
    for path in (tmp_path / "data").iterdir():
        store.upload_file(str(path), bucket, f"data/{path.name}")
    (tmp_path / "tiny.py").write_text(TINY)
    env = {
        "MODEL_NAME": "tiny",
        "MODEL_DEFINITION": f"{tmp_path}/tiny.py",
        "MODEL_SIGNING_KEY": f"{tmp_path}/key.pem",
        "MODEL_PUBLIC_KEY": f"{tmp_path}/key.pub",
        **{f"{r.upper()}_URI": f"s3://{bucket}/{r}" for r in ("data", "features", "artifacts")},
    }
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    with mlflow_at(tmp_path, postgres, f"s3://{bucket}/artifacts/mlflow", s3) as address:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
        feature_gen.main()
        train.main()
        evaluate.main()
        promote.main([])
        batch.main()
        assert 0 < ask_the_service(tmp_path) < 1
        version = MlflowClient(address).get_model_version_by_alias("tiny", "champion")
        assert version.source.startswith(f"s3://{bucket}/artifacts/mlflow/")
    with psycopg2.connect(postgres) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT alias, version FROM registered_model_aliases ORDER BY alias")
        assert cursor.fetchall() == [("challenger", 1), ("champion", 1)]
    found = store.list_objects_v2(Bucket=bucket, Prefix="artifacts/predictions/tiny/1/")["Contents"]
    [part] = [entry["Key"] for entry in found if entry["Key"].endswith(".parquet")]
    body = store.get_object(Bucket=bucket, Key=part)["Body"].read()
    assert pq.read_table(io.BytesIO(body)).num_rows == 1200
    assert not Path(".local/features").exists() or "tiny" not in os.listdir(".local/features")
