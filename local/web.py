"""HTTP as far as the runner needs it: small requests to addresses that should answer soon."""

import base64
import http.client
import json
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from local.errors import LocalError
from local.redaction import redact


@dataclass(frozen=True)
class Reply:
    """Status and body of an answer."""

    status: int
    body: bytes

    def document(self) -> object:
        """Return the JSON document in the body."""
        return json.loads(self.body)


class UnreachableError(LocalError):
    """Nobody answers at an address."""


def call(
    url: str, *, data: object = None, headers: Mapping[str, str] | None = None, limit: float = 5
) -> Reply:
    """Send a GET, or a POST if there is data, and return the answer."""
    parts = urlsplit(url)
    secure = parts.scheme == "https"
    kind = http.client.HTTPSConnection if secure else http.client.HTTPConnection
    connection = kind(parts.hostname or "", parts.port, timeout=limit)
    sent = {"Accept": "application/json", **_credentials(parts.username, parts.password)}
    body = None if data is None else json.dumps(data).encode()
    target = parts._replace(scheme="", netloc="").geturl() or "/"
    if body is not None:
        sent["Content-Type"] = "application/json"
    try:
        method = "GET" if body is None else "POST"
        connection.request(method, target, body, {**sent, **(headers or {})})
        answer = connection.getresponse()
        return Reply(answer.status, answer.read())
    except (OSError, http.client.HTTPException) as error:
        reason = str(error) or type(error).__name__
        raise UnreachableError(f"{redact(url)} does not answer: {reason}") from error
    finally:
        connection.close()


def answers(url: str, limit: float = 2) -> bool:
    """Tell whether an address answers with success."""
    try:
        return call(url, limit=limit).status == http.client.OK
    except UnreachableError:
        return False


def _credentials(user: str | None, password: str | None) -> dict[str, str]:
    """Return the header for a user and password that are part of an address."""
    if not user:
        return {}
    pair = f"{unquote(user)}:{unquote(password or '')}".encode()
    return {"Authorization": f"Basic {base64.b64encode(pair).decode()}"}
