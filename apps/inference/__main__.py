"""Serve a model: `python -m apps.inference`.

It answers at HOST:PORT from the version that MODEL_NAME@MODEL_ALIAS points to. SIGTERM ends it when
the requests under way are answered.
"""

import logging
import os
import signal
import socket

import torch
import uvicorn

from apps.inference.app import create_app
from apps.inference.connection import Connection
from apps.inference.settings import Settings
from workloads.errors import WorkloadError, command

logger = logging.getLogger("inference")


def main() -> None:
    """Serve until a signal."""
    settings = Settings.load()
    logger.setLevel(logging.INFO)
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    # Each prediction has a thread of its own; torch must not start more of them.
    torch.set_num_threads(1)
    listener = _listen(settings)
    config = uvicorn.Config(
        create_app(settings),
        loop="uvloop",
        http=Connection,
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=int(settings.read_seconds),
        timeout_graceful_shutdown=settings.drain_seconds,
        limit_concurrency=settings.max_connections,
    )
    # uvicorn raises the signal again when it has drained; by then it has done its work.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    logger.info("listening: http://%s:%s", settings.host, listener.getsockname()[1])
    server = uvicorn.Server(config)
    server.run(sockets=[listener])
    logging.shutdown()
    # The refresh thread may be deep in a library: it must not see the interpreter taken apart.
    os._exit(0 if server.started else 1)


def _listen(settings: Settings) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((settings.host, settings.port))
    except OSError as error:
        raise WorkloadError(
            f"HOST, PORT: cannot listen on {settings.host}:{settings.port}: {error.strerror}; "
            "end what listens there, or set PORT"
        ) from error
    listener.listen(2048)
    return listener


if __name__ == "__main__":
    command(main)
