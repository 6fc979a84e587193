"""The bill of materials holds what is installed, and is one."""

import pytest

from tests.supply.locked import RUNNING, read
from tests.supply.sbom import bill, faults


@pytest.fixture(scope="module")
def written():
    return bill()


def test_it_obeys_the_schema_of_cyclonedx_and_another_would_not(written):
    assert faults(written) == ""
    assert "licences" in faults({**written, "components": [], "dependencies": [], "licences": []})


def test_it_holds_every_package_with_its_version_its_hashes_and_its_licence(written):
    held = {
        one["name"]: (one["version"], sorted(piece["content"] for piece in one["externalReferences"][0]["hashes"]))
        for one in written["components"]
    }
    assert held == {one.name: (one.version, sorted(one.hashes)) for one in read(RUNNING)}
    assert all(one["licenses"][0]["expression"] for one in written["components"])


def test_everything_in_it_is_there_for_the_hub(written):
    needed = {said["ref"]: said["dependsOn"] for said in written["dependencies"]}
    reached, left = set(), {written["metadata"]["component"]["bom-ref"]}
    while left:
        reached |= left
        left = {found for one in left for found in needed[one]} - reached
    assert needed.keys() - reached == set()
