"""The command line as people and programs use it: what it prints, where, and how it ends."""

import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from click.testing import CliRunner, Result

from adapters.local.container import held
from adapters.local.schema import MIGRATIONS
from adapters.rows import text_of
from domain.access import Role
from domain.identity import User
from domain.ids import JobId, UserId, VideoId
from domain.processing import Processing, Report, State, TranscodeRequested
from entrypoints import cli
from entrypoints.container import open_app
from entrypoints.settings import Settings
from tests.adapters.houses import FILES, RECORDS, UPLOAD, furnished, opened
from tests.journey.server import ROOT, Server, sign_up
from tests.strategies import START

COMMANDS = ("serve", "demo", "backup", "restore", "check", "export", "import", "admin", "users", "jobs")


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("HEXCAST_")]:
        monkeypatch.delenv(name)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A folder with a platform in it."""
    with furnished(tmp_path / "data") as house:
        return house.data


def hexcast(*arguments: object, given: str = "") -> Result:
    return CliRunner().invoke(cli.cli, [str(each) for each in arguments], input=given, prog_name="hexcast")


def ok(*arguments: object, given: str = "") -> Result:
    """What must go well."""
    result = hexcast(*arguments, given=given)
    assert result.exit_code == 0, result.output
    return result


def refused(status: int, *arguments: object, given: str = "") -> str:
    """The one line on standard error."""
    result = hexcast(*arguments, given=given)
    assert (result.exit_code, result.stdout) == (status, ""), result.output
    (line,) = result.stderr.splitlines()
    assert line.startswith("hexcast: ")
    return line


# --- the commands as such -------------------------------------------------------------------------


def test_help_names_every_command() -> None:
    shown = ok("--help").stdout
    assert all(f"\n  {each} " in shown for each in COMMANDS)
    assert set(cli.cli.commands) == set(COMMANDS)


@pytest.mark.parametrize("command", [*COMMANDS, "admin grant"])
def test_each_command_explains_itself(command: str) -> None:
    assert len(ok(*command.split(), "--help").stdout.splitlines()) > 4


@pytest.mark.parametrize("command", [each for each in COMMANDS if each not in {"serve", "demo", "admin"}])
def test_each_that_finds_or_does_something_says_it_to_programs(command: str) -> None:
    assert "--json" in ok(command, "--help").stdout


@pytest.mark.parametrize("wrong", [["nonsense"], ["backup"], ["restore", "no-such-file"], ["check", "--loudly"]])
def test_wrong_use_ends_with_two(wrong: Sequence[str]) -> None:
    assert hexcast(*wrong).exit_code == 2


def test_wrong_settings_end_with_two(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HEXCAST_PORTT", "1")
    assert "HEXCAST_PORTT" in refused(2, "--data", tmp_path, "users")


def test_what_is_said_on_the_line_comes_before_the_environment(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, data: Path
) -> None:
    monkeypatch.setenv("HEXCAST_DATA", str(tmp_path / "nowhere"))
    monkeypatch.setenv("HEXCAST_PROFILE", "memory")
    assert "memory" in refused(2, "users")
    assert "nowhere" in refused(1, "--profile", "local", "users")
    ok("--profile", "local", "--data", data, "users")


@pytest.mark.parametrize("command", ["users", "jobs", "check", "export", "backup b.tar", "admin grant ann admin"])
def test_without_a_platform_there_is_nothing_to_tell(command: str, tmp_path: Path) -> None:
    """And none is made by asking."""
    assert str(tmp_path / "data") in refused(1, "--data", tmp_path / "data", *command.split())
    assert list(tmp_path.iterdir()) == []


def test_a_later_version_s_data_is_left_alone(data: Path) -> None:
    with opened(data) as house:
        house.database._write.execute(f"PRAGMA user_version = {len(MIGRATIONS) + 1}").fetchall()
        house.database._write.wal_checkpoint(mode=3)
    assert "later version" in refused(1, "--data", data, "check")


def test_an_earlier_version_s_data_is_for_the_server_to_take_over(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("adapters.local.schema.MIGRATIONS", (*MIGRATIONS, "SELECT 1"))
    monkeypatch.setattr("adapters.local.database.MIGRATIONS", (*MIGRATIONS, "SELECT 1"))
    assert "hexcast serve" in refused(1, "--data", data, "check")


def test_a_file_that_is_no_database_is_said_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "hexcast.db").write_bytes(b"no database" * 100)
    assert "no database" in refused(1, "--data", tmp_path, "users")


def test_a_damaged_database_is_said_in_one_line(data: Path) -> None:
    with (data / "hexcast.db").open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * 4096 * 60)
    assert "hexcast: " in refused(1, "--data", data, "users")


# --- backup, restore, check -----------------------------------------------------------------------


def test_a_backup_comes_back_and_is_clean(data: Path, tmp_path: Path) -> None:
    file, elsewhere = tmp_path / "backup.tar", tmp_path / "elsewhere"
    made = ok("--data", data, "backup", file)
    assert made.stdout == ""
    assert made.stderr.startswith(f"{file}: {len(FILES) + 1} files")
    ok("--data", elsewhere, "restore", file)
    assert elsewhere.stat().st_mode & 0o777 == 0o700
    assert ok("--data", elsewhere, "check").stderr == "0 flaws, 0 notes\n"
    assert "is not empty" in refused(1, "--data", elsewhere, "restore", file)


def test_backup_and_restore_answer_programs(data: Path, tmp_path: Path) -> None:
    file = tmp_path / "backup.tar"
    made = json.loads(ok("--data", data, "backup", "--json", file).stdout)
    assert made == {"file": str(file), "bytes": file.stat().st_size, "files": len(FILES) + 1, "missing": []}
    back = json.loads(ok("--data", tmp_path / "elsewhere", "restore", "--json", file).stdout)
    assert back["files"] == len(FILES) + 1


def test_a_backup_says_what_is_missing(data: Path, tmp_path: Path) -> None:
    (data / "media/raw/upl_1/source").unlink()
    assert "1 files that records name were not there" in ok("--data", data, "backup", tmp_path / "b.tar").stderr


def test_a_damaged_backup_is_refused(tmp_path: Path) -> None:
    (tmp_path / "backup.tar").write_bytes(b"no tar" * 1000)
    assert "cannot be restored" in refused(1, "--data", tmp_path / "data", "restore", tmp_path / "backup.tar")


def test_flaws_are_listed_and_repaired(data: Path) -> None:
    """In lines and for programs; the status says whether there are any."""
    with opened(data) as house:
        house.run("UPDATE tally SET likes = 9")
        house.put({"media/v/vid_7/a1/x.m4s": b"stray"})
    found = hexcast("--data", data, "check")
    assert found.exit_code == 1
    tally, note = found.stdout.splitlines()
    assert tally == "tally vid_1: likes is 1, and 9 is noted"
    assert note.startswith("note: file v/vid_7: ")
    assert found.stderr == "1 flaws, 1 notes\n"
    told = json.loads(hexcast("--data", data, "check", "--json").stdout)
    assert told["clean"] is False
    assert told["flaws"][0] == {
        "kind": "tally", "subject": "vid_1", "detail": "likes is 1, and 9 is noted", "mends": False
    }  # fmt: skip
    told = json.loads(ok("--data", data, "check", "--repair", "--json").stdout)
    assert (told["clean"], told["flaws"], len(told["notes"]), told["repaired"]) == (True, [], 1, True)


def test_media_that_is_missing_is_a_flaw(data: Path) -> None:
    """Down to the segments that playlists name."""
    (data / "media/media/v/vid_1/a1/hls/360p/1.m4s").unlink()
    found = hexcast("--data", data, "check")
    assert found.exit_code == 1
    assert found.stdout == "media missing vid_1: v/vid_1/a1/hls/360p/1.m4s\n"


# --- export and import ----------------------------------------------------------------------------


def test_what_is_exported_is_imported_elsewhere(data: Path, tmp_path: Path) -> None:
    """By files or by a pipe."""
    file, elsewhere, third = tmp_path / "all.jsonl", tmp_path / "elsewhere", tmp_path / "third"
    assert ok("--data", data, "export", file).stderr.startswith(f"{file}: ")
    assert file.stat().st_mode & 0o777 == 0o600
    lines = file.read_text().splitlines()
    assert len(lines) >= len(RECORDS) + 2
    piped = ok("--data", data, "export")
    assert piped.stdout == file.read_text()
    assert piped.stderr == f"{len(lines) - 2} records\n"
    told = json.loads(ok("--data", elsewhere, "import", "--json", file).stdout)
    assert told == {"data": str(elsewhere), "records": len(lines) - 2}
    ok("--data", third, "import", given=piped.stdout)
    shutil.copytree(data / "media", third / "media", dirs_exist_ok=True)
    ok("--data", third, "check")
    for each in (elsewhere, third):
        kinds = [json.loads(line)["kind"] for line in ok("--data", each, "export").stdout.splitlines()[1:-1]]
        assert sorted(kind for kind in kinds if kind != "event") == sorted(
            kind for kind in (json.loads(line)["kind"] for line in lines[1:-1]) if kind != "event"
        )
    told = json.loads(ok("--data", data, "export", "--json", file).stdout)
    assert told == {"file": str(file), "records": len(lines) - 2}


def test_nothing_is_imported_where_something_is(data: Path) -> None:
    exported = ok("--data", data, "export").stdout
    assert "not empty; nothing was imported" in refused(1, "--data", data, "import", given=exported)


def test_an_archive_is_read_to_its_end_before_anything_is_imported(data: Path, tmp_path: Path) -> None:
    """A wrong line is named; nothing is there afterwards."""
    lines = ok("--data", data, "export").stdout.splitlines(keepends=True)
    wrong = "".join([*lines[:-2], '{"kind":"stream","value":{}}\n', lines[-1]])
    elsewhere = tmp_path / "elsewhere"
    assert f"line {len(lines) - 1}" in refused(1, "--data", elsewhere, "import", given=wrong)
    assert not elsewhere.exists()


def test_an_import_that_fails_halfway_says_so(data: Path, tmp_path: Path) -> None:
    lines = ok("--data", data, "export").stdout.splitlines(keepends=True)
    count = len(lines) - 2
    users = [line for line in lines if '"kind":"user"' in line]
    end = lines[-1].replace(str(count), str(count + 1))
    twice = "".join([*lines[:-1], users[0], end])
    said = refused(1, "--data", tmp_path / "elsewhere", "import", given=twice)
    assert "remove that folder" in said


def test_nothing_is_imported_while_a_server_is_there(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would deliver what is half there."""
    monkeypatch.setattr("adapters.local.container.PATIENCE_S", 0.0)
    exported = ok("--data", data, "export").stdout
    elsewhere = tmp_path / "elsewhere"
    with held(elsewhere):
        assert "another process serves" in refused(1, "--data", elsewhere, "import", given=exported)
    ok("--data", elsewhere, "import", given=exported)
    with held(elsewhere):
        assert len(ok("--data", elsewhere, "users").stdout.splitlines()) == 2


