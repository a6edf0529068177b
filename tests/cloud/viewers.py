"""Where viewers of IVS find a stream: a manifest for whoever shows a token, if the channel is private."""

import base64
import json
import secrets
from collections.abc import Mapping
from time import time
from typing import Any

from attrs import define, field, frozen
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from tests.cloud.broadcasts import RENDITIONS, TYPES_OF, manifest, newest
from tests.cloud.ivs import Channel, Ivs
from tests.cloud.models import Refused
from tests.cloud.wire import Answer, App, Receive, Request, Scope, Send, read, reply, told

PATH = "/_ivs/"
_OPEN = {"access-control-allow-origin": "*"}
_BYTES = 96
"""Bytes that both halves of a signature of ES384 have together (RFC 7518, 3.4)."""
SHORT_S = 600
"""The longest life of a token that can be revoked."""


@frozen
class Session:
    """Someone who began to watch; ``viewer`` None cannot be sent away."""

    channel: Channel
    stream_id: str
    viewer: str | None
    version: int


@define
class Viewers:
    """Stands before all else."""

    behind: App
    ivs: Ivs
    sessions: dict[str, Session] = field(factory=dict)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not scope["path"].startswith(PATH):
            await self.behind(scope, receive, send)
            return
        request = await read(scope, receive)
        try:
            answer = self._answer(request)
        except (Refused, ValueError, KeyError) as refused:
            answer = told(getattr(refused, "status", None) or 403, {"error": repr(refused)})
        await reply(send, answer)

    def _answer(self, request: Request) -> Answer:
        match request.parts(PATH):
            case ["api", "video", "v1", name]:
                channel = self.ivs.by_id(name.removesuffix(".m3u8").rpartition(".")[2])
                return self._begun(channel, request.one("token"))
            case ["live", session, rendition, name]:
                return self._file(self.sessions[session], rendition, name)
        raise Refused("NotFound", request.path, 404)

    def _begun(self, channel: Channel, token: str) -> Answer:
        claims = self._checked(channel, token) if channel.settings["authorized"] else {}
        if channel.live is None:
            raise Refused("NotFound", "The channel is not live", 404)
        name = secrets.token_urlsafe(12)
        version = claims.get("aws:viewer-session-version", 0)
        self.sessions[name] = Session(channel, channel.live.stream_id, claims.get("aws:viewer-id"), version)
        self._let(self.sessions[name])
        master = manifest(lambda rendition: f"{self.ivs.endpoint}{PATH}live/{name}/{rendition}/playlist.m3u8")
        return Answer(200, master.encode(), {"content-type": TYPES_OF[".m3u8"], **_OPEN})

    def _file(self, session: Session, rendition: str, name: str) -> Answer:
        self._let(session)
        live = session.channel.live
        if live is None or live.stream_id != session.stream_id or rendition not in RENDITIONS:
            raise Refused("NotFound", "The stream is over", 404)
        folder = live.folder / rendition
        if name == "playlist.m3u8":
            return Answer(200, newest(folder).encode(), {"content-type": TYPES_OF[".m3u8"], **_OPEN})
        if name not in {path.name for path in folder.iterdir()}:
            raise Refused("NotFound", name, 404)
        return Answer(200, (folder / name).read_bytes(), {"content-type": TYPES_OF[".ts"], **_OPEN})

    def _let(self, session: Session) -> None:
        if session.viewer and session.version <= self.ivs.revoked.get((session.channel.arn, session.viewer), -1):
            raise ValueError("this viewer's sessions were revoked")

    def _checked(self, channel: Channel, token: str) -> Mapping[str, Any]:
        """The claims of a good token. Raises ValueError."""
        header, claims, signature = token.split(".")
        if json.loads(_decoded(header)) != {"alg": "ES384", "typ": "JWT"}:
            raise ValueError("a token of ES384 is expected")
        if not any(
            _signed(key, f"{header}.{claims}".encode(), _decoded(signature))
            for owner, key in self.ivs.key_pairs.values()
            if owner.account == channel.caller.account
        ):
            raise ValueError("not signed with a key of this account")
        said: Mapping[str, Any] = json.loads(_decoded(claims))
        expires, viewer = said["exp"], said.get("aws:viewer-id", "")
        if said["aws:channel-arn"] != channel.arn:
            raise ValueError("a token for another channel")
        if not isinstance(expires, int) or expires <= time():
            raise ValueError("expired, or exp is no whole number")
        if len(viewer) > 40 or (viewer and expires > time() + SHORT_S):
            raise ValueError("a token that names a viewer of at most 40 characters is good for 10 minutes at most")
        return said


def _decoded(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)


def _signed(key: ec.EllipticCurvePublicKey, said: bytes, signature: bytes) -> bool:
    if len(signature) != _BYTES:
        return False
    halves = (int.from_bytes(each) for each in (signature[:48], signature[48:]))
    try:
        key.verify(encode_dss_signature(*halves), said, ec.ECDSA(hashes.SHA384()))
    except InvalidSignature:
        return False
    return True
