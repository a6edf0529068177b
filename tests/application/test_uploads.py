"""Files on their way in: announced, sent in parts, completed, let go."""

from datetime import timedelta
from typing import Any, cast

import pytest
from attrs import evolve

from application.ports import Event, UploadStore
from domain.access import ANONYMOUS
from domain.errors import Conflict, DomainError, Forbidden, IllegalTransition, NotFound, Unauthenticated
from domain.ids import ChannelId, UploadId, VideoId
from domain.processing import State
from domain.uploads import (
    LIFE,
    MIB,
    PART_LIFE,
    SINGLE_MOST,
    Limits,
    Method,
    Part,
    Status,
    Upload,
    UploadAbandoned,
    UploadCompleted,
)
from domain.videos import Visibility
from tests.application.world import CLIP, World, new_world, pieces

LARGE = CLIP + bytes(SINGLE_MOST)


async def refused(asked: Any) -> str:
    """The code of the error that something ends in."""
    with pytest.raises(DomainError) as caught:
        await asked
    return caught.value.code


async def test_a_small_file_from_announcement_to_completion(world: World) -> None:
    card = await world.announce(title="My film", tags=["Cats"])
    assert (card.upload.status, card.upload.method, card.received) == (Status.WAITING, Method.SINGLE, ())
    assert [ticket.number for ticket in card.tickets] == [1]
    assert card.tickets[0].expires_at == world.clock.now() + PART_LIFE
    video = await world.show(world.editor, card.upload.video)
    assert (video.video.title, video.video.tags, video.video.state) == ("My film", ("cats",), State.PENDING)

    part = await world.put(card.tickets[0].url, CLIP, announced=len(CLIP))
    shown = await world.core.show_upload()(world.owner, card.upload.id)
    assert list(shown.received) == [part]
    done = await world.core.complete_upload()(world.owner, card.upload.id, [(1, f'"{part.etag}"')])
    assert done.upload.status is Status.COMPLETED
    assert await world.core.complete_upload()(world.owner, card.upload.id, []) == done
    completed = UploadCompleted(card.upload.id, card.upload.video, card.upload.source, world.clock.now())
    assert await world.take_events() == [completed]
    assert (await world.core.show_upload()(world.owner, card.upload.id)).received == ()


async def test_a_large_file_comes_in_parts_and_goes_on_after_a_break(world: World) -> None:
    card = await world.announce(LARGE)
    upload = card.upload
    assert (upload.method, upload.parts) == (Method.MULTIPART, 3)
    assert [ticket.number for ticket in card.tickets] == [1, 2, 3]
    last = await world.put(card.tickets[2].url, LARGE[16 * MIB :])
    shown = await world.core.show_upload()(world.owner, upload.id)
    assert list(shown.received) == [last]
    assert [ticket.number for ticket in shown.tickets] == [1, 2]
    assert await refused(world.core.complete_upload()(world.owner, upload.id, [])) == "parts_missing"
    world.clock.advance(timedelta(hours=23, minutes=50))
    tickets = await world.core.sign_parts()(world.owner, upload.id, [2, 1, 2])
    assert [ticket.number for ticket in tickets] == [1, 2]
    assert {ticket.expires_at for ticket in tickets} == {upload.expires_at}
    parts = await world.send(card, LARGE)
    claimed = [(part.number, part.etag) for part in parts]
    wrong = [(2, claimed[0][1])]
    assert await refused(world.core.complete_upload()(world.owner, upload.id, wrong)) == "etag_mismatch"
    assert (await world.core.complete_upload()(world.owner, upload.id, claimed)).upload.status is Status.COMPLETED
    assert world.raw.media().source(upload.source) == LARGE


async def test_the_first_parts_that_are_missing_have_links(world: World) -> None:
    """Fresh ones, each time an open upload is read, and for 20 parts at once; nothing is stored for it."""
    content = bytes(25 * 8 * MIB)
    card = await world.announce(content)
    upload = card.upload
    assert upload.parts == 25
    assert [ticket.number for ticket in card.tickets] == list(range(1, 21))
    for number in (1, 3):
        await world.put(card.tickets[number - 1].url, content[: 8 * MIB])
    world.clock.advance(PART_LIFE)
    shown = await world.core.show_upload()(world.owner, upload.id)
    assert [ticket.number for ticket in shown.tickets] == [2, *range(4, 23)]
    assert {ticket.expires_at for ticket in shown.tickets} == {world.clock.now() + PART_LIFE}
    assert shown.upload.version == upload.version
    assert (await world.put(shown.tickets[0].url, content[: 8 * MIB])).number == 2
    world.clock.advance(LIFE - PART_LIFE - timedelta(minutes=1))
    late = await world.core.show_upload()(world.owner, upload.id)
    assert {ticket.expires_at for ticket in late.tickets} == {upload.expires_at}
    world.clock.advance(timedelta(minutes=1))
    assert (await world.core.show_upload()(world.owner, upload.id)).tickets == ()


