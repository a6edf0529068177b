"""``python -m tests.cloud``: the emulated cloud with the template deployed on it, until it is interrupted."""

import signal
import sys

from tests.cloud.deployment import deploy
from tests.cloud.world import Stack, stack


def main() -> int:
    running = stack()
    _say(running)
    deployed = deploy(running)
    print(f"deployed     {deployed.url}/v1  (stack {deployed.name})")
    for name, value in sorted(deployed.outputs.items()):
        print(f"  {name:<16} {value}")
    print("Ctrl-C ends it.", flush=True)
    signal.sigwait({signal.SIGINT, signal.SIGTERM})
    return 0


def _say(running: Stack) -> None:
    print(f"AWS          {running.endpoint}  (key test, any secret, region us-east-1)")
    print(f"sent mail    {running.endpoint}/_hexcast/mail?to=ann@example.org")


if __name__ == "__main__":
    sys.exit(main())
