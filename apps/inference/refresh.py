"""Follow the alias and the feature view while requests are answered."""

import importlib
import logging
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol, cast

from apps.inference.cache import Cache
from apps.inference.metrics import Metrics
from apps.inference.model import Model, Version
from apps.inference.settings import Settings
from apps.inference.tables import NO_TABLES, Tables, current_uri, find_view, read_tables
from workloads.bundle import Bundle
from workloads.signature import BundleError

logger = logging.getLogger("inference")


class Registry(Protocol):
    """Where versions come from; `apps.inference.published` is the one of MLflow."""

    def find_version(self, settings: Settings) -> Version | None:
        """Return the version that the alias points to."""
        ...

    def fetch(self, settings: Settings, version: Version, folder: Path) -> Bundle:
        """Return the verified bundle of a version."""
        ...


class Serving:
    """The model that answers now: one reference, read once a request."""

    def __init__(self, settings: Settings, metrics: Metrics) -> None:
        self._settings = settings
        self._metrics = metrics
        self._cache = Cache(settings)
        self._refused: Version | None = None
        self._view_uri: str | None = None
        self._said: dict[str, str] = {}
        self._stop = threading.Event()
        self.model: Model | None = None
        self.reason = "the model is not loaded yet"
        self.draining = False

    def start(self) -> None:
        """Serve the cached model at once, and follow the registry from then on."""
        model = self._cache.load()
        if model:
            self._serve(model, "from the cache")
        threading.Thread(target=self._follow, name="refresh", daemon=True).start()

    def stop(self) -> None:
        """Stop following."""
        self._stop.set()

    def refresh(self, registry: Registry) -> None:
        """Look once at the alias."""
        version = registry.find_version(self._settings)
        if version is None:
            name = f"{self._settings.model_name}@{self._settings.model_alias}"
            self._tell("registry", f"{name}: the alias points to no version; run a promotion")
        elif self.model and version == self.model.version:
            self._refused = None
        elif version != self._refused:
            self._load(registry, version)
        self._metrics.refreshed.set_to_current_time()

    def refresh_tables(self) -> None:
        """Look once at the feature view; a new one serves under the same model."""
        model = self.model
        if model is None or not model.bundle.spec.features.lookups:
            return
        uri = current_uri(self._settings)
        if uri != self._view_uri or model.tables.view is None:
            spec = model.bundle.spec
            view = find_view(self._settings, spec.features, spec.data_fingerprint)
            known = model.tables.view
            if view and (known is None or known.uri != view.uri):
                memory = self._settings.memory_limit_mb
                renewed = Model(model.bundle, model.version, read_tables(view), memory)
                self._serve(renewed, "with new lookup tables")
                self._cache.keep(renewed, None)
        self._view_uri = uri
        self._metrics.tables_checked.set_to_current_time()

    def _follow(self) -> None:
        while not self._stop.is_set():
            began = time.monotonic()
            self._attempt("registry", lambda: self.refresh(_registry()))
            self._attempt("features", self.refresh_tables)
            self._stop.wait(max(0.0, self._settings.refresh_seconds - (time.monotonic() - began)))

    def _attempt(self, topic: str, action: Callable[[], None]) -> None:
        try:
            action()
        # The thread must outlive whatever the registry, the store or the network does.
        except Exception as error:
            self._metrics.refresh_failures.labels(topic).inc()
            self._tell(topic, f"{topic}: {error}")

    def _load(self, registry: Registry, version: Version) -> None:
        """Load a version beside the one that answers, and let it answer if it is sound."""
        with tempfile.TemporaryDirectory(prefix="model-") as scratch:
            folder = Path(scratch) / "bundle"
            try:
                bundle = registry.fetch(self._settings, version, folder)
                model = self._checked(bundle, version)
            except BundleError as error:
                self._refuse(version, str(error))
                return
            self._serve(model, "from the registry")
            self._cache.keep(model, folder)

    def _checked(self, bundle: Bundle, version: Version) -> Model:
        tables = self._tables_for(bundle)
        try:
            model = Model(bundle, version, tables, self._settings.memory_limit_mb)
            model.self_test()
        except BundleError:
            raise
        # A signed bundle of another release can fail in any way; none of them stops the service.
        except Exception as error:
            raise BundleError(f"fails its self-test: {type(error).__name__}: {error}") from error
        return model

    def _tables_for(self, bundle: Bundle) -> Tables:
        """Return the tables of the view that fits, or those at hand if the store fails."""
        spec = bundle.spec
        if not spec.features.lookups:
            return NO_TABLES
        try:
            view = find_view(self._settings, spec.features, spec.data_fingerprint)
            return read_tables(view) if view else NO_TABLES
        # Whatever the store's driver raises, a model without new lookups is better than none.
        except Exception as error:
            self._metrics.refresh_failures.labels("features").inc()
            self._tell("features", f"features: {error}")
        held = self.model.tables if self.model else NO_TABLES
        return held if held.view and held.view.spec == spec.features else NO_TABLES

    def _serve(self, model: Model, origin: str) -> None:
        self.model = model
        self._refused = None
        self._metrics.show(model)
        version = model.version
        logger.info("serving: %s version %s %s", version.name, version.version, origin)
        if model.lacks_lookups:
            logger.warning("serving: no feature view fits; features from lookups are missing")

    def _refuse(self, version: Version, words: str) -> None:
        """Remember a bad version, so that it is not fetched again and again."""
        self._refused = version
        self._metrics.refused_models.inc()
        held = self.model.version.version if self.model else None
        stays = f"version {held} keeps serving" if held else "nothing is served"
        self.reason = f"version {version.version} is refused: {words}"
        logger.error("refused: %s version %s: %s; %s", version.name, version.version, words, stays)

    def _tell(self, topic: str, words: str) -> None:
        """Log a condition when it begins or changes, not each time that it is met."""
        if self._said.get(topic) != words:
            self._said[topic] = words
            logger.warning("%s", words)
        if self.model is None:
            self.reason = words


def _registry() -> Registry:
    return cast("Registry", importlib.import_module("apps.inference.published"))
