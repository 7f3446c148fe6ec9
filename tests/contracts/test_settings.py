"""Every setting that a user can see has a description: `restor list` and `--help` show them."""

from __future__ import annotations

from typing import get_args

import pytest
from pydantic import BaseModel

from restor.cli.checkpoint_verbs import OPTIONS, SECTIONS
from restor.corruption.corruptors.base import CORRUPTORS
from restor.datasets.base import DATASETS
from restor.domains.base import DOMAINS
from restor.evaluation.judges.base import JUDGES
from restor.experiment import ExperimentConfig
from restor.overrides import described, fields
from restor.runner.checkpoints.make import CorruptConfig, RecoverConfig, UnlearnConfig
from restor.runner.compare import ComparisonConfig
from restor.runner.export import ExportConfig
from restor.unlearning.algorithms.base import ALGORITHMS
from restor.unlearning.wrappers.base import WRAPPERS

CHECKPOINTS = (CorruptConfig, UnlearnConfig, RecoverConfig)
CATALOGUES = (ALGORITHMS, WRAPPERS, DOMAINS, DATASETS, CORRUPTORS, JUDGES)


def sections(kind):
    """The configurations within a type."""
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        yield kind
    for inner in get_args(kind):
        yield from sections(inner)


def shown():
    """All configurations that a user can set, and those within them."""
    left = [ExperimentConfig, *CHECKPOINTS, ComparisonConfig, ExportConfig]
    left += [catalogue.config_type(name) for catalogue in CATALOGUES for name in catalogue.names()]
    found = {}
    while left:
        config = left.pop()
        if config not in found:
            found[config] = None
            left += [inner for field in config.model_fields.values() for inner in sections(field.annotation)]
    return sorted(found, key=lambda config: (config.__module__, config.__name__))


@pytest.mark.parametrize("config", shown(), ids=lambda config: config.__name__)
def test_every_field_has_a_description(config):
    declared = described(config)
    assert list(declared) == list(config.model_fields)
    assert [name for name, own in declared.items() if not own.doc] == []


def test_a_description_is_inherited_and_missed_where_there_is_none():
    class Base(BaseModel):
        told: int = 1
        """What it is."""
        untold: int = 2

    class Own(Base):
        told: int = 3

    assert {name: own.doc for name, own in described(Own).items()} == {"told": "What it is.", "untold": ""}


@pytest.mark.parametrize("config", CHECKPOINTS, ids=lambda config: config.stage)
def test_the_settings_of_a_verb_are_its_fields_without_its_options(config):
    """Else a misspelt option would be taken for a setting, or a setting for a misspelt option."""
    settings = {field.path.partition(".")[0] for field in fields(config, {})} - set(OPTIONS)
    assert settings <= set(SECTIONS)
    every = {name for other in CHECKPOINTS for name in other.model_fields}
    assert set(SECTIONS) <= every
