"""Channels: who may do what to them, what they show, and what is left when they close."""

from datetime import timedelta
from typing import Any

import pytest
from attrs import evolve

from application.channels import CHANNELS_MOST, IMAGE_MOST, Picture
from application.ports import Event
from domain.access import ANONYMOUS
from domain.channels import Channel, ChannelClosed, ChannelEdited, ChannelOpened, Hold, Member
from domain.engagement import Notify
from domain.errors import (
    Conflict,
    DomainError,
    Forbidden,
    Invalid,
    NotFound,
    Taken,
    TooLarge,
    Unauthenticated,
    VersionMismatch,
)
from domain.ids import ChannelId, UserId
from domain.videos import VideoRemoved
from domain.watching import GRANT_LIFE
from tests.application.world import World, picture

NOWHERE = ChannelId("chn_nowhere")


async def give_picture(world: World, kind: Picture = Picture.AVATAR, content: bytes = b"") -> str:
    content = content or picture()
    image, ticket = await world.core.request_picture()(world.editor, world.channel, kind, len(content))
    assert ticket.expires_at == world.clock.now() + timedelta(minutes=15)
    await world.put(ticket.url, content)
    return str(image)


async def test_opening_and_finding(world: World) -> None:
    card = await world.core.open_channel()(world.fan, handle="@Dogs", name=" Dogs ", description="Woof")
    assert (card.channel.handle, card.channel.name, card.role, card.signed_in) == ("dogs", "Dogs", Member.OWNER, True)
    assert await world.take_events() == [ChannelOpened(card.channel.id, world.clock.now())]
    show = world.core.show_channel()
    assert (await show(ANONYMOUS, card.channel.id)).channel == (await show.by_handle(world.fan, "@DOGS")).channel
    unknown = await show(ANONYMOUS, card.channel.id)
    assert (unknown.role, unknown.subscription, unknown.signed_in) == (None, None, False)
    with pytest.raises(NotFound):
        await show(world.fan, NOWHERE)
    with pytest.raises(NotFound):
        await show.by_handle(world.fan, "nowhere")
    with pytest.raises(Taken):
        await world.core.open_channel()(world.stranger, handle="dogs", name="More dogs")
    with pytest.raises(Unauthenticated):
        await world.core.open_channel()(ANONYMOUS, handle="birds", name="Birds")


async def test_a_card_counts_and_knows_who_looks(world: World) -> None:
    await world.core.subscribe()(world.fan, world.channel, Notify.LIVE)
    await world.publish()
    card = await world.core.show_channel()(world.fan, world.channel)
    assert (card.subscribers, card.videos, card.role) == (1, 1, None)
    assert card.subscription is not None
    assert card.subscription.notify is Notify.LIVE
    for actor, role in (
        (world.owner, Member.OWNER),
        (world.editor, Member.EDITOR),
        (world.moderator, Member.MODERATOR),
    ):
        (mine,) = await world.core.list_my_channels()(actor)
        assert (mine.channel.id, mine.role) == (world.channel, role)
    assert await world.core.list_my_channels()(world.stranger) == []
    with pytest.raises(Unauthenticated):
        await world.core.list_my_channels()(ANONYMOUS)


async def test_nobody_has_channels_without_end(world: World) -> None:
    for number in range(CHANNELS_MOST):
        await world.core.open_channel()(world.fan, handle=f"fan_{number}", name="One more")
    await world.core.enroll_member()(world.owner, world.channel, world.fan.require_user(), Member.EDITOR)
    with pytest.raises(Conflict) as refused:
        await world.core.open_channel()(world.fan, handle="too_many", name="Too many")
    assert refused.value.code == "too_many_channels"
    await world.core.close_channel()(
        world.fan, (await world.core.show_channel().by_handle(world.fan, "fan_0")).channel.id
    )
    assert (await world.core.open_channel()(world.fan, handle="again", name="Again")).channel.owner == world.fan.user


async def test_no_channel_stays_that_was_opened_while_its_owner_left(world: World) -> None:
    class Slow:
        """The account is closed, and all is cleared, just before the channel is saved."""

        async def save(self, channel: Channel, *events: Event) -> Channel:
            await world.core.close_account()(world.fan)
            await world.settle()
            return await world.raw.channels().save(channel, *events)

        def __getattr__(self, name: str) -> Any:
            return getattr(world.raw.channels(), name)

    with pytest.raises(Unauthenticated) as refused:
        await evolve(world.core.open_channel(), channels=Slow())(world.fan, handle="late", name="Late")
    assert refused.value.code == "account_closed"
    await world.settle()
    assert not await world.raw.channels().of_member(world.fan.require_user())
    with pytest.raises(NotFound):
        await world.core.show_channel().by_handle(ANONYMOUS, "late")


