"""The published JSON Schemas are those of the present models, and say how studies are written."""

import json

import pytest
from support.schemas import FOLDER, MODELS, schema_text

AGAIN = "run `python -m support.schemas` in tests/"


@pytest.mark.parametrize("name", MODELS)
def test_a_schema_is_that_of_its_model(name):
    published = FOLDER / f"{name}.schema.json"
    assert published.read_text(encoding="utf-8") == schema_text(name), AGAIN


def test_nothing_else_is_published():
    names = {path.name for path in FOLDER.iterdir()}
    assert names == {f"{name}.schema.json" for name in MODELS}, AGAIN


def test_short_forms_of_a_study_are_allowed():
    """A protocol by its name alone, and a reward that is "supernet"."""
    keys = json.loads(schema_text("study"))["$defs"]["DataPart"]["properties"]
    assert {"type": "string"} in keys["train"]["anyOf"]
    assert {"const": "supernet", "type": "string"} in keys["reward"]["anyOf"]


def test_floats_that_json_lacks_are_texts():
    schema = json.loads(schema_text("record"))
    warmup = schema["$defs"]["SearchCost"]["properties"]["warmup"]
    assert {"enum": ["Infinity", "-Infinity", "NaN"]} in warmup["anyOf"]
