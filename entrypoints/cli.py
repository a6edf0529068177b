"""``hexcast``: the server, and what whoever runs it does beside. ``hexcast COMMAND --help`` explains each command.

What a command finds goes to standard output, in lines or (``--json``) for programs; how it goes and what went wrong to
standard error. The exit status is 2 for wrong use or settings, 1 for all else that went wrong, and for a ``check``
that found flaws.
"""

import asyncio
import errno
import os
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from itertools import islice
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Self

import click
from attrs import frozen

from domain.errors import Conflict, DomainError, Invalid, NotFound

if TYPE_CHECKING:
    from adapters.local.audit import Finding
    from adapters.local.database import Database
    from adapters.local.register import Pending
    from application.ports import Archive, Record
    from domain.identity import User
    from domain.ids import UserId
    from entrypoints.settings import Settings

DATABASE, MEDIA = "hexcast.db", "media"
_WRONG_USE = {"wrong_settings", "wrong_use", "role_is_fixed"}
_TOLD_EACH = 1000


@frozen
class _Told:
    """What the command line says of the settings; the environment says the rest."""

    data: Path | None
    profile: str | None

    @property
    def env(self) -> Mapping[str, str]:
        given = {"HEXCAST_DATA": str(self.data) if self.data else None, "HEXCAST_PROFILE": self.profile}
        return {**os.environ, **{name: value for name, value in given.items() if value is not None}}

    def settings(self) -> "Settings":
        """Raises Invalid."""
        from entrypoints.settings import Settings

        return Settings.read(self.env)

    def local(self) -> "Settings":
        """Of a profile that keeps something on this machine. Raises Invalid."""
        settings = self.settings()
        if settings.profile != "local":
            message = f"the profile {settings.profile} keeps nothing on this machine that a command could come to"
            raise Invalid(message, code="wrong_use")
        return settings

    def lasting(self) -> "Settings":
        """Of a profile that keeps something anywhere. Raises Invalid."""
        settings = self.settings()
        return settings if settings.profile == "aws" else self.local()


