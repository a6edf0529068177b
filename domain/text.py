"""What text a person may give us: how it is tidied, and the checks fields share."""

import re
import unicodedata
from collections.abc import Callable
from typing import Any

from attrs import Attribute

from domain.errors import Invalid

# Characters that reorder or hide text: bidi marks, embeddings, overrides and isolates (Unicode TR 9),
# zero-width and other invisible characters, and the anchors of annotations. A title or a name with them can
# pass for another. Tag characters stay, as the flags of England, Scotland and Wales are made of them.
_HIDDEN = dict.fromkeys(
    [
        *range(0x202A, 0x202F), *range(0x2060, 0x2070), *range(0xFFF9, 0xFFFC),
        0x00AD, 0x034F, 0x061C, 0x180E, 0x200B, 0x200E, 0x200F, 0xFEFF,
    ]
)  # fmt: skip
# Scripts and emoji need the zero-width joiners, but only between two of their own characters.
_STRAY_JOINER = re.compile(
    r"(?<![^\x00-\u058f\s\u200c\u200d])[\u200c\u200d]|[\u200c\u200d](?![^\x00-\u058f\s\u200c\u200d])"
)
_LINE_BREAKS = re.compile(r"\r\n?|[\u0085\u2028\u2029]")
_SPACES = re.compile(r"\s+")
_BLANK_LINES = re.compile(r"\n(?:[^\S\n]*\n){2,}")
# Letters and symbols that show nothing: the fillers of Hangul and the empty Braille pattern.
_BLANK = frozenset("\u115f\u1160\u2800\u3164\uffa0")
# No letter of any language carries more marks (Unicode TR 15, Stream-Safe Text); and to put n of them into their order
# takes n * n steps, which for the marks of one long request is minutes.
_MARKS_MOST = 30
_MARKS = re.compile(rf"\W{{{_MARKS_MOST + 1}}}")


def _mark(character: str) -> bool:
    return unicodedata.combining(unicodedata.normalize("NFD", character)[0]) > 0


def _normal(text: str) -> str:
    """Composed (NFC), without the marks that are too many on one letter."""
    if _MARKS.search(text):
        kept, marks = [], 0
        for character in text:
            marks = marks + 1 if _mark(character) else 0
            if marks <= _MARKS_MOST:
                kept.append(character)
        text = "".join(kept)
    return unicodedata.normalize("NFC", text)


def _composed(text: str) -> str:
    # Composed first, as that may change what stands beside a joiner; and again, as what it parted may now meet.
    return _normal(_STRAY_JOINER.sub("", _normal(text)))


def _plain(text: str) -> bool:
    # Most text: nothing to compose, hide or drop, and known in one pass of C.
    return text.isascii() and text.isprintable()


def line(text: str) -> str:
    """One line: composed (NFC), no control or hidden characters, single spaces, trimmed."""
    if _plain(text):
        return " ".join(text.split())
    kept = (c if unicodedata.category(c) not in {"Cc", "Cs", "Zl", "Zp"} else " " for c in text.translate(_HIDDEN))
    return _SPACES.sub(" ", _composed("".join(kept))).strip()


def prose(text: str) -> str:
    """Many lines: as ``line``, but line breaks stay (at most one blank line in a row) and tabs and spaces too."""
    if _plain(text):
        return text.strip()
    broken = _LINE_BREAKS.sub("\n", text.translate(_HIDDEN))
    kept = "".join(c for c in broken if c in "\n\t" or unicodedata.category(c) not in {"Cc", "Cs"})
    return _BLANK_LINES.sub("\n\n", _composed(kept)).strip()


def visible(text: str) -> bool:
    """Whether anything of the text can be seen; a name of joiners or blank letters alone cannot."""
    return any(unicodedata.category(c)[0] not in "CZM" and c not in _BLANK for c in text)


def length(least: int, most: int) -> Callable[[Any, "Attribute[str]", str], None]:
    """A check for attrs fields: between ``least`` and ``most`` characters, and visible if any must be there."""

    def check(_: Any, attribute: "Attribute[str]", value: str) -> None:
        name = attribute.name
        if not least <= len(value) <= most:
            raise Invalid(f"{name} must have {least} to {most} characters, this has {len(value)}", field=name)
        if least and not visible(value):
            raise Invalid(f"{name} must have something to see", field=name)

    return check


_HANDLE = re.compile(r"[a-z0-9](?:[a-z0-9_]{1,28})[a-z0-9]")
_RESERVED = frozenset({"admin", "api", "hexcast", "me", "moderator", "root", "support", "system", "www"})
# An e-mail address is read first, and whole, so that what follows its @ is no mention; nor is what follows a slash,
# which is part of a link.
_MENTION = re.compile(
    r"(?<![\w.!#$%&'*+/=?^`{|}~-])[\w.!#$%&'*+/=?^`{|}~-]+@[\w-]+(?:\.[\w-]+)+"
    r"|(?<![\w@/])@([A-Za-z0-9][A-Za-z0-9_]{1,28}[A-Za-z0-9])(?![\w@])"
)


def handle(text: str) -> str:
    """A handle in its stored form: lower case, 3 to 30 of a-z, 0-9 and inner ``_``. Raises Invalid."""
    normal = text.strip().removeprefix("@").lower()
    if not _HANDLE.fullmatch(normal):
        raise Invalid(
            "a handle has 3 to 30 letters a-z, digits or inner underscores", code="invalid_handle", field="handle"
        )
    if normal in _RESERVED:
        raise Invalid("this handle is reserved", code="invalid_handle", field="handle")
    return normal


def mentions(text: str, most: int = 10) -> tuple[str, ...]:
    """The handles mentioned with ``@``, each once, in order, at most ``most``."""
    return tuple(dict.fromkeys(found.lower() for found in _MENTION.findall(text) if found))[:most]
