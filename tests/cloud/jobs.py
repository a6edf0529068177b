"""A MediaConvert job as ours are, small enough for tests."""

from typing import Any


def rendition(height: int, *, sound: bool) -> dict[str, Any]:
    h264 = {
        "RateControlMode": "QVBR", "MaxBitrate": 700_000, "QvbrSettings": {"QvbrQualityLevel": 7},
        "QualityTuningLevel": "SINGLE_PASS_HQ", "SceneChangeDetect": "TRANSITION_DETECTION", "GopSizeUnits": "AUTO",
        "FramerateControl": "INITIALIZE_FROM_SOURCE",
    }  # fmt: skip
    return {
        "NameModifier": f"_{height}",
        "ContainerSettings": {"Container": "M3U8", "M3u8Settings": {}},
        "VideoDescription": {
            "Width": round(height * 16 / 9 / 2) * 2, "Height": height, "ScalingBehavior": "FIT_NO_UPSCALE",
            "CodecSettings": {"Codec": "H_264", "H264Settings": h264},
        },
        "OutputSettings": {"HlsSettings": {"AudioRenditionSets": "aud"} if sound else {}},
    }  # fmt: skip


def audio() -> dict[str, Any]:
    aac = {"CodingMode": "CODING_MODE_2_0", "SampleRate": 48_000, "Bitrate": 128_000}
    hls = {
        "AudioGroupId": "aud", "AudioTrackType": "ALTERNATE_AUDIO_AUTO_SELECT_DEFAULT", "AudioOnlyContainer": "AUTOMATIC",
    }  # fmt: skip
    return {
        "NameModifier": "_aud",
        "ContainerSettings": {"Container": "M3U8"},
        "AudioDescriptions": [
            {"AudioSourceName": "Audio Selector 1", "CodecSettings": {"Codec": "AAC", "AacSettings": aac}}
        ],
        "OutputSettings": {"HlsSettings": hls},
    }


def poster() -> dict[str, Any]:
    frames = {"FramerateNumerator": 1, "FramerateDenominator": 2, "MaxCaptures": 4, "Quality": 80}
    codec = {"Codec": "FRAME_CAPTURE", "FrameCaptureSettings": frames}
    return {
        "NameModifier": "_t", "ContainerSettings": {"Container": "RAW"},
        "VideoDescription": {"Width": 320, "CodecSettings": codec},
    }  # fmt: skip


def hls_group(destination: str, *outputs: dict[str, Any]) -> dict[str, Any]:
    images = {
        "IntervalCadence": "FOLLOW_CUSTOM", "ThumbnailInterval": 1.0, "ThumbnailWidth": 160, "TileWidth": 10,
        "TileHeight": 1,
    }  # fmt: skip
    settings = {
        "Destination": destination, "SegmentLength": 2, "MinSegmentLength": 0, "SegmentControl": "SEGMENTED_FILES",
        "DirectoryStructure": "SINGLE_DIRECTORY", "ImageBasedTrickPlay": "ADVANCED",
        "ImageBasedTrickPlaySettings": images,
    }  # fmt: skip
    return {
        "Name": "Apple HLS", "CustomName": "hls", "Outputs": list(outputs),
        "OutputGroupSettings": {"Type": "HLS_GROUP_SETTINGS", "HlsGroupSettings": settings},
    }  # fmt: skip


def file_group(destination: str, *outputs: dict[str, Any]) -> dict[str, Any]:
    return {
        "Name": "File Group", "CustomName": "thumbs", "Outputs": list(outputs),
        "OutputGroupSettings": {"Type": "FILE_GROUP_SETTINGS", "FileGroupSettings": {"Destination": destination}},
    }  # fmt: skip


def job(source: str, prefix: str, *, sound: bool = True, token: str = "", **more: Any) -> dict[str, Any]:
    """The parameters of CreateJob; ``source`` and ``prefix`` are ``s3://`` addresses."""
    selectors = {"Audio Selector 1": {"DefaultSelection": "DEFAULT", "SelectorType": "TRACK", "Tracks": [1]}}
    outputs = [rendition(height, sound=sound) for height in (180, 360)] + ([audio()] if sound else [])
    return {
        "Role": "arn:aws:iam::000000000000:role/mediaconvert",
        "UserMetadata": {"video_id": "vid_1", "attempt": "1", "env": "test", "schema": "1"},
        "Settings": {
            "TimecodeConfig": {"Source": "ZEROBASED"},
            "Inputs": [
                {
                    "FileInput": source, "TimecodeSource": "ZEROBASED", "VideoSelector": {"Rotate": "AUTO"},
                    **({"AudioSelectors": selectors} if sound else {}),
                }
            ],
            "OutputGroups": [
                hls_group(f"{prefix}hls/master", *outputs), file_group(f"{prefix}thumb/t", poster()),
            ],
        },
        **({"ClientRequestToken": token} if token else {}),
        **more,
    }  # fmt: skip