def test_an_export_that_breaks_off_leaves_no_file(data: Path, tmp_path: Path) -> None:
    with opened(data) as house:
        house.run("UPDATE event SET kind = 'Moonrise'")
    assert "Moonrise" in refused(1, "--data", data, "export", tmp_path / "all.jsonl")
    assert {path.name for path in tmp_path.iterdir()} == {"data"}


# --- people and what is under way -----------------------------------------------------------------


def test_everyone_is_listed(data: Path) -> None:
    first, second = ok("--data", data, "users").stdout.splitlines()
    assert first == "usr_ann  @ann  ann@example.com  user  2026-01-01T12:00:00+00:00"
    assert second.endswith("(not confirmed)")
    people = [json.loads(line) for line in ok("--data", data, "users", "--json").stdout.splitlines()]
    assert people[0] == {
        "id": "usr_ann", "handle": "ann", "email": "ann@example.com", "roles": ["user"], "confirmed": True,
        "created_at": "2026-01-01T12:00:00Z",
    }  # fmt: skip
    assert [each["confirmed"] for each in people] == [True, False]


UNFINISHED = Processing(
    video=VideoId("vid_8"), upload=UPLOAD.id, source="raw/upl_1/source", state=State.TRANSCODING,
    job=JobId("job_8"), percent=40, updated_at=START, version=1,
)  # fmt: skip


