"""User pools of the emulated cloud, each for one test, with a present of its own."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from attrs import frozen

from adapters.aws.cognito import CLIENT, GROUPS, POOL
from adapters.aws.settings import issuer_of
from adapters.credentials import stored
from application.ports import Now
from tests.cloud.wire import NOW_HEADER
from tests.cloud.world import REGION, client, endpoint, stack


@frozen
class Pool:
    """A pool as the template makes it, and a client of Cognito's API whose requests say when they are made."""

    cognito: Any
    id: str
    client_id: str

    @property
    def issuer(self) -> str:
        return issuer_of(REGION, self.id)

    @property
    def jwks_url(self) -> str:
        return f"{endpoint()}/{self.id}/.well-known/jwks.json"

    async def code_for(self, email: str) -> str | None:
        """The last that was sent to the address."""
        return next((mail["code"] for mail in stack().mail(stored(email)) if mail["pool"] == self.id), None)


@asynccontextmanager
async def pool(now: Now, **config: Any) -> AsyncIterator[Pool]:
    async with client("cognito-idp", **config) as cognito:

        def say_when(request: Any, **_: object) -> None:
            request.headers[NOW_HEADER] = now().isoformat()

        cognito.meta.events.register("before-send.cognito-idp", say_when)
        made = (await cognito.create_user_pool(PoolName="people", **POOL))["UserPool"]["Id"]
        for group in GROUPS:
            await cognito.create_group(UserPoolId=made, GroupName=group)
        web = await cognito.create_user_pool_client(UserPoolId=made, ClientName="web", **CLIENT)
        yield Pool(cognito, made, web["UserPoolClient"]["ClientId"])
