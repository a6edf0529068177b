"""The emulated CloudFront lets in who is signed for, and nobody else."""

import base64
import json
from collections.abc import Callable, Mapping
from typing import Any

import httpx
import pytest
from attrs import frozen
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.cloud.cloudfront import Viewed, refused
from tests.cloud.world import World, world

RSA = rsa.generate_private_key(65537, 2048)
P256 = ec.generate_private_key(ec.SECP256R1())
NOW = 1_767_290_000
ADDRESS = "https://cdn.example.com/v/vid_1/a1/hls/master.m3u8"
WILDCARD = "https://cdn.example.com/v/vid_1/a1/*"
Sign = Callable[[bytes], bytes]


def sha1(message: bytes) -> bytes:
    return RSA.sign(message, padding.PKCS1v15(), hashes.SHA1())  # noqa: S303  (CloudFront's default)


def sha256(message: bytes) -> bytes:
    return RSA.sign(message, padding.PKCS1v15(), hashes.SHA256())


def ecdsa(message: bytes) -> bytes:
    return P256.sign(message, ec.ECDSA(hashes.SHA256()))


def public(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> str:
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


KEYS = {"K1": public(RSA), "K2": public(P256)}


def encoded(content: bytes) -> str:
    return base64.b64encode(content).decode().translate(str.maketrans("+=/", "-_~"))


def policy(resource: str = WILDCARD, until: int = NOW + 60, **condition: Any) -> bytes:
    condition = {"DateLessThan": {"AWS:EpochTime": until}, **condition}
    return json.dumps({"Statement": [{"Resource": resource, "Condition": condition}]}, separators=(",", ":")).encode()


def signed(
    sign: Sign = sha256, said: bytes = b"", *, key: str = "K1", digest: str = "SHA256", signature: str = ""
) -> dict[str, str]:
    said = said or policy()
    made = {"Policy": encoded(said), "Signature": signature or encoded(sign(said)), "Key-Pair-Id": key}
    return {**made, "Hash-Algorithm": digest} if digest else made


def why(given: Mapping[str, str], address: str = ADDRESS, **cookies: str) -> str:
    query = {key: [value] for key, value in given.items()}
    return refused(Viewed([address], query, {f"CloudFront-{key}": value for key, value in cookies.items()}), KEYS, NOW)


@pytest.mark.parametrize(
    "given",
    [
        signed(),
        signed(sha1, digest="SHA1"),
        signed(sha1, digest=""),
        signed(ecdsa, key="K2"),
        signed(said=policy("https://cdn.example.com/v/vid_?/*")),
        signed(said=policy(DateGreaterThan={"AWS:EpochTime": NOW - 1})),
    ],
    ids=["sha256", "sha1", "sha1 unsaid", "ecdsa", "one character", "begun"],
)
def test_who_is_signed_for_is_let_in(given: dict[str, str]) -> None:
    """By the query or by cookies."""
    assert why(given) == ""
    assert why({}, **given) == ""


def test_a_canned_policy_is_for_one_address() -> None:
    """Only its expiry is in the query; the rest of the query belongs to the address."""
    said = policy(f"{ADDRESS}?size=1")
    given = {"Expires": str(NOW + 60), "Signature": encoded(sha1(said)), "Key-Pair-Id": "K1"}
    assert why({"size": "1", **given}) == ""
    assert "does not match" in why(given)
    assert "does not match" in why({"size": "1", **given}, f"{ADDRESS}2")


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({}, "not signed"),
        (signed(key="K3"), "not signed"),
        (signed(digest="MD5"), "not signed"),
        (signed(digest=""), "does not match"),
        (signed(sha1), "does not match"),
        (signed(signature=encoded(sha256(policy("*")))), "does not match"),
        (signed(said=policy("https://cdn.example.com/v/vid_2/*")), "not what was signed"),
        (signed(said=policy(until=NOW)), "expired"),
        (signed(said=policy(DateGreaterThan={"AWS:EpochTime": NOW})), "not valid yet"),
        (signed(said=b"no policy"), "malformed"),
        (signed(signature="!"), "malformed"),
    ],
    ids=[
        "unsigned", "foreign key", "unknown hash", "hash unsaid", "other hash", "tampered", "elsewhere", "expired",
        "early", "no policy", "no signature",
    ],
)  # fmt: skip
def test_who_is_not_signed_for_is_refused(given: dict[str, str], reason: str) -> None:
    """By the query or by cookies."""
    assert reason in why(given)
    assert reason in why({}, **given)


def test_a_signed_address_beats_cookies() -> None:
    """As AWS has it, even when it is the cookie that would do."""
    assert "expired" in why(signed(said=policy(until=NOW)), **signed())


