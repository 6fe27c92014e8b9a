"""What the model registry says, over its REST interface: importing MLflow takes seconds."""

import base64
import http.client
import json
from typing import cast
from urllib.parse import urlencode

from local.errors import LocalError
from local.project import Project
from local.redaction import redact
from local.web import Reply, call


def alias_version(project: Project, tracking_uri: str, name: str, alias: str) -> str | None:
    """Return the version that an alias points to, or nothing if there is none."""
    query = urlencode({"name": name, "alias": alias})
    url = f"{tracking_uri.rstrip('/')}/api/2.0/mlflow/registered-models/alias?{query}"
    reply = call(url, headers=_authorization(project), limit=30)
    if _says_missing(reply):
        return None
    if reply.status != http.client.OK:
        text = redact(reply.body.decode(errors="replace"))[:300]
        raise LocalError(
            f"{redact(tracking_uri)}: the registry answers {reply.status} to a question about "
            f"{name}@{alias}: {text}. Look at the tracking server's log."
        )
    return _version(reply.document())


def _says_missing(reply: Reply) -> bool:
    """Tell a model or an alias that is not there from a registry that does not work."""
    if reply.status == http.client.NOT_FOUND:
        return b"RESOURCE_DOES_NOT_EXIST" in reply.body
    # MLflow calls a missing alias of a known model an invalid parameter.
    return reply.status == http.client.BAD_REQUEST and b"not found" in reply.body


def _version(document: object) -> str | None:
    """Return the version in the registry's answer."""
    try:
        found = cast("dict[str, dict[str, str]]", document)["model_version"]["version"]
    except (KeyError, TypeError) as error:
        text = json.dumps(document)[:300]
        raise LocalError(f"the registry's answer has no version: {text}") from error
    return str(found)


def _authorization(project: Project) -> dict[str, str]:
    """Return the header for the credentials that MLflow's own clients would use."""
    if token := project.setting("MLFLOW_TRACKING_TOKEN"):
        return {"Authorization": f"Bearer {token}"}
    user = project.setting("MLFLOW_TRACKING_USERNAME")
    if not user:
        return {}
    pair = f"{user}:{project.setting('MLFLOW_TRACKING_PASSWORD')}".encode()
    return {"Authorization": f"Basic {base64.b64encode(pair).decode()}"}