async def test_an_upload_that_is_over_has_no_links(world: World) -> None:
    """Whether it was completed or cancelled."""
    done, let_go = await world.upload(), (await world.announce()).upload
    await world.core.cancel_upload()(world.owner, let_go.id)
    for upload in (done.id, let_go.id):
        assert (await world.core.show_upload()(world.owner, upload)).tickets == ()


async def test_who_may_edit_the_channel_no_more_gets_no_links(world: World) -> None:
    """Though they may still see what they announced."""
    card = await world.announce(by=world.editor)
    assert (await world.core.show_upload()(world.editor, card.upload.id)).tickets
    channel = await world.raw.channels().get(world.channel)
    await world.raw.channels().save(channel.dismiss(world.editor.require_user()))
    assert (await world.core.show_upload()(world.editor, card.upload.id)).tickets == ()
    assert (await world.core.show_upload()(world.owner, card.upload.id)).tickets


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({"size_bytes": 0}, "empty_file"),
        ({"size_bytes": 101}, "file_too_large"),
        ({"content_type": "text/html"}, "unsupported_content_type"),
        ({"filename": ""}, "invalid"),
        ({"title": "x" * 101}, "invalid"),
        ({"visibility": Visibility.SCHEDULED}, "publish_at_mismatch"),
        ({"replaces": VideoId("vid_unknown")}, "not_found"),
        ({"channel": ChannelId("chn_unknown")}, "not_found"),
    ],
)
async def test_what_cannot_be_announced(given: dict[str, Any], code: str) -> None:
    async with new_world(limits=Limits(file_bytes=100)) as world:
        whole: dict[str, Any] = {
            "channel": world.channel, "filename": "film.mp4", "content_type": "video/mp4", "size_bytes": 10, **given
        }  # fmt: skip
        channel = whole.pop("channel")
        assert await refused(world.core.start_upload()(world.owner, channel, **whole)) == code
        assert not (await world.core.list_uploads()(world.owner)).items
        assert not (await world.raw.videos().of_channel(world.channel)).items


async def test_a_time_to_publish_lies_ahead(world: World) -> None:
    now = world.clock.now()
    past = world.announce(visibility=Visibility.SCHEDULED, publish_at=now)
    assert await refused(past) == "publish_at_past"
    card = await world.announce(visibility=Visibility.SCHEDULED, publish_at=now + timedelta(hours=1))
    assert (await world.show(world.owner, card.upload.video)).video.publish_at == now + timedelta(hours=1)


@pytest.mark.parametrize("content_type", ["video/mp4; codecs=avc1", "audio/ogg", "application/octet-stream"])
async def test_kinds_of_video(world: World, content_type: str) -> None:
    name = "long " * 40 + ".mp4"
    card = await world.core.start_upload()(
        world.owner, world.channel, filename=name, content_type=content_type, size_bytes=5
    )
    video = (await world.show(world.owner, card.upload.video)).video
    assert len(video.title) <= 100
    assert name.startswith(video.title)


async def test_who_may_announce_and_replace(world: World) -> None:
    for actor, error in ((world.stranger, Forbidden), (world.moderator, Forbidden), (ANONYMOUS, Unauthenticated)):
        with pytest.raises(error):
            await world.announce(by=actor)
    video = await world.publish(visibility=Visibility.PRIVATE)
    other = await world.core.open_channel()(world.stranger, handle="others", name="Others")
    answers = []
    for replaced in (video, VideoId("vid_unknown")):
        with pytest.raises(NotFound) as missing:
            await world.core.start_upload()(
                world.stranger,
                other.channel.id,
                filename="a",
                content_type="video/mp4",
                size_bytes=1,
                replaces=replaced,
            )
        answers.append(str(missing.value))
    assert answers[0] == answers[1], "a hidden video looks like none"
    assert (await world.announce(by=world.editor, replaces=video)).upload.video == video


