"""Whatever is sent, the answer is never "something went wrong on our side"."""

import asyncio
import json
import re
from typing import Any
from uuid import uuid4

import pytest
from fastapi import FastAPI
from fastapi.routing import iter_route_contexts

from tests.api.conftest import Person
from tests.api.test_problems import job, picture

STRINGS: list[Any] = ["", "a\x00b", "\ud800", "x" * 5000, "'; DROP TABLE users; --"]
NUMBERS: list[Any] = [-1, 2**31, 2**70, 1e308, 0.1, True]
OTHERS: list[Any] = [None, [], {"a": {"b": None}}, ["\x00"], str(uuid4())]
TIMES: list[Any] = [
    "0001-01-01T00:00:00+23:59",
    "9999-12-31T23:59:59-23:59",
    "9999-12-31T23:59:59Z",
    "2100-01-01T00:00:00Z",
    253402300800,
    -(10**12),
]
ODD = [*STRINGS, *NUMBERS, *OTHERS]
JSON = {"Content-Type": "application/json"}
DEEP: dict[str, Any] = {}
for _ in range(200):
    DEEP = {"a": DEEP}
PRESET = {"name": "p", "provider_id": "local", "operation_type": "text_to_video", "params": {}}


def _bodies(app: FastAPI) -> list[tuple[str, str, dict[str, Any]]]:
    """Every route with a JSON body: its path and the properties of the body."""
    schema = app.openapi()
    schemas = schema["components"]["schemas"]
    found = []
    for path, methods in schema["paths"].items():
        for method, operation in methods.items():
            content = operation.get("requestBody", {}).get("content", {})
            described = content.get("application/json", {}).get("schema")
            if described is None:
                continue
            refs = re.findall(r"#/components/schemas/(\w+)", str(described))
            for ref in refs:
                found.append((method.upper(), path, schemas[ref].get("properties", {})))
    return found


@pytest.mark.timeout(120)
async def test_odd_values_in_bodies(app: FastAPI, ada: Person, admin: Person) -> None:
    ids = {
        "job_id": (await admin.client.post("/api/v1/jobs", json=job())).json()["id"],
        "asset_id": (
            await admin.client.post("/api/v1/assets", files={"file": ("a.png", picture())})
        ).json()["id"],
        "workspace_id": (await admin.client.post("/api/v1/workspaces", json={"name": "w"})).json()[
            "id"
        ],
        "account_id": (
            await admin.client.post(
                "/api/v1/accounts",
                json={"provider_id": "pixverse", "name": "n", "credentials": {"api_key": "k"}},
            )
        ).json()["id"],
        "webhook_id": (
            await admin.client.post("/api/v1/webhooks", json={"url": "https://example.com/"})
        ).json()["id"],
        "user_id": str(ada.user.id),
        "preset_id": (await admin.client.post("/api/v1/presets", json=PRESET)).json()["id"],
        "view_id": (
            await admin.client.post("/api/v1/views", json={"name": "v", "query": ""})
        ).json()["id"],
    }
    bodies = _bodies(app)
    assert len(bodies) > 20
    samples = {"/api/v1/jobs": job(), "/api/v1/jobs/estimate": job()}
    for method, path, properties in bodies:
        if path.endswith(("/login", "/password", "/refresh")) or path == "/api/v1/accounts":
            values = STRINGS[:4]  # each of these costs a hash or fills a table
        else:
            values = ODD
        url = path.format(**ids)
        for name in properties:
            times = TIMES if name.endswith("_at") else []
            sent = [{**samples.get(path, {}), name: value} for value in [*values, *times]]
            answers = await asyncio.gather(
                *(
                    admin.client.request(method, url, content=_json(body), headers=JSON)
                    for body in sent
                )
            )
            for body, answer in zip(sent, answers, strict=True):
                assert answer.status_code < 500, (method, path, body, answer.text)
        wholes: tuple[Any, ...] = (DEEP, [], 1, None)
        for whole in wholes:
            answer = await admin.client.request(method, url, content=_json(whole), headers=JSON)
            assert answer.status_code < 500, (method, path, whole)


async def test_odd_values_in_params(ada: Person) -> None:
    for name in ("prompt", "duration", "seed", "model", "image", "é", "\x00"):
        for value in [*ODD, float("nan"), float("inf"), DEEP]:
            body = job(params={name: value})
            answer = await ada.client.post("/api/v1/jobs", content=_json(body), headers=JSON)
            assert answer.status_code < 500, (name, value, answer.text)
    deep = b'{"params":' * 5000
    assert (await ada.client.post("/api/v1/jobs", content=deep, headers=JSON)).status_code < 500
    huge = b'{"priority": ' + b"9" * 5000 + b"}"
    assert (await ada.client.post("/api/v1/jobs", content=huge, headers=JSON)).status_code < 500


async def test_odd_values_in_queries(app: FastAPI, ada: Person) -> None:
    odd = ["", "%00", "%ff", "x" * 600, "9" * 30, "1e400", "%F0%9F%8E%AC"]
    odd += ["9999-12-31T23:59:59Z", "0001-01-01T00:00:00%2B23:59"]
    schema = app.openapi()
    for path, methods in schema["paths"].items():
        parameters = methods.get("get", {}).get("parameters", ())
        if path == "/api/v1/events":
            continue
        url = re.sub(r"{\w+}", str(uuid4()), path)
        for parameter in parameters:
            for value in odd:
                if parameter["in"] == "query":
                    answer = await ada.client.get(f"{url}?{parameter['name']}={value}")
                elif parameter["in"] == "path" and value:
                    target = path.replace("{" + parameter["name"] + "}", value)
                    answer = await ada.client.get(re.sub(r"{\w+}", str(uuid4()), target))
                else:
                    continue
                assert answer.status_code < 500, (path, parameter["name"], value, answer.text)


async def test_every_route_is_known_to_openapi_or_hidden_on_purpose(app: FastAPI) -> None:
    hidden = {
        context.path
        for context in iter_route_contexts(app.routes)
        if not context.include_in_schema and "HEAD" not in (context.methods or ())
    }
    assert hidden == {"/metrics", "/openapi.json", "/docs"}


def _json(value: Any) -> bytes:
    return json.dumps(value).encode("utf-8", "surrogatepass")
