"""What MediaConvert is asked for, and what its events mean; without an emulator."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import botocore.session
import pytest
from attrs import define, evolve, field
from botocore.exceptions import ClientError
from botocore.model import ListShape, MapShape, Shape, StringShape, StructureShape
from botocore.validate import ParamValidator

from adapters.aws.job import Places, board_of, described, metadata, request
from adapters.aws.job import board as board_for
from adapters.aws.mediaconvert import MediaConvertTranscoder, listed, source_of
from adapters.aws.reports import KIND, meaning
from adapters.playlists import variants
from application.ports import TranscodeOrder
from domain.errors import Invalid, Unavailable
from domain.ids import JobId, VideoId
from domain.media import MANIFEST, POSTER, STORYBOARD, Rendition, Source
from domain.processing import Report, State
from tests.adapters.converting import Service, Shelf, probed

VIDEO = VideoId("vid_1")
ORDER = TranscodeOrder(video=VIDEO, attempt=2, source="raw/upl_1/source")
FILM = Source(1920, 1080, 60.0, 25.0, has_audio=True)
PLACES = Places(
    raw_bucket="raw", media_bucket="media", role="arn:aws:iam::111122223333:role/mediaconvert",
    queue="arn:aws:mediaconvert:us-west-2:111122223333:queues/Default", env="prod",
)  # fmt: skip
EVENTS = Path(__file__).parent / "events"
JOB = JobId("1671477617078-2886ye")
PREFIX = "v/vid_1/a2/"


# --- the request -------------------------------------------------------------------------------------


def against_the_model(shape: Shape, value: Any, path: str = "") -> Iterator[str]:
    """What botocore's own validation leaves out: enumerations, lengths and ranges."""
    least, most = shape.metadata.get("min"), shape.metadata.get("max")
    if isinstance(shape, StructureShape):
        for name, each in value.items():
            yield from against_the_model(shape.members[name], each, f"{path}.{name}")
    elif isinstance(shape, ListShape):
        for each in value:
            yield from against_the_model(shape.member, each, f"{path}[]")
    elif isinstance(shape, MapShape):
        for each in value.values():
            yield from against_the_model(shape.value, each, f"{path}.*")
    elif isinstance(shape, StringShape) and shape.enum:
        if value not in shape.enum:
            yield f"{path}: {value}"
    elif isinstance(value, int | float) and not (least or value) <= value <= (most or value):
        yield f"{path}: {value}"


@pytest.mark.parametrize(
    "source",
    [
        FILM,
        Source(360, 640, 0.0, 0.0, has_audio=False),
        Source(3840, 2160, 40_000.0, 119.88, has_audio=True),
        Source(2, 2, 0.1, 1.0, has_audio=False),
    ],
    ids=["film", "phone", "large", "tiny"],
)
def test_a_request_is_what_the_service_takes(source: Source) -> None:
    shape = botocore.session.get_session().get_service_model("mediaconvert").operation_model("CreateJob").input_shape
    assert shape is not None
    asked = request(ORDER, source, PLACES)
    assert ParamValidator().validate(asked, shape).generate_report() == ""
    assert list(against_the_model(shape, asked)) == []
    assert len(asked["ClientRequestToken"]) <= 64


def outputs(asked: Mapping[str, Any], group: int) -> Mapping[str, Mapping[str, Any]]:
    return {each["NameModifier"]: each for each in asked["Settings"]["OutputGroups"][group]["Outputs"]}


def test_a_request_names_the_attempt_everywhere() -> None:
    """Its files lie under the attempt's prefix, and its events say whose it is."""
    asked = request(ORDER, FILM, PLACES)
    hls, files = (each["OutputGroupSettings"] for each in asked["Settings"]["OutputGroups"])
    assert hls["HlsGroupSettings"]["Destination"] == "s3://media/v/vid_1/a2/hls/master"
    assert files["FileGroupSettings"]["Destination"] == "s3://media/v/vid_1/a2/thumb/t"
    assert asked["Settings"]["Inputs"][0]["FileInput"] == "s3://raw/raw/upl_1/source"
    assert asked["ClientRequestToken"] == "vid_1-2"
    assert asked["UserMetadata"] == {
        "video_id": "vid_1", "attempt": "2", "env": "prod", "schema": "1", "board": "160x90/2",
    }  # fmt: skip


