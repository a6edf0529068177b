"""Saying, liking and following, and who may."""

import pytest

from application.engagement import Discussion
from domain.access import ANONYMOUS, Role
from domain.channels import CommentPolicy, Hold, Member
from domain.engagement import CommentStatus, Notify, Reaction, Ruling
from domain.errors import Conflict, Forbidden, IllegalTransition, Invalid, NotFound, Unauthenticated, VersionMismatch
from domain.ids import ChannelId, CommentId
from domain.videos import VideoRemoved, Visibility
from tests.application.stage import Stage


def texts(discussion: Discussion) -> list[str]:
    return [card.comment.text for card in discussion.page.items]


async def test_comments_are_listed_pinned_first_then_newest_with_their_counts(stage: Stage) -> None:
    """A reader sees authors, likes and the number of replies; the pin goes before time."""
    ann, ben = await stage.person("ann"), await stage.person("ben")
    channel = await stage.channel(ann)
    video = await stage.video(channel, ann)
    first = await stage.says(ben, video, "first")
    await stage.says(ben, video, "second")
    await stage.core.post_comment().reply(ann, first.comment.id, "hello")
    await stage.core.react().to_comment(ann, first.comment.id, Reaction.LIKE)
    await stage.core.edit_comment()(ann, first.comment.id, pinned=True)
    found = await stage.core.list_comments()(ann, video)
    assert texts(found) == ["first", "second"]
    assert found.public
    top = found.page.items[0]
    assert (top.likes, top.dislikes, top.replies, top.reaction, top.signed_in) == (1, 0, 1, Reaction.LIKE, True)
    assert top.author is not None
    assert top.author.handle == "ben"
    nobody = (await stage.core.list_comments()(ANONYMOUS, video)).page.items[0]
    assert (nobody.reaction, nobody.signed_in) == (None, False)


async def test_pages_of_comments_and_replies_go_on_where_they_stopped(stage: Stage) -> None:
    ann = await stage.person("ann")
    video = await stage.video(await stage.channel(ann), ann)
    top = await stage.says(ann, video, "top")
    for number in range(3):
        await stage.core.post_comment().reply(ann, top.comment.id, f"reply {number}")
    first = await stage.core.list_comments().replies(ann, top.comment.id, limit=2)
    rest = await stage.core.list_comments().replies(ann, top.comment.id, cursor=first.page.next, limit=2)
    assert texts(first) + texts(rest) == ["reply 0", "reply 1", "reply 2"]
    assert rest.page.next is None


async def test_a_reply_to_a_reply_stands_beside_it(stage: Stage) -> None:
    ann = await stage.person("ann")
    video = await stage.video(await stage.channel(ann), ann)
    top = await stage.says(ann, video, "top")
    reply = await stage.core.post_comment().reply(ann, top.comment.id, "reply")
    beside = await stage.core.post_comment().reply(ann, reply.comment.id, "beside")
    assert beside.comment.parent == top.comment.id


async def test_its_author_sees_what_is_held_before_the_rest(stage: Stage) -> None:
    """On the first page only, which is no longer for it; nobody else does, whatever they may."""
    ann, ben = await stage.person("ann"), await stage.person("ben")
    video = await stage.video(await stage.channel(ann, policy=CommentPolicy(words=("spam",))), ann)
    for text in ("one", "spam 1", "two", "spam 2", "three"):
        await stage.says(ben, video, text)
    first = await stage.core.list_comments()(ben, video, limit=4)
    rest = await stage.core.list_comments()(ben, video, limit=4, cursor=first.page.next)
    assert texts(first) == ["spam 2", "spam 1", "three", "two"]
    assert [each.comment.status.value for each in first.page.items] == ["held", "held", "visible", "visible"]
    assert (texts(rest), rest.page.next) == (["one"], None)
    for reader in (ann, await stage.person("cho"), ANONYMOUS):
        assert texts(await stage.core.list_comments()(reader, video)) == ["three", "two", "one"]


