"""Sign-ins that browsers keep: the refresh token lies in a cookie, which no script reads and no other site sends."""

from typing import Any, Final
from urllib.parse import urlsplit

from attrs import frozen
from litestar import Request, Response
from litestar.datastructures import Cookie
from msgspec.structs import replace

from application.identity import RefreshTokens, SignIn, SignOut
from application.ports import Tokens
from domain.errors import Forbidden, Unauthenticated
from domain.identity import SIGN_IN_LIFE
from entrypoints.http.errors import MEDIA_TYPE, asking_of, of_domain
from entrypoints.http.views import TokensView

COOKIE = "hexcast_refresh"
PATH: Final = "/v1/auth"

AnyRequest = Request[Any, Any, Any]


@frozen
class CookieSessions:
    """``public_url`` is how browsers reach us: over https the cookie's name says that it came that way."""

    public_url: str

    @property
    def _https(self) -> bool:
        return self.public_url.startswith("https://")

    @property
    def name(self) -> str:
        return f"__Secure-{COOKIE}" if self._https else COOKIE

    async def begin(self, request: AnyRequest, sign_in: SignIn, email: str, password: str) -> Response[TokensView]:
        """Sign in. Raises Forbidden (``cross_site``)."""
        self._require_own_page(request)
        return self._handed(await sign_in(email, password))

    async def refresh(self, request: AnyRequest, refresh_tokens: RefreshTokens) -> Response[Any]:
        """New tokens for the one in the cookie, which takes the new one; it goes if it is not good any more.

        Raises Forbidden (``cross_site``).
        """
        self._require_own_page(request)
        try:
            return self._handed(await refresh_tokens(request.cookies.get(self.name, "")))
        except Unauthenticated as error:
            found = of_domain(asking_of(request.scope), error)
            return Response(
                found.body, status_code=found.status, headers=found.headers, media_type=MEDIA_TYPE,
                cookies=[self._cookie("", 0)],
            )  # fmt: skip

    async def end(self, request: AnyRequest, sign_out: SignOut) -> Response[None]:
        """The sign-in ends, and the cookie goes. Raises Forbidden (``cross_site``)."""
        self._require_own_page(request)
        if (token := request.cookies.get(self.name)) is not None:
            await sign_out(token)
        return Response(None, status_code=204, cookies=[self._cookie("", 0)])

    def _handed(self, tokens: Tokens) -> Response[TokensView]:
        lives = int(SIGN_IN_LIFE.total_seconds())
        view = replace(TokensView.of(tokens), refresh_token=None)
        return Response(view, status_code=200, cookies=[self._cookie(tokens.refresh, lives)])

    def _cookie(self, value: str, lives_s: int) -> Cookie:
        return Cookie(
            key=self.name, value=value, path=PATH, max_age=lives_s, secure=self._https, httponly=True, samesite="strict"
        )

    def _require_own_page(self, request: AnyRequest) -> None:
        """Browsers send the cookie for pages of this site alone, and say whose a page is. Not all say it in the same
        words, and other sites may share our domain; clients that are no browsers say nothing.
        """
        site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
        here = {urlsplit(self.public_url).netloc, request.headers.get("host")}
        if site not in (None, "same-origin") or (origin is not None and urlsplit(origin).netloc not in here):
            raise Forbidden("a session in a cookie is for pages of this site only", code="cross_site")
