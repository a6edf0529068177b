"""Who is asking, and what the platform lets them do."""

from enum import StrEnum

from attrs import frozen

from domain.errors import Forbidden, Unauthenticated
from domain.ids import UserId


class Role(StrEnum):
    """What someone is to the whole platform. Every account is a user; the others come on top."""

    USER = "user"
    MODERATOR = "moderator"
    ADMIN = "admin"


@frozen
class Actor:
    """Someone asking for something: a signed-in user with roles, or nobody (``ANONYMOUS``)."""

    user: UserId | None = None
    roles: frozenset[Role] = frozenset()

    @property
    def moderates(self) -> bool:
        """May see and take down what anyone made."""
        return Role.MODERATOR in self.roles or Role.ADMIN in self.roles

    @property
    def administers(self) -> bool:
        return Role.ADMIN in self.roles

    def require_user(self) -> UserId:
        """Who it is. Raises Unauthenticated."""
        if self.user is None:
            raise Unauthenticated("sign in first")
        return self.user

    def require_moderator(self) -> UserId:
        """Raises Unauthenticated, or Forbidden for one without the role."""
        user = self.require_user()
        if not self.moderates:
            raise Forbidden("only the platform's moderators may do this")
        return user


ANONYMOUS = Actor()