@pytest.mark.parametrize("limit", [1, 2, 3])
async def test_held_comments_leave_room_to_go_on(stage: Stage, limit: int) -> None:
    """However short the pages and many the held, every page is within its limit and everyone's comments all come."""
    ann, ben = await stage.person("ann"), await stage.person("ben")
    video = await stage.video(await stage.channel(ann, policy=CommentPolicy(words=("spam",))), ann)
    for number in range(3):
        await stage.says(ben, video, f"spam {number}")
        await stage.says(ann, video, f"fine {number}")
    found: list[str] = []
    cursor = None
    while not found or cursor is not None:
        page = (await stage.core.list_comments()(ben, video, limit=limit, cursor=cursor)).page
        assert len(page.items) <= limit
        found += [each.comment.text for each in page.items]
        cursor = page.next
    assert found == [*["spam 2", "spam 1"][: limit - 1], "fine 2", "fine 1", "fine 0"]


async def test_a_held_comment_with_replies_is_seen_by_its_author_where_it_stands(stage: Stage) -> None:
    """Once, and whole; its author's held replies come before the others' as well."""
    ann, ben = await stage.person("ann"), await stage.person("ben")
    video = await stage.video(await stage.channel(ann, policy=CommentPolicy(words=("spam",))), ann)
    top = (await stage.says(ben, video, "top")).comment.id
    await stage.says(ann, video, "newer")
    for text in ("fine", "spam 1", "spam 2"):
        await stage.core.post_comment().reply(ben, top, text)
    assert texts(await stage.core.list_comments().replies(ben, top)) == ["spam 1", "spam 2", "fine"]
    assert texts(await stage.core.list_comments().replies(ann, top)) == ["fine"]
    await stage.core.rule_comment()(ann, top, Ruling.HOLD)
    assert texts(await stage.core.list_comments()(ben, video)) == ["newer", "top"]
    assert texts(await stage.core.list_comments()(ann, video)) == ["newer", ""]
    await stage.core.rule_comment()(ann, top, Ruling.REJECT)
    assert texts(await stage.core.list_comments()(ben, video)) == ["newer", ""]


@pytest.mark.parametrize("fate", ["removed", Ruling.HOLD, Ruling.REJECT])
async def test_a_comment_that_is_gone_holds_the_place_of_its_replies(stage: Stage, fate: Ruling | str) -> None:
    """To strangers and members alike it says nothing of itself; every comment that counts can be reached."""
    ann, ben, cho = await stage.person("ann"), await stage.person("ben"), await stage.person("cho")
    video = await stage.video(await stage.channel(ann), ann)
    await stage.says(ben, video, "before")
    top = (await stage.says(ben, video, "top")).comment.id
    reply = (await stage.core.post_comment().reply(cho, top, "reply")).comment.id
    await stage.says(ben, video, "after")
    await stage.core.react().to_comment(cho, top, Reaction.LIKE)
    if isinstance(fate, Ruling):
        await stage.core.rule_comment()(ann, top, fate)
    else:
        await stage.core.remove_comment()(ben, top)
    for reader in (ann, cho, ANONYMOUS):
        found = await stage.core.list_comments()(reader, video)
        assert texts(found) == ["after", "", "before"]
        gone = found.page.items[1]
        assert (gone.comment.id, gone.comment.author, gone.comment.status) == (top, "", CommentStatus.REMOVED)
        assert (gone.author, gone.likes, gone.replies, gone.reaction) == (None, 0, 1, None)
        assert texts(await stage.core.list_comments().replies(reader, top)) == ["reply"]
    assert (await stage.core.show_video()(cho, video)).comments == 3
    with pytest.raises(NotFound):
        await stage.core.post_comment().reply(cho, top, "to whom?")
    await stage.core.remove_comment()(cho, reply)
    assert texts(await stage.core.list_comments()(cho, video)) == ["after", "before"]
    with pytest.raises(NotFound):
        await stage.core.list_comments().replies(cho, top)


async def test_who_left_is_shown_without_a_profile(stage: Stage) -> None:
    ann, ben = await stage.person("ann"), await stage.person("ben")
    video = await stage.video(await stage.channel(ann), ann)
    await stage.says(ben, video, "bye")
    await stage.adapters.users().remove(await stage.adapters.users().get(ben.require_user()))
    assert (await stage.core.list_comments()(ann, video)).page.items[0].author is None