def test_the_ladder_is_the_domains() -> None:
    asked = request(ORDER, FILM, PLACES)
    made = outputs(asked, 0)
    assert list(made) == ["_360p", "_480p", "_720p", "_1080p", "_audio"]
    video = made["_1080p"]["VideoDescription"]
    assert (video["Width"], video["Height"]) == (1920, 1080)
    h264 = video["CodecSettings"]["H264Settings"]
    assert (h264["MaxBitrate"], h264["QvbrSettings"]) == (6_000_000, {"QvbrQualityLevel": 9})
    assert h264["FramerateControl"] == "INITIALIZE_FROM_SOURCE"
    captured = outputs(asked, 1)
    assert captured["_poster"]["VideoDescription"]["Height"] == 720
    frames = captured["_board"]["VideoDescription"]["CodecSettings"]["FrameCaptureSettings"]
    assert (frames["FramerateNumerator"], frames["FramerateDenominator"]) == (1, 2)
    assert "MaxCaptures" not in frames


def test_a_silent_film_asks_for_no_sound() -> None:
    """A track that is not there is an error of the service (1021)."""
    asked = request(ORDER, evolve(FILM, has_audio=False), PLACES)
    assert "audio" not in json.dumps(asked).lower().replace("audioselectors", "")
    assert "AudioSelectors" not in asked["Settings"]["Inputs"][0]


@pytest.mark.parametrize(("fps", "rate"), [(119.88, (2997, 50)), (240.0, (60, 1)), (90.0, (45, 1))])
def test_a_fast_camera_is_slowed_down_evenly(fps: float, rate: tuple[int, int]) -> None:
    h264 = outputs(request(ORDER, evolve(FILM, fps=fps), PLACES), 0)["_360p"]["VideoDescription"]["CodecSettings"]
    settings = h264["H264Settings"]
    assert settings["FramerateControl"] == "SPECIFIED"
    assert settings["FramerateNumerator"] / settings["FramerateDenominator"] == pytest.approx(rate[0] / rate[1])


def test_the_storyboard_is_described_in_the_metadata() -> None:
    board = board_for(Source(1080, 1920, 754.3, 30.0, has_audio=True))
    assert (board.interval_s, board.width, board.height) == (8, 160, 284)
    assert board_of(described(board)) == board


# --- what is in a file -------------------------------------------------------------------------------


def test_a_probed_file_is_a_source() -> None:
    assert source_of(probed(), 10) == Source(854, 480, 4.5, 30000 / 1001, has_audio=True)


@pytest.mark.parametrize(
    ("changes", "size"),
    [
        ({"Rotation": 90}, (480, 854)),
        ({"Rotation": -90}, (480, 854)),
        ({"Rotation": 180}, (854, 480)),
        ({"SampleAspectRatio": {"Numerator": 2, "Denominator": 1}}, (1708, 480)),
        ({"SampleAspectRatio": {"Numerator": 0, "Denominator": 0}}, (854, 480)),
    ],
)
def test_pictures_are_seen_upright_and_square(changes: Mapping[str, Any], size: tuple[int, int]) -> None:
    found = source_of(probed(**changes), 10)
    assert isinstance(found, Source)
    assert (found.width, found.height) == size


@pytest.mark.parametrize(
    ("result", "code"),
    [
        ({}, "unreadable"),
        ({"Container": {"Format": "mp4", "Tracks": [{"TrackType": "data"}]}}, "unreadable"),
        ({"Container": {"Format": "mp4", "Tracks": [{"TrackType": "audio"}]}}, "no_video"),
        ({"Container": {**probed()["Container"], "Format": "mp3"}}, "no_video"),
        ({"Container": {**probed()["Container"], "Duration": 10.1}}, "too_long"),
    ],
)
def test_what_cannot_be_played_is_refused(result: Mapping[str, Any], code: str) -> None:
    assert source_of(result, 10) == code


