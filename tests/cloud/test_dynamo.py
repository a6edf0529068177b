"""The repositories of DynamoDB as they run on AWS: through the SDK, over the wire."""

from adapters.aws.dynamo import Tables
from adapters.aws.tables import TABLES, definition
from tests.adapters.declared import named, watch
from tests.adapters.test_dynamo_rows import fill, opened, read
from tests.cloud.world import world


async def test_what_is_saved_is_found_in_every_list() -> None:
    """What the SDK makes of requests and answers is what the tests in one process have."""
    async with world() as cloud:
        client = await cloud.client("dynamodb")
        watch(client, named())
        for table in TABLES:
            await client.create_table(**definition(table, table.name))
        repositories = opened(Tables(client, named()))
        await fill(repositories)
        await read(repositories)
