"""Forms know a part of JSON Schema; whatever a provider serves must stay within it."""

from collections.abc import Iterator
from typing import Any

import pytest

from pixsim7_backend.api.schemas.provider import params_schema
from pixsim7_backend.bootstrap.adapters import load_adapters
from pixsim7_backend.domain.provider import OperationSpec
from pixsim7_backend.services.provider.registry import media_slots
from pixsim7_backend.shared.config import load_settings

OBJECT = {"type", "title", "description", "properties", "required", "additionalProperties"}
PLAIN = {"type", "title", "description", "default", "enum", "const", "x-ui"}
OF_TYPE = {
    "string": {"minLength", "maxLength"},
    "integer": {"minimum", "maximum", "multipleOf"},
    "number": {"minimum", "maximum", "multipleOf"},
    "boolean": set(),
    "array": {"items", "minItems", "maxItems"},
}
HINTS = {"widget", "quick", "advanced", "unit", "order", "help", "kinds"}
WIDGETS = {
    "prompt": {"string"},
    "textarea": {"string", "array"},
    "aspect": {"string"},
    "segmented": {"string", "integer"},
    "select": {"string", "array"},
    "slider": {"integer", "number"},
    "seed": {"integer"},
    "media": {"string", "array"},
    "toggle": {"boolean"},
    "size": {"string"},
}


def specs() -> Iterator[Any]:
    for adapter in load_adapters(load_settings(env="test"), "schemas"):
        for operation, spec in adapter.manifest.operations.items():
            yield pytest.param(spec, id=f"{adapter.manifest.id}-{operation.value}")
        adapter.close()


@pytest.mark.parametrize("spec", list(specs()))
def test_a_form_can_be_made_of_it(spec: OperationSpec) -> None:
    schema = params_schema(spec.params_model)
    assert set(schema) <= OBJECT
    assert schema["type"] == "object"
    assert schema["additionalProperties"] is False
    orders = []
    for name, field in schema["properties"].items():
        kind = field["type"]
        assert set(field) <= PLAIN | OF_TYPE[kind], name
        assert field["title"], name
        hints = field["x-ui"]
        assert set(hints) <= HINTS, name
        assert kind in WIDGETS[hints["widget"]], name
        assert not (hints.get("quick") and hints.get("advanced")), name
        orders.append(hints["order"])
        if kind == "array":
            assert field["items"]["type"] == "string", name
            assert set(field["items"]) <= {"type", "enum", "minLength", "maxLength"}, name
        if hints["widget"] in ("select", "segmented", "aspect"):
            options = field.get("items", field)
            assert options.get("enum") or options.get("const"), name
        if hints["widget"] == "slider":
            assert {"minimum", "maximum"} <= set(field), name
    assert len(set(orders)) == len(orders), "two fields at one place"
    media = {name for name, field in schema["properties"].items() if "kinds" in field["x-ui"]}
    assert media == set(media_slots(spec.params_model))