def test_a_file_may_not_know_how_long_it_lasts() -> None:
    found = probed()
    del found["Container"]["Duration"]
    source = source_of(found, 10)
    assert isinstance(source, Source)
    assert source.duration_s == 0


RECORDED = "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1,{}\n720p30/playlist.m3u8\n"
PLAYED = "#EXTM3U\n#EXTINF:6.0,\n0.ts\n#EXT-X-DISCONTINUITY\n#EXTINF:3.5,\n1.ts\n#EXT-X-ENDLIST\n"


@pytest.mark.parametrize(
    ("attributes", "most_s", "found"),
    [
        ('RESOLUTION=1280x720,FRAME-RATE=29.970,CODECS="avc1.4D401F,mp4a.40.2"', 10, Source(1280, 720, 9.5, 29.97, has_audio=True)),
        ('RESOLUTION=1280x720,CODECS="avc1.4D401F"', 10, Source(1280, 720, 9.5, 0.0, has_audio=False)),
        ('RESOLUTION=1280x720,CODECS="avc1.4D401F",AUDIO="a"', 10, Source(1280, 720, 9.5, 0.0, has_audio=True)),
        ("RESOLUTION=1280x720", 10, Source(1280, 720, 9.5, 0.0, has_audio=True)),
        ("RESOLUTION=1280x720", 9, "too_long"),
        ('CODECS="mp4a.40.2"', 10, "no_video"),
    ],
)  # fmt: skip
def test_a_recording_is_what_its_manifest_says(attributes: str, most_s: float, found: Source | str) -> None:
    (variant,) = variants(RECORDED.format(attributes))
    assert listed(variant, PLAYED, most_s) == found


@define
class World:
    service: Service = field(factory=Service)
    shelf: Shelf = field(factory=Shelf)
    told: list[Report] = field(factory=list)
    unknown: list[str] = field(factory=list)

    @property
    def transcoder(self) -> MediaConvertTranscoder:
        async def tell(report: Report) -> None:
            self.told.append(report)

        return MediaConvertTranscoder(self.service, self.service, self.shelf, PLACES, tell, max_duration_s=10)

    async def heard(self, said: Mapping[str, Any]) -> Report | None:
        return await self.transcoder.heard(said, self.unknown.append)

    def add(self, status: str, attempt: int = 2, env: str = "prod", **more: Any) -> JobId:
        order = evolve(ORDER, attempt=attempt)
        asked = request(order, FILM, PLACES) | {"UserMetadata": metadata(order, env, board_for(FILM))}
        job = JobId(f"job-{len(self.service.jobs)}")
        self.service.jobs[job] = {"Id": job, **asked, **more, "Status": status}
        return job


# --- starting ----------------------------------------------------------------------------------------


async def test_a_job_of_the_attempt_is_found_again_when_its_token_is_forgotten() -> None:
    """On whatever page of the search it is; one that was cancelled, of another attempt or stack is no such job."""
    world = World(Service(page=1))
    world.add("CANCELED")
    world.add("PROGRESSING", attempt=1)
    world.add("PROGRESSING", env="test")
    wanted = world.add("ERROR")
    world.add("PROGRESSING")
    assert await world.transcoder.start(ORDER) == wanted
    assert len(world.service.jobs) == 5


async def test_a_new_attempt_gets_a_new_job() -> None:
    world = World()
    world.add("ERROR", attempt=1)
    job = await world.transcoder.start(ORDER)
    assert await world.transcoder.start(ORDER) == job
    assert len(world.service.jobs) == 2
    assert world.told == []


