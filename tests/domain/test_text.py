"""What people type is tidied once and for all, and nothing hides in it."""

import itertools
import re
import unicodedata
from collections.abc import Callable

import pytest
from attrs import field, frozen
from hypothesis import example, given
from hypothesis import strategies as st

from domain.errors import Invalid
from domain.text import handle, length, line, mentions, prose, visible

ZWNJ, ZWJ = "\u200c", "\u200d"
BIDI = [chr(c) for c in (0x061C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A))]
ZERO_WIDTH = [chr(c) for c in (0x00AD, 0x034F, 0x180E, 0x200B, 0x2060, 0x2061, 0x2064, 0x206F, 0xFEFF, 0xFFF9, 0xFFFB)]
SPICE = st.sampled_from(
    [*BIDI, *ZERO_WIDTH, ZWNJ, ZWJ, *"\r\n\t\v\f \u0085\u2028\u2029\u3000\x00é", "e\u0301", "👩", "ക"]
)
MARKS = ["\u0300", "\u0315", "\u0323", "\u0344", "\u0f73"]
TEXTS = st.lists(st.text(max_size=4) | SPICE, max_size=12).map("".join)


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("", ""),
        ("  a   b ", "a b"),
        ("a\r\nb\u2028c\u0085d", "a b c d"),
        ("a\x00\x07b", "a b"),
        ("e\u0301", "é"),
        ("ad\u200bmin", "admin"),
        ("\u202egnp.exe", "gnp.exe"),
        ("\u2067x\u2069", "x"),
        ("\u061cx", "x"),
        (f"ad{ZWJ}min{ZWNJ}", "admin"),
        (f"e{ZWJ}\u0301", "é"),
        ("\ud800x", "x"),
    ],
)
def test_a_line_is_one_tidy_line(typed: str, kept: str) -> None:
    """Breaks and controls become spaces, what hides or reorders goes."""
    assert line(typed) == kept


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("a\r\nb\rc\u2028d\u2029e\u0085f", "a\nb\nc\nd\ne\nf"),
        ("a\n\n\n\n\nb", "a\n\nb"),
        ("a\n \n\t\n \nb", "a\n\nb"),
        ("a\n  b", "a\n  b"),
        ("\n\n a\tb \n", "a\tb"),
        ("a\x00\x1b[31mb", "a[31mb"),
        ("\u202edcba", "dcba"),
        ("   \n ", ""),
    ],
)
def test_prose_keeps_its_lines(typed: str, kept: str) -> None:
    """One blank line in a row at most, even one that holds spaces."""
    assert prose(typed) == kept


@pytest.mark.parametrize(
    "text",
    ["👨‍👩‍👧‍👦", "❤️‍🔥", "🏳️‍🌈", "🧑🏽‍💻", "🏴󠁧󠁢󠁥󠁮󠁧󠁿", "می‌خواهم", "ക്‍ഷ", "क्‌ष"],
)  # fmt: skip
@pytest.mark.parametrize("tidy", [line, prose])
def test_joined_letters_and_emoji_survive(tidy: Callable[[str], str], text: str) -> None:
    """Joiners stay where a script or an emoji needs them."""
    assert tidy(text) == text
    assert tidy(f"so {text}!") == f"so {text}!"


@pytest.mark.parametrize("tidy", [line, prose])
@given(text=TEXTS)
@example(text=f"\u3000{ZWJ} {ZWJ}ക")
@example(text=f"\u212b{ZWJ}ക")
def test_tidying_is_done_once(tidy: Callable[[str], str], text: str) -> None:
    """What was stored and is read again stays the same."""
    once = tidy(text)
    assert tidy(once) == once
    assert unicodedata.is_normalized("NFC", once)


@pytest.mark.parametrize("tidy", [line, prose])
@given(stacked=st.lists(st.sampled_from([*"aé坏 !ậ", ZWJ, *MARKS]).map(lambda c: c * 10), max_size=30).map("".join))
@example(stacked="a" + "\u0315\u0300" * 250_000)
@example(stacked=("\u0315\u0300" * 15 + ZWJ * 2) * 3000)
def test_no_letter_carries_a_tower_of_marks(tidy: Callable[[str], str], stacked: str) -> None:
    """Thirty are enough for any language; to order very many takes minutes."""
    tidied = tidy(stacked)
    assert tidy(tidied) == tidied
    assert not re.search(f"[{''.join(MARKS)}]{{31}}", tidied)


@pytest.mark.parametrize("tidy", [line, prose])
@given(text=TEXTS)
def test_nothing_hides_in_tidied_text(tidy: Callable[[str], str], text: str) -> None:
    """No control, reordering or invisible character survives; joiners only between characters of their own."""
    tidied = tidy(text)
    assert not {c for c in tidied if unicodedata.category(c) in {"Cc", "Cs"}} - set("\n\t" * (tidy is prose))
    assert not set(tidied) & {*BIDI, *ZERO_WIDTH}
    for at, c in enumerate(tidied):
        if c in {ZWNJ, ZWJ}:
            assert min(f" {tidied} "[at], f" {tidied} "[at + 2]) > "\u058f"


