"""Films to upload, drawn once: small, as it is the client that is tested."""

from pathlib import Path

from tests.journey.clips import draw

_TONE = ("-f", "lavfi", "-i", "sine=frequency=330:sample_rate=44100")
_FAST = ("-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p")


def film(folder: Path, name: str = "film", *, size: str = "854x480", seconds: int = 6) -> Path:
    """480 lines give two renditions. With a key frame a second, one can begin anywhere."""
    path = folder / f"{name}.mp4"
    if path.exists():
        return path
    picture = ("-f", "lavfi", "-i", f"testsrc2=size={size}:rate=25")
    return draw(path, *picture, *_TONE, "-t", str(seconds), *_FAST, "-g", "25")


def heavy(folder: Path, mib: int) -> Path:
    """A film followed by so much that no player minds: it is the sending that takes a while."""
    path = folder / f"heavy{mib}.mp4"
    if not path.exists():
        content = film(folder, "light", size="320x180", seconds=2).read_bytes()
        filler = mib * 1024 * 1024 - len(content)
        # A box of type "free", which readers skip.
        path.write_bytes(content + filler.to_bytes(4) + b"free" + bytes(filler - 8))
    return path
