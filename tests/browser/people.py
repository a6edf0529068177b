"""People of the demo."""

import httpx

from entrypoints.demo import PASSWORD
from tests.journey.server import Json, Person, Server


def signed_in(server: Server, email: str) -> Person:
    http = httpx.Client(base_url=server.url, timeout=30)
    server.clients.append(http)
    tokens: Json = http.post("/v1/auth/sign-in", json={"email": email, "password": PASSWORD}).raise_for_status().json()
    http.headers["Authorization"] = f"Bearer {tokens['access_token']}"
    return Person(http.get("/v1/me").raise_for_status().json()["id"], email, http)
