"""Requests that are wrong get a clear 4xx, at once, and never a 5xx."""

import json
import socket
import time
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

from apps.inference import connection
from tests.inference.conftest import ROW, Live, World, serve, settings_for

JSON = {"content-type": "application/json"}
GOOD = json.dumps(ROW)


def with_amount(text: str) -> str:
    return GOOD.replace('"amount": 40', f'"amount": {text}')


BODIES = {
    "empty": ("", 400, "not JSON"),
    "cut": (GOOD[:-5], 400, "line 1 column"),
    "not utf-8": (b'{"shop": "\xff"}', 400, "UTF-8: byte 10"),
    "utf-16": (GOOD.encode("utf-16"), 400, "UTF-8"),
    "nan": (with_amount("NaN"), 400, "NaN is not a JSON number"),
    "infinity": (with_amount("-Infinity"), 400, "not a JSON number"),
    "overflow": (with_amount("1e400"), 400, "too large"),
    "long number": (with_amount("1" * 5000), 400, "not JSON"),
    "deep list": ("[" * 50_000 + "]" * 50_000, 400, "nested too deeply"),
    "deep object": ('{"a":' * 20_000 + "1" + "}" * 20_000, 400, "nested too deeply"),
    "twins": ('{"shop": "a1", "shop": "b1"}', 400, "'shop' stands twice"),
    "surrogate": (GOOD.replace("a1", r"\ud800"), 400, "surrogate"),
    "no rows": ("[]", 422, "no rows"),
    "a number": ("7", 422, "one row as an object"),
    "null": ("null", 422, "one row as an object"),
    "rows of numbers": ("[1, 2]", 422, "row 0: a row is an object"),
    "unknown name": (GOOD.replace('"shop"', '"shpo"'), 422, "did you mean 'shop'"),
    "text for a number": (with_amount('"40"'), 422, "amount: Input should be a valid integer"),
    "true for a number": (with_amount("true"), 422, "valid integer"),
    "fraction": (with_amount("1.5"), 422, "valid integer"),
    "number past 64 bits": (with_amount(str(2**63)), 422, "less than or equal"),
    "sum past 64 bits": (with_amount(str(2**63 - 1)), 422, "these inputs give no features"),
    "number for text": (GOOD.replace('"a1"', "1"), 422, "valid string"),
    "list for text": (GOOD.replace('"a1"', "[]"), 422, "valid string"),
    "nul": (GOOD.replace("a1", r"\u0000"), 422, "U+0000"),
    "number for a moment": (GOOD.replace('"2024-03-20T11:00:00"', "17e8"), 422, "ISO 8601"),
    "no moment": (GOOD.replace("03-20", "02-31"), 422, "ordered"),
    "zone": (GOOD.replace("11:00:00", "11:00:00Z"), 422, "timezone"),
}


@pytest.mark.parametrize("name", BODIES)
def test_a_wrong_body_is_refused_in_words(service: Live, name: str) -> None:
    body, status, words = BODIES[name]
    began = time.perf_counter()
    answer = service.client.post("/predict", content=body, headers=JSON)
    assert time.perf_counter() - began < 1
    assert (answer.status_code, words in answer.json()["error"]) == (status, True), answer.text


def test_whole_numbers_may_be_written_as_floats(service: Live) -> None:
    answers = [
        service.client.post("/predict", content=with_amount(text), headers=JSON).json()
        for text in ("40", "40.0", "4e1")
    ]
    assert answers[0]["predictions"] == answers[1]["predictions"] == answers[2]["predictions"]


def test_another_content_type_is_refused(service: Live) -> None:
    for kind in ("text/plain", "application/x-www-form-urlencoded", ""):
        answer = service.client.post("/predict", content=GOOD, headers={"content-type": kind})
        assert answer.status_code == 415
        assert "application/json" in answer.json()["error"]


def test_too_many_rows_are_refused(service: Live) -> None:
    answer = service.client.post("/predict", json=[ROW] * 501)
    assert answer.status_code == 413
    assert "501 rows are too many; send at most 500" in answer.json()["error"]


def test_a_stated_length_over_the_limit_is_refused_before_the_body(service: Live) -> None:
    head = "POST /predict HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
    answer = raw(service, f"{head}content-length: 99999999999\r\n\r\n".encode())
    assert answer.startswith(b"HTTP/1.1 413")


def test_a_chunked_body_over_the_limit_is_refused_while_it_arrives(service: Live) -> None:
    sent = 0

    def endless() -> Iterator[bytes]:
        nonlocal sent
        for _ in range(5000):
            sent += 10_000
            yield b" " * 10_000

    try:
        answer = service.client.post("/predict", content=endless(), headers=JSON)
        assert answer.status_code == 413
        assert "longer than 200000 bytes" in answer.json()["error"]
    except OSError:
        pass  # the server hung up while we were still sending
    assert sent < 20_000_000
    assert service.metric("inference_requests_total") > 0


def test_a_flood_of_headers_is_refused(service: Live) -> None:
    flood = b"GET / HTTP/1.1\r\nhost: x\r\n" + b"a: " + b"b" * 70_000
    assert raw(service, flood).startswith(b"HTTP/1.1 431")


def test_slow_headers_and_bodies_are_ended(
    service: Live, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "SECONDS", 0.5)
    assert raw(service, b"POST /predict HTTP/1.1\r\nhos").startswith(b"HTTP/1.1 408")
    with serve(settings_for(world, "champion", read_seconds=0.5)) as live:
        live.ready()
        head = b"POST /predict HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
        answer = raw(live, head + b"content-length: 100\r\n\r\n{")
        assert answer.startswith(b"HTTP/1.1 408")
        assert live.client.post("/predict", json=ROW).status_code == 200


def test_http_that_is_none_is_refused(service: Live) -> None:
    assert raw(service, b"GARBAGE\r\n\r\n").startswith(b"HTTP/1.1 400")
    lying = b"POST /predict HTTP/1.1\r\nhost: x\r\ncontent-length: -5\r\n\r\n"
    assert raw(service, lying).startswith(b"HTTP/1.1 400")


def test_unknown_paths_and_methods_are_answered_in_words(service: Live) -> None:
    missing = service.client.get("/no/such/path")
    wrong = service.client.get("/predict")
    assert (missing.status_code, wrong.status_code) == (404, 405)
    assert missing.json()["error"] == "GET /no/such/path: Not Found"
    assert wrong.json()["error"] == "GET /predict: Method Not Allowed"
    assert service.client.get("/static/..%2fsettings.py").status_code == 404


def raw(service: Live, request: bytes) -> bytes:
    address = urlsplit(service.url)
    with socket.create_connection((address.hostname, address.port), 5) as connection:
        connection.sendall(request)
        return connection.recv(4096)
