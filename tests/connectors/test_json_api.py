"""A call by a table of an OpenAPI document: what cannot be written is refused before anything is sent."""

import pytest

from connectors._transport.json_api import Call, can_be_written, write_path

CALL = Call("DELETE", "/dossiers/{numero}", headers=("X-Motif",))


@pytest.mark.parametrize("numero", ["", ".", ".."])
def test_a_path_leads_nowhere_else(numero):
    assert not can_be_written(CALL, {"numero": numero})


def test_what_a_message_lacks_or_breaks_is_not_written():
    assert not can_be_written(CALL, {})
    assert not can_be_written(CALL, {"numero": "12", "X-Motif": "a\r\nb"})


def test_anything_else_is_one_step_of_the_path():
    assert can_be_written(CALL, {"numero": "a/b", "X-Motif": "doublon"})
    assert write_path(CALL, {"numero": "a/b"}) == "/dossiers/a%2Fb"
