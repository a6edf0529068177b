"""What MediaConvert is asked for: one job makes all that is shown of an attempt.

The ladder and its qualities are the same as everywhere (``domain.media``). The names follow from the attempt alone, since
``GetJob`` tells no paths: a group's destination ends in the base of its files' names, to which each
output adds its modifier. Frames that are captured end in a number of seven digits, the first of which is not certain to
be zero: whoever wants them lists them.
"""

import math
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

from attrs import frozen

from adapters.playlists import Board, interval_s
from application.ports import TranscodeOrder
from domain.media import AUDIO_BITRATE_BPS, MANIFEST, Output, Source, attempt_prefix, ladder

Settings = dict[str, Any]
SCHEMA = "1"
"""Of what a job's metadata says."""
SEGMENT_S = 6
FPS_MOST = 60
POSTERS = 5
"""Pictures of which one becomes the poster."""
STEM = MANIFEST.removesuffix(".m3u8")
POSTER_CAPTURES, BOARD_CAPTURES = "thumb/t_poster.", "thumb/t_board."
"""What the keys of captured frames begin with, below the attempt's prefix."""
_POSTER_SHORT_SIDE = 720
_TILE = 160
_SIDE_LEAST = 32
"""The service makes no smaller pictures (its model)."""


@frozen(kw_only=True)
class Places:
    """Where jobs read and write, and as whom. ``env`` tells the events of one stack from those of others."""

    raw_bucket: str
    media_bucket: str
    role: str
    queue: str
    env: str

    def source(self, order: TranscodeOrder) -> str:
        return f"s3://{self.raw_bucket}/{order.source}"


def board(source: Source) -> Board:
    """Each picture of the storyboard is a file of its own; they are whole seconds apart."""
    height = max(_SIDE_LEAST, round(_TILE * source.height / source.width / 2) * 2)
    return Board(math.ceil(interval_s(source.duration_s)), _TILE, height, columns=1, rows=1)


def described(board: Board) -> str:
    """As a job's metadata says it, in the few characters that it may have."""
    return f"{board.width}x{board.height}/{board.interval_s:g}"


def board_of(text: str) -> Board:
    """The reverse."""
    size, _, interval = text.partition("/")
    width, _, height = size.partition("x")
    return Board(float(interval), int(width), int(height), columns=1, rows=1)


def request(order: TranscodeOrder, source: Source, places: Places) -> Settings:
    """The whole ``CreateJob``. Its token names the attempt, and keeps a second job away for one minute."""
    prefix = f"s3://{places.media_bucket}/{attempt_prefix(order.video, order.attempt)}"
    outputs = ladder(source)
    shown = board(source)
    sound = [_audio()] if source.has_audio else []
    captures = [_poster(outputs, source.duration_s), _storyboard(shown)]
    selectors = {"AudioSelectors": _AUDIO_SELECTORS} if source.has_audio else {}
    return {
        "Role": places.role,
        "Queue": places.queue,
        "ClientRequestToken": f"{order.video}-{order.attempt}",
        "StatusUpdateInterval": "SECONDS_10",
        "AccelerationSettings": {"Mode": "DISABLED"},
        "UserMetadata": metadata(order, places.env, shown),
        "Settings": {
            "TimecodeConfig": {"Source": "ZEROBASED"},
            "Inputs": [
                {
                    "FileInput": places.source(order), "TimecodeSource": "ZEROBASED", "FilterEnable": "AUTO",
                    "VideoSelector": {"Rotate": "AUTO", "ColorSpace": "FOLLOW"}, **selectors,
                }
            ],
            "OutputGroups": [
                _hls_group(prefix, [*(_video(each, source) for each in outputs), *sound]),
                _file_group(prefix, captures),
            ],
        },
    }  # fmt: skip


def metadata(order: TranscodeOrder, env: str, board: Board) -> Mapping[str, str]:
    """What every event of the job says again."""
    return {
        "video_id": order.video, "attempt": str(order.attempt), "env": env, "schema": SCHEMA,
        "board": described(board),
    }  # fmt: skip


_AUDIO_SELECTORS = {"Audio Selector 1": {"DefaultSelection": "DEFAULT", "SelectorType": "TRACK", "Tracks": [1]}}


def _hls_group(prefix: str, outputs: Sequence[Settings]) -> Settings:
    """Manifests are written once, at the end: a cache may keep what it saw of them."""
    settings = {
        "Destination": prefix + STEM, "SegmentLength": SEGMENT_S, "MinSegmentLength": 0,
        "SegmentLengthControl": "GOP_MULTIPLE", "SegmentControl": "SEGMENTED_FILES",
        "DirectoryStructure": "SINGLE_DIRECTORY", "ManifestDurationFormat": "FLOATING_POINT",
        "ManifestCompression": "NONE", "CodecSpecification": "RFC_6381", "StreamInfResolution": "INCLUDE",
        "ProgressiveWriteHlsManifest": "DISABLED", "TargetDurationCompatibilityMode": "SPEC_COMPLIANT",
        "OutputSelection": "MANIFESTS_AND_SEGMENTS", "DestinationSettings": _ENCRYPTED,
    }  # fmt: skip
    group = {"Type": "HLS_GROUP_SETTINGS", "HlsGroupSettings": settings}
    return {"Name": "Apple HLS", "CustomName": "hls", "OutputGroupSettings": group, "Outputs": list(outputs)}


