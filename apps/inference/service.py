"""What every route needs: the settings, the model of the moment, and the threads."""

import json
from collections.abc import Callable
from dataclasses import dataclass

from fastapi.responses import Response

from apps.inference.errors import RequestError
from apps.inference.metrics import Metrics
from apps.inference.model import Model
from apps.inference.refresh import Serving
from apps.inference.settings import Settings
from apps.inference.workers import Workers


@dataclass(frozen=True)
class Service:
    """The parts of one running service."""

    settings: Settings
    metrics: Metrics
    serving: Serving
    workers: Workers

    @property
    def model(self) -> Model:
        """The model of the moment: take it once a request, so that no answer mixes two."""
        model = self.serving.model
        if model is None:
            message = f"no model: {self.serving.reason}"
            raise RequestError(503, message, headers={"retry-after": "5"})
        return model

    async def predict(
        self, model: Model, work: Callable[[], tuple[int, dict[str, object]]]
    ) -> Response:
        """Run a prediction in a thread, count its rows, and return its document."""

        def run() -> tuple[int, bytes]:
            rows, document = work()
            return rows, json.dumps(document, ensure_ascii=False, allow_nan=False).encode()

        try:
            rows, content = await self.workers.run(run)
        except RequestError:
            self.metrics.refused_requests.inc()
            raise
        self.metrics.predictions.labels(model.version.version).inc(rows)
        if model.lacks_lookups:
            self.metrics.without_lookups.inc(rows)
        return Response(content, media_type="application/json")
