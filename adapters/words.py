"""What a word is: for the texts that are indexed and the queries that look for them alike.

FTS5 keeps the index and ranks; its tokenizer only splits at the spaces that are set here.
"""

import re
import unicodedata

from application.ports import Document

FINDS_MOST = 1000
"""So many of the best are shown, page after page."""
FIND = """
SELECT kind, id FROM words JOIN document ON document.row = words.rowid
WHERE words MATCH :query AND (:kind IS NULL OR kind = :kind)
ORDER BY bm25(words, 10.0, 6.0, 4.0, 1.0), at DESC, id DESC LIMIT :limit OFFSET :offset
"""
"""The best first. To rank is to sort whatever was found, which no index does beforehand: it may take long."""

# Scripts that put no spaces between words: kana and Han, Thai, Lao, Burmese, Khmer. Each of their characters
# counts as a word, and a run of them in a query as a phrase.
_UNSPACED = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3005-\u3007\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
    "\U00020000-\U0003ffff]"
)
_ACCENTS = dict.fromkeys(range(0x300, 0x370))


class _Separators(dict[int, str]):
    """For ``str.translate``: a space for each character that is in no word. Remembers what it was asked."""

    def __missing__(self, code: int) -> str:
        character = chr(code)
        category = unicodedata.category(character)
        self[code] = character if category[0] in "LNM" or category == "Co" else " "
        return self[code]


_SEPARATORS = _Separators()


def words(text: str) -> list[str]:
    """The words of a text, in small letters and without accents."""
    plain = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold()).translate(_ACCENTS)
    pieces = unicodedata.normalize("NFC", plain).translate(_SEPARATORS).split()
    # A word has more than marks, such as the variation selectors that emoji leave behind.
    return [piece for piece in pieces if any(unicodedata.category(c)[0] != "M" for c in piece)]


def columns(document: Document) -> tuple[str, str, str, str]:
    """What is indexed of it, by weight: title, tags, names, text."""
    return (
        _column(document.title), _column(" ".join(document.tags)), _column(document.names), _column(document.text),
    )  # fmt: skip


def match(query: str) -> str:
    """The query in FTS5's language: each word quoted, so that nothing in it is an operator, and as a prefix.

    Nothing for a query without words.
    """
    return " ".join(f'"{spaced(word)}"*' for word in dict.fromkeys(words(query)))


def _column(text: str) -> str:
    return " ".join(map(spaced, words(text)))


def spaced(word: str) -> str:
    """The word, with each character apart that is in a script without spaces."""
    return _UNSPACED.sub(r" \g<0> ", word).strip()
