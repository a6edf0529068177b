"""Streams of server-sent events: what is written of what is followed."""

from collections.abc import AsyncGenerator, Sequence

from entrypoints.http.server_sent import event, told


async def followed(*looks: str) -> AsyncGenerator[Sequence[str], None]:
    for look in looks:
        yield look.split()


def block(word: str) -> bytes:
    return event("word", word)


async def test_what_is_new_is_told_in_order() -> None:
    sent = b"".join([each async for each in told(followed("a b", "", "c"), block, 3)])
    words = [b'event: word\ndata: "%s"\n\n' % word for word in (b"a", b"b", b"c")]
    assert sent == b"retry: 3000\n\n" + b"".join(words)


async def test_while_nothing_is_new_a_comment_comes_now_and_then() -> None:
    sent = [each async for each in told(followed("", "", ""), block, 3, heartbeat_s=0)]
    assert sent == [b"retry: 3000\n\n", *[b": still here\n\n"] * 3]
    assert [each async for each in told(followed("", "", ""), block, 3)] == sent[:1]


def test_one_with_an_id_says_it_first() -> None:
    assert event("word", {"a": 1}, "ntf_1") == b'id: ntf_1\nevent: word\ndata: {"a":1}\n\n'
