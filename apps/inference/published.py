"""Model versions as MLflow publishes them.

Importing this module imports mlflow, which takes seconds: only the refresh thread does so.
"""

from pathlib import Path

from apps.inference.model import Version
from apps.inference.settings import Settings
from workloads import registry
from workloads.bundle import Bundle, read_bundle


def find_version(settings: Settings) -> Version | None:
    """Return the version that the alias points to, if it points to one."""
    client = registry.connect(settings)
    found = registry.version_at(client, settings.model_name, settings.model_alias)
    if found is None:
        return None
    return Version(
        name=settings.model_name,
        version=str(found.version),
        alias=settings.model_alias,
        run_id=found.run_id or "",
    )


def fetch(settings: Settings, version: Version, folder: Path) -> Bundle:
    """Fetch a version's bundle into a folder, verify that it is its own, and load it."""
    client = registry.connect(settings)
    entry = client.get_model_version(version.name, version.version)
    registry.fetch_files(client, entry, settings, folder)
    return read_bundle(folder, settings.model_public_key)
