"""docs/results-format.md names what the code stores."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from restor.results import FACT_COLUMNS, METRICS, Arm, Value

TEXT = (Path(__file__).parents[2] / "docs" / "results-format.md").read_text(encoding="utf-8")


def names_after(marker):
    table = TEXT.split(f"<!-- {marker}:")[1].split("\n\n")[0]
    return re.findall(r"^\| `([^`]+)`", table, re.MULTILINE)


@pytest.mark.parametrize(("marker", "names"), [("metrics", METRICS), ("columns", FACT_COLUMNS)])
def test_documented_names_are_the_stored_ones(marker, names):
    assert names_after(marker) == list(names)


def test_the_example_is_an_arm():
    example = re.search(r"```json\n(.*?)```", TEXT, re.DOTALL)[1]
    assert Arm.model_validate(json.loads(example)).metrics["test.original"].n == 192


@pytest.mark.parametrize("model", [Arm, Value])
def test_every_field_is_documented(model):
    assert [name for name in model.model_fields if f"`{name}`" not in TEXT] == []
