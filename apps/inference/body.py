"""Request bodies of bounded size and time."""

import asyncio

from starlette.requests import ClientDisconnect, Request

from apps.inference.errors import RequestError


async def read_body(request: Request, most: int, seconds: float) -> bytes:
    """Return the body, counted as it arrives: a length that the client states may be a lie."""
    stated = request.headers.get("content-length", "0")
    if stated.isdecimal() and int(stated[:20]) > most:
        raise _too_long(most)
    chunks: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(seconds):
            async for chunk in request.stream():
                size += len(chunk)
                if size > most:
                    raise _too_long(most)
                chunks.append(chunk)
    except TimeoutError as error:
        message = f"the body did not arrive within {seconds:g} seconds"
        raise RequestError(408, message, headers={"connection": "close"}) from error
    except ClientDisconnect as error:
        raise RequestError(400, "the client went away") from error
    return b"".join(chunks)


def require_json(request: Request) -> None:
    """Refuse a content type other than JSON: a browser's form can then not ask across sites."""
    kind = request.headers.get("content-type", "")
    if kind.split(";")[0].strip().lower() != "application/json":
        raise RequestError(415, f"content-type is {kind[:100]!r}; send application/json")


def _too_long(most: int) -> RequestError:
    message = f"the body is longer than {most} bytes; send fewer rows at a time"
    return RequestError(413, message, headers={"connection": "close"})
