"""``hexcast demo``: the server, with people, channels and videos already there.

Everything goes the way that clients go, from sign-up to the transcoder; ffmpeg draws the videos.
"""

import asyncio
import os
import sys
import tempfile
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

from attrs import frozen
from imageio_ffmpeg import get_ffmpeg_exe

from application.ports import Mailbox
from domain.access import Actor
from domain.channels import Hold
from domain.engagement import Notify, Reaction
from domain.errors import NotFound
from domain.identity import User
from domain.ids import ChannelId, VideoId
from domain.uploads import MIB
from domain.videos import Visibility
from entrypoints.container import Core
from entrypoints.http.serve import main

PASSWORD = "demo-password"  # noqa: S105  (shown to everyone who runs the demo)
PEOPLE = (("ada", "Ada Lovelace"), ("grace", "Grace Hopper"), ("alan", "Alan Turing"), ("katherine", "Katherine J."))


@frozen
class Clip:
    """A video to draw: ffmpeg's source filter, seconds, and the tone under it in Hz (0: none)."""

    title: str
    description: str
    tags: Sequence[str]
    picture: str
    seconds: int
    tone: int = 0


# Formulas of brightness, each drawn small, made large, and given colours.
_LARGE, _SMALL = (f"scale={size}:flags=bicubic,format=yuv444p,pseudocolor=preset" for size in ("1280:720", "854:480"))
_HILLS = (
    "if(gt(Y,225+12*sin(X/34+T*1.6)+5*sin(X/13+T*2)),6,if(gt(Y,190+16*sin(X/49+T*0.9)+6*sin(X/17+T)),48,"
    "if(gt(Y,155+20*sin(X/64+T*0.5)+5*sin(X/21)),92,if(gt(Y,128+16*sin(X/80+2+T*0.25)),130,"
    "if(lt(hypot(X-330,Y-75-T*2),34),250,165+Y/3)))))"
)
_LIGHTS = (
    "14+225*exp(-pow((Y-52-16*sin(X/31+T/2)-7*sin(X/13-T))/(30-12*gt(Y,52+16*sin(X/31+T/2))),2))"
    "*(0.62+0.38*sin(X/3.7+2*sin(T/3)+Y/40))"
)
_TUNNEL = (
    "clip((128+127*sin(900/(hypot(X-120,Y-68)+9)+T*4)*cos(3*atan2(Y-68,X-120)+T))*min(1,hypot(X-120,Y-68)/30),0,255)"
)
_POND = "110+50*cos(hypot(X-70,Y-50)/3-T*5)+50*cos(hypot(X-180,Y-95)/3-T*5)"
_PETALS = "128+63*sin(hypot(X-120,Y-68)/7-T*2)+63*sin(6*atan2(Y-68,X-120)+3*sin(hypot(X-120,Y-68)/15-T))"
_LAVA = "128+62*sin(Y/13+T*1.3+2*sin(X/20+T/2))+62*sin(X/12-T+3*sin(Y/40+T/2))"


def _formula(size: str, brightness: str, colours: str) -> str:
    return f"nullsrc=size={size},format=gray,geq=lum='{brightness}',{colours}"