@pytest.mark.parametrize(
    ("operation", "answer", "code"),
    [
        ("head_object", "404", "source_missing"),
        ("probe", "NotFoundException", "source_missing"),
        ("probe", "BadRequestException", "unreadable"),
        ("probe", "UnprocessableEntityException", "unreadable"),
    ],
)
async def test_a_refusal_is_told_and_can_be_asked_after(operation: str, answer: str, code: str) -> None:
    """Without a job, and for all time."""
    world = World()
    world.service.failing[operation] = answer
    job = await world.transcoder.start(ORDER)
    (told,) = world.told
    assert (told.video, told.attempt, told.job, told.state) == (VIDEO, 2, job, State.FAILED)
    assert told.failure is not None
    assert (told.failure.code, told.failure.transient) == (code, False)
    assert await world.transcoder.status(job) == told
    await world.transcoder.cancel(job)
    assert world.service.jobs == {}


@pytest.mark.parametrize("answer", ["TooManyRequestsException", "ServiceQuotaExceededException", "503"])
@pytest.mark.parametrize("operation", ["head_object", "probe", "create_job", "search_jobs"])
async def test_a_busy_service_is_asked_again_later(operation: str, answer: str) -> None:
    world = World()
    world.service.failing[operation] = answer
    with pytest.raises(Unavailable) as caught:
        await world.transcoder.start(ORDER)
    assert caught.value.code == ("store_busy" if operation == "head_object" else "transcoder_busy")
    assert world.told == []


@pytest.mark.parametrize("operation", ["head_object", "probe", "create_job", "search_jobs"])
async def test_a_fault_of_ours_is_no_refusal(operation: str) -> None:
    """A missing permission must not make every film unreadable."""
    world = World()
    world.service.failing[operation] = "ForbiddenException"
    with pytest.raises(ClientError):
        await world.transcoder.start(ORDER)
    assert world.told == []


# --- asking after ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("job", "state", "percent"),
    [
        ({"Status": "SUBMITTED"}, State.PENDING, 0),
        ({"Status": "PROGRESSING", "CurrentPhase": "PROBING", "JobPercentComplete": None}, State.PROBING, 0),
        ({"Status": "PROGRESSING", "CurrentPhase": "TRANSCODING", "JobPercentComplete": 40}, State.TRANSCODING, 40),
        ({"Status": "PROGRESSING", "CurrentPhase": "UPLOADING", "JobPercentComplete": 100}, State.TRANSCODING, 99),
    ],
)
async def test_how_far_a_job_is(job: Mapping[str, Any], state: State, percent: int) -> None:
    world = World()
    asked = world.add(**{"status": job["Status"], **job})
    report = await world.transcoder.status(asked)
    assert report is not None
    assert (report.job, report.attempt, report.state, report.percent) == (asked, 2, state, percent)


async def test_jobs_of_which_nothing_is_known(caplog: pytest.LogCaptureFixture) -> None:
    world = World()
    assert await world.transcoder.status(JobId("none")) is None
    assert await world.transcoder.status(world.add("CANCELED")) is None
    assert await world.transcoder.status(world.add("PROGRESSING", env="test")) is None
    assert not caplog.messages
    assert await world.transcoder.status(world.add("PAUSED")) is None
    assert "status PAUSED" in caplog.text
    world.service.failing["get_job"] = "BadRequestException"  # for an id that is none
    assert await world.transcoder.status(JobId("!")) is None
    world.service.failing["get_job"] = "ForbiddenException"
    with pytest.raises(ClientError):
        await world.transcoder.status(JobId("job-0"))


@pytest.mark.parametrize(
    ("error", "code", "transient"),
    [
        (1010, "unreadable", False), (1020, "no_video", False), (1030, "unreadable", False), (1075, "unreadable", False),
        (1404, "source_missing", False), (1999, "encoder_failed", True), (1432, "encoder_failed", True),
        (4711, "encoder_failed", True),
    ],
)  # fmt: skip
async def test_why_a_job_failed(error: int, code: str, transient: bool) -> None:  # noqa: FBT001  (a case of a table)
    world = World()
    report = await world.transcoder.status(
        world.add("ERROR", ErrorCode=error, ErrorMessage="s3://raw/raw/upl_1/source")
    )
    assert report is not None
    assert report.failure is not None
    assert (report.failure.code, report.failure.transient) == (code, transient)
    assert "s3://" not in report.failure.detail


