"""Matching: what the value of a query key asks for (PS3.4 C.2.2.2).

Each kind of matching says of a term whether it matches; `search` says the same to the database. So what the database
answers can be held against the plain meaning, and instances are matched by it directly.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

from ...errors import InvalidArgument
from ..keys import AVAILABILITY, COUNTS, DATE_TIME_PAIRS, KEYS, LEVELS, MODALITIES, SOP_CLASSES, Key, Level, above
from .terms import Term, date_of, fold, forms_of, last_time_of, moment_of, time_of, values_of

Asked: TypeAlias = str | Sequence[str]
"""A key's value: one, several in a list or separated by backslashes (UIDs also by commas), or "" for any."""

_WILDCARDS = re.compile(r"([*?])")
_WORD_ENDS = re.compile(r"[\s^=,*?]+")
WORD_STARTS = "[ ^-]"
"""What a word comes after, where it does not begin a term."""
_NO_WILDCARDS = frozenset({"DA", "TM", "DT", "UI", "IS", "US", "DS"})
LAST = "\U0010ffff"
"""What sorts behind whatever a text goes on with."""


@dataclass(frozen=True)
class OneOf:
    """The term is one of several."""

    forms: tuple[tuple[str, str], ...]

    def is_met(self, term: Term) -> bool:
        """Whether a term matches."""
        return (term.text, term.exact) in self.forms


@dataclass(frozen=True)
class Like:
    """The term has a form, `*` for any text and `?` for any sign."""

    text: tuple[str, ...]
    """Literals and wildcards in turn, folded."""
    exact: tuple[str, ...]

    @cached_property
    def _expressions(self) -> tuple[re.Pattern[str], re.Pattern[str]]:
        return _expression(self.text), _expression(self.exact)

    def is_met(self, term: Term) -> bool:
        """Whether a term matches."""
        text, exact = self._expressions
        return bool(text.fullmatch(term.text) and exact.fullmatch(term.exact))


@dataclass(frozen=True)
class Between:
    """The term is within a range, both ends included."""

    low: str
    high: str

    def is_met(self, term: Term) -> bool:
        """Whether a term matches."""
        return self.low <= term.text <= self.high


@dataclass(frozen=True)
class HasWords:
    """Each word begins a word of the term."""

    words: tuple[str, ...]

    @cached_property
    def _expressions(self) -> list[re.Pattern[str]]:
        return [re.compile(f"(?:^|{WORD_STARTS}){re.escape(word)}", re.DOTALL) for word in self.words]

    def is_met(self, term: Term) -> bool:
        """Whether a term matches."""
        return all(expression.search(term.text) for expression in self._expressions)


Condition: TypeAlias = OneOf | Like | Between | HasWords


@dataclass(frozen=True)
class Question:
    """What a query asks: a condition for each key that has one; several for one key are alternatives."""

    level: Level
    conditions: dict[int, tuple[Condition, ...]]
    """By the key of the terms that they are about."""
    modalities: tuple[Condition, ...]
    """Of which a study must have a series."""
    sop_classes: tuple[Condition, ...]
    """Of which a study must have an instance."""


def question(level: Level, matching: Mapping[str, Asked], *, fuzzy: bool, combined: bool) -> Question:
    """Read what a query asks for; raises `InvalidArgument` naming the key and what it takes.

    `fuzzy` matches text by its words, whatever their case; `combined` a date and its time as one moment.
    """
    if level not in LEVELS:
        raise InvalidArgument(f"no level is called {level!r}: there are {', '.join(LEVELS)}")
    asked = {keyword: parts for keyword, value in matching.items() if (parts := _parts(level, keyword, value))}
    conditions: dict[int, tuple[Condition, ...]] = {}
    if combined:
        for later, earlier in DATE_TIME_PAIRS.items():
            if later in asked and earlier in asked:
                moments = _moment(earlier, asked.pop(earlier), later, asked.pop(later))
                conditions[-KEYS[earlier].tag] = (moments,)
    modalities = tuple(_condition(KEYS["Modality"], part, fuzzy=False) for part in asked.pop(MODALITIES, ()))
    classes = tuple(_condition(KEYS["SOPClassUID"], part, fuzzy=False) for part in asked.pop(SOP_CLASSES, ()))
    for keyword, parts in asked.items():
        key = KEYS[keyword]
        conditions[key.tag] = _together([_condition(key, part, fuzzy=fuzzy) for part in parts])
    return Question(level, conditions, _together(modalities), _together(classes))