class _Commands(click.Group):
    """Says what went wrong in one line."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except DomainError as error:
            raise _failed(error, 2 if error.code in _WRONG_USE else 1) from error
        except OSError as error:
            if error.errno == errno.EPIPE:  # whoever reads has read enough
                raise
            raise _failed(f"{error.filename}: {error.strerror}" if error.filename else error, 1) from error
        except Exception as error:
            if _of_aws(error):
                raise _failed(error, 1) from error
            if not _of_what_is_kept(error):
                raise
            raise _failed(f"what is kept cannot be read: {error}", 1) from error


def _failed(what: object, status: int) -> click.exceptions.Exit:
    click.echo(f"hexcast: {what}", err=True)
    return click.exceptions.Exit(status)


def _of_what_is_kept(error: Exception) -> bool:
    """Whether the database or a document in it is at fault; where neither was loaded, neither is."""
    apsw, msgspec = sys.modules.get("apsw"), sys.modules.get("msgspec")
    return (apsw is not None and isinstance(error, apsw.Error)) or (
        msgspec is not None and isinstance(error, msgspec.MsgspecError)
    )


def _of_aws(error: Exception) -> bool:
    """Whether AWS refused, or was not reached: for want of credentials or permissions, say."""
    botocore = sys.modules.get("botocore.exceptions")
    return botocore is not None and isinstance(error, (botocore.BotoCoreError, botocore.ClientError))


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--data", type=click.Path(path_type=Path), help="The folder for all that is kept (HEXCAST_DATA).")
@click.option("--profile", metavar="NAME", help="local, memory or aws (HEXCAST_PROFILE).")
@click.pass_context
def cli(context: click.Context, data: Path | None, profile: str | None) -> None:
    """A video platform on this machine.

    Settings are environment variables, all named in docs/operations.md; the options here come before them.
    """
    context.obj = _Told(data, profile)


_json = click.option("--json", "as_json", is_flag=True, help="For programs.")


# --- serving --------------------------------------------------------------------------------------


@cli.command()
@click.option("--load", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="An archive to begin with.")
@click.option("--dump", type=click.Path(dir_okay=False, path_type=Path), help="Where to leave an archive at the end.")
@click.pass_obj
def serve(told: _Told, load: Path | None, dump: Path | None) -> None:
    """Serve until told to stop.

    --load and --dump are for the profile memory, which keeps nothing else; with the profile local there are import
    and export.
    """
    if (load or dump) and told.settings().profile != "memory":
        raise Invalid("--load and --dump go with --profile memory", code="wrong_use")
    if load is not None:
        with load.open("rb") as lines:
            _verify(lines)

    async def first(core: Any) -> None:
        if load is not None:
            with load.open("rb") as lines:
                await core.adapters.archive().load(_records(lines))

    async def last(core: Any) -> None:
        if dump is not None:
            await _export(core.adapters.archive(), dump)

    from entrypoints.http.serve import main as serve_until_stopped

    os.environ.update(told.env)  # for the processes that it starts, too

    raise click.exceptions.Exit(serve_until_stopped(first=first, last=last))


@cli.command()
@click.pass_obj
def demo(told: _Told) -> None:
    """Serve a platform with people, channels and videos on it."""
    from entrypoints.demo import run

    os.environ.update(told.env)  # for the processes that it starts, too

    raise click.exceptions.Exit(run())


# --- keeping safe ---------------------------------------------------------------------------------


@cli.command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@_json
@click.pass_obj
def backup(told: _Told, file: Path, *, as_json: bool) -> None:
    """Put all of it into FILE, while servers run."""
    from adapters.local.backup import backup as back_up
    from adapters.system import Clock

    settings = told.local()
    with _Progress() as progress:
        made = back_up(settings.data / DATABASE, settings.data / MEDIA, file, Clock().now(), progress)
    size = file.stat().st_size
    text = f"{file}: {len(made.manifest.files)} files, {size} bytes"
    if made.missing:
        text += f"\n{len(made.missing)} files that records name were not there; `hexcast check` names them"
    document = {"file": str(file), "bytes": size, "files": len(made.manifest.files), "missing": made.missing}
    _sum_up(text, document, as_json=as_json)


@cli.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@_json
@click.pass_obj
def restore(told: _Told, file: Path, *, as_json: bool) -> None:
    """Make the data folder, which must be empty, of a backup."""
    from adapters.local.backup import restore as put_back

    settings = told.local()
    with _Progress() as progress:
        manifest = put_back(file, settings.data, progress)
    made = manifest.created_at.isoformat(timespec="seconds")
    document = {"data": str(settings.data), "files": len(manifest.files), "created_at": manifest.created_at}
    _sum_up(f"{settings.data}: as of {made}, {len(manifest.files)} files", document, as_json=as_json)


@cli.command()
@click.option("--repair", is_flag=True, help="Count again first, and note again what is noted beside documents.")
@_json
@click.pass_obj
def check(told: _Told, *, repair: bool, as_json: bool) -> None:
    """Look for flaws in what is kept; the exit status is 1 if there are any.

    What is listed as a note is no flaw: it goes away by itself.
    """
    settings = told.local()

    async def look(database: "Database") -> Sequence["Finding"]:
        if repair:
            await _audit(database, settings).repair()
        return [found for audit in AUDITS for found in await audit(database, settings)]

    with _database(settings) as database:
        found = asyncio.run(look(database))
    flaws = [each for each in found if not each.mends]
    notes = [each for each in found if each.mends]
    if as_json:
        _print_json({"clean": not flaws, "flaws": flaws, "notes": notes, "repaired": repair})
    else:
        for each in (*flaws, *notes):
            click.echo(f"{'note: ' if each.mends else ''}{each.kind} {each.subject}: {each.detail}")
        click.echo(f"{len(flaws)} flaws, {len(notes)} notes", err=True)
    if flaws:
        raise click.exceptions.Exit(1)


def _audit(database: "Database", settings: "Settings") -> Any:
    from adapters.local.audit import Audit
    from adapters.system import Clock

    return Audit(database, settings.data / MEDIA, Clock().now)


async def _audit_records(database: "Database", settings: "Settings") -> Sequence["Finding"]:
    found: Sequence[Finding] = await _audit(database, settings).find()
    return found


async def _audit_media(database: "Database", settings: "Settings") -> Sequence["Finding"]:
    from adapters.links import Links
    from adapters.local.audit import Finding
    from adapters.local.disk import DiskMedia
    from adapters.local.outbox import SqliteOutbox
    from adapters.local.processing import SqliteProcessings
    from adapters.local.uploads import SqliteUploads
    from adapters.local.videos import SqliteVideos
    from adapters.system import Clock, Ulids, secret
    from application.auditing import AuditMedia

    now = Clock().now
    outbox = SqliteOutbox(database, Ulids(now))
    media = DiskMedia(settings.data / MEDIA, Links(secret(), settings.public_url, now), now)
    audit = AuditMedia(
        videos=SqliteVideos(database, outbox), processings=SqliteProcessings(database, outbox),
        uploads=SqliteUploads(database, outbox), media=media, store=media,
    )  # fmt: skip
    found: list[Finding] = []
    videos = _audit(database, settings).videos()
    while piece := list(islice(videos, _AUDITED_AT_ONCE)):
        found += [Finding(f"media {flaw.kind.value}", flaw.subject, flaw.detail) for flaw in await audit(piece)]
    return found


_AUDITED_AT_ONCE = 100
AUDITS: Sequence[Callable[["Database", "Settings"], Awaitable[Sequence["Finding"]]]] = (_audit_records, _audit_media)
"""All that ``check`` asks."""


# --- moving ---------------------------------------------------------------------------------------


@cli.command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path, allow_dash=True), default="-")
@_json
@click.pass_obj
def export(told: _Told, file: Path, *, as_json: bool) -> None:
    """Write all records to FILE (or standard output), a line of JSON each."""
    settings = told.lasting()

    async def write() -> int:
        async with _archive(settings) as archive:
            return await _export(archive, file)

    count = asyncio.run(write())
    if str(file) == "-":
        click.echo(f"{count} records", err=True)
    else:
        _sum_up(f"{file}: {count} records", {"file": str(file), "records": count}, as_json=as_json)


@cli.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path, allow_dash=True), default="-")
@_json
@click.pass_obj
def import_(told: _Told, file: Path, *, as_json: bool) -> None:
    """Take in what `export` wrote, from FILE (or standard input), where nothing is kept yet."""
    settings = told.lasting()
    cloud = settings.profile == "aws"
    place = "the cloud" if cloud else str(settings.data)
    with _rereadable(file) as lines:
        _verify(lines)
        lines.seek(0)

        async def load() -> int:
            async with _archive(settings, fresh=True) as archive:
                with _Progress() as progress:
                    try:
                        return await archive.load(_counted(_records(lines), progress))
                    except DomainError as error:
                        if error.code == "not_empty":
                            raise Conflict(f"{place} is not empty; nothing was imported", code=error.code) from error
                        again = "import into another stack" if cloud else "remove that folder, then import again"
                        message = f"{error}; a part may be in {place} now: {again}"
                        raise Conflict(message, code=error.code) from error

        from entrypoints.container import held

        # Alone: what a server would store meanwhile, or deliver of what is half there, must not be mixed in.
        with held(settings):
            count = asyncio.run(load())
    _sum_up(f"{place}: {count} records", {"data": place, "records": count}, as_json=as_json)


@asynccontextmanager
async def _archive(settings: "Settings", *, fresh: bool = False) -> "AsyncIterator[Archive]":
    """Of what the profile keeps; ``fresh``: it may be made."""
    if settings.profile == "aws":
        from entrypoints.container import open_app

        async with open_app(settings) as core:
            yield core.adapters.archive()
        return
    from adapters.local.archive import SqliteArchive
    from adapters.local.outbox import SqliteOutbox
    from adapters.system import Clock, Ulids

    now = Clock().now
    with _database(settings, fresh=fresh) as database:
        yield SqliteArchive(database, SqliteOutbox(database, Ulids(now)), now)


def _verify(lines: Iterable[bytes]) -> None:
    """Read it once before anything is loaded. Raises Invalid, naming the line that is wrong."""
    from adapters.archives import read

    for _ in read(lines):
        pass


async def _records(lines: Iterable[bytes]) -> "AsyncIterator[Record]":
    from adapters.archives import read

    for record in read(lines):
        yield record


async def _counted(records: "AsyncIterator[Record]", progress: "_Progress") -> "AsyncIterator[Record]":
    count = 0
    async for record in records:
        yield record
        count += 1
        if count % _TOLD_EACH == 0:
            progress.tell(f"{count} records")


async def _export(archive: "Archive", file: Path) -> int:
    """How many records. A file is there when it is whole, and not before."""
    from adapters.archives import written

    count = -2  # the first and the last line are none
    with _whole(file) as into, _Progress() as progress:
        async for line in written(archive.dump()):
            into.write(line)
            count += 1
            if count % _TOLD_EACH == 0 and count:
                progress.tell(f"{count} records")
    return count


@contextmanager
def _whole(file: Path) -> Iterator[IO[bytes]]:
    if str(file) == "-":
        yield sys.stdout.buffer
        return
    partial = file.with_name(f"{file.name}.partial")
    try:
        # For the owner only: passwords' hashes are in it.
        with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as into:
            yield into
            into.flush()
            os.fsync(into.fileno())
        partial.rename(file)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


@contextmanager
def _rereadable(file: Path) -> Iterator[IO[bytes]]:
    """The file; standard input as a file of its own, which can be read twice."""
    if str(file) != "-":
        with file.open("rb") as lines:
            yield lines
        return
    with tempfile.TemporaryFile() as lines:
        shutil.copyfileobj(sys.stdin.buffer, lines)
        lines.seek(0)
        yield lines


# --- people ---------------------------------------------------------------------------------------


@cli.group()
def admin() -> None:
    """Who may do what on the whole platform."""


@admin.command()
@click.argument("user")
@click.argument("role", type=click.Choice(["user", "moderator", "admin"]))
@click.option("--revoke", is_flag=True, help="Take the role back.")
@_json
@click.pass_obj
def grant(told: _Told, user: str, role: str, *, revoke: bool, as_json: bool) -> None:
    """Give USER (an id, e-mail address or handle) a role.

    Whoever is signed in has it with the next token, within the hour.
    """
    from domain.access import Role

    settings = told.lasting()
    found = None if settings.profile == "aws" else _registered(settings, user)

    async def change() -> Any:
        from entrypoints.container import open_app

        async with open_app(settings) as core:
            who = await _in_the_cloud(core, user) if settings.profile == "aws" else found
            if who is None:
                raise NotFound(f"there is nobody whose id, e-mail address or handle is {user}")
            return await core.grant_role()(who, Role(role), revoke=revoke)

    changed = asyncio.run(change())
    roles = sorted(changed.roles)
    document = {"id": changed.id, "handle": changed.handle, "roles": roles}
    _sum_up(f"@{changed.handle} ({changed.id}): {', '.join(roles)}", document, as_json=as_json)


def _registered(settings: "Settings", user: str) -> "UserId | None":
    from adapters.local.register import Register

    with _database(settings) as database:
        return Register(database).find(user)


async def _in_the_cloud(core: Any, user: str) -> "UserId | None":
    found: UserId | None = await core.adapters.accounts().find(user)
    if found is not None:
        return found
    try:
        holder: User = await core.adapters.users().by_handle(user.removeprefix("@").lower())
    except NotFound:
        return None
    return holder.id


@cli.command()
@_json
@click.pass_obj
def users(told: _Told, *, as_json: bool) -> None:
    """List everyone, in the order in which they signed up; --json: a line each."""
    from adapters.local.register import Register

    with _database(told.local()) as database:
        for person in Register(database).people():
            if as_json:
                _print_json(person)
                continue
            waits = "" if person.confirmed else "  (not confirmed)"
            since = person.created_at.isoformat(timespec="seconds")
            click.echo(f"{person.id}  @{person.handle}  {person.email}  {','.join(person.roles)}  {since}{waits}")


# --- what is under way ----------------------------------------------------------------------------


@cli.command()
@_json
@click.pass_obj
def jobs(told: _Told, *, as_json: bool) -> None:
    """List what is under way: transcodes, videos that are not done, events that wait or were given up."""
    from adapters.local.register import Register

    with _database(told.local()) as database:
        pending = Register(database).pending()
    if as_json:
        _print_json(pending)
    else:
        for line in _pending(pending):
            click.echo(line)


def _pending(pending: "Pending") -> Iterator[str]:
    yield f"transcodes: {len(pending.jobs)}"
    for job in pending.jobs:
        held = f", held until {job.held_until.isoformat(timespec='seconds')}" if job.held_until else ""
        yield f"  {job.id}  {job.video} attempt {job.attempt}: {job.state}, {job.percent} %, run {job.runs}{held}"
    yield f"videos that are not done: {len(pending.unfinished)}"
    for video in pending.unfinished:
        since = video.updated_at.isoformat(timespec="seconds")
        yield f"  {video.video} attempt {video.attempt}: {video.state}, {video.percent} %, job {video.job}, {since}"
    for title, count, events in (
        ("events that wait", pending.events_waiting, pending.waiting),
        ("events that were given up", pending.events_dead, pending.dead),
    ):
        yield f"{title}: {count}"
        for event in events:
            until = f", not before {event.held_until.isoformat(timespec='seconds')}" if event.held_until else ""
            why = f": {event.reason}" if event.reason else ""
            yield f"  {event.id}  {event.kind}, tried {event.attempts} times{until}{why}"
        if count > len(events):
            yield f"  and {count - len(events)} more"


# --- what commands share --------------------------------------------------------------------------


@contextmanager
def _database(settings: "Settings", *, fresh: bool = False) -> "Iterator[Database]":
    """``fresh``: it may be made. Raises NotFound (``no_data``), and Invalid (``database_older``), as only a server
    takes the data of an earlier version over.
    """
    from adapters.local.database import Database
    from adapters.local.header import check_header
    from adapters.local.schema import MIGRATIONS

    path = settings.data / DATABASE
    schema = check_header(path)
    if not schema and not fresh:
        raise NotFound(f"{settings.data} holds no platform", code="no_data")
    if 0 < schema < len(MIGRATIONS):
        message = f"{path} is of an earlier version: `hexcast serve` takes it over"
        raise Invalid(message, code="database_older")
    if fresh:
        settings.data.mkdir(0o700, parents=True, exist_ok=True)
    database = Database(path)
    try:
        yield database
    finally:
        database.close()


class _Progress:
    """Tells people on a terminal how it goes; says nothing to anything else."""

    def __init__(self) -> None:
        self._shown = sys.stderr.isatty()
        self._bar: Any = None
        self._what = ""
        self._done = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._end()

    def __call__(self, what: str, done: int, total: int) -> None:
        """How many of the bytes are done."""
        if not self._shown:
            return
        if what != self._what:
            self._end()
            self._what, self._done = what, 0
            if total:
                self._bar = click.progressbar(length=total, label=what, file=sys.stderr)
                self._bar.__enter__()
        if self._bar is not None and done > self._done:
            self._bar.update(done - self._done)
            self._done = done

    def tell(self, what: str) -> None:
        """In place of what was told before."""
        if self._shown:
            click.echo(f"\r{what}", err=True, nl=False)
            self._what = what

    def _end(self) -> None:
        if self._bar is not None:
            self._bar.__exit__(None, None, None)
            self._bar = None
        elif self._what:
            click.echo(err=True)


def _sum_up(text: str, document: Mapping[str, object], *, as_json: bool) -> None:
    if as_json:
        _print_json(document)
    else:
        click.echo(text, err=True)


def _print_json(document: object) -> None:
    import msgspec

    click.echo(msgspec.json.encode(document))


def main() -> None:
    """The command line; ends the process."""
    cli.main(prog_name="hexcast")


if __name__ == "__main__":
    main()
