"""What Prometheus reads."""

from collections.abc import Iterator

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from apps.inference.model import Model

BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.015, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)


class Metrics:
    """The service's metrics, in a registry of their own."""

    def __init__(self) -> None:
        own = self._registry = CollectorRegistry()
        self.requests = Counter(
            "inference_requests", "Requests.", ["route", "method", "status"], registry=own
        )
        self.seconds = Histogram(
            "inference_request_seconds", "Time to answer.", ["route"], buckets=BUCKETS, registry=own
        )
        self.predictions = Counter(
            "inference_predictions", "Rows answered.", ["version"], registry=own
        )
        self.without_lookups = Counter(
            "inference_predictions_without_lookups",
            "Rows answered without the feature store's tables.",
            registry=own,
        )
        self.refused_requests = Counter(
            "inference_refused_requests", "Requests refused for their inputs.", registry=own
        )
        self.refused_models = Counter(
            "inference_refused_models", "Model versions that were not served.", registry=own
        )
        self.refresh_failures = Counter(
            "inference_refresh_failures", "Refreshes that failed.", ["source"], registry=own
        )
        self.refreshed = Gauge(
            "inference_last_refresh_timestamp_seconds",
            "When the registry last answered.",
            registry=own,
        )
        self.tables_checked = Gauge(
            "inference_last_lookup_refresh_timestamp_seconds",
            "When the lookups were last known to be the newest.",
            registry=own,
        )
        self.pending = Gauge(
            "inference_pending_predictions", "Predictions waiting or running.", registry=own
        )
        self._info = _ModelInfo()
        own.register(self._info)

    def show(self, model: Model) -> None:
        """Show which model answers from now on."""
        self._info.model = model

    def text(self) -> bytes:
        """Return all metrics in the text format."""
        return generate_latest(self._registry)


class _ModelInfo(Collector):
    """The model that answers, as labels: only one at a time."""

    def __init__(self) -> None:
        self.model: Model | None = None

    def collect(self) -> Iterator[Metric]:
        ready = GaugeMetricFamily("inference_ready", "1 while a model answers.")
        ready.add_metric([], float(self.model is not None))
        yield ready
        if self.model is None:
            return
        labels = ["name", "version", "alias", "run_id", "digest", "lookups"]
        info = GaugeMetricFamily("inference_model_info", "The model that answers.", labels=labels)
        version, view = self.model.version, self.model.tables.view
        values = [version.name, version.version, version.alias, version.run_id]
        fingerprint = view.fingerprint if view else ""
        info.add_metric([*values, self.model.bundle.digest, fingerprint], 1)
        yield info
