r"""Terms: what the index keeps of an attribute's value to find it by.

A value with several parts (`\`), or a person name with several component groups (`=`), has one term for each; whoever
matches any of them matches. A term has two forms, `text`, folded, by which it is looked up, and `exact`, by which
matching that is sensitive to case is decided (PS3.4 C.2.2.2.1). Person names have only the folded form.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from typing import NamedTuple

from ..keys import DATE_TIME_PAIRS, KEYS, Key

MAXIMUM_LENGTH = 512
"""Characters of a term: an entry of a PostgreSQL index has 2,700 bytes at most."""
_SINGLE = frozenset({"ST", "LT", "UT"})
"""VRs of one value, in which a backslash is just one."""
_TIME = re.compile(r"(\d\d)(?::?(\d\d)(?::?(\d\d)(?:\.(\d{1,6})\d*)?)?)?")
_DATE = re.compile(r"(\d{4})[.\-]?(\d\d)[.\-]?(\d\d)")
_DIGITS = re.compile(r"[+-]?\d{1,18}", re.ASCII)


class Term(NamedTuple):
    """One value of one attribute, as the index looks it up."""

    key: int
    """The attribute's tag; its negative for a date together with its time."""
    text: str
    exact: str


@lru_cache(maxsize=4096)
def fold(text: str) -> str:
    """Give text without case, diacritics and forms of width, so that what people take for the same is the same."""
    if text.isascii():
        return text.lower()
    marked = unicodedata.normalize("NFKD", text.casefold())
    plain = "".join(sign for sign in marked if not unicodedata.combining(sign))
    return unicodedata.normalize("NFC", plain.casefold())


def fold_group(group: str) -> str:
    """Fold one component group of a person name; empty components at its end and padding say nothing (PS3.5 6.2.1)."""
    components = [" ".join(fold(component).split()) for component in group.split("^")]
    while components and not components[-1]:
        components.pop()
    return "^".join(components)


def date_of(text: str) -> str:
    """Give a date as eight digits; text that is none as it is."""
    found = _DATE.fullmatch(text.strip())
    return "".join(found.groups()) if found else text


def time_of(text: str) -> str:
    """Give a time as HHMMSS.FFFFFF, from its first moment where it is less precise; text that is none as it is."""
    found = _TIME.fullmatch(text.strip())
    if found is None:
        return text
    hours, minutes, seconds, fraction = found.groups(default="")
    return f"{hours}{minutes or '00'}{seconds or '00'}.{fraction or '':0<6}"


def last_time_of(text: str) -> str:
    """Give the last moment that a time stands for: "10" is all the hour."""
    found = _TIME.fullmatch(text.strip())
    if found is None:
        return text
    hours, minutes, seconds, fraction = found.groups(default="")
    return f"{hours}{minutes or '59'}{seconds or '59'}.{fraction or '':9<6}"


def number_of(text: str) -> str:
    """Give an integer without padding; text that is none as it is."""
    return str(int(text)) if _DIGITS.fullmatch(text) else text


def storable(text: str) -> str:
    """Give text without what a database cannot hold: NUL, and halves of signs."""
    return text if text.isascii() and "\0" not in text else text.replace("\0", "").encode(errors="replace").decode()


def values_of(text: str, vr: str) -> list[str]:
    """Cut a value into its parts, padding stripped; empty ones are left out."""
    parts = [text] if vr in _SINGLE else text.split("\\")
    return [part for part in (storable(part).strip() for part in parts) if part]


_EXACT: Mapping[str, Callable[[str], str]] = {"DA": date_of, "TM": time_of, "IS": number_of}


def forms_of(value: str, vr: str) -> Iterator[tuple[str, str]]:
    """Give the (text, exact) forms of one part of a value."""
    if vr == "PN":
        for group in value.split("="):
            folded = fold_group(group)[:MAXIMUM_LENGTH]
            if folded:
                yield folded, folded
        return
    exact = _EXACT.get(vr, str)(value)[:MAXIMUM_LENGTH]
    yield fold(exact)[:MAXIMUM_LENGTH], exact


def terms_of(attributes: Mapping[str, str], keywords: frozenset[str]) -> list[Term]:
    """Give the terms of those attributes that are among `keywords`, each once."""
    terms = []
    for keyword, text in attributes.items():
        if keyword in keywords:
            terms += _terms_of_one(KEYS[keyword], text)
    for later, earlier in DATE_TIME_PAIRS.items():
        if earlier in keywords and attributes.get(earlier):
            moment = moment_of(attributes[earlier], attributes.get(later, ""))
            terms.append(Term(-KEYS[earlier].tag, moment, moment))
    return list(dict.fromkeys(terms))


def moment_of(date: str, time: str) -> str:
    """Give date and time as one text that sorts by time; a time that is missing is the day's first moment."""
    return storable(f"{date_of(date)}{time_of(time or '00')}")[:MAXIMUM_LENGTH]


def _terms_of_one(key: Key, text: str) -> list[Term]:
    return [Term(key.tag, *forms) for value in values_of(text, key.vr) for forms in forms_of(value, key.vr)]
