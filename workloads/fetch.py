"""Bundles of registered model versions, verified before they are read.

Apart from `bundle`, so that a service that starts from its disk need not import MLflow first.
"""

from pathlib import Path

from mlflow.entities.model_registry import ModelVersion
from mlflow.tracking import MlflowClient

from workloads.bundle import Bundle, read_bundle
from workloads.environment import Environment
from workloads.registry import fetch_files


def fetch_bundle(
    client: MlflowClient, version: ModelVersion, environment: Environment, folder: Path
) -> Bundle:
    """Fetch a version's bundle into a folder, verify and load it."""
    fetch_files(client, version, environment, folder)
    return read_bundle(folder, environment.model_public_key)