async def test_a_hidden_video_has_no_comments_for_strangers(stage: Stage) -> None:
    """Reading, commenting, replying and reacting all say that there is no such video."""
    ann, ben = await stage.person("ann"), await stage.person("ben")
    video = await stage.video(await stage.channel(ann), ann, visibility=Visibility.PRIVATE)
    comment = (await stage.says(ann, video, "among us")).comment.id
    with pytest.raises(NotFound):
        await stage.core.list_comments()(ben, video)
    with pytest.raises(NotFound):
        await stage.core.list_comments().replies(ben, comment)
    with pytest.raises(NotFound):
        await stage.says(ben, video, "hi")
    with pytest.raises(NotFound):
        await stage.core.post_comment().reply(ben, comment, "hi")
    with pytest.raises(NotFound):
        await stage.core.react().to_video(ben, video, Reaction.LIKE)
    with pytest.raises(NotFound):
        await stage.core.react().to_comment(ben, comment, Reaction.LIKE)
    assert not (await stage.core.list_comments()(ann, video)).public


async def test_a_discussion_of_an_unlisted_video_is_not_public(stage: Stage) -> None:
    ann = await stage.person("ann")
    video = await stage.video(await stage.channel(ann), ann, visibility=Visibility.UNLISTED)
    assert not (await stage.core.list_comments()(ANONYMOUS, video)).public


async def test_only_people_with_an_account_comment(stage: Stage) -> None:
    ann, ben = await stage.person("ann"), await stage.person("ben")
    video = await stage.video(await stage.channel(ann), ann)
    with pytest.raises(Unauthenticated):
        await stage.says(ANONYMOUS, video, "hi")
    await stage.adapters.users().remove(await stage.adapters.users().get(ben.require_user()))
    with pytest.raises(Unauthenticated) as closed:
        await stage.says(ben, video, "hi")
    assert closed.value.code == "account_closed"


@pytest.mark.parametrize("text", ["", "   ", "x" * 5001])
async def test_a_comment_has_words_but_not_too_many(stage: Stage, text: str) -> None:
    ann = await stage.person("ann")
    video = await stage.video(await stage.channel(ann), ann)
    with pytest.raises(Invalid):
        await stage.says(ann, video, text)


async def test_a_channel_may_turn_comments_off_for_all_but_its_own(stage: Stage) -> None:
    ann, ben = await stage.person("ann"), await stage.person("ben")
    video = await stage.video(await stage.channel(ann, policy=CommentPolicy(enabled=False)), ann)
    with pytest.raises(Forbidden) as off:
        await stage.says(ben, video, "hi")
    assert off.value.code == "comments_disabled"
    assert (await stage.says(ann, video, "closed, sorry")).comment.shown


async def test_newcomers_wait_until_a_first_comment_was_let_through(stage: Stage) -> None:
    """Held comments are for their author and the members only; an approved one makes its author known."""
    ann, ben, cho = await stage.person("ann"), await stage.person("ben"), await stage.person("cho")
    channel = await stage.channel(ann, policy=CommentPolicy(hold=Hold.NEWCOMERS))
    video = await stage.video(channel, ann)
    waiting = (await stage.says(ben, video, "new here")).comment
    assert waiting.status is CommentStatus.HELD
    assert texts(await stage.core.list_comments()(ann, video)) == []
    with pytest.raises(NotFound):
        await stage.core.post_comment().reply(cho, waiting.id, "what?")
    page = await stage.core.list_comments().of_channel(ann, channel, held_only=True)
    assert [card.comment.id for card in page.items] == [waiting.id]
    approved = await stage.core.rule_comment()(ann, waiting.id, Ruling.APPROVE)
    assert approved.comment.shown
    assert (await stage.says(ben, video, "and again")).comment.shown
    assert (await stage.core.list_comments().of_channel(ann, channel, held_only=True)).items == []


