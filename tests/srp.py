"""A client that signs in without showing its password, as Cognito's own SDKs do (USER_SRP_AUTH): SRP-6a in the group of
3072 bits of RFC 5054 with SHA-256, and Cognito's own derivation of the key that signs the proof.
"""

import base64
import hashlib
import hmac
import secrets
from datetime import datetime
from typing import Any

from attrs import field, frozen

N = int(
    "FFFFFFFFFFFFFFFFC90FDAA22168C234C4C6628B80DC1CD129024E088A67CC74020BBEA63B139B22514A08798E3404DDEF9519B3CD3A431B"
    "302B0A6DF25F14374FE1356D6D51C245E485B576625E7EC6F44C42E9A637ED6B0BFF5CB6F406B7EDEE386BFB5A899FA5AE9F24117C4B1FE6"
    "49286651ECE45B3DC2007CB8A163BF0598DA48361C55D39A69163FA8FD24CF5F83655D23DCA3AD961C62F356208552BB9ED529077096966D"
    "670C354E4ABC9804F1746C08CA18217C32905E462E36CE3BE39E772C180E86039B2783A2EC07A28FB5C55DF06F4C52C9DE2BCBF695581718"
    "3995497CEA956AE515D2261898FA051015728E5A8AAAC42DAD33170D04507A33A85521ABDF1CBA64ECFB850458DBEF0A8AEA71575D060C7D"
    "B3970F85A6E1E4C7ABF5AE8CDB0933D71E8C94E04A25619DCEE3D2261AD2EE6BF12FFA06D98A0864D87602733EC86A64521F2B18177B200C"
    "BBE117577A615D6C770988C0BAD946E208E24FA074E5AB3143DB5BFCE0FD108E4B82D120A93AD2CAFFFFFFFFFFFFFFFF",
    16,
)
G = 2
DERIVED = b"Caldera Derived Key\x01"


def _bytes(number: int) -> bytes:
    """As Java writes an integer: never with a sign."""
    return number.to_bytes(number.bit_length() // 8 + 1)


def _hash(*parts: bytes) -> bytes:
    return hashlib.sha256(b"".join(parts)).digest()


K = int.from_bytes(_hash(_bytes(N), _bytes(G)))


@frozen
class Srp:
    """One sign-in."""

    pool_id: str
    secret: int = field(factory=lambda: secrets.randbits(1024))

    @property
    def public(self) -> int:
        return pow(G, self.secret, N)

    def proof(self, challenge: dict[str, Any], password: str, at: datetime) -> dict[str, str]:
        """The answer to a PASSWORD_VERIFIER challenge."""
        name, user = self.pool_id.partition("_")[2], challenge["USER_ID_FOR_SRP"]
        theirs, salt = int(challenge["SRP_B"], 16), int(challenge["SALT"], 16)
        u = int.from_bytes(_hash(_bytes(self.public), _bytes(theirs)))
        x = int.from_bytes(_hash(_bytes(salt), _hash(f"{name}{user}:{password}".encode())))
        shared = pow(theirs - K * pow(G, x, N), self.secret + u * x, N)
        extracted = hmac.digest(_bytes(u), _bytes(shared), "sha256")
        key = hmac.digest(extracted, DERIVED, "sha256")[:16]
        when = f"{at:%a %b} {at.day} {at:%H:%M:%S} UTC {at.year}"
        block = base64.b64decode(challenge["SECRET_BLOCK"])
        signature = hmac.digest(key, f"{name}{user}".encode() + block + when.encode(), "sha256")
        return {
            "USERNAME": user,
            "TIMESTAMP": when,
            "PASSWORD_CLAIM_SECRET_BLOCK": challenge["SECRET_BLOCK"],
            "PASSWORD_CLAIM_SIGNATURE": base64.b64encode(signature).decode(),
        }
