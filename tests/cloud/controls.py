"""What tests may do to the emulated cloud and no client of AWS can: ``/_hexcast/...``."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol

from attrs import asdict, frozen

from tests.cloud.access import Record
from tests.cloud.cloudfront import Gate
from tests.cloud.cognito import Cognito
from tests.cloud.ivs import Ivs, Telling
from tests.cloud.ivschat import IvsChat
from tests.cloud.mediaconvert import MediaConvert
from tests.cloud.models import Refused
from tests.cloud.wire import Answer, App, Caller, Receive, Request, Scope, Send, read, reply, told

PATH = "/_hexcast/"


class Emulator(Protocol):
    def put_events(self, caller: Caller, entries: Any) -> None: ...
    def wipe(self, account: str) -> None:
        """The account's DynamoDB tables are empty."""

    async def reset(self) -> None: ...


@frozen
class Controls:
    """Stand before everything else."""

    behind: App
    emulator: Emulator
    media: MediaConvert
    ivs: Ivs
    chat: IvsChat
    cognito: Cognito
    gate: Gate
    record: Record

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not scope["path"].startswith(PATH):
            await self.behind(scope, receive, send)
            return
        request = await read(scope, receive)
        try:
            done = await self._done(request)
            answer = Answer(204) if done is None else told(200, done)
        except (KeyError, ValueError) as error:
            answer = told(400, {"message": repr(error)})
        except Refused as refused:
            answer = told(404, {"message": refused.message})
        await reply(send, answer)

    async def _done(self, request: Request) -> Mapping[str, Any] | list[Any] | None:
        """None: it is done, and there is nothing to say."""
        first, *rest = request.parts(PATH)
        parts: Mapping[str, Callable[[Request, list[str]], Awaitable[Mapping[str, Any] | list[Any] | None]]] = {
            "jobs": self._job_done, "broadcasts": self._broadcast_done, "access": self._access_shown,
            "streams": self._pretended,
        }  # fmt: skip
        if first in parts:
            return await parts[first](request, rest)
        match (request.method, first, *rest):
            case "GET", "health":
                return {}
            case "GET", "mail":
                return {"data": self.cognito.mailed(request.one("to")), "next_cursor": None}
            case "POST", "codes", "expire":
                return {"expired": self.cognito.expire(request.json["to"])}
            case "POST", "events":
                self.emulator.put_events(Caller.of(request.json["account"]), request.json["entries"])
            case "POST", "site":
                self.gate.site = request.json["label"]
            case "POST", "wipe":
                self.emulator.wipe(request.json["account"])
            case "POST", "reset":
                self.media.reset()
                self.ivs.reset()
                self.chat.reset()
                self.cognito.reset()
                await self.emulator.reset()
            case _:
                raise KeyError(request.path)
        return {}

    async def _access_shown(self, request: Request, parts: list[str]) -> Mapping[str, Any] | list[Any]:
        match (request.method, *parts):
            case "GET", "asked":
                return [asdict(each) for each in sorted(self.record.asked)]
            case "GET", "refused":
                return asdict(await self.record.refused(request.one("action")))
            case "POST", "forget":
                self.record.asked.clear()
            case _:
                raise KeyError(request.path)
        return {}

    async def _job_done(self, request: Request, parts: list[str]) -> Mapping[str, Any]:
        match (request.method, *parts):
            case "POST", "by-hand":
                change: Callable[[str], None] = (
                    self.media.by_hand.add if request.json["on"] else self.media.by_hand.discard
                )
                change(request.json["bucket"])
            case "POST", "limit":
                self.media.waiting_most[request.json["account"]] = request.json["most"]
            case "POST", "forget-tokens":
                self.media.tokens.clear()
            case "GET", "over":
                over = await self.media.over(request.one("source"))
                return {"job": over.id, "status": over.status}
            case "GET", job, "over":
                await self.media.found(job).over.wait()
                return {"status": self.media.found(job).status}
            case "POST", job, "run":
                self.media.run(self.media.found(job))
            case "POST", job, status:
                given = request.json
                self.media.drive(
                    self.media.found(job), status, emit=given["emit"], detail=given["detail"],
                    duration_ms=given["duration_ms"],
                )  # fmt: skip
            case _:
                raise KeyError(request.path)
        return {}

    async def _pretended(self, request: Request, parts: list[str]) -> None:
        """What an encoder of one of our streams does, in the words of ``POST /v1/dev/streams/{id}/simulate``."""
        match (request.method, *parts, request.json["step"]):
            case "POST", stream, "simulate", "start":
                await self.ivs.begin(self.ivs.key_of(self.ivs.by_name(stream)), 0)
            case "POST", stream, "simulate", "drop":
                await self.ivs.end(self.ivs.by_name(stream))
            case "POST", stream, "simulate", "starve":
                channel = self.ivs.by_name(stream)
                self.ivs.starve(channel, on=not self.ivs.live(channel).starving)
            case "POST", stream, "simulate", "end":
                channel = self.ivs.by_name(stream)
                await self.ivs.end(channel)
                if channel.recording is not None:  # a window that nobody shall wait for
                    await self.ivs.close_recording(channel)
            case _:
                raise KeyError(request.path)

    async def _broadcast_done(self, request: Request, parts: list[str]) -> Mapping[str, Any]:
        given = request.json if request.method == "POST" else {}
        match (request.method, *parts):
            case "POST", "begin":
                return {"stream_id": (await self.ivs.begin(given["key"], given["viewers"])).stream_id}
            case "POST", "telling":
                self.ivs.telling[Caller.of(given["account"]).account] = Telling(
                    frozenset(given["lost"]), given["twice"], [] if given["held"] else None
                )
            case "POST", "release":
                self.ivs.release(Caller.of(given["account"]).account, backwards=given["backwards"])
            case "POST", channel, "end":
                await self.ivs.end(self.ivs.by_id(channel), failed=given["failed"])
            case "POST", channel, "window":
                await self.ivs.close_recording(self.ivs.by_id(channel))
            case "POST", channel, "starve":
                self.ivs.starve(self.ivs.by_id(channel), on=given["on"])
            case "POST", channel, "breach":
                self.ivs.breach(self.ivs.by_id(channel), given["name"])
            case "POST", channel, "viewers":
                self.ivs.live(self.ivs.by_id(channel)).viewers = given["count"]
            case "GET", channel, "metadata":
                return {"texts": self.ivs.live(self.ivs.by_id(channel)).metadata}
            case _:
                raise KeyError(request.path)
        return {}