def _parts(level: Level, keyword: str, value: Asked) -> list[str]:
    """Cut a key's value into alternatives; none where any value will do. Refuses what cannot be asked here."""
    key = KEYS.get(keyword)
    is_of_study = keyword in (MODALITIES, SOP_CLASSES) and level != "patient"
    vr = key.vr if key else "UI" if keyword == SOP_CLASSES else "CS"
    given = [value] if isinstance(value, str) else list(value)
    parts = [part for text in given for part in values_of(text.replace(",", "\\") if vr == "UI" else text, vr)]
    if any(set(part) == {"*"} for part in parts):
        parts = []
    if keyword in COUNTS or keyword == AVAILABILITY:
        if parts:
            raise InvalidArgument(f"{keyword} is told, not matched: leave its value empty")
        return []
    if key is None and not is_of_study:
        raise InvalidArgument(f"{keyword!r} is no query key: see the list in the reference of query keys")
    if key is not None and keyword not in above(level):
        raise InvalidArgument(f"{keyword} is a key of the {key.level} level: ask there")
    return parts


def _together(conditions: Sequence[Condition]) -> tuple[Condition, ...]:
    """Make one condition of all that name single values, so that they are looked up at once."""
    singles = [condition for condition in conditions if isinstance(condition, OneOf)]
    if len(singles) < 2:
        return tuple(conditions)
    forms = tuple(dict.fromkeys(form for single in singles for form in single.forms))
    return (OneOf(forms), *(condition for condition in conditions if not isinstance(condition, OneOf)))


def _condition(key: Key, part: str, *, fuzzy: bool) -> Condition:
    if key.vr in ("DA", "TM", "DT"):
        return Between(*_range(key, part))
    if fuzzy and key.vr not in _NO_WILDCARDS:
        words = tuple(word for word in _WORD_ENDS.split(fold(part)) if word)
        if words:
            return HasWords(words)
    if key.vr not in _NO_WILDCARDS and _WILDCARDS.search(part):
        return _like(key, part)
    forms = tuple(forms_of(part, key.vr))
    if not forms:
        raise InvalidArgument(f"{key.keyword}={part!r} names nothing")
    return OneOf(forms)


def _like(key: Key, part: str) -> Like:
    """Read a pattern. Of a person name's, the first component group that says something counts."""
    if key.vr == "PN":
        part = next((group for group in part.split("=") if group.strip("*^ ")), part.split("=", maxsplit=1)[0])
        part = part.rstrip("^ ")
    pieces = _WILDCARDS.split(part)
    text = tuple(piece if piece in ("*", "?") else _fold_piece(piece, key) for piece in pieces if piece)
    return Like(text, text if key.vr == "PN" else tuple(piece for piece in pieces if piece))


def _fold_piece(piece: str, key: Key) -> str:
    """Fold a literal between wildcards; unlike a whole value it may begin or end with what is padding there."""
    if key.vr != "PN":
        return fold(piece)
    return re.sub(r"\s*\^\s*", "^", re.sub(r"\s+", " ", fold(piece)))


def _expression(pieces: tuple[str, ...]) -> re.Pattern[str]:
    wild = {"*": ".*", "?": "."}
    return re.compile("".join(wild.get(piece) or re.escape(piece) for piece in pieces), re.DOTALL)


def _range(key: Key, part: str) -> tuple[str, str]:
    """Give the first and the last value that a date, a time or a range of them stands for."""
    low, dash, high = part.partition("-")
    low, high = low.strip(), high.strip() if dash else low.strip()
    for bound in (low, high):
        if bound and not _is_bound(key.vr, bound):
            forms = {"DA": "YYYYMMDD", "TM": "HHMMSS", "DT": "YYYYMMDDHHMMSS"}
            raise InvalidArgument(f"{key.keyword}={part!r}: give {forms[key.vr]}, or a range A-B, A- or -B")
    if not low and not high:
        raise InvalidArgument(f"{key.keyword}={part!r}: a range needs an end")
    if key.vr == "DA":
        return date_of(low) or "0", date_of(high) or "9"
    if key.vr == "TM":
        return (time_of(low) if low else "0"), (last_time_of(high) if high else "9")
    return low or "0", f"{high or '9'}{LAST}"


def _is_bound(vr: str, text: str) -> bool:
    if vr == "DA":
        return len(date_of(text)) == 8 and date_of(text).isdecimal()
    if vr == "TM":
        return time_of(text) != text or len(text) == len("HHMMSS.FFFFFF")
    return text[:4].isdecimal()


def _moment(earlier: str, dates: list[str], later: str, times: list[str]) -> Between:
    if len(dates) > 1 or len(times) > 1:
        raise InvalidArgument(f"{earlier} and {later} together take one range each")
    first_date, last_date = _range(KEYS[earlier], dates[0])
    first_time, last_time = _range(KEYS[later], times[0])
    low = moment_of(first_date, first_time) if first_time != "0" else first_date
    high = f"{last_date}{last_time}" if last_time != "9" else f"{last_date}{LAST}"
    return Between(low, high)


def literals(like: Like) -> tuple[str, list[str]]:
    """Give the literal that a term must begin with, and all others that it must contain, folded."""
    first, *rest = like.text
    starts = "" if first in ("*", "?") else first
    return starts, [piece for piece in (rest if starts else like.text) if piece not in ("*", "?")]
