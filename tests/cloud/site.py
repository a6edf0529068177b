"""What is deployed, as people use it: by the API, and the addresses that it gives."""

import asyncio
import json
from collections.abc import Callable, Mapping
from typing import Any

import httpx
from aiohttp import ClientSession
from attrs import frozen

from tests.cloud.deployment import Deployment, aws
from tests.cloud.world import Stack

PASSWORD = "correct horse battery"
DEADLINE_CALLS = 1000
"""So often is asked whether something has come about: each call takes its time."""


@frozen
class Site:
    """As one person has it. ``http`` is of theirs alone."""

    stack: Stack
    deployed: Deployment
    http: httpx.Client

    def call(self, method: str, path: str, **given: Any) -> Any:
        answer = self.http.request(method, path, **given)
        assert answer.is_success, f"{method} {path}: {answer.status_code} {answer.text}\n{self.stack.log()[-2000:]}"
        return answer.json() if answer.content else {}

    def sign_up(self, handle: str) -> str:
        """The new user's id."""
        email = f"{handle}@example.org"
        body = {"email": email, "password": PASSWORD, "handle": handle, "display_name": handle.title()}
        self.call("POST", "/v1/auth/sign-up", json=body)
        code = self.stack.mail(email)[0]["code"]
        self.call("POST", "/v1/auth/confirm", json={"email": email, "code": code})
        tokens = self.call("POST", "/v1/auth/sign-in", json={"email": email, "password": PASSWORD})
        self.http.headers["Authorization"] = f"Bearer {tokens['access_token']}"
        user: str = self.call("GET", "/v1/me")["id"]
        return user

    def channel(self, handle: str) -> str:
        channel: str = self.call("POST", "/v1/channels", json={"handle": handle, "name": handle.title()})["id"]
        return channel

    def announce(self, channel: str, size: int, **more: Any) -> Mapping[str, Any]:
        body = {
            "channel_id": channel, "filename": "film.mp4", "content_type": "video/mp4", "size_bytes": size,
            "title": "First", "visibility": "private", **more,
        }  # fmt: skip
        upload: Mapping[str, Any] = self.call("POST", "/v1/uploads", json=body)
        return upload

    def upload(self, channel: str, content: bytes, *, complete: bool = True, **more: Any) -> Mapping[str, Any]:
        """All of it, in as many parts as the API asks for. If the API is not to be told, its files are put together as if
        it had died doing so: nobody but S3 says that it is whole.
        """
        upload = self.announce(channel, len(content), **more)
        size = upload.get("part_size_bytes") or len(content)
        for part in upload["parts"]:
            start = (part["number"] - 1) * size
            sent = httpx.put(part["url"], content=content[start : start + size], timeout=60)
            assert sent.status_code == 200, sent.text
        if complete:
            self.call("POST", f"/v1/uploads/{upload['id']}/complete", json={"parts": []})
        else:
            self._put_together(f"raw/{upload['id']}/source")
        return upload

    def _put_together(self, key: str) -> None:
        s3, bucket = aws(self.stack, "s3"), self.deployed.outputs["RawBucket"]
        (begun,) = s3.list_multipart_uploads(Bucket=bucket, Prefix=key)["Uploads"]
        which = {"Bucket": bucket, "Key": key, "UploadId": begun["UploadId"]}
        parts = [{name: part[name] for name in ("PartNumber", "ETag")} for part in s3.list_parts(**which)["Parts"]]
        s3.complete_multipart_upload(**which, MultipartUpload={"Parts": parts})

    def processed(self, upload: Mapping[str, Any]) -> str:
        """Waits until what has a ``video_id`` is a film, or known not to become one; which of them."""
        video = f"/v1/videos/{upload['video_id']}"

        def over() -> str:
            state: str = self.call("GET", video)["processing"]["state"]
            return state if state in {"ready", "failed"} else ""

        state: str = until(over)
        return state

    # --- livestreams

    def stream(self, channel: str, **more: Any) -> str:
        """A new stream, whose recordings wait for no encoder to come back."""
        body = {"channel_id": channel, "title": "Bugs", "reconnect_window_s": 0, **more}
        stream: str = self.call("POST", "/v1/streams", json=body)["id"]
        return stream

    def begin(self, stream: str, **more: Any) -> None:
        """An encoder comes with the key that the API tells."""
        self.stack.begin(self.call("GET", f"/v1/streams/{stream}/ingest")["stream_key"], **more)

    def end(self, stream: str) -> None:
        """It goes."""
        name = f"{self.deployed.name}-{stream}"
        (channel,) = aws(self.stack, "ivs").list_channels(filterByName=name)["channels"]
        self.stack.end(channel["arn"])

    def is_live(self, stream: str, *, live: bool = True) -> str:
        """Waits until it is; the session."""
        wanted = "live" if live else "idle"

        def there() -> Any:
            found = self.call("GET", f"/v1/streams/{stream}")
            return found if found["status"] == wanted else None

        return str(until(there)["current_session_id"])

    def kept(self, session: str) -> Mapping[str, Any]:
        """Waits until the recording of a session is a video; the session."""

        def there() -> Any:
            found = self.call("GET", f"/v1/stream-sessions/{session}")
            return found if found["recording"]["video_id"] else None

        found: Mapping[str, Any] = until(there)
        return found

    # --- what nobody asks for

    def do(self, *tasks: str) -> Mapping[str, int | None]:
        """What a schedule has done."""
        function, event = self.deployed.outputs["OnSchedule"], json.dumps({"tasks": tasks})
        answer = aws(self.stack, "lambda").invoke(FunctionName=function, Payload=event)
        done: Mapping[str, int | None] = json.loads(answer["Payload"].read())
        return done


def say(token: Mapping[str, Any], text: str) -> Mapping[str, Any]:
    """In a chat, as the holder of a token: what comes of it."""

    async def said() -> Mapping[str, Any]:
        async with ClientSession() as session, session.ws_connect(token["url"], protocols=(token["token"],)) as chat:
            await chat.send_json({"Action": "SEND_MESSAGE", "RequestId": "r", "Content": text})
            frame: Mapping[str, Any] = await chat.receive_json(timeout=60)
            return frame

    return asyncio.run(said())


def until(look: Callable[[], Any], calls: int = DEADLINE_CALLS) -> Any:
    """What it finds, once that is something."""
    for _ in range(calls):
        if found := look():
            return found
    raise AssertionError("it does not come about")