async def test_what_is_played_is_read_off_the_files() -> None:
    """Smallest first, with the most telling picture as the poster."""
    world = World(shelf=Shelf.of_a_finished_job(PREFIX))
    job = world.add("COMPLETE")
    report = await world.transcoder.status(job)
    assert report is not None
    media = report.media
    assert media is not None
    assert (media.attempt, media.manifest, media.duration_s) == (2, MANIFEST, 4.5)
    assert media.renditions == (
        Rendition("360p", 640, 360, 500_000, "avc1.64001E,mp4a.40.2"),
        Rendition("480p", 854, 480, 700_000, "avc1.64001F,mp4a.40.2"),
    )
    assert (media.has_audio, media.poster, media.storyboard, media.complete) == (True, True, True, True)
    assert (media.width, media.height) == (854, 480)
    assert world.shelf.files[PREFIX + POSTER] == b"x" * 9
    names = [line for line in world.shelf.files[PREFIX + STORYBOARD].decode().splitlines() if "#" in line]
    assert names == [
        "thumb/t_board.0000001.jpg#xywh=0,0,160,90",
        "thumb/t_board.0000002.jpg#xywh=0,0,160,90",
        "thumb/t_board.0000002.jpg#xywh=0,0,160,90",  # the last one stands to the end
    ]
    before = dict(world.shelf.files)
    assert await world.transcoder.status(job) == report
    assert world.shelf.files == before


async def test_pictures_may_be_missing_but_no_rendition() -> None:
    world = World(shelf=Shelf.of_a_finished_job(PREFIX))
    job = world.add("COMPLETE")
    await world.shelf.remove_prefix(f"{PREFIX}thumb/")
    report = await world.transcoder.status(job)
    assert report is not None
    assert report.media is not None
    assert (report.media.poster, report.media.storyboard) == (False, False)
    for lost in (f"{PREFIX}hls/master_480p.m3u8", PREFIX + MANIFEST):
        await world.shelf.remove_prefix(lost)
        report = await world.transcoder.status(job)
        assert report is not None
        assert report.failure is not None
        assert (report.failure.code, report.failure.transient) == ("encoder_failed", True)


# --- cancelling --------------------------------------------------------------------------------------


async def test_a_cancelled_job_leaves_nothing() -> None:
    world = World(shelf=Shelf.of_a_finished_job(PREFIX))
    world.shelf.files["v/vid_1/a1/x"] = b"another attempt's"
    job = world.add("PROGRESSING")
    await world.transcoder.cancel(job)
    assert world.service.jobs[job]["Status"] == "CANCELED"
    assert list(world.shelf.files) == ["v/vid_1/a1/x"]


async def test_the_second_job_of_an_attempt_goes_without_the_files_of_the_first() -> None:
    world = World(shelf=Shelf.of_a_finished_job(PREFIX))
    world.add("PROGRESSING")
    files = dict(world.shelf.files)
    await world.transcoder.cancel(world.add("PROGRESSING"))
    assert world.shelf.files == files


@pytest.mark.parametrize("status", ["COMPLETE", "ERROR", "CANCELED"])
async def test_what_is_over_is_let_be(status: str) -> None:
    world = World(shelf=Shelf.of_a_finished_job(PREFIX))
    files = dict(world.shelf.files)
    job = world.add(status)
    await world.transcoder.cancel(job)
    assert world.service.jobs[job]["Status"] == status
    assert world.shelf.files == files


@pytest.mark.parametrize("answer", ["ConflictException", "BadRequestException", "NotFoundException"])
async def test_a_job_that_ended_meanwhile_is_let_be(answer: str) -> None:
    world = World(shelf=Shelf.of_a_finished_job(PREFIX))
    files = dict(world.shelf.files)
    world.service.failing["cancel_job"] = answer
    await world.transcoder.cancel(world.add("PROGRESSING"))
    assert world.shelf.files == files


