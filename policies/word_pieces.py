"""Text to word pieces, as the sentence encoder was trained to read it.

The uncased scheme of BERT (Devlin et al. 2019, arXiv 1810.04805, after the word pieces of Wu et al.
2016, arXiv 1609.08144): small letters without accents, punctuation apart, then each word from the
left in the longest pieces that the vocabulary has; pieces after the first begin with ##.
"""

import unicodedata
from collections.abc import Iterator
from pathlib import Path

UNKNOWN, BEGIN, END = "[UNK]", "[CLS]", "[SEP]"
MOST_WORD_CHARACTERS = 100  # a longer word is unknown
IDEOGRAPHS = ((0x3400, 0x4DBF), (0x4E00, 0x9FFF), (0xF900, 0xFAFF), (0x20000, 0x2FA1F))


class WordPieces:
    """A vocabulary: one piece per line, the number of the line is its id."""

    def __init__(self, vocabulary: Path) -> None:
        pieces = vocabulary.read_text(encoding="utf-8").splitlines()
        self._ids = {piece: index for index, piece in enumerate(pieces)}

    def ids(self, text: str, most: int) -> list[int]:
        """Ids of a text between those of its begin and its end, at most `most` in all."""
        pieces = [piece for word in words(text) for piece in self.split(word)]
        return [self._ids[piece] for piece in (BEGIN, *pieces[: most - 2], END)]

    def split(self, word: str) -> list[str]:
        """The longest pieces from the left; unknown as a whole where a part is."""
        pieces: list[str] = []
        rest = word
        while rest and len(word) <= MOST_WORD_CHARACTERS:
            mark = "##" if pieces else ""
            known = (rest[:size] for size in range(len(rest), 0, -1))
            found = next((part for part in known if mark + part in self._ids), None)
            if found is None:
                break
            pieces.append(mark + found)
            rest = rest[len(found) :]
        return [UNKNOWN] if rest else pieces


def words(text: str) -> list[str]:
    """Words and marks of punctuation, small, without accents."""
    plain = unicodedata.normalize("NFD", text.lower())
    return "".join(_spaced(plain)).split()


def _spaced(text: str) -> Iterator[str]:
    """Its characters with blanks around what stands alone, without what is not seen."""
    for character in text:
        category = unicodedata.category(character)
        if character.isspace():
            yield " "
        elif category.startswith("C") or category == "Mn" or character == "\ufffd":
            continue
        elif _stands_alone(character, category):
            yield f" {character} "
        else:
            yield character


def _stands_alone(character: str, category: str) -> bool:
    is_symbol = character.isascii() and character.isprintable() and not character.isalnum()
    is_ideograph = any(first <= ord(character) <= last for first, last in IDEOGRAPHS)
    return category.startswith("P") or is_symbol or is_ideograph