async def test_editing_changes_what_was_given(world: World) -> None:
    edit = world.core.edit_channel()
    before = (await world.core.show_channel()(world.editor, world.channel)).channel
    assert (await edit(world.editor, world.channel)).channel == before
    card = await edit(
        world.editor, world.channel, name="Kittens", description="Purr", hold=Hold.ALL, words=["Dog"],
        comments_enabled=False, version=before.version,
    )  # fmt: skip
    assert (card.channel.name, card.channel.handle, card.channel.version) == ("Kittens", "cats", before.version + 1)
    assert (card.channel.comments.hold, card.channel.comments.words) == (Hold.ALL, ("dog",))
    assert not card.channel.comments.enabled
    assert await world.take_events() == [ChannelEdited(world.channel, world.clock.now())]
    with pytest.raises(VersionMismatch):
        await edit(world.owner, world.channel, name="Late", version=before.version)
    with pytest.raises(Taken):
        await world.core.open_channel()(world.fan, handle="cats", name="Copy cats")
    assert (await edit(world.owner, world.channel, handle="felines")).channel.handle == "felines"


async def test_who_may_do_what(world: World) -> None:
    core, channel = world.core, world.channel
    asked: dict[str, Any] = {
        "edit": lambda actor: core.edit_channel()(actor, channel, description=f"by {actor.user}"),
        "rename": lambda actor: core.edit_channel()(actor, channel, handle="cats"),
        "picture": lambda actor: core.request_picture()(actor, channel, Picture.BANNER, 10),
        "enroll": lambda actor: core.enroll_member()(actor, channel, world.fan.require_user(), Member.MODERATOR),
        "dismiss": lambda actor: core.dismiss_member()(actor, channel, UserId("usr_nobody")),
        "close": lambda actor: core.close_channel()(actor, channel, 999),
    }
    may = {
        world.owner: set(asked), world.admin: set(asked), world.editor: {"edit", "picture"}, world.moderator: set(),
        world.staff: set(), world.stranger: set(), ANONYMOUS: set(),
    }  # fmt: skip
    for actor, allowed in may.items():
        for name, ask in asked.items():
            try:
                await ask(actor)
                refused = None
            except DomainError as error:
                refused = type(error)
            if name in allowed:
                # Past the door: nobody is no member, and 999 is no version.
                assert refused is {"dismiss": NotFound, "close": VersionMismatch}.get(name), (actor, name)
            else:
                assert refused is (Unauthenticated if actor is ANONYMOUS else Forbidden), (actor, name)


async def test_two_editors_at_once_lose_nothing(world: World) -> None:
    """Each reads, then both save: the second reads again."""

    class Twice:
        def __init__(self, other: str) -> None:
            self.others = [other]

        async def save(self, channel: Channel, *events: Event) -> Channel:
            while self.others:
                await world.core.edit_channel()(world.owner, world.channel, description=self.others.pop())
            return await world.raw.channels().save(channel, *events)

        def __getattr__(self, name: str) -> Any:
            return getattr(world.raw.channels(), name)

    edit = evolve(world.core.edit_channel(), channels=Twice("from the other"))
    card = await edit(world.editor, world.channel, name="From this one")
    assert (card.channel.name, card.channel.description) == ("From this one", "from the other")
    with pytest.raises(VersionMismatch):
        await evolve(edit, channels=Twice("faster"))(
            world.editor, world.channel, name="Late", version=card.channel.version
        )


async def test_pictures_come_by_ticket(world: World) -> None:
    avatar, banner = await give_picture(world), await give_picture(world, Picture.BANNER, picture(300, 300))
    card = await world.core.edit_channel()(world.editor, world.channel, avatar=avatar, banner=banner)
    assert card.avatar_url == f"http://hexcast.test/media/o/{card.channel.avatar}"
    assert card.banner_url is not None
    assert world.files("c/") == {card.channel.avatar, card.channel.banner}
    again = await world.core.edit_channel()(world.editor, world.channel, avatar=avatar)
    assert again.channel == card.channel
    for size in (0, IMAGE_MOST + 1):
        with pytest.raises(TooLarge) as refused:
            await world.core.request_picture()(world.editor, world.channel, Picture.AVATAR, size)
        assert refused.value.code == "file_too_large"


async def test_a_picture_that_was_replaced_goes_when_no_link_to_it_works(world: World) -> None:
    """Also when it comes back before: what is shown then is another file."""
    edit = world.core.edit_channel()
    first, second = await give_picture(world), await give_picture(world, content=picture(90, 90))
    for image in (first, second, first):
        card = await edit(world.editor, world.channel, avatar=image)
    await world.settle()
    assert len(world.files("c/")) == 3
    await world.pass_time(GRANT_LIFE)
    assert world.files("c/") == {card.channel.avatar}
    assert not await world.dead()


async def test_no_picture_stays_of_an_edit_that_failed(world: World) -> None:
    image = await give_picture(world)
    await world.core.open_channel()(world.stranger, handle="dogs", name="Dogs")
    with pytest.raises(Taken):
        await world.core.edit_channel()(world.owner, world.channel, avatar=image, handle="dogs")
    with pytest.raises(Invalid):
        await world.core.edit_channel()(world.owner, world.channel, avatar=image, banner=image)
    assert not world.files("c/")