async def test_quotas_are_kept_and_given_back() -> None:
    size = len(CLIP)
    async with new_world(limits=Limits(user_bytes=3 * size, open_uploads=2)) as world:
        first = await world.announce()
        await world.announce()
        assert await refused(world.announce()) == "too_many_uploads"
        await world.core.cancel_upload()(world.owner, first.upload.id)
        await world.upload()
        await world.announce()
        assert await refused(world.announce()) == "quota_exceeded"
        assert world.quota(world.owner) == 3 * size
        kept = {upload.id for upload in (await world.core.list_uploads()(world.owner)).items if upload.counts}
        assert set(world.raw.media()._incoming) - {first.upload.id} == kept, "nothing stays of what was refused"
        await world.days_later()
        assert world.quota(world.owner) == size


async def test_what_the_signed_links_let_in(world: World) -> None:
    card = await world.announce()
    url = card.tickets[0].url
    assert await refused(world.put("http://x/forged", CLIP)) == "link_invalid"
    assert await refused(world.put(url, CLIP, announced=len(CLIP) + 1)) == "size_mismatch"
    assert await refused(world.put(url, CLIP[:-1])) == "size_mismatch"
    assert await refused(world.put(url, CLIP + b"x")) == "size_mismatch"
    assert not world.incoming()
    world.clock.advance(PART_LIFE)
    assert await refused(world.put(url, CLIP)) == "link_expired"
    (fresh,) = await world.core.sign_parts()(world.owner, card.upload.id, [1])
    await world.core.cancel_upload()(world.owner, card.upload.id)
    assert await refused(world.put(fresh.url, CLIP)) == "upload_closed"


async def test_signing_begins_the_upload(world: World) -> None:
    card = await world.announce()
    for numbers, code in (([], "too_many_parts"), ([1] * 101, "too_many_parts"), ([2], "no_such_part")):
        assert await refused(world.core.sign_parts()(world.owner, card.upload.id, numbers)) == code
    await world.core.sign_parts()(world.owner, card.upload.id, [1])
    begun = (await world.core.show_upload()(world.owner, card.upload.id)).upload
    assert begun.status is Status.UPLOADING
    await world.core.sign_parts()(world.owner, card.upload.id, [1])
    assert (await world.core.show_upload()(world.owner, card.upload.id)).upload == begun


async def test_an_upload_is_for_its_owner_and_the_channel_s_editors(world: World) -> None:
    upload = (await world.announce()).upload.id
    asks = (
        lambda actor: world.core.show_upload()(actor, upload),
        lambda actor: world.core.sign_parts()(actor, upload, [1]),
        lambda actor: world.core.complete_upload()(actor, upload, []),
        lambda actor: world.core.cancel_upload()(actor, upload),
    )
    for ask in asks:
        for actor in (world.stranger, world.moderator, world.staff):
            with pytest.raises(NotFound):
                await ask(actor)
        with pytest.raises(Unauthenticated):
            await ask(ANONYMOUS)
    assert (await asks[0](world.editor)).upload.id == upload
    assert (await asks[3](world.editor)).upload.status is Status.CANCELLED
    with pytest.raises(NotFound):
        await world.core.show_upload()(world.owner, UploadId("upl_unknown"))


async def test_who_was_dismissed_gives_the_channel_nothing(world: World) -> None:
    card = await world.announce(by=world.editor)
    await world.core.dismiss_member()(world.owner, world.channel, world.editor.require_user())
    await world.put(card.tickets[0].url, CLIP)
    with pytest.raises(Forbidden):
        await world.core.complete_upload()(world.editor, card.upload.id, [])
    with pytest.raises(Forbidden):
        await world.core.sign_parts()(world.editor, card.upload.id, [1])
    assert (await world.core.cancel_upload()(world.editor, card.upload.id)).upload.status is Status.CANCELLED


async def test_one_s_own_uploads_by_status(world: World) -> None:
    done, open_ = await world.upload(), (await world.announce()).upload
    ask = world.core.list_uploads()
    assert [each.id for each in (await ask(world.owner)).items] == [open_.id, done.id]
    assert [each.id for each in (await ask(world.owner, statuses=frozenset({Status.WAITING}))).items] == [open_.id]
    assert [each.id for each in (await ask(world.owner, statuses=frozenset({Status.COMPLETED}))).items] == [done.id]
    assert not (await ask(world.editor)).items
    page = await ask(world.owner, limit=1)
    assert [each.id for each in (await ask(world.owner, cursor=page.next)).items] == [done.id]
    with pytest.raises(Unauthenticated):
        await ask(ANONYMOUS)