CHANNELS: Sequence[tuple[str, str, str, Sequence[Clip]]] = (
    (
        "ada",
        "analytical",
        "Analytical Engines",
        (
            Clip(
                "Zooming into the Mandelbrot set",
                "One formula, no end.\n\nDrawn by ffmpeg's mandelbrot source.\n\n0:00 Far away\n0:06 Very near",
                ("fractals", "mathematics"),
                "mandelbrot=size=640x360:rate=25:start_scale=0.01:end_scale=0.00002:end_pts=300:maxiter=1200:bailout=100"
                ":start_x=-0.743643887037151:start_y=-0.131825904205330,format=gray,"
                f"{_LARGE}=inferno",
                12,
                220,
            ),
            Clip(
                "Conway's Game of Life",
                "Gliders, blinkers and chaos.",
                ("cellular automata", "mathematics"),
                "life=size=320x180:rate=12:seed=4:ratio=0.12:mold=4:mold_color=#23104a:life_color=#ffe29a"
                ":death_color=#c2185b,scale=960:540:flags=neighbor",
                10,
            ),
            Clip(
                "Six petals in polar coordinates",
                "Two sines, of the distance and of the angle.",
                ("mathematics", "waves"),
                _formula("240x136", _PETALS, f"{_SMALL}=inferno"),
                8,
                294,
            ),
        ),
    ),
    (
        "grace",
        "compilers",
        "From Bugs to Compilers",
        (
            Clip(
                "Two stones in a pond",
                "Where waves meet, they add up. Look at the places where the water stands still!",
                ("waves", "physics"),
                _formula("240x136", _POND, f"{_SMALL}=blues"),
                8,
                440,
            ),
            Clip(
                "Rule 110 is Turing complete",
                "A line of cells, one rule.",
                ("cellular automata", "computing"),
                "cellauto=rule=110:size=320x180:rate=25:scroll=1:ratio=0.4:seed=3,format=rgb24,"
                "lutrgb=r='if(val,255,24)':g='if(val,196,32)':b='if(val,61,84)',scale=854:480:flags=neighbor",
                8,
                330,
            ),
            Clip(
                "Down the tunnel",
                "It never ends, and it never repeats.",
                ("waves", "demo scene"),
                _formula("240x136", _TUNNEL, f"{_SMALL}=plasma"),
                8,
                110,
            ),
        ),
    ),
    (
        "katherine",
        "skies",
        "Skies and Orbits",
        (
            Clip(
                "Sunset over the hills",
                "Four rows of hills, each faster than the one behind it.",
                ("landscape", "parallax"),
                _formula("480x270:rate=15", _HILLS, f"{_LARGE}=magma"),
                8,
                196,
            ),
            Clip(
                "Northern lights",
                "A quiet night, far up.",
                ("landscape", "night"),
                _formula("240x136", _LIGHTS, f"{_SMALL}=viridis"),
                8,
            ),
        ),
    ),
    (
        "alan",
        "tall_stories",
        "Tall Stories",
        (
            Clip(
                "Standing up straight",
                "A portrait video, and it stays one.",
                ("portrait",),
                _formula("136x240", _LAVA, "scale=720:1280:flags=bicubic,format=yuv444p,pseudocolor=preset=plasma"),
                8,
                262,
            ),
        ),
    ),
)
COMMENTS = (
    "Wonderful. I could watch this all day.",
    "How long did this take to draw?",
    "The sound surprised me!",
    "Saved for the next rainy afternoon.",
)


async def seed(core: Core) -> None:
    """Fill an empty platform."""
    people = {handle: await _join(core, handle, name) for handle, name in PEOPLE}
    videos: list[tuple[str, VideoId]] = []
    channels: dict[str, ChannelId] = {}
    for owner, handle, name, _ in CHANNELS:
        card = await core.open_channel()(people[owner], handle=handle, name=name, description=f"{name}, by @{owner}.")
        channels[owner] = card.channel.id
        await core.edit_channel()(people[owner], card.channel.id, hold=Hold.LINKS)
    for owner, channel in channels.items():
        for handle, fan in people.items():
            if handle != owner:
                await core.subscribe()(fan, channel, Notify.ALL)
    with tempfile.TemporaryDirectory() as folder:
        for owner, _, _, clips in CHANNELS:
            for number, clip in enumerate(clips):
                drawn = await _draw(clip, Path(folder) / f"{owner}{number}.mp4")
                videos.append((owner, await _publish(core, people[owner], channels[owner], clip, drawn)))
    for number, (owner, video) in enumerate(videos):
        await _talk(core, people, owner, video, number)


async def _join(core: Core, handle: str, name: str) -> Actor:
    mailbox: Mailbox = core.adapters.mailbox()
    address = f"{handle}@example.org"
    user: User = await core.sign_up()(address, PASSWORD, handle, name)
    mail = (await mailbox.sent_to(address))[0]
    await core.confirm_account()(address, mail.code or "")
    return Actor(user.id, user.roles)


