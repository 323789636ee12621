"""Requests drawn from /openapi.json, and from anything: each answer is as /openapi.json says."""

import json

import pytest
from fastapi.testclient import TestClient
from hypothesis import given, settings
from hypothesis import strategies as st
from services import FakeModel

from tinybert.deploy import serve
from tinybert.deploy.service import limits

POSTS = ("/predict", "/compare")
TYPES = {
    "object": dict, "array": list, "string": str, "number": (int, float), "integer": int,
    "boolean": bool, "null": type(None),
}  # fmt: skip


def valid(value, schema: dict, api: dict) -> bool:
    """JSON Schema, as far as FastAPI uses it for the responses of the service."""
    if "$ref" in schema:
        return valid(value, api["components"]["schemas"][schema["$ref"].rpartition("/")[2]], api)
    if "anyOf" in schema:
        return any(valid(value, option, api) for option in schema["anyOf"])
    unknown = set(schema) - {
        "type", "properties", "required", "items", "additionalProperties", "title", "description",
    }  # fmt: skip
    assert not unknown, f"`valid` does not know {unknown}"
    if not schema.get("type"):
        return True
    if not isinstance(value, TYPES[schema["type"]]):
        return False
    if isinstance(value, list):
        return all(valid(item, schema.get("items", {}), api) for item in value)
    if isinstance(value, dict):
        more, properties = schema.get("additionalProperties"), schema.get("properties", {})
        more = more if isinstance(more, dict) else {}
        return set(schema.get("required", ())) <= set(value) and all(
            valid(item, properties.get(key, more), api) for key, item in value.items()
        )
    return True


def check(response, api: dict) -> None:
    operation = api["paths"][response.request.url.path][response.request.method.lower()]
    described = operation["responses"][str(response.status_code)]["content"]
    media_type = response.headers["content-type"].partition(";")[0]
    if media_type == "application/json":
        assert valid(response.json(), described[media_type]["schema"], api), response.text
    else:
        assert media_type in described


class Pairs(FakeModel):
    pair = True


@pytest.fixture(scope="module", params=[FakeModel, Pairs])
def client(request):
    with TestClient(serve.create(request.param(), request.param())) as client:
        yield client


@pytest.fixture(scope="module")
def api(client) -> dict:
    return client.get("/openapi.json").json()


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)
TEXT = st.text(st.characters(), min_size=1, max_size=30) | st.just("x" * 20_001)
TEXTS = st.lists(TEXT | st.tuples(TEXT, TEXT), max_size=5)
BODIES = (
    st.binary()
    | (VALUES | st.fixed_dictionaries({"texts": VALUES | TEXTS}, optional={"more": VALUES})).map(
        lambda value: json.dumps(value).encode()  # NaN and halves of surrogate pairs, too
    )
    | st.sampled_from(
        [b"[" * 100_000, b"x" * (limits.MAX_BYTES + 1), b'{"texts": [1e999]}', b"\xef\xbb\xbf{}"]
    )
)
CONTENT_TYPES = st.sampled_from(
    [
        "application/json",
        "text/plain",
        "multipart/form-data",
        "application/json; charset=x",
        "",
        "/",
    ]
)


@settings(max_examples=150)
@given(st.sampled_from(POSTS), BODIES, CONTENT_TYPES)
def test_any_body_gets_an_answer_that_the_api_describes(client, api, path, body, content_type):
    response = client.post(path, content=body, headers={"Content-Type": content_type})
    assert response.status_code in (200, 400, 413, 422)
    check(response, api)


@settings(max_examples=50)
@given(st.sampled_from(POSTS), st.data())
def test_what_the_api_allows_gets_predictions(client, api, path, data):
    schema = api["paths"][path]["post"]["requestBody"]["content"]["application/json"]["schema"]
    known = api["components"]["schemas"][schema["$ref"].rpartition("/")[2]]["properties"]
    texts, confidence = known["texts"], known.get("min_confidence")
    text = st.text(st.characters(exclude_categories=["Cs", "Z", "Cc"]), min_size=1)
    pair = client.get("/health").json()["pair"]
    items = st.tuples(text, text) if pair else text
    some = st.lists(items, min_size=texts["minItems"], max_size=texts["maxItems"])
    body = {"texts": data.draw(some)}
    if confidence:
        number = st.floats(confidence["minimum"], confidence["maximum"])
        body["min_confidence"] = data.draw(number)
    response = client.post(path, json=body)
    assert response.status_code == 200
    check(response, api)


def test_every_get_is_as_the_api_describes_it(client, api):
    for path, operations in api["paths"].items():
        if "get" in operations:
            check(client.get(path), api)


def test_a_get_with_too_large_a_body_is_refused_as_the_api_describes_it(client, api):
    for path in api["paths"]:
        if path not in POSTS:
            response = client.request("GET", path, content=b"x" * (limits.MAX_BYTES + 1))
            assert response.status_code == 413
            check(response, api)


def test_the_errors_that_need_a_flood_are_described(api):
    for operations in api["paths"].values():
        for operation in operations.values():
            assert {"200", "400", "413", "429", "500", "503"} <= set(operation["responses"])


@settings(max_examples=50)
@given(st.text(st.characters(codec="ascii", exclude_categories=["Cc"])), st.sampled_from(
    ["GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "TRACE"]
))  # fmt: skip
def test_any_path_and_method_is_answered(client, path, method):
    assert client.request(method, "http://test/" + path).status_code < 500