# --- events ------------------------------------------------------------------------------------------


def event(name: str, **detail: Any) -> dict[str, Any]:
    """One of the service's, as its guide shows them."""
    found: dict[str, Any] = json.loads((EVENTS / f"{name}.json").read_text("utf-8"))
    found["detail"] |= detail
    return found


@pytest.mark.parametrize(
    ("name", "state", "percent"),
    [
        ("progressing", State.PROBING, 0),
        ("status_update_probing", State.PROBING, 0),
        ("status_update", State.TRANSCODING, 7),
        ("complete", State.READY, 100),
        ("error", State.FAILED, 0),
    ],
)
async def test_what_an_event_means(name: str, state: State, percent: int) -> None:
    world = World(shelf=Shelf.of_a_finished_job(PREFIX))
    report = await world.transcoder.heard(event(name))
    assert report is not None
    assert (report.video, report.attempt, report.job) == (VIDEO, 2, JOB)
    assert (report.state, report.percent) == (state, percent)


@pytest.mark.parametrize("name", ["input_information", "canceled", "new_warning", "queue_hop"])
async def test_events_that_say_nothing_to_us(name: str) -> None:
    world = World()
    assert await world.heard(event(name)) is None
    assert world.unknown == []


async def test_what_nobody_knows_is_counted_and_no_error() -> None:
    world = World()
    assert await world.heard(event("progressing", status="REWINDING")) is None
    later = event("progressing")
    later["detail"]["userMetadata"]["schema"] = "2"
    assert await world.heard(later) is None
    assert world.unknown == ["status REWINDING", "schema 2"]


async def test_another_stacks_jobs_are_none_of_ours() -> None:
    world = World()
    assert await world.heard(event("complete", userMetadata={})) is None
    assert await world.heard(event("complete", userMetadata={"env": "test"})) is None
    assert world.unknown == []


@pytest.mark.parametrize(
    "said",
    [{}, {"detail": None}, {"detail": {"jobId": "j"}}, event("complete", userMetadata={"env": "prod", "schema": "1"})],
)
async def test_what_is_no_event_cannot_be_read(said: Mapping[str, Any]) -> None:
    with pytest.raises(Invalid) as refused:
        await World().transcoder.heard(said)
    assert refused.value.code == "unreadable_event"


async def test_an_event_says_what_asking_says() -> None:
    """Whichever of them comes first, the other changes nothing."""
    world = World(shelf=Shelf.of_a_finished_job(PREFIX))
    heard = await world.transcoder.heard(event("complete", jobId=world.add("COMPLETE")))
    assert heard is not None
    assert await world.transcoder.status(heard.job) == heard


# --- messages ----------------------------------------------------------------------------------------


async def test_a_message_is_an_event_or_a_report() -> None:
    world = World()
    assert await meaning(json.dumps(event("progressing")), world.transcoder.heard) is not None
    assert await meaning(json.dumps(event("canceled")), world.transcoder.heard) is None


@pytest.mark.parametrize(
    "body", ["", "[]", "{}", '{"detail-type": "?"}', json.dumps({"detail-type": KIND, "detail": "{}"})]
)
async def test_a_message_that_cannot_be_read(body: str) -> None:
    with pytest.raises(Invalid) as refused:
        await meaning(body, World().transcoder.heard)
    assert refused.value.code == "unreadable_event"


def names(cases: Sequence[Path]) -> set[str]:
    return {case.stem for case in cases}


def test_every_state_of_the_guide_has_its_sample() -> None:
    wanted = {
        "progressing", "input_information", "status_update", "status_update_probing", "complete", "error", "canceled",
        "new_warning", "queue_hop",
    }  # fmt: skip
    assert names(sorted(EVENTS.glob("*.json"))) == wanted
