"""What people say, like and follow."""

from collections.abc import Mapping, Sequence

from attrs import frozen

from application.channels import ChannelCard, ChannelCards
from application.identity import signed_in
from application.ports import (
    Channels,
    Comments,
    NewId,
    Now,
    Page,
    Reactions,
    ReactionTally,
    Subscriptions,
    Users,
    Videos,
    Viewings,
)  # fmt: skip
from application.retry import expect, settled
from application.videos import VideoCard, VideoCards
from domain.access import Actor
from domain.channels import Channel, Hold, Task
from domain.engagement import (
    Comment,
    CommentChange,
    CommentStatus,
    Notify,
    Reaction,
    Ruling,
    Subscribed,
    Subscription,
)  # fmt: skip
from domain.errors import Forbidden, NotFound
from domain.identity import User
from domain.ids import COMMENT, ChannelId, CommentId, UserId, VideoId
from domain.videos import Audience, Video

FEED_CHANNELS = 1000
OWN_HELD = 20
"""Held comments of one's own that come before a list of others'."""
_NO_REACTIONS = ReactionTally()


@frozen
class CommentCard:
    """A comment as someone sees it. ``author`` is None when they left, and of a placeholder; ``signed_in`` says
    whether ``reaction`` means anything.
    """

    comment: Comment
    author: User | None
    likes: int
    dislikes: int
    replies: int
    reaction: Reaction | None
    signed_in: bool


@frozen
class CommentCards:
    """Puts together what is shown of comments, a list at a time."""

    users: Users
    comments: Comments
    reactions: Reactions

    async def of(self, actor: Actor, comments: Sequence[Comment]) -> Sequence[CommentCard]:
        """Of placeholders nothing is told but how many replies there are."""
        ids = [comment.id for comment in comments if comment.status is not CommentStatus.REMOVED]
        authors = await self.users.many(list({comment.author for comment in comments}))
        tallies = await self.reactions.tallies(ids)
        replies = await self.comments.reply_counts([each.id for each in comments if each.parent is None])
        mine: Mapping[str, Reaction] = await self.reactions.of(actor.user, ids) if actor.user else {}
        cards = []
        for comment in comments:
            tally = tallies.get(comment.id, _NO_REACTIONS)
            cards.append(
                CommentCard(
                    comment,
                    authors.get(comment.author),
                    tally.likes,
                    tally.dislikes,
                    replies.get(comment.id, 0),
                    mine.get(comment.id),
                    actor.user is not None,
                )
            )
        return cards

    async def one(self, actor: Actor, comment: Comment) -> CommentCard:
        return (await self.of(actor, [comment]))[0]


@frozen
class Seen:
    """Finds what an actor may see, to act on it; hides the rest."""

    videos: Videos
    channels: Channels
    comments: Comments

    async def video(self, actor: Actor, video: VideoId) -> tuple[Video, Channel]:
        """Raises NotFound, also for whom it is hidden from."""
        stored = await self.videos.get(video)
        channel = await self.channels.get(stored.channel)
        stored.audience(actor, channel)
        return stored, channel

    async def comment(self, actor: Actor, comment: CommentId) -> tuple[Comment, Channel]:
        """Raises NotFound, also for whom it or its video is hidden from."""
        stored = await self.comments.get(comment)
        _, channel = await self.video(actor, stored.video)
        if not stored.seen_by(actor, channel):
            raise NotFound("there is no such comment")
        return stored, channel


@frozen
class PostComment:
    """Say something under a video, or in reply to a comment (a reply to a reply stands beside it)."""

    seen: Seen
    users: Users
    comments: Comments
    cards: CommentCards
    now: Now
    new_id: NewId

    async def __call__(self, actor: Actor, video: VideoId, text: str) -> CommentCard:
        """Visible at once, or held. Raises Forbidden (``comments_disabled``)."""
        _, channel = await self.seen.video(actor, video)
        user = await signed_in(self.users, actor)
        return await self._post(actor, user, channel, video, None, text)

    async def reply(self, actor: Actor, comment: CommentId, text: str) -> CommentCard:
        stored, channel = await self.seen.comment(actor, comment)
        user = await signed_in(self.users, actor)
        return await self._post(actor, user, channel, stored.video, stored.parent or stored.id, text)

    async def _post(  # noqa: PLR0917  (one caller each, above)
        self, actor: Actor, user: User, channel: Channel, video: VideoId, parent: CommentId | None, text: str
    ) -> CommentCard:
        newcomer = channel.comments.hold is Hold.NEWCOMERS and not await self.comments.known(channel.id, user.id)
        draft = Comment(
            id=CommentId(self.new_id(COMMENT)), video=video, channel=channel.id, parent=parent, author=user.id,
            text=text, created_at=self.now(),
        )  # fmt: skip
        trusted = channel.allows(actor, Task.MODERATE)
        comment, events = Comment.post(draft, channel.comments, trusted=trusted, newcomer=newcomer)
        return await self.cards.one(actor, await self.comments.save(comment, *events))