@pytest.mark.parametrize("image", ["img_unknown", "", "../../secret", "a/b", "ïmg", "img_1.jpg"])
async def test_a_picture_that_never_came(world: World, image: str) -> None:
    with pytest.raises(Invalid) as refused:
        await world.core.edit_channel()(world.editor, world.channel, avatar=image)
    assert refused.value.code == "no_such_image"
    assert refused.value.fields[0][0] == "avatar_image_id"


async def test_a_picture_is_for_its_place_and_channel_only(world: World) -> None:
    image = await give_picture(world)
    with pytest.raises(Invalid):
        await world.core.edit_channel()(world.editor, world.channel, banner=image)
    other = await world.core.open_channel()(world.stranger, handle="thieves", name="Thieves")
    with pytest.raises(Invalid):
        await world.core.edit_channel()(world.stranger, other.channel.id, avatar=image)
    unreadable = await give_picture(world, content=b"no picture")
    with pytest.raises(Invalid) as refused:
        await world.core.edit_channel()(world.editor, world.channel, avatar=unreadable)
    assert refused.value.code == "unreadable_image"
    assert not world.files()


async def test_no_picture_stays_of_a_channel_that_closes_meanwhile(world: World) -> None:
    class Slow:
        async def save(self, channel: Channel, *events: Event) -> Channel:
            await world.core.close_channel()(world.owner, world.channel)
            await world.settle()
            return await world.raw.channels().save(channel, *events)

        def __getattr__(self, name: str) -> Any:
            return getattr(world.raw.channels(), name)

    image = await give_picture(world)
    with pytest.raises(NotFound):
        await evolve(world.core.edit_channel(), channels=Slow())(world.editor, world.channel, avatar=image)
    assert not world.files()


async def test_members_come_and_go(world: World) -> None:
    enroll, dismiss = world.core.enroll_member(), world.core.dismiss_member()
    card = await enroll(world.owner, world.channel, world.fan.require_user(), Member.EDITOR)
    again = await enroll(world.owner, world.channel, world.fan.require_user(), Member.EDITOR, card.channel.version)
    assert again.channel == card.channel
    for nobody in ("usr_nobody", "@nobody"):
        with pytest.raises(NotFound):
            await enroll(world.owner, world.channel, UserId(nobody), Member.EDITOR)
    for user, role in ((world.owner.require_user(), Member.EDITOR), (world.fan.require_user(), Member.OWNER)):
        with pytest.raises(Conflict) as refused:
            await enroll(world.owner, world.channel, user, role)
        assert refused.value.code == "owner_is_fixed"
    with pytest.raises(VersionMismatch):
        await dismiss(world.fan, world.channel, world.fan.require_user(), card.channel.version - 1)
    await dismiss(world.fan, world.channel, world.fan.require_user())
    with pytest.raises(Forbidden):
        await dismiss(world.fan, world.channel, world.fan.require_user())
    await dismiss(world.owner, world.channel, world.editor.require_user())
    with pytest.raises(Forbidden):
        await world.core.edit_channel()(world.editor, world.channel, name="Mine now")
    with pytest.raises(Conflict):
        await dismiss(world.owner, world.channel, world.owner.require_user())


async def test_closing_takes_everything_along(world: World) -> None:
    await world.core.edit_channel()(world.owner, world.channel, avatar=await give_picture(world))
    await world.core.subscribe()(world.fan, world.channel, Notify.ALL)
    await world.publish()
    await world.announce(title="Half sent")
    await world.core.close_channel()(world.owner, world.channel)
    with pytest.raises(NotFound):
        await world.core.show_channel()(ANONYMOUS, world.channel)
    await world.settle()
    assert not (await world.raw.videos().of_channel(world.channel)).items
    assert not world.files()
    assert not world.incoming()
    assert world.quota(world.owner) == 0
    assert not (await world.raw.subscriptions().of_user(world.fan.require_user())).items
    assert not (await world.raw.search().find("cats")).items
    with pytest.raises(NotFound):
        await world.core.close_channel()(world.owner, world.channel)


async def test_clearing_goes_on_over_videos_that_change(world: World) -> None:
    video = (await world.upload()).video
    await world.take_events()

    class Busy:
        changed = False

        async def remove(self, stored: Any, *events: Event) -> None:
            if not self.changed:
                self.changed = True
                await world.raw.videos().save(evolve(stored, title="Changed"))
            await world.raw.videos().remove(stored, *events)

        def __getattr__(self, name: str) -> Any:
            return getattr(world.raw.videos(), name)

    event = ChannelClosed(world.channel, world.clock.now())
    await evolve(world.core.clear_channel(), videos=Busy())(event)
    assert await world.take_events() == [VideoRemoved(video, world.channel, world.clock.now())]


def test_banners_are_wide() -> None:
    assert (Picture.AVATAR.size, Picture.BANNER.size) == ((512, 512), (2048, 512))
