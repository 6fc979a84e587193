"""A target's block lists every setting of its connector, and what must be said is said."""

import pytest
import yaml
from pydantic import ValidationError

from hub.packages import find_packages
from hub.scaffold.target import meanings, settings_of, target_block
from hub.settings import HOME, TargetSettings

PACKAGES = find_packages(HOME)


@pytest.mark.parametrize("name", PACKAGES)
def test_the_block_has_every_setting_and_lacks_none_that_is_required(name):
    model, block = settings_of(PACKAGES[name]), target_block("cible", PACKAGES[name])
    said = TargetSettings.model_validate(yaml.safe_load(block)["targets"]["cible"] | {"policy": {}})
    assert said.connector == name
    for setting in model.model_fields:
        assert f"      {setting}: " in block or f"      # {setting}: " in block
    with pytest.raises(ValidationError) as refused:
        model.model_validate({**(said.settings or {}), "surprise": True})
    types = {error["type"] for error in refused.value.errors(include_input=False, include_context=False)}
    assert "missing" not in types
    assert [
        error["loc"] for error in refused.value.errors(include_context=False) if error["type"] == "extra_forbidden"
    ] in (
        [("surprise",)],
        [],
    )


def test_a_setting_goes_with_its_type_and_what_its_docstring_says_of_it():
    block = target_block("bureau", PACKAGES["rest"])
    assert "      url: https://cible.ville.example/  # required: URL\n" in block
    assert "# unavailable: []  # list of number; statuses which this target sends before it processes anything" in block


def test_docstrings_are_read_wherever_settings_come_from():
    assert meanings(settings_of(PACKAGES["logitud"])).keys() >= {"allow", "unavailable"}
