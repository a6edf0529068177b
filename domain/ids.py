"""Names for the things there are. Each is an opaque text, prefixed and sortable by time (``vid_01J…``)."""

from typing import NewType

UserId = NewType("UserId", str)
ChannelId = NewType("ChannelId", str)
UploadId = NewType("UploadId", str)
VideoId = NewType("VideoId", str)
CommentId = NewType("CommentId", str)
SessionId = NewType("SessionId", str)
EventId = NewType("EventId", str)
NotificationId = NewType("NotificationId", str)
JobId = NewType("JobId", str)
"""A transcoder's own name for a job."""

USER, CHANNEL, UPLOAD, VIDEO, COMMENT, SESSION, EVENT, NOTIFICATION, IMAGE = (
    "usr", "chn", "upl", "vid", "cmt", "ses", "evt", "ntf", "img",
)  # fmt: skip