async def test_a_comment_is_shown_by_itself_to_whoever_sees_it_under_its_video(stage: Stage) -> None:
    ann, ben, cho = await stage.person("ann"), await stage.person("ben"), await stage.person("cho")
    channel = await stage.channel(ann, policy=CommentPolicy(hold=Hold.NEWCOMERS))
    video = await stage.video(channel, ann)
    waiting = (await stage.says(ben, video, "new here")).comment.id
    for reader in (ann, ben):
        assert (await stage.core.show_comment()(reader, waiting)).comment.text == "new here"
    for reader in (cho, ANONYMOUS):
        with pytest.raises(NotFound):
            await stage.core.show_comment()(reader, waiting)
    await stage.core.rule_comment()(ann, waiting, Ruling.APPROVE)
    assert (await stage.core.show_comment()(ANONYMOUS, waiting)).comment.text == "new here"
    await stage.core.remove_comment()(ben, waiting)
    with pytest.raises(NotFound):
        await stage.core.show_comment()(ben, waiting)


async def test_a_channels_members_see_all_its_comments_but_the_removed(stage: Stage) -> None:
    ann, ben = await stage.person("ann"), await stage.person("ben")
    channel = await stage.channel(ann)
    video = await stage.video(channel, ann)
    gone = (await stage.says(ben, video, "gone")).comment.id
    bad = (await stage.says(ben, video, "bad")).comment.id
    await stage.says(ben, video, "good")
    await stage.core.remove_comment()(ann, gone)
    await stage.core.rule_comment()(ann, bad, Ruling.REJECT)
    page = await stage.core.list_comments().of_channel(ann, channel, held_only=False)
    assert [(card.comment.text, card.comment.status.value) for card in page.items] == [
        ("good", "visible"),
        ("bad", "rejected"),
    ]
    with pytest.raises(Forbidden):
        await stage.core.list_comments().of_channel(ben, channel, held_only=False)


async def test_ruling_is_for_those_who_moderate_and_saying_it_twice_changes_nothing(stage: Stage) -> None:
    ann, ben, cho = await stage.person("ann"), await stage.person("ben"), await stage.person("cho")
    dov = await stage.person("dov", Role.MODERATOR)
    channel = await stage.channel(ann, members={cho.require_user(): Member.MODERATOR})
    video = await stage.video(channel, ann)
    comment = (await stage.says(ben, video, "hm")).comment
    with pytest.raises(Forbidden):
        await stage.core.rule_comment()(ben, comment.id, Ruling.HOLD)
    rejected = await stage.core.rule_comment()(cho, comment.id, Ruling.REJECT)
    again = await stage.core.rule_comment()(dov, comment.id, Ruling.REJECT)
    assert again.comment.version == rejected.comment.version
    with pytest.raises(IllegalTransition):
        await stage.core.rule_comment()(cho, comment.id, Ruling.HOLD)


async def test_only_its_author_edits_a_comment_and_the_words_pass_the_policy_again(stage: Stage) -> None:
    ann, ben = await stage.person("ann"), await stage.person("ben")
    channel = await stage.channel(ann, policy=CommentPolicy(words=("spam",)))
    video = await stage.video(channel, ann)
    posted = (await stage.says(ben, video, "harmless")).comment
    with pytest.raises(Forbidden):
        await stage.core.edit_comment()(ann, posted.id, text="mine now")
    edited = (await stage.core.edit_comment()(ben, posted.id, text="better")).comment
    assert (edited.text, edited.edited_at) == ("better", stage.clock.now())
    assert (await stage.core.edit_comment()(ben, posted.id, text="better")).comment.version == edited.version
    assert (await stage.core.edit_comment()(ben, posted.id, text="buy SPAM")).comment.status is CommentStatus.HELD


async def test_the_same_words_are_the_authors_to_say_too_and_change_nothing(stage: Stage) -> None:
    ann, ben = await stage.person("ann"), await stage.person("ben")
    card = await stage.says(ben, await stage.video(await stage.channel(ann), ann), "hello")
    with pytest.raises(Forbidden):
        await stage.core.edit_comment()(ann, card.comment.id, text="hello")
    again = await stage.core.edit_comment()(ben, card.comment.id, text=" hello ")
    assert again.comment == card.comment


async def test_an_edit_names_the_version_it_is_of(stage: Stage) -> None:
    ann = await stage.person("ann")
    video = await stage.video(await stage.channel(ann), ann)
    posted = (await stage.says(ann, video, "one")).comment
    await stage.core.edit_comment()(ann, posted.id, text="two", version=posted.version)
    with pytest.raises(VersionMismatch):
        await stage.core.edit_comment()(ann, posted.id, text="three", version=posted.version)
    with pytest.raises(VersionMismatch):
        await stage.core.remove_comment()(ann, posted.id, version=posted.version)


