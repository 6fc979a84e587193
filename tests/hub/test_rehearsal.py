"""A rehearsal finds what a route would stumble on, and only that."""

import pytest

from hub.errors import MappingError
from hub.rehearsal import rehearse
from hub.routing import Route, RouteFile

STEPS = {
    "a list after a delivery": [
        {"deliver": "cible", "using": "m"},
        {"deliver": "cible", "id": "encore", "using": "m", "for_each": "$number(data.x)"},
    ],
    "a list after a decision": [
        {"await": "decision", "id": "avis", "stage": "s"},
        {"deliver": "cible", "using": "m", "for_each": "$number(data.x)"},
    ],
    "a list in a refusal": [
        {
            "await": "decision",
            "id": "avis",
            "stage": "s",
            "on_refusal": [{"notify": "cible", "id": "refus", "using": "m", "for_each": "$number(data.x)"}],
        },
    ],
    "a condition": [{"branch": "$number(data.x) > 1", "then": [{"deliver": "cible", "using": "m"}]}],
    "a list in the branch taken": [
        {
            "branch": "data.x = 'un'",
            "then": [{"deliver": "cible", "using": "m", "for_each": "$number(data.x)"}],
        }
    ],
}


def route(steps):
    return Route(RouteFile.model_validate({"route": "essai", "title": "t", "owner": "o", "steps": steps}))


@pytest.mark.parametrize("steps", STEPS.values(), ids=STEPS)
def test_an_expression_that_would_fail_is_found(steps):
    with pytest.raises(MappingError):
        rehearse(route(steps), {"data": {"x": "un"}})
    rehearse(route(steps), {"data": {"x": "2"}})


def test_what_the_request_will_not_meet_does_not_count():
    never = {"branch": "data.x = 'autre'", "then": [{"deliver": "cible", "using": "m", "for_each": "$number(data.x)"}]}
    rehearse(route([never]), {"data": {"x": "un"}})