def test_what_is_stuck_is_listed(data: Path) -> None:
    with opened(data) as house:
        report = Report(video=VideoId("vid_8"), attempt=1, job=JobId("job_8"), state=State.TRANSCODING, percent=40)
        house.run(
            "INSERT INTO job (id, source, state, runs, held_until, report) VALUES ('job_8', 'raw/x', 'running', 2, 0, ?)",
            text_of(report),
        )
        house.run(
            "INSERT INTO processing (video, version, unfinished_since, doc) VALUES ('vid_8', 1, 0, ?)",
            text_of(UNFINISHED),
        )
        event = text_of(TranscodeRequested(VideoId("vid_8"), 1, START))
        add = "INSERT INTO event (id, kind, doc, attempts, reason) VALUES (?, 'TranscodeRequested', ?, 10, ?)"
        house.run(add, "evt_dead", event, "KeyError: 'x'")
        house.run(
            "INSERT INTO event (id, kind, doc) SELECT 'evt_' || value, 'TranscodeRequested', ? FROM json_each(?)",
            event, json.dumps(list(range(1500))),
        )  # fmt: skip
    lines = ok("--data", data, "jobs").stdout.splitlines()
    assert "  job_8  vid_8 attempt 1: running, 40 %, run 2, held until 1970-01-01T00:00:00+00:00" in lines
    assert "  vid_8 attempt 1: transcoding, 40 %, job job_8, 2026-01-01T12:00:00+00:00" in lines
    assert "  evt_dead  TranscodeRequested, tried 10 times: KeyError: 'x'" in lines
    told = json.loads(ok("--data", data, "jobs", "--json").stdout)
    assert told["jobs"][0]["state"] == "running"
    assert told["unfinished"][0]["job"] == "job_8"
    assert told["dead"][0]["reason"] == "KeyError: 'x'"
    assert told["events_dead"] == 1
    assert told["events_waiting"] == 1501  # the one that indexes the channel, too
    assert len(told["waiting"]) == 1000
    assert "  and 501 more" in lines


