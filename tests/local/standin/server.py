"""A tracking server or an inference service that only answers what `make up` asks."""

import json
import os
import subprocess
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

tracking = "--port" in sys.argv
if tracking and "--serve" not in sys.argv:
    # Like the real one, a parent that only waits for the process which serves.
    Path("mlflow.args").write_text("\n".join(sys.argv))
    if os.environ.get("BREAK") == "mlflow":
        sys.exit("no such table: runs")
    if (database := os.environ["MLFLOW_BACKEND_STORE_URI"]).startswith("sqlite:///"):
        Path(database.removeprefix("sqlite:///")).touch()
    sys.exit(subprocess.call([sys.executable, *sys.argv, "--serve"]))
port = int(sys.argv[sys.argv.index("--port") + 1] if tracking else os.environ["PORT"])
alias = Path("alias.txt")
first = alias.read_text() if alias.exists() else ""
MISSING = {"error_code": "RESOURCE_DOES_NOT_EXIST"}


class Handler(BaseHTTPRequestHandler):
    """Answers with fixed documents, and with the version that the alias points to."""

    def do_GET(self) -> None:
        """Answer health checks, the registry's question, and a request for examples."""
        if self.path.startswith("/api/2.0/mlflow/registered-models/alias?"):
            if alias.exists():
                self._send(200, {"model_version": {"version": alias.read_text()}})
            else:
                self._send(404, MISSING)
        elif self.path == "/examples":
            self._send(200, [{"origin": "JFK", "hour": 17}])
        else:
            self._send(200, {})

    def do_POST(self) -> None:
        """Answer with a prediction."""
        row = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        reasons = [{"feature": name, "value": row[name], "effect": 0.25} for name in row]
        version = first if os.environ.get("STUBBORN") else alias.read_text()
        model = {"name": os.environ["MODEL_NAME"], "version": version}
        self._send(200, {"model": model, "predictions": [{"probability": 0.5, "reasons": reasons}]})

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""

    def _send(self, status: int, document: object) -> None:
        body = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


ThreadingHTTPServer(("127.0.0.1", port), Handler).serve_forever()
