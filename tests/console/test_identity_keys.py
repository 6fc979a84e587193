"""A provider's keys are read one by one: one that is none shuts nobody out."""

import json

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, RSAKey

from monitoring.console.identity_errors import SignInError
from monitoring.console.identity_tokens import read_keys

GOOD = RSAKey.generate_key(2048, {"kid": "good"})
EC = ECKey.generate_key("P-256").as_dict(private=False)

UNREADABLE = {
    "of a curve that is not ours": {"kty": "EC", "kid": "odd", "crv": "brainpoolP256r1", "x": EC["x"], "y": EC["y"]},
    "off its curve": {**EC, "kid": "odd", "y": EC["x"]},
    "without its half": {"kty": "EC", "kid": "odd", "crv": "P-256", "x": EC["x"]},
    "with a certificate that is none": {**GOOD.as_dict(private=False), "kid": "odd", "x5c": "abc"},
    "with a name that is none": {**GOOD.as_dict(private=False), "kid": ["odd"]},
    "of no number": {"kty": "RSA", "kid": "odd", "n": "é", "e": "AQAB"},
    "of a number too small": {"kty": "RSA", "kid": "odd", "n": "AA", "e": "AA"},
}


@pytest.mark.parametrize("odd", UNREADABLE)
def test_a_key_that_cannot_be_read_is_left_out_and_the_others_serve(odd):
    listed = [UNREADABLE[odd], GOOD.as_dict(private=False)]
    keys = read_keys(json.dumps({"keys": listed}).encode())
    assert [key.kid for key in keys] == ["good"]
    token = jwt.encode({"alg": "RS256", "kid": "good"}, {"sub": "a"}, GOOD)
    assert jwt.decode(token, keys, algorithms=["RS256"]).claims == {"sub": "a"}


@pytest.mark.parametrize(
    "said",
    [
        {"keys": list(UNREADABLE.values())},
        {"keys": []},
        {"keys": "x"},
        {"keys": [{"kty": "oct", "kid": "shared", "k": "c2VjcmV0"}]},
        {"keys": [{**GOOD.as_dict(private=False), "use": "enc"}]},
        {},
        [],
    ],
)
def test_without_a_key_that_serves_nobody_is_let_in(said):
    with pytest.raises(SignInError, match=r"^keys_unreadable$"):
        read_keys(json.dumps(said).encode())
