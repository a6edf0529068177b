"""Settings are read from the environment, and wrong ones are named, all of them."""

from pathlib import Path

import pytest

from domain.access import Role
from domain.errors import Invalid
from entrypoints.container import open_app
from entrypoints.settings import Settings


def test_everything_has_a_default() -> None:
    assert Settings.read({}) == Settings()
    assert Settings.read({"HEXCAST_PORT": " ", "PATH": "/bin"}) == Settings()


def test_everything_can_be_said() -> None:
    settings = Settings.read(
        {
            "HEXCAST_PROFILE": "memory",
            "HEXCAST_HOST": "::1",
            "HEXCAST_PORT": "9000",
            "HEXCAST_DATA": "/srv/hexcast",
            "HEXCAST_TRANSCODE_JOBS": "2",
            "HEXCAST_ADMINS": "Ada@mail.test, bob@mail.test",
            "HEXCAST_MODERATORS": "cy@mail.test",
            "HEXCAST_MAX_FILE_BYTES": "10",
            "HEXCAST_USER_QUOTA_BYTES": "20",
            "HEXCAST_MAX_OPEN_UPLOADS": "3",
            "HEXCAST_RATE_LIMIT": "0",
            "HEXCAST_CORS_ORIGINS": "https://a.test/, http://b.test",
            "HEXCAST_LOG_FORMAT": "json",
            "HEXCAST_SECRET": "s" * 32,
            "HEXCAST_DEV": "off",
        }
    )
    assert settings.public_url == "http://[::1]:9000"
    assert settings.data == Path("/srv/hexcast")
    assert settings.founders == {
        "ada@mail.test": Role.ADMIN, "bob@mail.test": Role.ADMIN, "cy@mail.test": Role.MODERATOR
    }  # fmt: skip
    assert (settings.limits.file_bytes, settings.limits.user_bytes, settings.limits.open_uploads) == (10, 20, 3)
    assert settings.cors_origins == ("https://a.test", "http://b.test")
    assert (settings.rate_limit, settings.log_format, settings.secret) == (0, "json", "s" * 32)
    assert not settings.dev


def test_every_wrong_one_is_named() -> None:
    with pytest.raises(Invalid) as caught:
        Settings.read({"HEXCAST_PORT": "many", "HEXCAST_PROFILE": "cloud", "HEXCAST_SECRET": "short"})
    assert caught.value.code == "wrong_settings"
    for name in ("HEXCAST_PORT='many'", "HEXCAST_PROFILE='cloud'", "HEXCAST_SECRET"):
        assert name in str(caught.value)


def test_what_is_wrong_is_said_in_plain_words_and_without_secrets() -> None:
    with pytest.raises(Invalid) as caught:
        Settings.read({"HEXCAST_PORT": "abc", "HEXCAST_SECRET": "swordfish"})
    assert str(caught.value) == (
        "HEXCAST_PORT='abc': must be a whole number; HEXCAST_SECRET: must have at least 32 characters"
    )


def test_a_name_that_is_not_known_is_wrong() -> None:
    with pytest.raises(Invalid) as caught:
        Settings.read({"HEXCAST_PROT": "80", "HEXCAST_QQQQQ": "", "OTHER": "x"})
    assert str(caught.value) == (
        "HEXCAST_PROT: there is no such setting (did you mean HEXCAST_PORT?); HEXCAST_QQQQQ: there is no such setting"
    )


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "localhost"])
def test_tools_are_not_exposed_on_the_loopback(host: str) -> None:
    assert not Settings(host=host).tools_exposed


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "127.example.org"])  # noqa: S104  (nothing is bound)
def test_tools_are_exposed_elsewhere_if_there_are_any(host: str) -> None:
    assert Settings(host=host).tools_exposed
    assert not Settings(host=host, dev=False).tools_exposed
    assert not Settings(host=host, profile="aws").tools_exposed


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORT", "65536"),
        ("PUBLIC_URL", "ftp://x"),
        ("CORS_ORIGINS", "x"),
        ("ADMINS", "nobody"),
        ("RATE_LIMIT", "-1"),
        ("DEV", "yes"),
    ],
)
def test_values_out_of_range_are_wrong(name: str, value: str) -> None:
    with pytest.raises(Invalid, match=f"HEXCAST_{name}"):
        Settings.read({f"HEXCAST_{name}": value})


async def test_a_profile_that_is_not_here_is_refused() -> None:
    with pytest.raises(Invalid, match="aws"):
        async with open_app(Settings(profile="aws")):
            pytest.fail("it opened")
