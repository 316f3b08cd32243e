"""Text values in the character set the data set names (PS3.5 section 6.1, PS3.3 C.12.1.1.2).

The three sets nearly all files use are decoded directly. Others go through pydicom's tables of codecs; no
value raises or warns: what does not decode becomes U+FFFD.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from pydicom.charset import CODES_TO_ENCODINGS, python_encoding

_PLAIN = {"": "latin-1", "ISO_IR 6": "latin-1", "ISO_IR 100": "latin-1", "ISO_IR 192": "utf-8"}
_DEFAULT = "latin-1"
_ESCAPE = b"\x1b"
_WITH_ESCAPE = frozenset({"iso2022_jp", "iso2022_jp_2"})
"""Python's codecs of these want the escape sequence; all others want it removed."""
_CODECS = {"iso_ir_58": "gb2312", "iso8859": "latin-1"}
_FRAGMENT = re.compile(rb"\x1b?[^\x1b]*")
# A delimiter ends the designation of another set (PS3.5 section 6.1.2.5.3); the first set is in force again.
_DELIMITER = re.compile(rb"([\^=\\\r\n\t\f])")


def character_sets(names: list[str]) -> tuple[str, ...]:
    """Give Python's names for the values of Specific Character Set; unknown ones are left out."""
    if len(names) <= 1:
        name = names[0] if names else ""
        if name in _PLAIN:
            return (_PLAIN[name],)
    known = [_codec(python_encoding[name]) for name in names if name in python_encoding]
    return tuple(known) or (_DEFAULT,)


def decode_text(raw: bytes, sets: tuple[str, ...]) -> str:
    """Decode a value and strip its padding."""
    if _ESCAPE in raw:
        text = "".join(_decode_fragment(piece, sets[0]) for piece in _FRAGMENT.findall(raw))
    else:
        text = raw.decode(sets[0], "replace")
    return text.strip("\0 \t\r\n")


def decode_texts(raw: Iterable[bytes], sets: tuple[str, ...]) -> list[str]:
    """Decode values and strip their padding, all of one data set at once."""
    values = list(raw)
    if any(_ESCAPE in value for value in values):
        return [decode_text(value, sets) for value in values]
    first = sets[0]
    return [value.decode(first, "replace").strip("\0 \t\r\n") for value in values]


def _codec(name: str) -> str:
    return _CODECS.get(name, name)


def _decode_fragment(piece: bytes, first: str) -> str:
    for escape, name in CODES_TO_ENCODINGS.items():
        if piece.startswith(escape):
            if name in _WITH_ESCAPE:
                return piece.decode(name, "replace")
            return _decode_until_delimiter(piece[len(escape) :], _codec(name), first)
    return piece.decode(first, "replace")


def _decode_until_delimiter(piece: bytes, codec: str, first: str) -> str:
    head, *rest = _DELIMITER.split(piece, maxsplit=1)
    return head.decode(codec, "replace") + b"".join(rest).decode(first, "replace")