async def test_editing_nothing_still_asks_who_it_is(stage: Stage) -> None:
    ann = await stage.person("ann")
    video = await stage.video(await stage.channel(ann), ann)
    posted = (await stage.says(ann, video, "one")).comment
    with pytest.raises(Unauthenticated):
        await stage.core.edit_comment()(ANONYMOUS, posted.id)
    assert (await stage.core.edit_comment()(ann, posted.id)).comment == posted


async def test_the_pin_is_the_members_and_there_is_one(stage: Stage) -> None:
    ann, ben = await stage.person("ann"), await stage.person("ben")
    video = await stage.video(await stage.channel(ann), ann)
    one, two = (await stage.says(ben, video, "one")).comment, (await stage.says(ben, video, "two")).comment
    with pytest.raises(Forbidden):
        await stage.core.edit_comment()(ben, one.id, pinned=True)
    await stage.core.edit_comment()(ann, one.id, pinned=True)
    await stage.core.edit_comment()(ann, two.id, pinned=True)
    found = await stage.core.list_comments()(ann, video)
    assert [(card.comment.text, card.comment.pinned) for card in found.page.items] == [("two", True), ("one", False)]
    reply = await stage.core.post_comment().reply(ben, one.id, "reply")
    with pytest.raises(Conflict) as refused:
        await stage.core.edit_comment()(ann, reply.comment.id, pinned=True)
    assert refused.value.code == "cannot_pin"


async def test_authors_members_and_moderators_remove_comments_and_nobody_else(stage: Stage) -> None:
    ann, ben, cho = await stage.person("ann"), await stage.person("ben"), await stage.person("cho")
    video = await stage.video(await stage.channel(ann), ann)
    ids = [(await stage.says(ben, video, f"number {each}")).comment.id for each in range(3)]
    with pytest.raises(Forbidden):
        await stage.core.remove_comment()(cho, ids[0])
    for remover, comment in zip([ben, ann, await stage.person("dov", Role.MODERATOR)], ids, strict=True):
        await stage.core.remove_comment()(remover, comment)
        assert (await stage.adapters.comments().get(comment)).text == ""
        with pytest.raises(NotFound):
            await stage.core.remove_comment()(remover, comment)


async def test_a_reaction_replaces_another_and_can_be_taken_back(stage: Stage) -> None:
    ann, ben = await stage.person("ann"), await stage.person("ben")
    video = await stage.video(await stage.channel(ann), ann)
    react = stage.core.react()
    await react.to_video(ann, video, Reaction.LIKE)
    await react.to_video(ann, video, Reaction.LIKE)
    await react.to_video(ben, video, Reaction.LIKE)
    await react.to_video(ben, video, Reaction.DISLIKE)
    card = await stage.core.show_video()(ben, video)
    assert (card.likes, card.dislikes) == (1, 1)
    await react.to_video(ann, video, None)
    await react.to_video(ann, video, None)
    assert (await stage.core.show_video()(ben, video)).likes == 0
    with pytest.raises(Unauthenticated):
        await react.to_video(ANONYMOUS, video, Reaction.LIKE)


async def test_who_left_reacts_no_more(stage: Stage) -> None:
    """Though their token still says who they were."""
    ann, ben = await stage.person("ann"), await stage.person("ben")
    video = await stage.video(await stage.channel(ann), ann)
    comment = (await stage.says(ann, video, "hello")).comment.id
    await stage.core.close_account()(ben)
    await stage.settle()
    for reacting in (
        stage.core.react().to_video(ben, video, Reaction.LIKE),
        stage.core.react().to_comment(ben, comment, Reaction.LIKE),
    ):
        with pytest.raises(Unauthenticated):
            await reacting
    assert (await stage.core.show_video()(ann, video)).likes == 0


