"""The keys that things are signed with, kept in one secret of Secrets Manager."""

from collections.abc import Mapping
from typing import Any, Protocol

import msgspec
from attrs import field, frozen
from botocore.exceptions import BotoCoreError, ClientError

from domain.errors import Unavailable

_TEXT = "SecretString"


class Client(Protocol):
    """What is used of aiobotocore's client."""

    async def get_secret_value(self, **given: Any) -> Any: ...


@frozen
class Keys:
    """``signing`` is for our own cursors and links. ``cdn`` are private keys in PEM, by slot; ``live`` is the
    one that lets viewers of broadcasts in, "" where there is none.
    """

    signing: bytes = field(repr=False)
    cdn: Mapping[str, str] = field(repr=False)
    live: str = field(default="", repr=False)


class _Stored(msgspec.Struct):
    signing_key: str
    cdn_key_a: str = ""
    cdn_key_b: str = ""
    live_key: str = ""


async def keys(client: Client, secret_id: str) -> Keys:
    """As they are now. Raises Unavailable (``keys_unavailable``), also when the secret is not as it should be."""
    try:
        answer = await client.get_secret_value(SecretId=secret_id)
        stored = msgspec.json.decode(answer[_TEXT], type=_Stored)
    except (ClientError, BotoCoreError, KeyError, msgspec.MsgspecError) as error:
        message = f"the keys in {secret_id} cannot be read: {type(error).__name__}"
        raise Unavailable(message, code="keys_unavailable") from error
    return Keys(stored.signing_key.encode(), {"a": stored.cdn_key_a, "b": stored.cdn_key_b}, stored.live_key)
