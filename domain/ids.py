"""Names for the things there are. Each is an opaque text, prefixed and sortable by time (``vid_01J…``); only a user's may
be of another form, since the identity provider gives it.
"""

import re
from datetime import UTC, datetime, timedelta
from typing import NewType

UserId = NewType("UserId", str)
ChannelId = NewType("ChannelId", str)
UploadId = NewType("UploadId", str)
VideoId = NewType("VideoId", str)
CommentId = NewType("CommentId", str)
SessionId = NewType("SessionId", str)
EventId = NewType("EventId", str)
NotificationId = NewType("NotificationId", str)
StreamId = NewType("StreamId", str)
BroadcastId = NewType("BroadcastId", str)
"""An ingest's own name for one connection of an encoder."""
RecordingId = NewType("RecordingId", str)
"""An ingest's own name for one recording, which may hold several broadcasts."""
StreamSessionId = NewType("StreamSessionId", str)
MessageId = NewType("MessageId", str)
JobId = NewType("JobId", str)
"""A transcoder's own name for a job."""

USER, CHANNEL, UPLOAD, VIDEO, COMMENT, SESSION, EVENT, NOTIFICATION, IMAGE, STREAM, STREAM_SESSION, MESSAGE = (
    "usr", "chn", "upl", "vid", "cmt", "ses", "evt", "ntf", "img", "str", "brc", "msg",
)  # fmt: skip

_ID = re.compile(r"[a-z]{3}_([0-7][0-9A-HJKMNP-TV-Z]{9})[0-9A-HJKMNP-TV-Z]{16}")
# Crockford's alphabet leaves out I, L, O and U; Python's goes on after the 9 without a gap.
_DIGITS = str.maketrans("ABCDEFGHJKMNPQRSTVWXYZ", "ABCDEFGHIJKLMNOPQRSTUV")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def made_at(id: str) -> datetime | None:  # noqa: A002  (the domain's word)
    """When an id was made, by itself; None for a text that is none of ours."""
    found = _ID.fullmatch(id)
    try:
        return _EPOCH + timedelta(milliseconds=int(found[1].translate(_DIGITS), 32)) if found else None
    except OverflowError:  # beyond the calendar
        return None
