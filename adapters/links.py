"""Links to bytes that our own HTTP serves, each with what it allows and until when, under a signature."""

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

from application.ports import Chatter, Now, PartTicket, Seat, SmallTicket
from domain.chat import Capability, Standing
from domain.errors import Forbidden
from domain.ids import StreamId, UploadId, UserId, VideoId
from domain.videos import Audience
from domain.watching import Grant

_MAC_BYTES = 16  # half of SHA-256: links stay short, and 128 bits cannot be guessed
_PART, _SMALL, _GRANT, _SEAT = "p", "s", "g", "c"
_PLAIN = re.compile(r"[A-Za-z0-9_.~/-]*")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Links:
    """Makes the links of one base address, and reads their tokens back.

    A token is the base64url text of a truncated HMAC-SHA256 and of the fields it covers, the first of which
    says what kind of link it is: an upload link never passes for a playback link.
    """

    def __init__(self, key: bytes, base_url: str, now: Now) -> None:
        self._key = key
        self._base = base_url.rstrip("/")
        self._now = now

    def part(self, upload: UploadId, number: int, until: datetime) -> str:
        """Where to PUT a part."""
        return f"{self._base}/media/in/{self._token(until, _PART, upload, str(number))}"

    def small(self, name: str, size_bytes: int, until: datetime) -> str:
        """Where to PUT a small file."""
        return f"{self._base}/media/in/{self._token(until, _SMALL, name, str(size_bytes))}"

    def open(self, key: str) -> str:
        """Where anyone may GET a file."""
        return f"{self._base}/media/o/{_quoted(key)}"

    def granted(self, grant: Grant, key: str) -> str:
        """Where the holder of the grant may GET a file. The token stands before the key, so that relative
        links in a playlist keep it.
        """
        token = self._token(grant.until, _GRANT, grant.subject, grant.audience.value)
        return f"{self._base}/media/g/{token}/{_quoted(key)}"

    def seat(self, seat: Seat, nonce: str) -> str:
        """A token for one connection to a chat."""
        may = ",".join(sorted(seat.may))
        who = seat.who
        return self._token(seat.until, _SEAT, seat.stream, who.user or "", who.name, who.standing.value, may, nonce)

    def seated(self, token: str) -> Seat:
        """What such a token says. Raises Forbidden (``link_invalid``, ``link_expired``)."""
        (_, stream, user, name, standing, may, _), until = self._read(token, _SEAT)
        who = Chatter(UserId(user) if user else None, name, Standing(standing))
        return Seat(StreamId(stream), who, frozenset(Capability(each) for each in may.split(",") if each), until)

    @property
    def chat_url(self) -> str:
        """Where clients connect to chats."""
        return f"{self._base.replace('http', 'ws', 1)}/v1/chat"

    def ticket(self, token: str) -> PartTicket | SmallTicket:
        """What an upload link says. Raises Forbidden (``link_invalid``, ``link_expired``)."""
        fields, _ = self._read(token, _PART, _SMALL)
        if fields[0] == _PART:
            return PartTicket(UploadId(fields[1]), int(fields[2]))
        return SmallTicket(fields[1], int(fields[2]))

    def grant(self, token: str) -> Grant:
        """What a playback link says. Raises Forbidden (``link_invalid``, ``link_expired``)."""
        fields, until = self._read(token, _GRANT)
        return Grant(VideoId(fields[1]), Audience(fields[2]), until)

    def _token(self, until: datetime, *fields: str) -> str:
        micros = (until - _EPOCH) // timedelta(microseconds=1)
        said = "\n".join((*fields, str(micros))).encode()
        return base64.urlsafe_b64encode(self._mac(said) + said).rstrip(b"=").decode()

    def _read(self, token: str, *kinds: str) -> tuple[Sequence[str], datetime]:
        try:
            whole = base64.b64decode(token.encode() + b"=" * (-len(token) % 4), altchars=b"-_", validate=True)
        except (binascii.Error, UnicodeEncodeError):
            whole = b""
        said = whole[_MAC_BYTES:]
        # Written in one way only: the last character's unused bits are not free to differ.
        same = base64.urlsafe_b64encode(whole).rstrip(b"=").decode() == token
        if not same or not hmac.compare_digest(self._mac(said), whole[:_MAC_BYTES]):
            raise Forbidden("this link is not one of ours", code="link_invalid")
        *fields, micros = said.decode().split("\n")
        if fields[0] not in kinds:
            raise Forbidden("this link is for something else", code="link_invalid")
        until = _EPOCH + timedelta(microseconds=int(micros))
        if until <= self._now():
            raise Forbidden("this link is over; ask for another", code="link_expired")
        return fields, until

    def _mac(self, said: bytes) -> bytes:
        return hmac.digest(self._key, said, hashlib.sha256)[:_MAC_BYTES]


def _quoted(key: str) -> str:
    # Nearly every key is plain, and to see that is a tenth of the work of quoting it.
    return key if _PLAIN.fullmatch(key) else quote(key)