async def test_cancelling_frees_what_came(world: World) -> None:
    card = await world.announce()
    await world.send(card)
    cancel = world.core.cancel_upload()
    cancelled = await cancel(world.owner, card.upload.id)
    assert await cancel(world.owner, card.upload.id) == cancelled
    assert await refused(world.core.complete_upload()(world.owner, card.upload.id, [])) == "upload_closed"
    assert await refused(world.core.sign_parts()(world.owner, card.upload.id, [1])) == "upload_closed"
    await world.settle()
    assert not world.incoming()
    with pytest.raises(NotFound):
        await world.show(world.owner, card.upload.video)
    with pytest.raises(IllegalTransition):
        await cancel(world.owner, (await world.upload()).id)


async def test_a_replacement_that_is_cancelled_leaves_the_video(world: World) -> None:
    video = await world.publish()
    waiting = (await world.upload()).video
    for replaced in (video, waiting):
        card = await world.announce(replaces=replaced)
        await world.core.cancel_upload()(world.owner, card.upload.id)
    await world.core.consumers().clear_upload(UploadAbandoned(card.upload.id, waiting, world.clock.now()))
    await world.settle()
    for each in (video, waiting):
        assert (await world.show(world.owner, each)).video.state is State.READY


async def test_what_is_not_finished_expires(world: World) -> None:
    card = await world.announce()
    await world.send(card)
    done = await world.upload()
    world.clock.advance(LIFE)
    assert await refused(world.core.complete_upload()(world.owner, card.upload.id, [])) == "upload_expired"
    assert await world.core.expire_uploads()() == 1
    assert await world.core.expire_uploads()() == 0
    assert await refused(world.core.sign_parts()(world.owner, card.upload.id, [1])) == "upload_expired"
    await world.settle()
    assert world.incoming() == {done.id}
    event = UploadAbandoned(card.upload.id, card.upload.video, world.clock.now())
    await world.core.consumers().clear_upload(event)
    await world.core.consumers().clear_upload(evolve(event, upload=UploadId("upl_unknown")))


async def test_what_is_finished_at_the_last_moment_does_not_expire(world: World) -> None:
    card = await world.announce()
    await world.send(card)
    seen = await world.raw.uploads().get(card.upload.id)
    await world.core.complete_upload()(world.owner, card.upload.id, [])

    class Late:
        async def expired(self, *_: Any) -> list[Upload]:
            return [seen]

        def __getattr__(self, name: str) -> Any:
            return getattr(world.raw.uploads(), name)

    await evolve(world.core.expire_uploads(), uploads=Late())()
    assert (await world.raw.uploads().get(card.upload.id)).status is Status.COMPLETED


async def test_a_crash_after_assembling_is_no_end(world: World) -> None:
    """A store such as S3 knows no parts of what is one file; then that file is what is here."""
    card = await world.announce(LARGE)
    parts = await world.send(card, LARGE)
    await world.raw.media().assemble(card.upload, parts)

    class Assembled:
        def __getattr__(self, name: str) -> Any:
            return getattr(world.raw.media(), name)

        async def received(self, upload: Upload) -> list[Part]:
            return [Part(1, upload.size_bytes, "whole")]

        async def assemble(self, upload: Upload, _: Any) -> int:
            return upload.size_bytes

    complete = evolve(world.core.complete_upload(), store=cast(UploadStore, Assembled()))
    done = await complete(world.owner, card.upload.id, [(part.number, part.etag) for part in parts])
    assert done.upload.status is Status.COMPLETED


async def test_a_store_that_lost_bytes_is_not_believed(world: World) -> None:
    """What it made of the parts stays that way, so the upload is over, and says why."""
    card = await world.announce()
    await world.send(card)

    class Losing:
        async def assemble(self, upload: Upload, _: Any) -> int:
            return upload.size_bytes - 1

        def __getattr__(self, name: str) -> Any:
            return getattr(world.raw.media(), name)

    complete = evolve(world.core.complete_upload(), store=Losing())
    assert await refused(complete(world.owner, card.upload.id, [])) == "size_mismatch"
    failed = (await world.core.show_upload()(world.owner, card.upload.id)).upload
    assert (failed.status, failed.error) == (Status.FAILED, f"expected {len(CLIP)} bytes, not {len(CLIP) - 1}")
    assert await refused(complete(world.owner, card.upload.id, [])) == "upload_closed"
    assert await refused(world.core.sign_parts()(world.owner, card.upload.id, [1])) == "upload_closed"
    await world.settle()
    assert await refused(complete(world.owner, card.upload.id, [])) == "upload_closed", "its bytes are gone"
    assert (await world.core.show_upload()(world.owner, card.upload.id)).upload == failed
    assert not world.incoming()
    assert world.quota(world.owner) == 0
    assert not (await world.raw.videos().of_channel(world.channel)).items


