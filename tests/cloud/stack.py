"""The process of the emulated cloud: ministack, what it lacks and what it gets wrong, on one port of this machine."""

import asyncio
import os
import tempfile

from tests.cloud.child import serving


def main() -> None:
    here = serving()
    tempfile.tempdir = str(here.scratch)
    # Read when ministack is imported. MQTT and SFTP would open ports to the world.
    os.environ |= {
        "BIND_HOST": "127.0.0.1", "GATEWAY_PORT": str(here.door.port), "MINISTACK_HOST": "localhost",
        "STATE_DIR": str(here.scratch), "TMPDIR": str(here.scratch), "IOT_MTLS_ENABLED": "0", "SFTP_ENABLED": "0",
        "MINISTACK_DDB_EXPORT_COMPLETE_AFTER_SEC": "0",
        "LOG_LEVEL": os.environ.get("LOG_LEVEL", "WARNING"),
    }  # fmt: skip
    from hypercorn.asyncio import serve
    from hypercorn.config import Config

    from tests.cloud.emulator import cloud

    ffmpeg = os.environ.pop("HEXCAST_FFMPEG")  # what Lambda runs would have it in its environment
    config = Config()
    config.bind = [f"fd://{each.socket.fileno()}" for each in (here.door, here.site)]
    config.loglevel = "WARNING"
    config.keep_alive_timeout = 600

    async def served() -> None:
        application = cloud(here.door.url, here.site.port, ffmpeg)
        here.ready()
        await serve(application, config)

    asyncio.run(served())


if __name__ == "__main__":
    main()