def test_a_document_that_cannot_be_read_is_said_in_one_line(data: Path) -> None:
    with opened(data) as house:
        house.run("UPDATE user SET doc = '{}' WHERE id = 'usr_ann'")
    assert "cannot be read" in refused(1, "--data", data, "users")


@pytest.mark.parametrize("who", ["id", "ada@example.com", "@ada"])
def test_a_role_is_granted_and_revoked(tmp_path: Path, who: str) -> None:
    """To whoever is named in whatever way; the account and the profile say so."""
    settings = Settings(data=tmp_path)

    async def sign_up() -> User:
        async with open_app(settings) as core:
            user: User = await core.sign_up()("ada@example.com", "correct horse battery", "ada", "Ada")
            return user

    async def roles(user: UserId) -> tuple[frozenset[Role], list[str]]:
        async with open_app(settings) as core:
            ((doc,),) = core.adapters.database().rows("SELECT doc FROM account")
            return (await core.adapters.users().get(user)).roles, json.loads(doc)["roles"]

    user = asyncio.run(sign_up())
    named = user.id if who == "id" else who
    granted = ok("--data", tmp_path, "admin", "grant", named, "moderator")
    assert granted.stderr == f"@ada ({user.id}): moderator, user\n"
    said, kept = asyncio.run(roles(user.id))
    assert said == {Role.USER, Role.MODERATOR} == set(map(Role, kept))
    told = json.loads(ok("--data", tmp_path, "admin", "grant", named, "moderator", "--revoke", "--json").stdout)
    assert told == {"id": user.id, "handle": "ada", "roles": ["user"]}
    assert "every account" in refused(2, "--data", tmp_path, "admin", "grant", named, "user", "--revoke")
    assert hexcast("--data", tmp_path, "admin", "grant", named, "emperor").exit_code == 2


@pytest.mark.parametrize("who", ["usr_ann", "ann@example.com", " Ann@Example.COM", "ann", "@Ann"])
def test_someone_is_found_by_whatever_names_them(data: Path, who: str) -> None:
    from adapters.local.register import Register  # noqa: PLC0415  (beside what it tests)

    with opened(data) as house:
        assert Register(house.database).find(who) == "usr_ann"


def test_nobody_is_found_by_other_names(data: Path) -> None:
    assert "handle is cho" in refused(1, "--data", data, "admin", "grant", "cho", "admin")


# --- processes ------------------------------------------------------------------------------------