async def test_an_upload_cancelled_while_it_is_completed_stays_cancelled(world: World) -> None:
    card = await world.announce()
    await world.send(card)

    class Slow:
        async def save(self, upload: Upload, *events: Event) -> Upload:
            if upload.status is Status.COMPLETED:
                await world.core.cancel_upload()(world.owner, card.upload.id)
            return await world.raw.uploads().save(upload, *events)

        def __getattr__(self, name: str) -> Any:
            return getattr(world.raw.uploads(), name)

    complete = evolve(world.core.complete_upload(), uploads=Slow())
    with pytest.raises(Conflict):
        await complete(world.owner, card.upload.id, [])
    await world.settle()
    assert not world.incoming()
    assert world.quota(world.owner) == 0


async def test_the_store_s_word_completes_an_upload_like_the_client_s(world: World) -> None:
    """Whichever comes first, and however often: one event."""
    finish, complete = world.core.finish_upload(), world.core.complete_upload()
    for first_client in (False, True):
        card = await world.announce()
        await world.send(card)
        if first_client:
            await complete(world.owner, card.upload.id, [])
        done = await finish(card.upload.id)
        assert done.status is Status.COMPLETED
        assert await finish(card.upload.id) == done
        assert (await complete(world.owner, card.upload.id, [])).upload == done
        told = [event for event in await world.take_events() if isinstance(event, UploadCompleted)]
        assert told == [UploadCompleted(card.upload.id, card.upload.video, card.upload.source, world.clock.now())]


async def test_the_store_s_word_is_looked_into(world: World) -> None:
    """Nothing is completed that is not there whole, and what nobody knows may yet be known."""
    finish, card = world.core.finish_upload(), await world.announce(LARGE)
    assert await refused(finish(card.upload.id)) == "parts_missing"
    await world.put(card.tickets[0].url, LARGE[: 8 * MIB])
    assert await refused(finish(card.upload.id)) == "parts_missing"
    with pytest.raises(NotFound):
        await finish(UploadId("upl_unknown"))


async def test_a_file_that_comes_after_its_upload_was_over_is_freed(world: World) -> None:
    """It was cancelled, and nobody would ever look for it."""
    card = await world.announce()
    cancelled = (await world.core.cancel_upload()(world.owner, card.upload.id)).upload
    await world.raw.media().receive(card.upload, 1, pieces(CLIP))
    assert world.incoming()
    assert await world.core.finish_upload()(card.upload.id) == cancelled
    assert not world.incoming()


async def test_a_file_that_comes_when_time_is_over_waits_for_the_sweep(world: World) -> None:
    """The upload is about to expire, which frees what came."""
    card = await world.announce()
    await world.send(card)
    world.clock.advance(LIFE)
    assert (await world.core.finish_upload()(card.upload.id)).status is Status.UPLOADING
    await world.core.expire_uploads()()
    await world.settle()
    assert not world.incoming()


async def test_nothing_stays_that_was_announced_while_the_channel_closed(world: World) -> None:
    class Slow:
        async def start(self, *arguments: Any, **more: Any) -> Upload:
            await world.core.close_channel()(world.owner, world.channel)
            await world.settle()
            return await world.raw.uploads().start(*arguments, **more)

        def __getattr__(self, name: str) -> Any:
            return getattr(world.raw.uploads(), name)

    start = evolve(world.core.start_upload(), uploads=Slow())
    card = await start(world.owner, world.channel, filename="f", content_type="video/mp4", size_bytes=len(CLIP))
    await world.raw.media().receive(card.upload, 1, pieces(CLIP))
    # It came so late that the channel was there when it was completed, but not when the event arrived.
    done, event = card.upload.complete(await world.raw.media().received(card.upload), world.clock.now())
    await world.raw.uploads().save(done, event)
    await world.settle()
    assert not (await world.raw.videos().of_channel(world.channel)).items
    assert not world.incoming()
    assert world.quota(world.owner) == 0
