"""Accounts over HTTP: signing up, in and out, and one's own profile."""

from typing import Annotated, Literal

from litestar import Controller, Response, delete, get, patch, post
from litestar.datastructures import ResponseHeader
from litestar.di import NamedDependency
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import JSONBody
from msgspec import UNSET, Meta, Struct, UnsetType

from application.identity import (
    CloseAccount,
    ConfirmAccount,
    EditMe,
    ForgotPassword,
    RefreshTokens,
    ResendCode,
    ResetPassword,
    ShowMe,
    SignIn,
    SignOut,
    SignUp,
)  # fmt: skip
from domain.access import Actor
from domain.errors import Conflict, Forbidden, Invalid, Taken, TooManyTries, Unauthenticated, VersionMismatch
from entrypoints.http.requests import changes, problems, versioned
from entrypoints.http.sessions import AnyRequest, CookieSessions
from entrypoints.http.views import CodeSent, Me, SignedUpView, TokensView

Email = Annotated[str, Meta(examples=["ada@example.org"], max_length=320)]
Password = Annotated[str, Meta(examples=["correct horse battery staple"], max_length=1024)]
Code = Annotated[str, Meta(examples=["482915"], max_length=64)]
Handle = Annotated[str, Meta(examples=["ada"], max_length=64)]
DisplayName = Annotated[str, Meta(examples=["Ada Lovelace"], max_length=1000)]
RefreshToken = Annotated[str, Meta(examples=["Vq3x9m2T.b64url-of-a-secret"], max_length=8192)]


class NewAccount(Struct, frozen=True):
    email: Email
    password: Password
    handle: Handle
    display_name: DisplayName


class Confirmation(Struct, frozen=True):
    email: Email
    code: Code


class Address(Struct, frozen=True):
    email: Email


class Credentials(Struct, frozen=True):
    email: Email
    password: Password
    session: Annotated[
        Literal["token", "cookie"],
        Meta(description="Where the refresh token goes: into the answer, or into a cookie out of reach of scripts."),
    ] = "token"


class Refresh(Struct, frozen=True):
    """Without a token it is the cookie's."""

    refresh_token: RefreshToken | UnsetType = UNSET

    @classmethod
    def given(cls, body: "Refresh | None") -> str | None:
        return None if body is None or body.refresh_token is UNSET else body.refresh_token


class NewPassword(Struct, frozen=True):
    email: Email
    code: Code
    password: Password


class ProfilePatch(Struct, frozen=True):
    """What is left out stays as it is."""

    handle: Handle | UnsetType = UNSET
    display_name: DisplayName | UnsetType = UNSET


