"""The last verified model on this machine's disk, with its lookups: for a start without the others.

A bundle and a view each lie in a folder of their own that never changes; `current.json` names both
and is replaced at once.
"""

import logging
import shutil
import uuid
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from apps.inference.model import Model, Version
from apps.inference.settings import Settings
from apps.inference.tables import NO_TABLES, Tables, copy_view, read_copy
from workloads import store
from workloads.bundle import read_bundle
from workloads.signature import BundleError

logger = logging.getLogger("inference")


class _Pointer(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    version: Version
    bundle: str
    """Folder of the bundle."""
    view: str = ""
    """Folder of the view; empty if none fits the model."""
    view_digest: str = ""
    view_uri: str = ""
    """Where the view was copied from."""


class Cache:
    """The folder of one model and alias. A disk that fails costs the cache, never an answer."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._folder = settings.cache.absolute()
        self._kept: _Pointer | None = None

    def load(self) -> Model | None:
        """Return the cached model after verifying it again; None if there is none to trust."""
        file = self._folder / "current.json"
        if not file.exists():
            return None
        try:
            pointer = _Pointer.model_validate_json(file.read_bytes())
            model = self._load(pointer)
            model.self_test()
        # Whatever a damaged or altered cache raises, the registry has the model as well.
        except Exception as error:
            logger.error("cache: %s is not used: %s", self._folder, error)
            return None
        self._kept = pointer
        return model

    def keep(self, model: Model, bundle: Path | None) -> None:
        """Keep a model, whose bundle lies in a folder or is kept already, for the next start."""
        try:
            kept = self._copy(model, bundle)
            if kept:
                pointer = f"file://{self._folder}/current.json"
                store.write(pointer, kept.model_dump_json().encode())
                self._kept = kept
                self._sweep(kept)
        # The feature store, from which the view is copied, may fail in ways of its own.
        except Exception as error:
            version = model.version.version
            logger.error("cache: version %s is not kept for the next start: %s", version, error)

    def _load(self, pointer: _Pointer) -> Model:
        folder = self._folder / pointer.bundle
        bundle = read_bundle(folder, self._settings.model_public_key)
        version, settings = pointer.version, self._settings
        found = (bundle.spec.name, bundle.spec.run_id, version.name, version.alias)
        if found != (version.name, version.run_id, settings.model_name, settings.model_alias):
            raise BundleError(f"{folder}: is not {settings.model_name}@{settings.model_alias}")
        return Model(bundle, version, self._tables(pointer), settings.memory_limit_mb)

    def _tables(self, pointer: _Pointer) -> Tables:
        if not pointer.view:
            return NO_TABLES
        try:
            return read_copy(self._folder / pointer.view, pointer.view_digest)
        # A model without lookups answers worse, but it answers; the feature store is asked next.
        except Exception as error:
            logger.error("cache: the lookup tables are not used: %s", error)
            return NO_TABLES

    def _copy(self, model: Model, bundle: Path | None) -> _Pointer | None:
        """Copy what is not kept yet."""
        kept = self._kept
        if bundle:
            name = f"bundle-{uuid.uuid4().hex}"
            shutil.copytree(bundle, self._folder / name)
            kept = _Pointer(version=model.version, bundle=name)
        if not kept:
            return None
        view = model.tables.view
        if view is None:
            return kept.model_copy(update={"view": "", "view_digest": "", "view_uri": ""})
        if self._kept and self._kept.view_uri == view.uri and self._kept.view:
            same = {"view", "view_digest", "view_uri"}
            return kept.model_copy(update=self._kept.model_dump(include=same))
        name = f"view-{uuid.uuid4().hex}"
        digest = copy_view(view, self._folder / name)
        update = {"view": name, "view_digest": digest, "view_uri": view.uri}
        return kept.model_copy(update=update)

    def _sweep(self, kept: _Pointer) -> None:
        """Remove the folders that the pointer no longer names."""
        for folder in self._folder.glob("*-*"):
            if folder.name not in (kept.bundle, kept.view):
                shutil.rmtree(folder, ignore_errors=True)
