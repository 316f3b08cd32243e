"""Matching by the letter of PS3.4 C.2.2.2, one value after the other."""

from __future__ import annotations

import fnmatch
import re
import unicodedata

PEOPLE = {"PatientName", "ReferringPhysicianName", "OperatorsName"}
DATES = {"StudyDate", "PatientBirthDate", "SeriesDate"}
TIMES = {"StudyTime", "SeriesTime"}
UIDS = {"StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "SOPClassUID"}


def plain(text):
    signs = unicodedata.normalize("NFKD", text.casefold())
    kept = "".join(sign for sign in signs if unicodedata.category(sign) != "Mn" and not unicodedata.combining(sign))
    return unicodedata.normalize("NFC", kept.casefold())


def people(text):
    """All component groups of all names."""
    groups = [group for name in text.split("\\") for group in name.split("=")]
    return [re.sub(r"\^+$", "", "^".join(" ".join(plain(c).split()) for c in group.split("^"))) for group in groups]


def like(text, pattern):
    escaped = pattern.replace("[", "[[]")
    return fnmatch.fnmatchcase(text, escaped)


def seconds(time, *, last=False):
    digits = time.replace(":", "").partition(".")[0]
    return digits + ("5959" if last else "0000")[len(digits) - 2 :] if len(digits) < 6 else digits


def matches(keyword, value, asked, *, fuzzy=False):
    """Whether one attribute's value, "" where it is absent, meets what is asked of it."""
    parts = [part.strip() for part in asked.split("\\") if part.strip()]
    if not parts or any(set(part) == {"*"} for part in parts):
        return True
    if keyword in UIDS:
        return value in re.split(r"[\\,]", asked)
    if keyword in DATES or keyword in TIMES:
        low, dash, high = asked.partition("-")
        high = high if dash else low
        first = seconds if keyword in TIMES else lambda date, last=False: date
        return bool(value) and first(low or "00") <= first(value) <= (first(high, last=True) if high else "9")
    values = people(value) if keyword in PEOPLE else [part.strip() for part in value.split("\\")]
    values = [text for text in values if text]
    if fuzzy:
        return any(has_words(part, text) for part in parts for text in values)
    if keyword in PEOPLE:
        return any(like(text, pattern) for text in values for pattern in people(asked) if pattern)
    return any(like(text, part) for text in values for part in parts)


def has_words(asked, text):
    words = [word for word in re.split(r"[\s^=,*?]+", plain(asked)) if word]
    starts = re.split(r"[ ^-]", plain(text))
    return all(word_begins(word, starts, plain(text)) for word in words)


def word_begins(word, starts, text):
    if re.search(r"[ ^-]", word):
        return text.startswith(word) or any(f"{end}{word}" in text for end in " ^-")
    return any(start.startswith(word) for start in starts)
