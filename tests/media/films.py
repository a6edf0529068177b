"""Little films, made by ffmpeg as the tests need them."""

import subprocess
from collections.abc import Sequence
from pathlib import Path

import imageio_ffmpeg

FFMPEG = imageio_ffmpeg.get_ffmpeg_exe()
_FAST = ("-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p")


def picture(size: str, seconds: float, rate: str = "25") -> list[str]:
    """Moving pictures with a counter, as an input."""
    return ["-f", "lavfi", "-i", f"testsrc2=size={size}:rate={rate}:duration={seconds}"]


def tone(seconds: float) -> list[str]:
    return ["-f", "lavfi", "-i", f"sine=frequency=440:sample_rate=44100:duration={seconds}"]


def ffmpeg(*arguments: str) -> None:
    subprocess.run([FFMPEG, "-v", "error", "-nostdin", "-y", *arguments], check=True, capture_output=True)


def film(folder: Path, name: str, inputs: Sequence[str], *options: str) -> Path:
    """A film under that name, made once."""
    path = folder / name
    if not path.exists():
        ffmpeg(*inputs, *_FAST, *options, str(path))
    return path


def landscape(folder: Path) -> Path:
    return film(folder, "landscape.mp4", [*picture("854x480", 4), *tone(4)], "-c:a", "aac")


def portrait(folder: Path) -> Path:
    """640x360 pixels that a phone held upright recorded."""
    flat = film(folder, "flat.mp4", picture("640x360", 2), "-an")
    path = folder / "portrait.mov"
    if not path.exists():
        ffmpeg("-display_rotation:v:0", "90", "-i", str(flat), "-c", "copy", str(path))
    return path


def odd(folder: Path) -> Path:
    # 4:4:4 is the one layout in which an odd size can be stored.
    return film(folder, "odd.mp4", picture("640x480", 2), "-vf", "scale=321:241", "-pix_fmt", "yuv444p", "-an")


def wandering(folder: Path) -> Path:
    """Pictures at irregular times: 30 a second, then every third of them."""
    chosen = "select='if(lt(t,1),1,not(mod(n,3)))'"
    return film(folder, "wandering.mp4", picture("320x240", 3, "30"), "-vf", chosen, "-fps_mode", "vfr", "-an")


def still(folder: Path) -> Path:
    return film(folder, "still.mp4", picture("320x240", 1), "-frames:v", "1", "-an")


def long_sound(folder: Path) -> Path:
    return film(folder, "long-sound.mp4", [*picture("320x240", 1), *tone(3)], "-c:a", "aac")


def late_picture(folder: Path) -> Path:
    """The sound begins a second before the pictures."""
    inputs = ["-itsoffset", "1", *picture("320x240", 2), *tone(3)]
    return film(folder, "late-picture.mkv", inputs, "-c:a", "aac")


def short_sound(folder: Path) -> Path:
    return film(folder, "short-sound.mp4", [*picture("320x240", 3), *tone(1)], "-c:a", "aac")


def recording(folder: Path) -> Path:
    """As a browser records: written once from front to back, so the header knows no duration."""
    path = folder / "recording.webm"
    if not path.exists():
        encoder = ["-c:v", "libvpx", "-b:v", "200k", "-deadline", "realtime", "-f", "webm", "pipe:1"]
        command = [FFMPEG, "-v", "error", "-nostdin", *picture("320x240", 2), *encoder]
        path.write_bytes(subprocess.run(command, check=True, capture_output=True).stdout)
    return path


def wide_pixels(folder: Path) -> Path:
    """Stored 360 wide, shown 640 wide."""
    return film(folder, "wide.mp4", picture("360x360", 2), "-vf", "setsar=16/9", "-an")


def bright(folder: Path) -> Path:
    """Ten bits and a transfer curve for bright screens."""
    path = folder / "bright.mp4"
    if not path.exists():
        ffmpeg(
            *picture("320x240", 1), "-pix_fmt", "yuv420p10le", "-c:v", "libx265", "-preset", "ultrafast", "-x265-params",
            "log-level=error:colorprim=bt2020:transfer=smpte2084:colormatrix=bt2020nc", "-an", str(path),
        )  # fmt: skip
    return path


def sound_alone(folder: Path) -> Path:
    path = folder / "sound.m4a"
    if not path.exists():
        ffmpeg(*tone(1), "-c:a", "aac", str(path))
    return path


def long_film(folder: Path) -> Path:
    """One that takes a while."""
    return film(folder, "long.mp4", picture("854x480", 15), "-an")
