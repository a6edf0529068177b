"""``python -m tests.cloud``: the emulated cloud with the template deployed on it, until it is interrupted."""

import signal
import sys

from tests.cloud.deployment import deploy
from tests.cloud.world import Stack, stack

MODERATOR = "mod@example.org"
"""As postman/aws.postman_environment.json has it."""


def main() -> int:
    print(
        "An emulated AWS starts on this machine, and deploy/template.yaml is deployed on it. It may take a minute.",
        flush=True,
    )
    running = stack()
    _say(running)
    deployed = deploy(running, Moderators=MODERATOR)
    print(f"deployed     {deployed.url}/v1  (stack {deployed.name})")
    for name, value in sorted(deployed.outputs.items()):
        print(f"  {name:<16} {value}")
    print("the Postman collection, with a film that docs/postman.md draws:")
    print(
        "  cd postman && npm run walk -- -e aws.postman_environment.json --env-var film_bytes=$(wc -c < files/film.mp4)"
        f" --env-var base_url={deployed.url} --env-var mail_url={running.endpoint}"
    )
    print("Ctrl-C ends it, and nothing is kept.", flush=True)
    signal.sigwait({signal.SIGINT, signal.SIGTERM})
    return 0


def _say(running: Stack) -> None:
    print(f"AWS          {running.endpoint}  (key test, any secret, region us-east-1)")
    print(f"sent mail    {running.endpoint}/_hexcast/mail?to=ann@example.org")


if __name__ == "__main__":
    sys.exit(main())