async def _draw(clip: Clip, path: Path) -> Path:
    sound = ["-f", "lavfi", "-i", f"sine=frequency={clip.tone}:sample_rate=48000"] if clip.tone else []
    command = [
        get_ffmpeg_exe(), "-v", "error", "-nostdin", "-f", "lavfi", "-i", clip.picture, *sound, "-t", str(clip.seconds),
        "-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", str(path),
    ]  # fmt: skip
    process = await asyncio.create_subprocess_exec(*command)
    if await process.wait() != 0:
        raise RuntimeError(f"ffmpeg could not draw {clip.title!r}")
    return path


async def _publish(core: Core, actor: Actor, channel: ChannelId, clip: Clip, path: Path) -> VideoId:
    content = await asyncio.to_thread(path.read_bytes)
    started = await core.start_upload()(
        actor, channel, filename=path.name, content_type="video/mp4", size_bytes=len(content), title=clip.title,
        description=clip.description, tags=clip.tags, visibility=Visibility.PUBLIC,
    )  # fmt: skip
    upload = started.upload
    tickets = await core.sign_parts()(actor, upload.id, range(1, upload.parts + 1))
    for ticket in tickets:
        part = content[(ticket.number - 1) * upload.part_size_bytes : ticket.number * upload.part_size_bytes]
        await core.receive_part()(ticket.url.rpartition("/")[2], len(part), _pieces(part))
    await core.complete_upload()(actor, upload.id, ())
    return upload.video


async def _pieces(content: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(content), MIB):
        yield content[start : start + MIB]


async def _published(core: Core, video: VideoId) -> None:
    while not (await core.adapters.videos().get(video)).listable:  # noqa: ASYNC110  (nobody tells when)
        await asyncio.sleep(0.2)


async def _talk(core: Core, people: dict[str, Actor], owner: str, video: VideoId, number: int) -> None:
    await _published(core, video)
    fans = [handle for handle in people if handle != owner]
    for index, handle in enumerate(fans):
        text = COMMENTS[(number + index) % len(COMMENTS)]
        posted = await core.post_comment()(people[handle], video, text)
        if index < 2:
            await core.react().to_video(people[handle], video, Reaction.LIKE)
        if index == 0:
            await core.post_comment().reply(people[owner], posted.comment.id, f"Thank you, @{handle}!")
            await core.react().to_comment(people[owner], posted.comment.id, Reaction.LIKE)


async def welcome(core: Core) -> None:
    """Fill it, unless there is something already, and say whom one may be."""
    there = await _there(core)
    if there is None:
        count = sum(len(clips) for *_, clips in CHANNELS)
        _say(f"Drawing {count} videos, which takes a minute or two: they show up one by one.")
        await seed(core)
    if there is False:
        _say(
            "Some of the demo, or of something else, is here already. For all of it, HEXCAST_DATA can name another folder."
        )
        return
    _say(f"The demo is {'there already' if there else 'ready'}: {core.settings().public_url}")
    for handle, name in PEOPLE:
        _say(f"  {name}: {handle}@example.org")
    _say(f"  The password of each: {PASSWORD}")


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


async def _there(core: Core) -> bool | None:
    """Whether all of it is; None: nothing is, as the first person comes first and comments come last."""
    users, channels, videos, comments = (
        core.adapters.users(), core.adapters.channels(), core.adapters.videos(), core.adapters.comments()
    )  # fmt: skip
    try:
        await users.by_handle(PEOPLE[0][0])
    except NotFound:
        return None
    for _, handle, _, clips in CHANNELS:
        try:
            channel = await channels.by_handle(handle)
        except NotFound:
            return False
        listed = (await videos.listed(channel=channel.id, limit=100)).items
        counts = await comments.counts([video.id for video in listed])
        if len(listed) < len(clips) or not all(counts.values()):
            return False
    return True


def run() -> int:
    """In a folder of its own, unless one is named; the exit status."""
    os.environ.setdefault("HEXCAST_DATA", ".hexcast-demo")
    return main(beside=welcome)


if __name__ == "__main__":
    sys.exit(run())
