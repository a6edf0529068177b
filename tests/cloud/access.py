"""Who may do what, and who did: the emulator asks its IAM with AUTH, and so do the services that stand before it."""

import asyncio
from collections.abc import Sequence
from typing import Protocol

from attrs import define, field, frozen

from tests.cloud.wire import Caller


@frozen(order=True)
class Asked:
    """Something that a role wanted to do."""

    role: str
    action: str
    resource: str
    allowed: bool


@define
class Record:
    """All that roles wanted to do. Whoever may do everything is not in it."""

    asked: set[Asked] = field(factory=set)
    more: asyncio.Event = field(factory=asyncio.Event)

    def add(self, principal: str, action: str, resource: str, *, allowed: bool) -> None:
        role = principal.partition(":assumed-role/")[2].partition("/")[0]
        asked = Asked(role, action, resource, allowed)
        if role and asked not in self.asked:
            self.asked.add(asked)
            self.more.set()
            self.more = asyncio.Event()

    async def refused(self, action: str) -> Asked:
        """Once someone was refused this."""
        while True:
            for each in self.asked:
                if each.action == action and not each.allowed:
                    return each
            await self.more.wait()


class Access(Protocol):
    """IAM for a service that the emulator does not have. Signatures are not looked at."""

    def require(self, caller: Caller, action: str, resources: Sequence[str], **context: str) -> None:
        """That the caller may do this to all of these; ``context`` are condition keys, ``iam_PassedToService`` for one.

        Raises Refused (``AccessDeniedException``).
        """

    def assumed(self, caller: Caller, role: str, service: str) -> Caller:
        """The caller as this role, which has to trust the service. Raises Refused."""


class Everyone:
    """Without AUTH everyone may do everything."""

    def require(self, caller: Caller, action: str, resources: Sequence[str], **context: str) -> None:
        pass

    def assumed(self, caller: Caller, role: str, service: str) -> Caller:
        del role, service
        return caller