async def test_a_removed_video_takes_its_comments_and_reactions_along(stage: Stage) -> None:
    ann = await stage.person("ann")
    channel = await stage.channel(ann)
    video = await stage.video(channel, ann)
    comment = (await stage.says(ann, video, "one")).comment.id
    await stage.core.react().to_video(ann, video, Reaction.LIKE)
    await stage.core.react().to_comment(ann, comment, Reaction.LIKE)
    stored = await stage.adapters.videos().get(video)
    await stage.adapters.videos().remove(stored, VideoRemoved(video, channel, stage.clock.now()))
    assert [each.error for each in await stage.settle() if each.error] == []
    with pytest.raises(NotFound):
        await stage.adapters.comments().get(comment)
    assert await stage.adapters.reactions().of(ann.require_user(), [video, comment]) == {}


async def test_following_again_changes_what_one_is_told_and_nothing_else(stage: Stage) -> None:
    ann, ben = await stage.person("ann"), await stage.person("ben")
    channel = await stage.channel(ann)
    await stage.follows(ben, channel)
    await stage.follows(ben, channel, Notify.NONE)
    (followed,) = (await stage.core.list_subscriptions()(ben)).items
    assert (followed.subscription.notify, followed.card.subscribers) == (Notify.NONE, 1)
    await stage.core.unsubscribe()(ben, channel)
    await stage.core.unsubscribe()(ben, channel)
    assert (await stage.core.list_subscriptions()(ben)).items == []


async def test_nobody_follows_their_own_channel_or_one_that_is_not_there(stage: Stage) -> None:
    ann = await stage.person("ann")
    channel = await stage.channel(ann)
    with pytest.raises(Forbidden) as own:
        await stage.follows(ann, channel)
    assert own.value.code == "own_channel"
    with pytest.raises(NotFound):
        await stage.follows(ann, ChannelId("chn_none"))
    with pytest.raises(Unauthenticated):
        await stage.follows(ANONYMOUS, channel)


async def test_a_closed_channel_is_followed_by_nobody(stage: Stage) -> None:
    """It is left out of the list at once, and forgotten soon."""
    ann, ben = await stage.person("ann"), await stage.person("ben")
    channel = await stage.channel(ann)
    await stage.follows(ben, channel)
    await stage.core.close_channel()(ann, channel)
    assert (await stage.core.list_subscriptions()(ben)).items == []
    await stage.settle()
    assert await stage.adapters.subscriptions().get(ben.require_user(), channel) is None


async def test_the_owner_sees_who_follows_and_nobody_else_does(stage: Stage) -> None:
    ann, ben, cho = await stage.person("ann"), await stage.person("ben"), await stage.person("cho")
    channel = await stage.channel(ann, members={cho.require_user(): Member.EDITOR})
    await stage.follows(ben, channel)
    await stage.follows(cho, channel)
    await stage.adapters.users().remove(await stage.adapters.users().get(ben.require_user()))
    page = await stage.core.list_subscribers()(ann, channel)
    assert [(each.subscription.user, each.user and each.user.handle) for each in page.items] == [
        (cho.user, "cho"),
        (ben.user, None),
    ]
    with pytest.raises(Forbidden):
        await stage.core.list_subscribers()(cho, channel)


async def test_the_feed_shows_what_followed_channels_published_newest_first(stage: Stage) -> None:
    ann, ben = await stage.person("ann"), await stage.person("ben")
    films, boats = await stage.channel(ann, "films"), await stage.channel(ann, "boats")
    other = await stage.channel(ann, "other")
    for each in (films, boats):
        await stage.follows(ben, each)
    one = await stage.video(films, ann, title="one")
    two = await stage.video(boats, ann, title="two")
    await stage.video(other, ann, title="three")
    await stage.video(films, ann, title="hidden", visibility=Visibility.PRIVATE)
    first = await stage.core.show_feed()(ben, limit=1)
    rest = await stage.core.show_feed()(ben, cursor=first.next, limit=1)
    assert [card.video.id for card in (*first.items, *rest.items)] == [two, one]
    with pytest.raises(Unauthenticated):
        await stage.core.show_feed()(ANONYMOUS)


async def test_an_unknown_comment_is_not_found(stage: Stage) -> None:
    ann = await stage.person("ann")
    with pytest.raises(NotFound):
        await stage.core.react().to_comment(ann, CommentId("cmt_none"), Reaction.LIKE)