@frozen
class ShowComment:
    """One comment by itself, which a notification or a link leads to."""

    seen: Seen
    cards: CommentCards

    async def __call__(self, actor: Actor, comment: CommentId) -> CommentCard:
        """Raises NotFound, also for whom it or its video is hidden from."""
        stored, _ = await self.seen.comment(actor, comment)
        return await self.cards.one(actor, stored)


@frozen
class EditComment:
    """New words by the author; the pin by the channel's members."""

    seen: Seen
    comments: Comments
    cards: CommentCards
    now: Now

    async def __call__(
        self, actor: Actor, comment: CommentId, *, text: str | None = None, pinned: bool | None = None,
        version: int | None = None,
    ) -> CommentCard:  # fmt: skip
        async def step() -> Comment:
            stored, channel = await self.seen.comment(actor, comment)
            actor.require_user()
            expect("the comment", stored.version, version)
            changed, events = self._change(actor, channel, stored, text, pinned)
            return stored if changed == stored else await self.comments.save(changed, *events)

        return await self.cards.one(actor, await settled(step))

    def _change(
        self,
        actor: Actor,
        channel: Channel,
        comment: Comment,
        text: str | None,
        pinned: bool | None,  # noqa: FBT001  (what the client sent, not a switch)
    ) -> CommentChange:
        change: CommentChange = (comment, ())
        if text is not None:
            trusted = channel.allows(actor, Task.MODERATE)
            change = comment.edit(actor, text, channel.comments, self.now(), trusted=trusted)
        if pinned is not None:
            channel.require(actor, Task.MODERATE)
            change = (change[0].pin(pinned), change[1])
        return change


@frozen
class RemoveComment:
    """Taken back by its author, or taken down by the channel's members or the platform's moderators."""

    seen: Seen
    comments: Comments

    async def __call__(self, actor: Actor, comment: CommentId, version: int | None = None) -> None:
        async def step() -> None:
            stored, channel = await self.seen.comment(actor, comment)
            if actor.require_user() != stored.author:
                channel.require(actor, Task.MODERATE)
            expect("the comment", stored.version, version)
            await self.comments.save(stored.remove())

        await settled(step)


@frozen
class RuleComment:
    seen: Seen
    comments: Comments
    cards: CommentCards
    now: Now

    async def __call__(self, actor: Actor, comment: CommentId, ruling: Ruling) -> CommentCard:
        async def step() -> Comment:
            stored, channel = await self.seen.comment(actor, comment)
            channel.require(actor, Task.MODERATE)
            ruled, events = stored.rule(ruling, self.now())
            return stored if ruled == stored else await self.comments.save(ruled, *events)

        return await self.cards.one(actor, await settled(step))


@frozen
class Discussion:
    """Some of what is said; ``public`` says whether everyone may read it here, or only some."""

    page: Page[CommentCard]
    public: bool


@frozen
class ListComments:
    seen: Seen
    channels: Channels
    comments: Comments
    cards: CommentCards

    async def __call__(self, actor: Actor, video: VideoId, *, cursor: str | None = None, limit: int = 20) -> Discussion:
        """The pinned one first, then newest first; placeholders for those that are hidden but for their replies.
        The first page begins with what the actor said that is held.
        """
        stored, _ = await self.seen.video(actor, video)
        mine = await self._held(actor, video, None, limit) if cursor is None else ()
        # Those with replies have a place of their own in the list.
        answered = await self.comments.reply_counts([each.id for each in mine])
        mine = [each for each in mine if not answered[each.id]]
        page = await self.comments.on_video(video, cursor=cursor, limit=limit - len(mine))
        items = [*mine, *(each.in_place(actor) for each in page.items)]
        return await self._discussion(actor, stored, Page(items, page.next))

    async def replies(
        self, actor: Actor, comment: CommentId, *, cursor: str | None = None, limit: int = 20
    ) -> Discussion:
        """Oldest first, after those of the actor's that are held. They stay when the comment is hidden; one without
        any is then hidden whole.
        """
        parent = await self.comments.get(comment)
        stored, channel = await self.seen.video(actor, parent.video)
        if not parent.seen_by(actor, channel) and not (await self.comments.reply_counts([comment]))[comment]:
            raise NotFound("there is no such comment")
        mine = await self._held(actor, stored.id, comment, limit) if cursor is None else ()
        page = await self.comments.replies(comment, cursor=cursor, limit=limit - len(mine))
        return await self._discussion(actor, stored, Page([*reversed(mine), *page.items], page.next))

    async def of_channel(
        self, actor: Actor, channel: ChannelId, *, held_only: bool, cursor: str | None = None, limit: int = 20
    ) -> Page[CommentCard]:
        """For those who moderate the channel: what waits for them, oldest first; or everything, newest first."""
        (await self.channels.get(channel)).require(actor, Task.MODERATE)
        listing = self.comments.held if held_only else self.comments.of_channel
        page = await listing(channel, cursor=cursor, limit=limit)
        return Page(await self.cards.of(actor, page.items), page.next)

    async def _held(self, actor: Actor, video: VideoId, parent: CommentId | None, limit: int) -> Sequence[Comment]:
        """The newest, as many as leave room for one comment of others: a page has to lead to the next."""
        if actor.user is None or limit == 1:
            return ()
        return await self.comments.held_by(video, actor.user, parent=parent, limit=min(limit - 1, OWN_HELD))

    async def _discussion(self, actor: Actor, video: Video, page: Page[Comment]) -> Discussion:
        cards = await self.cards.of(actor, page.items)
        return Discussion(Page(cards, page.next), public=video.admits(Audience.ANYONE))


