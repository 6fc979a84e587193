"""What citizens wrote is sealed: it opens where it belongs, under its request's key, and nowhere else."""

import os

import pytest

from hub.vault import BODY, MARK, NOTHING, Keys, SealError, Vault

KEY, OTHER = os.urandom(32), os.urandom(32)


@pytest.fixture
def vault():
    return Vault(Keys([KEY]))


def test_what_is_sealed_opens_where_it_was_sealed(vault):
    wrapped, sealer = vault.draw(1)
    sealed, bytes_sealed = sealer.seal(BODY, "Zoë"), sealer.seal_bytes("attempt.sent", b"\xff")
    again = vault.sealer(1, wrapped)
    assert (again.open(BODY, sealed), again.open_bytes("attempt.sent", bytes_sealed)) == ("Zoë", b"\xff")


def test_the_same_text_is_never_sealed_alike(vault):
    _, sealer = vault.draw(1)
    assert len({sealer.seal(BODY, "Zoë") for _ in range(10)}) == 10


@pytest.mark.parametrize("text", ["", "{}", '{"data":{}}', "null"])
def test_what_is_of_a_request_without_a_key_is_read_as_it_is(vault, text):
    assert vault.sealer(1, None).open(BODY, text) == text


@pytest.mark.parametrize("text", ["{}", '{"data":{"iban":"another"}}', "s1.é", "s1.!!"])
def test_a_text_put_over_a_sealed_one_does_not_open(vault, text):
    wrapped, sealer = vault.draw(1)
    with pytest.raises(SealError):
        sealer.open(BODY, text)

    class Row:
        number, data_key, body = 1, wrapped, text

    with pytest.raises(SealError):
        vault.body(Row)
    Row.data_key = "a text"
    with pytest.raises(SealError):
        vault.body(Row)


def test_a_value_moved_to_another_request_does_not_open(vault):
    wrapped, sealer = vault.draw(1)
    sealed = sealer.seal(BODY, "Zoë")
    with pytest.raises(SealError):
        vault.sealer(2, wrapped)  # its key is bound to its request
    _, others = vault.draw(2)
    with pytest.raises(SealError):
        others.open(BODY, sealed)


def test_a_value_moved_to_another_column_does_not_open(vault):
    _, sealer = vault.draw(1)
    with pytest.raises(SealError) as refused:
        sealer.open("delivery.answer:1", sealer.seal(BODY, "Zoë"))
    assert "Zo" not in str(refused.value)


@pytest.mark.parametrize(
    "change", [lambda sealed: sealed[:-8], lambda _: MARK, lambda sealed: f"{sealed[:-8]}AAAAAAA="]
)
def test_a_value_that_was_altered_does_not_open(vault, change):
    _, sealer = vault.draw(1)
    with pytest.raises(SealError):
        sealer.open(BODY, change(sealer.seal(BODY, "Zoë et Tom")))


def test_a_key_destroyed_is_everything_under_it_destroyed(vault):
    _, sealer = vault.draw(1)
    with pytest.raises(SealError):
        vault.sealer(1, None).open(BODY, sealer.seal(BODY, "Zoë"))


def test_an_old_key_still_opens_and_the_new_one_wraps():
    wrapped, sealer = Vault(Keys([KEY])).draw(1)
    sealed = sealer.seal(BODY, "Zoë")
    turned = Vault(Keys([OTHER, KEY]))
    again = turned.rewrapped(1, wrapped)
    assert turned.sealer(1, wrapped).open(BODY, sealed) == "Zoë"
    assert Vault(Keys([OTHER])).sealer(1, again).open(BODY, sealed) == "Zoë"
    with pytest.raises(SealError):
        Vault(Keys([OTHER])).sealer(1, wrapped)


def test_a_key_that_another_process_began_to_use_is_read_when_it_is_met():
    asked = []
    reader = Vault(Keys([KEY]), lambda now: asked.append(now) or (Keys([OTHER, KEY]) if now else None))
    wrapped, sealer = Vault(Keys([OTHER])).draw(1)
    assert reader.sealer(1, wrapped).open(BODY, sealer.seal(BODY, "Zoë")) == "Zoë"
    assert asked == [True]


def test_without_keys_nothing_is_sealed():
    wrapped, sealer = Vault().draw(1)
    assert (wrapped, sealer.seal(BODY, "Zoë")) == (None, "Zoë")


def test_who_looks_at_what_does_not_open_sees_nothing(vault):
    _, sealer = vault.draw(1)

    class Row:
        number, data_key, body = 1, None, sealer.seal(BODY, "Zoë")

    assert vault.shown(Row) == NOTHING