def _file_group(prefix: str, outputs: Sequence[Settings]) -> Settings:
    settings = {"Destination": f"{prefix}thumb/t", "DestinationSettings": _ENCRYPTED}
    group = {"Type": "FILE_GROUP_SETTINGS", "FileGroupSettings": settings}
    return {"Name": "File Group", "CustomName": "thumbs", "OutputGroupSettings": group, "Outputs": list(outputs)}


_ENCRYPTED = {"S3Settings": {"Encryption": {"EncryptionType": "SERVER_SIDE_ENCRYPTION_S3"}}}


def _video(output: Output, source: Source) -> Settings:
    """Exactly as large as the ladder says, whose sides are even: any other scaling would pad what rounding took."""
    h264 = {
        "RateControlMode": "QVBR", "MaxBitrate": output.max_bitrate_bps,
        "QvbrSettings": {"QvbrQualityLevel": output.quality}, "QualityTuningLevel": "SINGLE_PASS_HQ",
        "SceneChangeDetect": "TRANSITION_DETECTION", "GopSizeUnits": "AUTO", "ParControl": "SPECIFIED",
        "ParNumerator": 1, "ParDenominator": 1, "CodecProfile": "HIGH", "InterlaceMode": "PROGRESSIVE",
        **_rate(source.fps),
    }  # fmt: skip
    return {
        "NameModifier": f"_{output.name}",
        "ContainerSettings": {"Container": "M3U8", "M3u8Settings": {}},
        "VideoDescription": {
            "Width": max(output.width, _SIDE_LEAST), "Height": max(output.height, _SIDE_LEAST),
            "ScalingBehavior": "STRETCH_TO_OUTPUT", "Sharpness": 50,
            "CodecSettings": {"Codec": "H_264", "H264Settings": h264},
        },
        "OutputSettings": {
            "HlsSettings": {
                "IFrameOnlyManifest": "EXCLUDE",
                **({"AudioRenditionSets": "audio", "AudioGroupId": "audio"} if source.has_audio else {}),
            }
        },
    }  # fmt: skip


def _rate(fps: float) -> Settings:
    """The source's own, of fast cameras every second or third picture."""
    if fps <= FPS_MOST:
        return {"FramerateControl": "INITIALIZE_FROM_SOURCE"}
    rate = Fraction(fps / math.ceil(fps / FPS_MOST)).limit_denominator(1001)
    return {
        "FramerateControl": "SPECIFIED", "FramerateNumerator": rate.numerator,
        "FramerateDenominator": rate.denominator,
    }  # fmt: skip


def _audio() -> Settings:
    """A group of its own, fetched once however often the player changes the picture."""
    aac = {
        "CodecProfile": "LC", "CodingMode": "CODING_MODE_2_0", "SampleRate": 48000, "Bitrate": AUDIO_BITRATE_BPS,
        "RateControlMode": "CBR",
    }  # fmt: skip
    return {
        "NameModifier": "_audio",
        "ContainerSettings": {"Container": "M3U8", "M3u8Settings": {}},
        "AudioDescriptions": [
            {"AudioSourceName": "Audio Selector 1", "CodecSettings": {"Codec": "AAC", "AacSettings": aac}}
        ],
        "OutputSettings": {
            "HlsSettings": {
                "AudioGroupId": "audio", "AudioTrackType": "ALTERNATE_AUDIO_AUTO_SELECT_DEFAULT",
                "AudioOnlyContainer": "AUTOMATIC",
            }
        },
    }  # fmt: skip


def _poster(outputs: Sequence[Output], duration_s: float) -> Settings:
    """A few pictures from all of the film, as large as the largest rendition that is at most 720p."""
    fitting = [each for each in outputs if min(each.width, each.height) <= _POSTER_SHORT_SIDE]
    size = (fitting or outputs[:1])[-1]
    every_s = max(1, int(duration_s / POSTERS))
    return _capture("_poster", (size.width, size.height), every_s, {"MaxCaptures": POSTERS, "Quality": 90})


def _storyboard(board: Board) -> Settings:
    return _capture("_board", (board.width, board.height), int(board.interval_s), {"Quality": 70})


def _capture(name: str, size: tuple[int, int], every_s: int, more: Settings) -> Settings:
    """The first picture, and one every so many seconds."""
    width, height = (max(side, _SIDE_LEAST) for side in size)
    frames = {"FramerateNumerator": 1, "FramerateDenominator": every_s, **more}
    return {
        "NameModifier": name,
        "ContainerSettings": {"Container": "RAW"},
        "VideoDescription": {
            "Width": width, "Height": height, "ScalingBehavior": "STRETCH_TO_OUTPUT",
            "CodecSettings": {"Codec": "FRAME_CAPTURE", "FrameCaptureSettings": frames},
        },
    }  # fmt: skip