@frozen
class React:
    """Like or dislike a video or comment, or take it back. Saying the same again changes nothing."""

    seen: Seen
    users: Users
    reactions: Reactions

    async def to_video(self, actor: Actor, video: VideoId, reaction: Reaction | None) -> None:
        await self.seen.video(actor, video)
        await self._put(actor, video, reaction)

    async def to_comment(self, actor: Actor, comment: CommentId, reaction: Reaction | None) -> None:
        await self.seen.comment(actor, comment)
        await self._put(actor, comment, reaction)

    async def _put(self, actor: Actor, subject: str, reaction: Reaction | None) -> None:
        user = await signed_in(self.users, actor)
        if reaction is None:
            await self.reactions.remove(subject, user.id)
        else:
            await self.reactions.put(subject, user.id, reaction)


@frozen
class ClearEngagement:
    """After a video is removed: forget what was said and felt about it, and how much was watched of it. The days of its
    channel stay as they were.
    """

    comments: Comments
    reactions: Reactions
    viewings: Viewings

    async def __call__(self, video: VideoId) -> None:
        await self.viewings.forget(video)
        await self.reactions.forget(video)
        while comments := await self.comments.all_on(video):
            # Before they go themselves: should this stop halfway, they are found again.
            for comment in comments:
                await self.reactions.forget(comment)
            await self.comments.remove_all(video, len(comments))


@frozen
class Subscribe:
    """Follow a channel, or change what one is told of it. Saying the same again changes nothing."""

    channels: Channels
    users: Users
    subscriptions: Subscriptions
    now: Now

    async def __call__(self, actor: Actor, channel: ChannelId, notify: Notify) -> None:
        """Raises Forbidden (``own_channel``) for the owner."""
        user = await signed_in(self.users, actor)
        stored = await self.channels.get(channel)
        if stored.owner == user.id:
            raise Forbidden("this is your own channel", code="own_channel")
        now = self.now()
        await self.subscriptions.put(Subscription(user.id, channel, notify, now), Subscribed(user.id, channel, now))


@frozen
class Unsubscribe:
    subscriptions: Subscriptions

    async def __call__(self, actor: Actor, channel: ChannelId) -> None:
        await self.subscriptions.remove(actor.require_user(), channel)


@frozen
class Followed:
    """A channel one follows, and how."""

    subscription: Subscription
    card: ChannelCard


@frozen
class ListSubscriptions:
    subscriptions: Subscriptions
    channels: Channels
    cards: ChannelCards

    async def __call__(self, actor: Actor, *, cursor: str | None = None, limit: int = 20) -> Page[Followed]:
        """Newest first."""
        page = await self.subscriptions.of_user(actor.require_user(), cursor=cursor, limit=limit)
        channels = await self.channels.many([each.channel for each in page.items])
        here = [(each, channels[each.channel]) for each in page.items if each.channel in channels]
        return Page([Followed(each, await self.cards.of(actor, channel)) for each, channel in here], page.next)


@frozen
class Follower:
    """Someone who follows a channel; ``user`` is None when they left."""

    subscription: Subscription
    user: User | None


@frozen
class ListSubscribers:
    subscriptions: Subscriptions
    channels: Channels
    users: Users

    async def __call__(
        self, actor: Actor, channel: ChannelId, *, cursor: str | None = None, limit: int = 20
    ) -> Page[Follower]:
        """For the channel's owner, newest first."""
        (await self.channels.get(channel)).require(actor, Task.MANAGE)
        page = await self.subscriptions.to_channel(channel, cursor=cursor, limit=limit)
        users: Mapping[UserId, User] = await self.users.many([each.user for each in page.items])
        return Page([Follower(each, users.get(each.user)) for each in page.items], page.next)


@frozen
class ShowFeed:
    """What the channels one follows published, newest first."""

    subscriptions: Subscriptions
    videos: Videos
    cards: VideoCards

    async def __call__(self, actor: Actor, *, cursor: str | None = None, limit: int = 20) -> Page[VideoCard]:
        user = actor.require_user()
        # Ascending ids: the cursor is good for the same channels in the same order.
        followed = await self.subscriptions.of_user(user, limit=FEED_CHANNELS)
        channels = sorted(each.channel for each in followed.items)
        page = await self.videos.feed(channels, cursor=cursor, limit=limit)
        return Page(await self.cards.of(actor, page.items), page.next)