@given(text=TEXTS)
def test_a_line_has_one_line_and_prose_no_two_blank_ones(text: str) -> None:
    """However the breaks were written."""
    assert len(line(text).splitlines()) <= 1
    stripped = [each.strip() for each in prose(text).split("\n")]
    assert all(any(pair) for pair in itertools.pairwise(stripped))


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("a", True), ("·", True), ("👩‍💻", True), ("", False), (" ", False), (ZWJ * 3, False), ("\u0301", False),
        ("\u3164", False), ("\u2800\u115f", False), ("\u3164a", True),
    ],
)  # fmt: skip
def test_blank_letters_are_not_visible(text: str, *, seen: bool) -> None:
    """A name of fillers alone is no name."""
    assert visible(text) is seen


@frozen
class Named:
    name: str = field(validator=length(1, 3))
    note: str = field(default="", validator=length(0, 3))


@pytest.mark.parametrize(("name", "note"), [("a", ""), ("abc", "abc"), ("👩", ZWJ)])
def test_a_length_within_bounds_passes(name: str, note: str) -> None:
    """Nothing needs to be seen where nothing needs to be."""
    assert Named(name, note) == Named(name, note)


@pytest.mark.parametrize(
    ("name", "note", "wrong"),
    [("", "", "name"), ("abcd", "", "name"), (ZWJ, "", "name"), ("a", "abcd", "note")],
)
def test_a_length_out_of_bounds_names_its_field(name: str, note: str, wrong: str) -> None:
    """The error says which field to change."""
    with pytest.raises(Invalid) as caught:
        Named(name, note)
    assert [field for field, _ in caught.value.fields] == [wrong]


@pytest.mark.parametrize(
    ("typed", "stored"),
    [
        ("bob", "bob"),
        (" @Bob_99 ", "bob_99"),
        ("a_b", "a_b"),
        ("a" * 30, "a" * 30),
        ("007", "007"),
        ("\u212aim", "kim"),
    ],
)
def test_a_handle_has_one_stored_form(typed: str, stored: str) -> None:
    """Lower case, without the sign; and the stored form is its own."""
    assert handle(typed) == stored
    assert handle(stored) == stored


@pytest.mark.parametrize(
    "typed",
    ["", "ab", "a" * 31, "_ab", "ab_", "a-b", "a b", "bób", "abc\n d", "@@abc", "ab\u200bc", "admin", "ME", "@Hexcast", "\u0430bc"],
)  # fmt: skip
def test_what_is_no_handle(typed: str) -> None:
    """Too short or long, other letters, reserved."""
    with pytest.raises(Invalid) as caught:
        handle(typed)
    assert (caught.value.code, caught.value.fields[0][0]) == ("invalid_handle", "handle")


@given(st.from_regex(r"[a-z0-9][a-z0-9_]{1,28}[a-z0-9]", fullmatch=True))
def test_every_handle_can_be_mentioned(name: str) -> None:
    """In a sentence, in brackets, at either end."""
    assert mentions(f"@{name}") == mentions(f"thanks (@{name}), bye") == mentions(f"so @{name.upper()}.") == (name,)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", ()),
        ("@ab", ()),
        ("@bob @amy @Bob", ("bob", "amy")),
        ("hm...@bob", ("bob",)),
        ("'@bob'", ("bob",)),
        ("@bob's", ("bob",)),
        ("@bob-like", ("bob",)),
        ("@bobé", ()),
        ("@bob_", ()),
        ("@" + "a" * 31, ()),
        ("bob@example.com", ()),
        ("first.last+tag-@example.com, and @amy", ("amy",)),
        ("@bob@example.com", ()),
        ("https://video.example/@bob", ()),
    ],
)
def test_mentions(text: str, found: tuple[str, ...]) -> None:
    """A handle after an @ that begins a word; no part of an address or a link."""
    assert mentions(text) == found


@given(st.emails())
def test_an_address_mentions_nobody(address: str) -> None:
    """Whatever signs stand before its @."""
    assert mentions(f"write to {address} please") == ()


@given(st.lists(st.from_regex(r"[a-z][a-z0-9]{2,8}", fullmatch=True), unique=True, max_size=15))
def test_mentions_come_once_in_order_and_ten_at_most(names: list[str]) -> None:
    """So that nobody can call a crowd."""
    assert mentions(" ".join(f"@{name}" for name in [*names, *names])) == tuple(names)[:10]
    assert mentions(" ".join(f"@{name}" for name in names), most=2) == tuple(names)[:2]
