"""How far the sweep of orphans is, in DynamoDB: functions come and go, and each goes on where the last one was."""

from adapters.aws.dynamo import NEW, Key, Refused, Tables, number, put, text
from adapters.aws.shelves import DOC, VERSION
from adapters.aws.tables import OPS, Operation, pattern
from adapters.rows import read_once, text_of
from adapters.versions import next_version
from application.ports import Round
from domain.errors import Stale

_AT = Key("SWEEP", "ROUND")
_GET = pattern("how far the sweep of orphans is", Operation.GET, OPS, _AT.pk, _AT.sk, strong=True)
_SAVE = pattern("say how far the sweep of orphans is", Operation.WRITE, OPS, _AT.pk, _AT.sk)


class DynamoRounds:
    """One item."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    async def get(self) -> Round:
        item = await self._tables.get(_GET, _AT)
        return Round() if item is None else read_once(item[DOC]["S"], Round)

    async def save(self, round: Round) -> Round:  # noqa: A002  (the port's word)
        saved = next_version(round)
        item = {VERSION: number(saved.version), DOC: text(text_of(saved))}
        condition, was = (f"#{VERSION} = :was", {"was": number(round.version)}) if round.version else (NEW, {})
        try:
            await self._tables.write(put(_SAVE, _AT, item, condition, **was))
        except Refused as refused:
            raise Stale("the round") from refused
        return saved
