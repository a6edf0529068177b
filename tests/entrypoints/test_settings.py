"""Settings are read from the environment, and wrong ones are named, all of them."""

from pathlib import Path

import pytest

from adapters.aws.settings import AwsSettings
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
            "HEXCAST_RTMP_PORT": "off",
            "HEXCAST_MAX_LIVE_STREAMS": "7",
            "HEXCAST_LIVE_WINDOW_S": "600",
            "HEXCAST_LIVE_LADDER": "on",
            "HEXCAST_DATA": "/srv/hexcast",
            "HEXCAST_TRANSCODE_JOBS": "2",
            "HEXCAST_ADMINS": "Ada@mail.test, bob@mail.test",
            "HEXCAST_MODERATORS": "cy@mail.test",
            "HEXCAST_MAX_FILE_BYTES": "10",
            "HEXCAST_USER_QUOTA_BYTES": "20",
            "HEXCAST_MAX_OPEN_UPLOADS": "3",
            "HEXCAST_RATE_LIMIT": "0",
            "HEXCAST_STREAM_RETRY_S": "30",
            "HEXCAST_PROXIES": "127.0.0.1, 10.0.0.0/8",
            "HEXCAST_CORS_ORIGINS": "https://a.test/, http://b.test",
            "HEXCAST_EMBED_ANCESTORS": "https://a.test/, https://*.b.test",
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
    assert settings.proxies == ("127.0.0.1/32", "10.0.0.0/8")
    assert settings.cors_origins == ("https://a.test", "http://b.test")
    assert (settings.rate_limit, settings.log_format, settings.secret) == (0, "json", "s" * 32)
    assert settings.stream_retry_s == 30
    assert (settings.rtmp_port, settings.live_streams) == (None, 7)
    assert (settings.live_window_s, settings.live_ladder) == (600, True)
    assert settings.embed_ancestors == ("https://a.test", "https://*.b.test")
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


def test_players_are_shown_in_pages_of_the_origins_that_are_named_or_in_none() -> None:
    def read(text: str) -> tuple[str, ...]:
        return Settings.read({"HEXCAST_EMBED_ANCESTORS": text}).embed_ancestors

    assert [read(""), read("*"), read("none")] == [("*",), ("*",), ()]
    for wrong in ("a.test", "https://a.test; script-src *", "https://a.test 'self'", "https://ä.test"):
        with pytest.raises(Invalid, match="HEXCAST_EMBED_ANCESTORS"):
            read(wrong)


def test_a_name_that_is_not_known_is_wrong() -> None:
    with pytest.raises(Invalid) as caught:
        Settings.read({"HEXCAST_PROT": "80", "HEXCAST_QQQQQ": "", "OTHER": "x"})
    assert str(caught.value) == (
        "HEXCAST_PROT: there is no such setting (did you mean HEXCAST_PORT?); HEXCAST_QQQQQ: there is no such setting"
    )


def test_encoders_are_told_where_to_send() -> None:
    assert Settings().rtmp_url == "rtmp://127.0.0.1:1935/live"
    assert Settings(host="::1", rtmp_port=5).rtmp_url == "rtmp://[::1]:5/live"
    anywhere = Settings(host="0.0.0.0", public_url="https://cats.example.org:8443")  # noqa: S104  (nothing is bound)
    assert anywhere.rtmp_url == "rtmp://cats.example.org:1935/live"
    assert anywhere.served["rtmp"] == anywhere.rtmp_url
    for nowhere in (Settings(rtmp_port=None), Settings(profile="memory"), Settings(profile="aws")):
        assert nowhere.rtmp_url is None
        assert "rtmp" not in nowhere.served


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
        ("RTMP_PORT", "none"),
        ("LIVE_WINDOW_S", "1"),
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


async def test_a_cloud_that_nobody_named_is_refused() -> None:
    """All that is missing is said at once."""
    with pytest.raises(Invalid) as caught:
        async with open_app(Settings(profile="aws")):
            pytest.fail("it opened")
    for name in ("AWS_REGION", "HEXCAST_AWS_TABLES", "HEXCAST_AWS_RAW_BUCKET", "HEXCAST_AWS_MEDIA_BUCKET"):
        assert f"{name}: is missing" in str(caught.value)


CLOUD = {
    "AWS_REGION": "eu-central-1", "HEXCAST_AWS_TABLES": "prod-", "HEXCAST_AWS_RAW_BUCKET": "raw",
    "HEXCAST_AWS_MEDIA_BUCKET": "media", "HEXCAST_AWS_POOL_ID": "eu-central-1_x",
}  # fmt: skip


def test_the_cloud_s_variables_are_for_its_adapters() -> None:
    """Of them and no others; elsewhere they are as wrong as any that nobody knows."""
    settings = Settings.read({"HEXCAST_PROFILE": "aws", "AWS_ACCESS_KEY_ID": "x", **CLOUD})
    assert settings.cloud == CLOUD
    with pytest.raises(Invalid, match="HEXCAST_AWS_TABLES"):
        Settings.read({"HEXCAST_PROFILE": "local", **CLOUD})


def test_what_the_cloud_is_not_told_it_knows() -> None:
    """Names of tables, and where Cognito's keys are."""
    cloud = AwsSettings.read(CLOUD)
    assert cloud.tables == {name: f"prod-{name}" for name in ("core", "social", "inbox", "ops")}
    assert cloud.issuer == "https://cognito-idp.eu-central-1.amazonaws.com/eu-central-1_x"
    assert cloud.jwks_url == f"{cloud.issuer}/.well-known/jwks.json"
    assert cloud.endpoint_url is None
    emulated = {"AWS_ENDPOINT_URL": "http://127.0.0.1:4566/", "HEXCAST_AWS_JWKS_URL": "http://127.0.0.1:4566/keys"}
    cloud = AwsSettings.read(CLOUD | emulated)
    assert (cloud.endpoint_url, cloud.jwks_url) == ("http://127.0.0.1:4566", "http://127.0.0.1:4566/keys")


def test_recording_configurations_go_by_their_windows() -> None:
    said = "0=arn:aws:ivs:eu-west-1:1:recording-configuration/a,300=arn:aws:ivs:eu-west-1:1:recording-configuration/b"
    cloud = AwsSettings.read(CLOUD | {"HEXCAST_AWS_RECORDINGS": said})
    assert {window: arn[-1] for window, arn in cloud.recordings.items()} == {0: "a", 300: "b"}
    assert AwsSettings.read(CLOUD).recordings == {}


def test_every_wrong_variable_of_the_cloud_is_named() -> None:
    wrong = {
        "HEXCAST_AWS_RECORDINGS": "0=arn,60=arn",
        "HEXCAST_AWS_CDN_URL": "cdn.test",
        "HEXCAST_AWS_CDN_KEY_SLOT": "c",
        "HEXCAST_AWS_TABLE": "x",
    }
    with pytest.raises(Invalid) as caught:
        AwsSettings.read(CLOUD | wrong)
    assert caught.value.code == "wrong_settings"
    for name in wrong:
        assert name in str(caught.value)