def process(*arguments: object, **more: Any) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "entrypoints.cli", *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, text=True, capture_output=True, check=False, **more)


def test_a_process_ends_as_it_should(data: Path, tmp_path: Path) -> None:
    """With the same answers and statuses as above."""
    assert "Usage: hexcast" in process("--help").stdout
    users = process("--data", data, "users", "--json")
    assert (users.returncode, users.stderr, len(users.stdout.splitlines())) == (0, "", 2)
    assert process("--data", tmp_path / "none", "check").returncode == 1
    assert process("--data", data, "--profile", "cloud", "check").returncode == 2
    exported = process("--data", data, "export")
    imported = process("--data", tmp_path / "elsewhere", "import", input=exported.stdout)
    assert (imported.returncode, imported.stdout) == (0, "")


def test_it_begins_with_nothing_heavy() -> None:
    """The server starts through it."""
    look = "import sys, entrypoints.cli; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", look], cwd=ROOT, text=True, capture_output=True, check=True)
    loaded = set(done.stdout.split())
    heavy = {"litestar", "granian", "apsw", "msgspec", "structlog", "dependency_injector", "argon2", "joserfc", "PIL"}
    assert not loaded & heavy
    assert "entrypoints.settings" not in loaded


def test_the_package_has_the_command() -> None:
    assert 'hexcast = "entrypoints.cli:main"' in (ROOT / "pyproject.toml").read_text("utf-8")


@contextmanager
def serving(folder: Path, *options: object) -> Iterator[Server]:
    """``hexcast --profile memory serve``, told to stop at the end."""
    server = Server(folder)
    env = {"HEXCAST_PORT": str(server.port), "HEXCAST_LOG_FORMAT": "json"}
    process = subprocess.Popen(
        [sys.executable, "-m", "entrypoints.cli", "--profile", "memory", "serve", *map(str, options)],
        cwd=ROOT, env=os.environ | env, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        assert any(server.url in line for line in process.stdout), "the server did not start"
        yield server
    finally:
        for client in server.clients:
            client.close()
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=30)
    assert process.returncode == 0


def test_a_server_in_memory_takes_up_and_leaves_an_archive(tmp_path: Path) -> None:
    """What one process held is in the next: people, whose passwords still work."""
    first, second = tmp_path / "first.jsonl", tmp_path / "second.jsonl"
    refused(2, "--data", tmp_path, "serve", "--dump", first)
    with serving(tmp_path, "--dump", first) as server:
        ann = sign_up(server, "ann")
        channel = ann.channel("cats")
    with serving(tmp_path, "--load", first, "--dump", second) as server, httpx.Client(base_url=server.url) as http:
        body = {"email": ann.email, "password": "correct horse battery"}
        assert http.post("/v1/auth/sign-in", json=body).status_code == 200
        assert http.get(f"/v1/channels/{channel}").json()["handle"] == "cats"
    assert {each["kind"] for each in map(json.loads, second.read_text().splitlines()[1:])} >= {"user", "channel"}


def test_a_backup_of_a_running_server_is_served_elsewhere(tmp_path: Path) -> None:
    """With whoever was signed in; what came after the backup is not there."""
    file = tmp_path / "backup.tar"
    with Server(tmp_path / "data").running() as server:
        ann = sign_up(server, "ann")
        channel = ann.channel("cats")
        made = process("--data", server.data, "backup", file)
        assert made.returncode == 0, made.stderr
        ann.channel("dogs")
        assert process("--data", server.data, "check").returncode == 0
    assert process("--data", tmp_path / "new", "restore", file).returncode == 0
    assert process("--data", tmp_path / "new", "check").returncode == 0
    with Server(tmp_path / "new", port=server.port).running() as again:
        with httpx.Client(base_url=again.url, headers=ann.http.headers) as http:
            mine = http.get("/v1/me/channels").json()["data"]
        assert [each["id"] for each in mine] == [channel]


def test_a_server_does_not_begin_with_a_broken_archive(tmp_path: Path) -> None:
    (tmp_path / "broken.jsonl").write_text('{"format":"hexcast-archive","version":1}\n{"kind":"user"')
    assert "line 2" in refused(1, "--profile", "memory", "serve", "--load", tmp_path / "broken.jsonl")
