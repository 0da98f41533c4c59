"""Writes the JSON Schemas of studies and records that the documentation publishes.

python -m support.schemas
"""

from __future__ import annotations

import json
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue

from archselect.benchmarks.plan.study import Study
from archselect.benchmarks.store.records import (
    Failure,
    Landscape,
    Population,
    QueryBaseline,
    Record,
    Scored,
    Scoring,
    StudyInfo,
    Trained,
    TrueFront,
)
from support import ROOT

FOLDER = ROOT / "docs" / "extra" / "schemas"
MODELS: dict[str, type[BaseModel]] = {
    "study": Study,
    "study-info": StudyInfo,
    "record": Record,
    "failure": Failure,
    "trained": Trained,
    "landscape": Landscape,
    "query-baseline": QueryBaseline,
    "true-front": TrueFront,
    "scoring": Scoring,
    "scored": Scored,
    "population": Population,
}
"""What the published files describe, by the name of the file."""
NOT_FINITE = ["Infinity", "-Infinity", "NaN"]
"""How records write floats that JSON lacks."""


class _Generator(GenerateJsonSchema):
    """Describes floats as records write them."""

    def float_schema(self, schema: Any) -> JsonSchemaValue:
        """Return the schema of a float, which may be a text if it is not finite."""
        number = super().float_schema(schema)
        if schema.get("allow_inf_nan") is False or {"ge", "gt", "le", "lt"} & set(
            schema
        ):
            return number
        return {"anyOf": [number, {"enum": NOT_FINITE}]}


def schema_text(name: str) -> str:
    """Return the file of a name."""
    schema = MODELS[name].model_json_schema(schema_generator=_Generator)
    whole = {"$schema": _Generator.schema_dialect, **_without_texts(schema)}
    return json.dumps(whole, indent=1, ensure_ascii=False) + "\n"


def _without_texts(schema: Any) -> Any:
    """Return a schema without docstrings, so that a change of wording changes none.

    A key that is called "description" has a schema, and stays.
    """
    if isinstance(schema, list):
        return [_without_texts(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        key: _without_texts(value)
        for key, value in schema.items()
        if key != "description" or not isinstance(value, str)
    }


if __name__ == "__main__":
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name in MODELS:
        (FOLDER / f"{name}.schema.json").write_text(schema_text(name), encoding="utf-8")