class AuthController(Controller):
    path = "/auth"
    tags = ("identity",)
    response_headers = (ResponseHeader(name="cache-control", value="no-store", description="Answers hold secrets."),)

    @post("/sign-up", operation_id="signUp", opt={"idempotent": True}, responses=problems(Invalid, Taken, Conflict))
    async def sign_up(self, data: JSONBody[NewAccount], sign_up: NamedDependency[SignUp]) -> Response[SignedUpView]:
        """Open an account.

        A code goes to the address; the account works once it is confirmed. Signing up again before that is refused
        (`confirmation_pending`): the code that was sent confirms the account, and another may be asked for. An account
        whose last code ran out is gone, and its address and handle are free.
        """
        user = await sign_up(data.email, data.password, data.handle, data.display_name)
        return Response(SignedUpView.of(user), headers={"location": "/v1/me"})

    @post("/confirm", operation_id="confirmAccount", status_code=204, responses=problems(Invalid))
    async def confirm(self, data: JSONBody[Confirmation], confirm_account: NamedDependency[ConfirmAccount]) -> None:
        """Confirm an account's address with the code that was sent there."""
        await confirm_account(data.email, data.code)

    @post("/resend-code", operation_id="resendCode", status_code=202, responses=problems(Invalid))
    async def resend_code(self, data: JSONBody[Address], resend_code: NamedDependency[ResendCode]) -> CodeSent:
        """Send a new code, for the same account and password.

        The answer is the same whether there is an account to confirm or not.
        """
        await resend_code(data.email)
        return CodeSent()

    @post(
        "/sign-in",
        operation_id="signIn",
        status_code=200,
        responses=problems(Invalid, Unauthenticated, Forbidden, TooManyTries),
    )
    async def sign_in(
        self,
        data: JSONBody[Credentials],
        request: AnyRequest,
        sign_in: NamedDependency[SignIn],
        cookie_sessions: NamedDependency[CookieSessions],
    ) -> Response[TokensView]:
        """Trade an address and a password for tokens.

        After five wrong passwords in a row for an address none is looked at for a second, and after each further one
        for twice as long, up to 15 minutes (`too_many_tries`, with `Retry-After`).

        A page asks for a `session` of the kind `cookie`: the refresh token is then not in the answer but in a cookie
        that no script reads and no other site sends, `hexcast_refresh` (over https `__Secure-hexcast_refresh`). Problems:
        ``cross_site`` (403).
        """
        if data.session == "cookie":
            return await cookie_sessions.begin(request, sign_in, data.email, data.password)
        return Response(TokensView.of(await sign_in(data.email, data.password)))

    @post(
        "/refresh",
        operation_id="refreshTokens",
        status_code=200,
        responses=problems(Invalid, Unauthenticated, Forbidden),
    )
    async def refresh(
        self,
        request: AnyRequest,
        refresh_tokens: NamedDependency[RefreshTokens],
        cookie_sessions: NamedDependency[CookieSessions],
        data: JSONBody[Refresh | None] = None,
    ) -> Response[TokensView]:
        """Trade a refresh token for new tokens.

        The refresh token rotates: use the new one from then on. Without one in the body it is the cookie's, which takes
        the new one; a cookie that is not good any more is removed. Problems: ``cross_site`` (403).
        """
        token = Refresh.given(data)
        if token is None:
            return await cookie_sessions.refresh(request, refresh_tokens)
        return Response(TokensView.of(await refresh_tokens(token)))

    @post(
        "/sign-out",
        operation_id="signOut",
        status_code=204,
        responses={204: ResponseSpec(None, description="Signed out.")} | problems(Invalid, Forbidden),
    )
    async def sign_out(
        self,
        request: AnyRequest,
        sign_out: NamedDependency[SignOut],
        cookie_sessions: NamedDependency[CookieSessions],
        data: JSONBody[Refresh | None] = None,
    ) -> Response[None]:
        """End a sign-in: its refresh tokens stop working.

        Without a token in the body it is the cookie's, and the cookie goes. Problems: ``cross_site`` (403).
        """
        token = Refresh.given(data)
        if token is None:
            return await cookie_sessions.end(request, sign_out)
        await sign_out(token)
        return Response(None)

    @post("/forgot-password", operation_id="forgotPassword", status_code=202, responses=problems(Invalid))
    async def forgot_password(
        self, data: JSONBody[Address], forgot_password: NamedDependency[ForgotPassword]
    ) -> CodeSent:
        """Send a code that lets one choose a new password.

        The answer is the same whether there is such an account or not.
        """
        await forgot_password(data.email)
        return CodeSent()

    @post("/reset-password", operation_id="resetPassword", status_code=204, responses=problems(Invalid))
    async def reset_password(self, data: JSONBody[NewPassword], reset_password: NamedDependency[ResetPassword]) -> None:
        """Choose a new password with the code that was sent; every sign-in ends."""
        await reset_password(data.email, data.code, data.password)


class MeController(Controller):
    path = "/me"
    tags = ("identity",)

    @get(operation_id="getMe", responses=problems(Unauthenticated))
    async def show(self, actor: NamedDependency[Actor], show_me: NamedDependency[ShowMe]) -> Response[Me]:
        """One's own profile."""
        user = await show_me(actor)
        return versioned(Me.of(user), user.version)

    @patch(operation_id="updateMe", responses=problems(Unauthenticated, Invalid, Taken, VersionMismatch))
    async def edit(
        self,
        data: JSONBody[ProfilePatch],
        actor: NamedDependency[Actor],
        version: NamedDependency[int | None],
        edit_me: NamedDependency[EditMe],
    ) -> Response[Me]:
        """Change one's handle or display name."""
        user = await edit_me(actor, **changes(data), version=version)
        return versioned(Me.of(user), user.version)

    @delete(operation_id="deleteMe", responses=problems(Unauthenticated, VersionMismatch))
    async def close(
        self,
        actor: NamedDependency[Actor],
        version: NamedDependency[int | None],
        close_account: NamedDependency[CloseAccount],
    ) -> None:
        """Close one's account, with all channels of one's own."""
        await close_account(actor, version)
