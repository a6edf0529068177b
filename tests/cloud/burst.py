"""The process of microburst, which stands before the emulated cloud and breaks what it is told to."""

import os

from aiohttp import web
from botocore.session import Session
from microburst.app import make_app
from microburst.core.pipeline import Microburst

from tests.cloud.child import serving

SERVICES = ["cloudfront", "cognito-idp", "dynamodb", "events", "lambda", "mediaconvert", "s3", "secretsmanager", "sqs"]


def main() -> None:
    here = serving()
    # It would read the models of all services that there are before its first answer, which takes many seconds.
    Session.get_available_services = lambda _: SERVICES
    here.ready()
    web.run_app(
        make_app(Microburst(os.environ["HEXCAST_UPSTREAM"])), sock=here.door.socket, print=None, access_log=None
    )


if __name__ == "__main__":
    main()
