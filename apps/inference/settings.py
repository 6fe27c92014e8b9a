"""What the service reads from its environment."""

import os
from pathlib import Path
from urllib.parse import quote

from pydantic import Field, PositiveFloat, PositiveInt

from workloads.environment import Environment


class Settings(Environment):
    """The environment contract and the service's own variables."""

    host: str = "127.0.0.1"
    """Address to listen on."""
    port: int = Field(default=8080, ge=0, le=65535)
    """Port to listen on; 0 takes a free one."""
    cache_dir: Path = Path(".local/cache/inference")
    """Where the last verified model and its lookup tables are kept."""
    refresh_seconds: PositiveFloat = 5
    """How often the alias and the feature view are looked at."""
    max_body_bytes: PositiveInt = 1 << 20
    """Longest request body."""
    max_rows: PositiveInt = 10_000
    """Most rows in one request."""
    explain_rows: int = Field(default=100, ge=0)
    """A request of at most so many rows gets reasons."""
    max_pending: PositiveInt = 128
    """Predictions that may wait or run; more are answered with 503."""
    max_connections: PositiveInt = 1024
    """Open connections; more are answered with 503."""
    read_seconds: PositiveFloat = 10
    """How long a client may take to send a request."""
    drain_seconds: PositiveInt = 20
    """How long requests under way may go on after SIGTERM."""
    threads: PositiveInt = len(os.sched_getaffinity(0))
    """Predictions that run at a time, one core each."""

    @property
    def cache(self) -> Path:
        """Where the model of this name and alias is cached."""
        return self.cache_dir / quote(self.model_name, safe="") / quote(self.model_alias, safe="")
