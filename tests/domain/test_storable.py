"""Whatever text people send, what values keep of it can be written as UTF-8, as every store does.

JSON can say halves of surrogate pairs, which no text has.
"""

import re
from collections.abc import Callable

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from domain.channels import Channel, CommentPolicy
from domain.engagement import Comment
from domain.errors import Invalid
from domain.identity import User
from domain.ids import ChannelId, CommentId, StreamId, UploadId, UserId, VideoId
from domain.streams import Stream
from domain.uploads import Upload
from domain.videos import Chapter, Video, language, tag
from tests.strategies import START

USER, CHANNEL, VIDEO = UserId("usr_1"), ChannelId("chn_1"), VideoId("vid_1")
VIDEO_OF = Video(id=VIDEO, channel=CHANNEL, uploader=USER, title="t", created_at=START)

KEPT: dict[str, Callable[[str], object]] = {
    "handle": lambda text: User(id=USER, handle=text, display_name="Ann", email="a@b.c", created_at=START),
    "display name": lambda text: User(id=USER, handle="ann", display_name=text, email="a@b.c", created_at=START),
    "email": lambda text: User(
        id=USER, handle="ann", display_name="Ann", email=f"{text}@{text}.org", created_at=START
    ).email,
    "channel": lambda text: Channel(
        id=CHANNEL, owner=USER, handle="ann", name=f"x{text}", description=text,
        comments=CommentPolicy(words=(text,)), created_at=START,
    ),
    "video": lambda text: VIDEO_OF.edit(
        START, title=f"x{text}", description=text, tags=[text], category=text
    ),
    "language": language,
    "tag": tag,
    "block": lambda text: VIDEO_OF.block(text, START),
    "chapter": lambda text: Chapter(0, f"x{text}"),
    "upload": lambda text: Upload(
        id=UploadId("upl_1"), user=USER, channel=CHANNEL, video=VIDEO, filename=f"x{text}", content_type=f"x{text}",
        size_bytes=1, created_at=START, expires_at=START,
    ),
    "stream": lambda text: Stream(
        id=StreamId("str_1"), channel=CHANNEL, title=f"x{text}", description=text, created_at=START
    ),
    "comment": lambda text: Comment(
        id=CommentId("cmt_1"), video=VIDEO, channel=CHANNEL, author=USER, text=text, created_at=START
    ),
}  # fmt: skip


@pytest.mark.parametrize("make", KEPT.values(), ids=KEPT)
@given(text=st.text(st.characters(min_codepoint=0xD7F0, max_codepoint=0xE010) | st.sampled_from("ab é@"), max_size=8))
@example(text="\ud800")
@example(text="en\udfff")
@example(text="abc\ud83d")
def test_no_value_keeps_half_a_pair(make: Callable[[str], object], text: str) -> None:
    """It goes, or the text is refused."""
    try:
        kept = make(text)
    except Invalid:
        return
    assert not re.search(r"\\ud[89a-f]", repr(kept))
