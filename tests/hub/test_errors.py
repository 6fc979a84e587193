"""The drawing of the error tree is the tree."""

import re

import pytest

from hub import errors
from hub.errors import ConfigurationError, DeliveryError, HubError


def test_the_drawing_is_the_tree():
    drawn = set(re.findall(r"[├└]── (\w+)", errors.__doc__ or ""))
    real = {kind.__name__ for root in (HubError, DeliveryError) for kind in root.__subclasses__()}
    assert drawn == {name for name in real if hasattr(errors, name)}


def test_a_configuration_error_says_where_to_look():
    assert str(ConfigurationError("routes/x/route.yaml", "an `id`", 7)) == "routes/x/route.yaml:7: an `id`"


@pytest.mark.parametrize("kind", DeliveryError.__subclasses__())
def test_a_delivery_error_shows_its_code_and_nothing_else(kind):
    assert str(kind("http_500", stage="Erreur Logitud")) == "http_500"
