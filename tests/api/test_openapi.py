"""The description that clients are generated from."""

from collections.abc import Iterator
from typing import Any

import pytest

from pixsim7_backend.main import PUBLIC, create_app
from pixsim7_backend.shared.config import load_settings


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    return create_app(settings=load_settings(env="test")).openapi()


def operations(schema: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in schema["paths"].items():
        for method, operation in methods.items():
            yield path, method, operation


def test_it_is_named_and_versioned(schema: dict[str, Any]) -> None:
    assert schema["openapi"].startswith("3.1")
    assert schema["info"]["title"] == "PixSim7"
    assert schema["servers"]


def test_operation_ids_are_unique_and_readable(schema: dict[str, Any]) -> None:
    ids = [operation["operationId"] for _, _, operation in operations(schema)]
    assert len(ids) == len(set(ids))
    assert {"jobs_create", "jobs_list", "assets_upload", "auth_login", "events_stream"} <= set(ids)
    assert all(name.replace("_", "").isalpha() for name in ids)


def test_every_error_is_a_problem(schema: dict[str, Any]) -> None:
    for path, method, operation in operations(schema):
        for status, answer in operation["responses"].items():
            if int(status) >= 400 and "content" in answer and not path.startswith("/health"):
                assert list(answer["content"]) == ["application/problem+json"], (path, method)
    assert "HTTPValidationError" not in str(schema)


def test_every_route_of_people_declares_its_credential(schema: dict[str, Any]) -> None:
    for path, method, operation in operations(schema):
        is_public = path in PUBLIC
        by_link = operation["tags"] == ["media"]
        assert bool(operation.get("security")) != is_public, (path, method)
        assert ({} in operation.get("security", [])) == by_link, (path, method)


def test_references_resolve(schema: dict[str, Any]) -> None:
    known = set(schema["components"]["schemas"])

    def references(value: Any) -> Iterator[str]:
        if isinstance(value, dict):
            if isinstance(value.get("$ref"), str):
                yield value["$ref"].rpartition("/")[2]
            for item in value.values():
                yield from references(item)
        elif isinstance(value, list):
            for item in value:
                yield from references(item)

    assert set(references(schema)) <= known


def test_bodies_refuse_what_they_do_not_know(schema: dict[str, Any]) -> None:
    for name in ("JobCreate", "AssetUpdate", "AccountCreate", "UserUpdate", "Login"):
        assert schema["components"]["schemas"][name]["additionalProperties"] is False


def test_credentials_only_go_in(schema: dict[str, Any]) -> None:
    text = str(schema["components"]["schemas"]["AccountRead"])
    assert "credentials_hint" in text
    assert "'credentials'" not in text
    assert "prefixItems" not in str(schema["components"])
