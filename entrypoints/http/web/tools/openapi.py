"""Prints the API's own description, which the client's types are made from."""

import asyncio
import sys
import tempfile

from litestar.serialization import encode_json

from entrypoints.container import open_app
from entrypoints.http.app import create_app
from entrypoints.http.document import completed
from entrypoints.settings import Settings


async def describe() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        async with open_app(Settings.read({"HEXCAST_PROFILE": "memory", "HEXCAST_DATA": folder})) as core:
            app = create_app(core)
            return encode_json(completed(app.openapi_schema.to_schema(), app.routes))


if __name__ == "__main__":
    sys.stdout.buffer.write(asyncio.run(describe()))
