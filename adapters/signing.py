"""Keys that sign tokens as Cognito's do, for identity providers of ours. Apart from all else about credentials, as in the
cloud nobody needs to load what signs.
"""

import re
from collections.abc import Mapping

from joserfc import jwt
from joserfc.jwk import KeyParameters, RSAKey

_PEM = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.+?-----END [A-Z ]*PRIVATE KEY-----", re.DOTALL)
_SIGNING: KeyParameters = {"use": "sig", "alg": "RS256"}

KeyPair = Mapping[str, RSAKey]
"""A key for access tokens and one for ID tokens, by ``token_use``; each is named (kid) by its thumbprint, RFC 7638."""


def new_pems() -> str:
    """Two private keys. Takes tenths of a second."""
    return "".join(RSAKey.generate_key(2048).as_pem(private=True).decode("ascii") for _ in range(2))


def key_pair(pems: str) -> KeyPair:
    """The keys of two PEM blocks, access first. Raises ValueError for anything else."""
    found = _PEM.findall(pems)
    if len(found) != 2:
        raise ValueError(f"there must be two private keys in PEM, not {len(found)}")
    access, id_ = (RSAKey.import_key(pem, _SIGNING) for pem in found)
    access.ensure_kid()
    id_.ensure_kid()
    return {"access": access, "id": id_}


def published(keys: KeyPair) -> Mapping[str, object]:
    """Their public halves as a JWKS document."""
    return {"keys": [key.as_dict(private=False) for key in keys.values()]}


def signed(keys: KeyPair, claims: Mapping[str, object]) -> str:
    """A JWT of the claims, by the key for their ``token_use``."""
    key = keys[str(claims["token_use"])]
    header = {"kid": key.kid, "alg": "RS256"}
    return jwt.encode(header, dict(claims), key, algorithms=["RS256"], default_type=None)
