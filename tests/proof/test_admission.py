"""A proof that is remembered lets nothing through that another reading would not."""

import shutil
from dataclasses import replace

import orjson
import pytest

from hub.catalogue import Catalogue
from hub.proof.admission import proofs
from hub.settings import HOME


@pytest.fixture(scope="module")
def catalogue():
    """Our own catalogue, of one kind whose mappings read what another connector answers."""
    read = Catalogue.read(HOME)
    return replace(read, kinds={"doleance": read.kinds["doleance"]}, queries={})


def test_a_mapping_is_proved_again_when_what_it_reads_from_another_connector_changes(catalogue, tmp_path):
    remembered = tmp_path / "proved"
    assert not list(proofs(catalogue, (HOME,), remembered))
    package = catalogue.packages["adresse"]
    folder = tmp_path / "adresse"
    shutil.copytree(package.folder, folder)
    answer = folder / "contract/adresse.json"
    schema = orjson.loads(answer.read_bytes())
    del schema["properties"]["lon"]
    answer.write_bytes(orjson.dumps(schema))
    changed = replace(catalogue, packages={**catalogue.packages, "adresse": replace(package, folder=folder)})
    assert any("lon" in found.message for found in proofs(changed, (HOME,), remembered))