@frozen
class Edge:
    """A distribution over a bucket, with one path that is open."""

    world: World
    domain: str
    key: str

    def get(self, path: str, **more: Any) -> httpx.Response:
        headers = {"host": self.domain, **more.pop("headers", {})}
        return httpx.get(f"{self.world.stack.endpoint}{path}", headers=headers, **more)

    @property
    def address(self) -> str:
        """By path, for those who cannot name a host."""
        return f"{self.world.stack.endpoint}/_cdn/{self.domain.partition('.')[0]}"

    def get_by_path(self, path: str, **more: Any) -> httpx.Response:
        return httpx.get(f"{self.address}{path}", **more)


async def distribution(here: World) -> Edge:
    cloudfront, s3 = await here.client("cloudfront"), await here.client("s3")
    bucket = await here.bucket("processed")
    for key in ("v/vid_1/a1/master.m3u8", "open/poster.jpg"):
        await s3.put_object(Bucket=bucket, Key=key, Body=b"0123456789", ContentType="text/plain")
    made = await cloudfront.create_public_key(
        PublicKeyConfig={"CallerReference": here.name("key"), "Name": here.name("key"), "EncodedKey": KEYS["K1"]}
    )
    key = made["PublicKey"]["Id"]
    group = await cloudfront.create_key_group(KeyGroupConfig={"Name": here.name("group"), "Items": [key]})
    trusted = {"Enabled": True, "Quantity": 1, "Items": [group["KeyGroup"]["Id"]]}
    common = {
        "TargetOriginId": "s3", "ViewerProtocolPolicy": "allow-all",
        "CachePolicyId": "658327ea-f89d-4fab-a63d-7e88639e58f6",
    }  # fmt: skip
    control = await cloudfront.create_origin_access_control(
        OriginAccessControlConfig={
            "Name": here.name("oac"), "OriginAccessControlOriginType": "s3", "SigningBehavior": "always",
            "SigningProtocol": "sigv4",
        }
    )  # fmt: skip
    origin = {
        "Id": "s3", "OriginAccessControlId": control["OriginAccessControl"]["Id"], "DomainName": f"{bucket}.s3.us-east-1.amazonaws.com", "S3OriginConfig": {"OriginAccessIdentity": ""},
    }  # fmt: skip
    created = await cloudfront.create_distribution(
        DistributionConfig={
            "CallerReference": here.name("cdn"), "Comment": "", "Enabled": True,
            "Origins": {"Quantity": 1, "Items": [origin]},
            "DefaultCacheBehavior": {**common, "TrustedKeyGroups": trusted},
            "CacheBehaviors": {"Quantity": 1, "Items": [{**common, "PathPattern": "open/*"}]},
        }
    )  # fmt: skip
    made = created["Distribution"]
    allowed = {
        "Effect": "Allow", "Principal": {"Service": "cloudfront.amazonaws.com"}, "Action": "s3:GetObject",
        "Resource": f"arn:aws:s3:::{bucket}/*", "Condition": {"StringEquals": {"AWS:SourceArn": made["ARN"]}},
    }  # fmt: skip
    said = json.dumps({"Version": "2012-10-17", "Statement": [allowed]})
    await s3.put_bucket_policy(Bucket=bucket, Policy=said)
    return Edge(here, made["DomainName"], key)


async def test_a_distribution_asks_for_signatures_where_it_trusts_keys() -> None:
    """By its host name or by path; with cookies for all of a video, in ranges."""
    async with world() as here:
        edge = await distribution(here)
        assert edge.get("/open/poster.jpg").text == "0123456789"
        assert edge.get("/v/vid_1/a1/master.m3u8").status_code == 403
        said = policy(f"https://{edge.domain}/v/vid_1/*", until=2_000_000_000)
        given = signed(said=said, key=edge.key)
        cookie = "; ".join(f"CloudFront-{key}={value}" for key, value in given.items())
        shown = edge.get("/v/vid_1/a1/master.m3u8", headers={"cookie": cookie, "range": "bytes=2-4"})
        assert (shown.status_code, shown.text) == (206, "234")
        assert edge.get("/v/vid_1/a1/master.m3u8", params=given).text == "0123456789"

        assert edge.get_by_path("/open/poster.jpg").text == "0123456789"
        assert edge.get_by_path("/v/vid_1/a1/master.m3u8").status_code == 403
        given = signed(said=policy(f"{edge.address}/v/vid_1/*", until=2_000_000_000), key=edge.key)
        assert edge.get_by_path("/v/vid_1/a1/master.m3u8", params=given).text == "0123456789"
