"""The process of microburst, which stands before the emulated cloud and breaks what it is told to."""

import os

from aiohttp import web
from botocore.session import Session
from microburst.app import make_app
from microburst.core.pipeline import Microburst

from tests.cloud.child import serving

SERVICES = ["cloudfront", "cognito-idp", "dynamodb", "events", "lambda", "mediaconvert", "s3", "secretsmanager", "sqs"]
LOST = "x-hexcast-lost"
"""An answer with this header is not sent. Microburst cuts answers off in their bodies, and some have none."""


async def _lose(request: web.Request, answer: web.StreamResponse) -> None:
    if LOST in answer.headers and request.transport is not None:
        request.transport.abort()


def main() -> None:
    here = serving()
    # It would read the models of all services that there are before its first answer, which takes many seconds.
    Session.get_available_services = lambda _: SERVICES
    here.ready()
    app = make_app(Microburst(os.environ["HEXCAST_UPSTREAM"]))
    app.on_response_prepare.append(_lose)
    web.run_app(app, sock=here.door.socket, print=None, access_log=None)


if __name__ == "__main__":
    main()
