"""The process of the emulated cloud: ministack, what it lacks and what it gets wrong, on one port of this machine.

It says on its standard output where it is reached, and ends with everything it started when its standard input does.
"""

import asyncio
import json
import os
import shutil
import signal
import socket
import sys
import tempfile
import threading


def _end_with_input(scratch: str) -> None:
    """Whoever started us is gone, or wants us gone: so is our process group, the workers of Lambda with it."""
    sys.stdin.buffer.read()
    shutil.rmtree(scratch, ignore_errors=True)
    os.killpg(0, signal.SIGKILL)


def main() -> None:
    port = int(os.environ.get("HEXCAST_CLOUD_PORT", "0"))
    listening = socket.create_server(("127.0.0.1", port), backlog=512)
    host, port = listening.getsockname()
    scratch = tempfile.mkdtemp(prefix="hexcast-cloud-")
    threading.Thread(target=_end_with_input, args=(scratch,), daemon=True).start()
    # Read when ministack is imported (EMULATION.md R1). MQTT and SFTP would open ports to the world.
    os.environ |= {
        "BIND_HOST": host, "GATEWAY_PORT": str(port), "MINISTACK_HOST": "localhost", "STATE_DIR": scratch,
        "IOT_MTLS_ENABLED": "0", "SFTP_ENABLED": "0", "LOG_LEVEL": os.environ.get("LOG_LEVEL", "WARNING"),
    }  # fmt: skip
    from hypercorn.asyncio import serve
    from hypercorn.config import Config

    from tests.cloud.emulator import cloud

    endpoint = f"http://{host}:{port}"
    config = Config()
    config.bind = [f"fd://{listening.fileno()}"]
    config.loglevel = "WARNING"
    config.keep_alive_timeout = 600

    async def served() -> None:
        application = cloud(endpoint, os.environ["HEXCAST_FFMPEG"])
        sys.stdout.write(json.dumps({"endpoint": endpoint}) + "\n")
        sys.stdout.flush()
        await serve(application, config)

    asyncio.run(served())


if __name__ == "__main__":
    main()
