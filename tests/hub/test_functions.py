"""The closed list speaks French administration, and stays silent on what is missing."""

import pytest

from hub.functions import CLOSED_LIST


def call(name, *args):
    return CLOSED_LIST[name][1](*args)


@pytest.mark.parametrize(
    ("name", "args", "expected"),
    [
        ("ascii", ("Lefèvre-Cœur d’Ÿ",), "Lefevre-Coeur d'Y"),
        ("upper", ("Lefèvre",), "LEFÈVRE"),
        ("latin1", ("Cœur – l’été ₤ 5€",), "Coeur - l'été  5EUR"),
        ("lettres", ("Nguyễn (née 王) d’Argens",), "NGUYEN NÉE D'ARGENS"),
        ("lettres", ("李",), ""),
        ("propre", ("a\x00b\tc",), "a b c"),
        ("cut", ("abcdef", 3), "abc"),
        ("date_fr", ("2026-03-04T10:00:00+01:00",), "04/03/2026"),
        ("date_iso", ("04/03/2026",), "2026-03-04"),
        ("cents", (12.345,), 1235),
        ("cents", ("0,1",), 10),
        ("euros", (1235,), "12,35 €"),
        ("cog", ("2A004",), "2A004"),
        ("departement", ("97411",), "974"),
        ("departement", ("13001",), "13"),
        ("phone_fr", ("+33 (0)6 12 34 56 78",), "0612345678"),
        ("phone_fr", ("0033612345678",), "0612345678"),
        ("civilite", ("female",), "MADAME"),
        ("sexe", ("male",), "M"),
        ("saison", ("2026-07-04",), "2025-2026"),
        ("saison", ("2026-08-01",), "2026-2027"),
        ("numero", (167046020,), "167 046 020"),
    ],
)
def test_it_writes(name, args, expected):
    assert call(name, *args) == expected


@pytest.mark.parametrize("name", sorted(CLOSED_LIST))
def test_nothing_in_is_nothing_out(name):
    assert call(name, None) is None


@pytest.mark.parametrize(
    ("name", "value"),
    [("cog", "1300"), ("phone_fr", "+44 20 7946 0000"), ("date_fr", "31/12/2026"), ("date_iso", "2026-12-31")],
)
def test_what_it_cannot_read_it_refuses(name, value):
    with pytest.raises(ValueError, match=r"\S"):
        call(name, value)
