"""`parse_instance`: a file's bytes become an `Instance`, once, at the border.

The bulk ingest calls this for every file, so a plain image costs one compiled scan and some forty small
conversions; functional groups, multi-frame NM and rare character sets take slower paths of their own.
"""

from __future__ import annotations

import re
from dataclasses import replace
from functools import lru_cache
from typing import Literal

from ..errors import FormatError, Incomplete, Truncated, UnsupportedPixels
from ..kernels.elements import PIXEL_TAGS, UNDEFINED_LENGTH
from ..storage.keys import KEYS, Key
from .data_set import Buffer, DataSet, Encoding, read_items, tag_name
from .encapsulation import ITEM_HEADER_BYTES, ExtendedOffsets, scan_encapsulated
from .frame_table import read_frame_table
from .functional_groups import PER_FRAME_GROUPS, SHARED_GROUPS, read_functional_groups, shared_macro
from .instance import FrameTable, Instance, PixelDescription, PixelSpan
from .part10 import Part10, inflate_data_set, read_part10
from .text import character_sets, decode_text, decode_texts
from .transfer_syntax import TRANSFER_SYNTAXES

DICOMDIR_SOP_CLASS = "1.2.840.10008.1.3.10"
"""Media Storage Directory: an index of a medium, no object of a patient; callers pass it over."""
HEAD_BYTES = 16 << 10
"""What is read first of a file: the header of nearly every single-frame image (a CT's is 2–10 kB)."""
HEAD_GROWTH = 16
"""How many times as far is read where that was not enough."""
MAXIMUM_FRAMES = 1_000_000
"""Number of Frames beyond which no table of frames is made, however small the frames are."""

_UID = re.compile(r"[0-9A-Za-z](?:[._-]?[0-9A-Za-z]){0,63}")
_SOP_CLASS, _SOP_INSTANCE, _STUDY, _SERIES = 0x00080016, 0x00080018, 0x0020000D, 0x0020000E
_MEDIA_SOP_CLASS = 0x00020002
_DIRECTORY_RECORDS = 0x00041220
_CHARACTER_SET = 0x00080005
_INTEGER_TAG = PIXEL_TAGS[-1]
_BITS_ALLOCATED = frozenset({1, 8, 16, 32, 64})
_FLOAT_BITS = dict(zip(PIXEL_TAGS[:2], (32, 64), strict=True))
_SAMPLES_PER_PIXEL = frozenset({1, 3, 4})
_UNSIGNED_SHORT_MAXIMUM = 0xFFFF

_HELD_ELSEWHERE = frozenset(
    {"SeriesInstanceUID", "SOPInstanceUID", "SOPClassUID", "InstanceNumber", "Rows", "Columns", "BitsAllocated"}
)
_ATTRIBUTES = {key.tag: key.keyword for key in KEYS.values() if not key.sequence and key.keyword not in _HELD_ELSEWHERE}
_NESTED: dict[int, list[Key]] = {}
for _key in KEYS.values():
    if _key.sequence:
        _NESTED.setdefault(_key.sequence, []).append(_key)


def parse_instance(data: Buffer, *, name: str = "") -> Instance:
    """Parse a whole file and check that its pixel data is complete.

    Native pixel data must hold every declared frame; encapsulated pixel data must be well-formed items, at
    least as many as frames. `name` starts the message of each error. Raises `NotDicom`, `Truncated`,
    `UnsupportedPixels` or `FormatError`; never anything else, whatever the bytes.
    """
    try:
        part = _read_head_of(data)
        instance = _read_instance(part)
        return _with_exact_span(instance, part, data)
    except FormatError as error:
        if not name:
            raise
        raise type(error)(f"{name}: {error}") from error


def parse_head(prefix: bytes, file_size: int) -> Instance:
    """Parse a file of which only the first bytes are here.

    The prefix must reach the pixel data's value (`pixel_span.offset`), or the end where there is no pixel
    data: otherwise `Incomplete`, and the caller reads more. Native pixels are accepted here just where
    `parse_instance` accepts them. Of encapsulated ones nothing is checked but that there is room for them, and
    their span reaches to the end of the file. Raises as `parse_instance` does.
    """
    return _read_instance(read_part10(prefix, file_size))


def locate_deflated_pixels(data: Buffer) -> tuple[Buffer, PixelSpan | None]:
    """Inflate a deflated file; give the data set's bytes and where the pixel data lies in them."""
    part = inflate_data_set(data)
    pixels = _read_pixels(part)
    if pixels is None:
        return part.data, None
    span = _checked_span(part, pixels)
    return part.data, _exact_span(span, pixels, part.transfer_syntax_uid, part.data)


def extended_offset_table(head: bytes, file_size: int) -> ExtendedOffsets | None:
    """Give offsets and lengths of the Extended Offset Table (7FE0,0001 and 0002), or None (PS3.3
    C.7.6.3.1.8).
    """
    data_set = read_part10(head, file_size).data_set
    offsets, lengths = data_set.unsigned_64(0x7FE00001), data_set.unsigned_64(0x7FE00002)
    return ExtendedOffsets(offsets, lengths) if offsets and len(offsets) == len(lengths) else None


def _read_head_of(data: Buffer) -> Part10:
    """Read the header from a growing prefix: no array may pin a mapping that the caller will close."""
    if isinstance(data, bytes):
        return read_part10(data, len(data))
    size, head_bytes = len(data), HEAD_BYTES
    while head_bytes < size:
        try:
            return read_part10(bytes(data[:head_bytes]), size)
        except Incomplete as problem:
            head_bytes = max(head_bytes * HEAD_GROWTH, problem.needed_bytes)
    return read_part10(bytes(data[:]), size)


def _read_instance(part: Part10) -> Instance:
    data_set = part.data_set
    class_uid = _sop_class(part)
    if class_uid == DICOMDIR_SOP_CLASS:
        return _directory(part)
    pixels = _read_pixels(part)
    span = None if pixels is None else _checked_span(part, pixels)
    return Instance(
        sop_instance_uid=_uid(data_set, _SOP_INSTANCE, "SOP Instance UID"),
        sop_class_uid=class_uid,
        series_instance_uid=_uid(data_set, _SERIES, "Series Instance UID"),
        study_instance_uid=_uid(data_set, _STUDY, "Study Instance UID"),
        transfer_syntax_uid=part.transfer_syntax_uid,
        instance_number=data_set.integer(0x00200013, "IS"),
        attributes=_read_attributes(data_set, pixels),
        pixels=pixels,
        pixel_span=None if part.is_deflated else span,
        frames=None if pixels is None else _read_frames(data_set, pixels.frames),
        voi_function=_meaning(data_set, 0x00281056, 0x00289132) or "LINEAR",
        rescale_type=_meaning(data_set, 0x00281054, 0x00289145),
        is_plain=_is_plain(data_set),
        padding_value=_padding_value(data_set, pixels),
    )


def _checked_span(part: Part10, pixels: PixelDescription) -> PixelSpan:
    """Give where the pixel data lies; raises `Truncated` where the file ends before it does.

    Only the padding byte of native pixels may be missing at the very end: it holds nothing, and writers forget it.
    """
    span = _read_span(part, pixels)
    there = max(part.data_bytes - span.offset, 0)
    if span.length <= there:
        _check_room(pixels, span, span.length, part)
        return span
    _check_room(pixels, span, there, part)
    # A byte of pixels is what is missing where bytes are swapped in pairs.
    is_spare = there == pixels.native_bytes == span.length - 1 and not span.is_encapsulated
    if not is_spare or there % 2 == 0 or (span.is_big_endian and pixels.bits_allocated == 8):
        raise Truncated(f"the pixel data has {span.length} bytes, but only {there} are here: the file was cut short")
    return replace(span, length=there)


def _check_room(pixels: PixelDescription, span: PixelSpan, there: int, part: Part10) -> None:
    """Raise `Truncated` where the declared frames cannot all be in the `there` bytes of the pixel data."""
    if span.is_encapsulated:
        syntax = TRANSFER_SYNTAXES.get(part.transfer_syntax_uid)
        needed = pixels.frames * (1 if syntax is not None and syntax.is_video else ITEM_HEADER_BYTES)
    else:
        needed = pixels.native_bytes
    if there < needed:
        frames = "1 frame needs" if pixels.frames == 1 else f"{pixels.frames} frames need"
        least = "at least " if span.is_encapsulated else ""
        raise Truncated(f"{frames} {least}{needed} bytes of pixels; {there} are there: the file was cut short")


def _directory(part: Part10) -> Instance:
    """Give a DICOMDIR as an instance that says only what it is."""
    return Instance(
        sop_instance_uid="",
        sop_class_uid=DICOMDIR_SOP_CLASS,
        series_instance_uid="",
        study_instance_uid="",
        transfer_syntax_uid=part.transfer_syntax_uid,
        instance_number=None,
        attributes={},
        pixels=None,
        pixel_span=None,
        frames=None,
    )


def _sop_class(part: Part10) -> str:
    """Give SOP Class UID; a DICOMDIR and a few careless writers have it in the file meta information only."""
    if _DIRECTORY_RECORDS in part.data_set:
        return DICOMDIR_SOP_CLASS
    if _SOP_CLASS in part.data_set or part.meta is None or not part.meta.text(_MEDIA_SOP_CLASS):
        return _uid(part.data_set, _SOP_CLASS, "SOP Class UID")
    return _uid(part.meta, _MEDIA_SOP_CLASS, "Media Storage SOP Class UID")


def _uid(data_set: DataSet, tag: int, word: str) -> str:
    """Give a UID that is safe as a file name: letters, digits and single dots (hyphens) between them.

    Letters are against PS3.5 section 9.1, but archives hold such UIDs, and they harm nobody.
    """
    uid = data_set.text(tag)
    if not uid:
        raise FormatError(f"{word} {tag_name(tag)} is missing")
    if len(uid) > 64 or _UID.fullmatch(uid) is None:
        raise FormatError(f"{word} {tag_name(tag)} is no UID: {uid[:80]!r}")
    return uid


def _read_attributes(data_set: DataSet, pixels: PixelDescription | None) -> dict[str, str]:
    sets = character_sets(data_set.codes(_CHARACTER_SET))
    raw = data_set.raw_values(_ATTRIBUTES)
    texts = decode_texts(raw.values(), sets)
    attributes = {keyword: text for keyword, text in zip(raw, texts, strict=True) if text}
    for tag in _NESTED:
        if tag in data_set:
            attributes |= _read_nested(data_set.raw(tag), data_set.vr(tag) == "UN", data_set.encoding, tag, sets)
    if pixels is not None:
        attributes["Rows"], attributes["Columns"] = str(pixels.rows), str(pixels.columns)
        attributes["BitsAllocated"] = str(pixels.bits_allocated)
    return attributes


@lru_cache(maxsize=256)  # the instances of a series say the same
def _read_nested(raw: bytes, is_unknown: bool, encoding: Encoding, tag: int, sets: tuple[str, ...]) -> dict[str, str]:
    """Read what all items of a sequence say, each attribute's values together; nothing of one that is damaged."""
    try:
        items = read_items(raw, Encoding(False, False) if is_unknown else encoding)
    except FormatError:
        return {}
    said = {key.keyword: [decode_text(item.raw(key.tag), sets) for item in items] for key in _NESTED[tag]}
    return {keyword: "\\".join(filter(None, texts)) for keyword, texts in said.items() if any(texts)}


def _read_pixels(part: Part10) -> PixelDescription | None:
    if part.pixel_tag is None:
        return None
    data_set = part.data_set
    is_float = part.pixel_tag != _INTEGER_TAG
    allocated = _bits_allocated(data_set, part.pixel_tag)
    stored = allocated if is_float else _bits_stored(data_set, allocated)
    return PixelDescription(
        rows=_required(data_set, 0x00280010, "Rows"),
        columns=_required(data_set, 0x00280011, "Columns"),
        frames=_number_of_frames(data_set),
        samples_per_pixel=_samples_per_pixel(data_set),
        bits_allocated=allocated,
        bits_stored=stored,
        high_bit=_high_bit(data_set, allocated, stored),
        is_signed=is_float or data_set.integer(0x00280103, "US") == 1,
        is_float=is_float,
        planar_configuration=1 if data_set.integer(0x00280006, "US") == 1 else 0,
        photometric_interpretation=data_set.text(0x00280004),
    )


def _required(data_set: DataSet, tag: int, word: str) -> int:
    """Give a value from 1 to 65535, whatever VR the file states for it."""
    value = data_set.integer(tag, "US")
    if value is None:
        raise FormatError(f"{word} {tag_name(tag)} is missing")
    if not 1 <= value <= _UNSIGNED_SHORT_MAXIMUM:
        raise FormatError(f"{word} {tag_name(tag)} is {value:.12g}: not from 1 to {_UNSIGNED_SHORT_MAXIMUM}")
    return value


def _number_of_frames(data_set: DataSet) -> int:
    """Give Number of Frames, 1 where it is absent; checked before anything is made a frame long."""
    frames = max(data_set.integer(0x00280008, "IS") or 1, 1)
    if frames > MAXIMUM_FRAMES:
        raise UnsupportedPixels(f"Number of Frames (0028,0008) is {frames:.12g}: more than {MAXIMUM_FRAMES}")
    return frames


def _samples_per_pixel(data_set: DataSet) -> int:
    samples = data_set.integer(0x00280002, "US")
    if samples is not None and samples not in _SAMPLES_PER_PIXEL:
        raise UnsupportedPixels(f"Samples per Pixel (0028,0002) is {samples:.12g}: not 1, 3 or 4")
    return 1 if samples is None else samples


def _bits_allocated(data_set: DataSet, pixel_tag: int) -> int:
    """Give Bits Allocated; float pixels have just the size of their element (PS3.3 C.7.6.24, C.7.6.25)."""
    allocated = _required(data_set, 0x00280100, "Bits Allocated")
    if allocated not in _BITS_ALLOCATED:
        raise UnsupportedPixels(f"Bits Allocated is {allocated}: not a size pixels can have")
    if allocated != _FLOAT_BITS.get(pixel_tag, allocated):
        raise UnsupportedPixels(f"Bits Allocated is {allocated}: not the {_FLOAT_BITS[pixel_tag]} of float pixels")
    return allocated


def _bits_stored(data_set: DataSet, allocated: int) -> int:
    stored = data_set.integer(0x00280101, "US")
    if stored is None:
        return allocated
    if not 1 <= stored <= allocated:
        raise FormatError(f"Bits Stored (0028,0101) is {stored} of {allocated} bits allocated")
    return stored


def _high_bit(data_set: DataSet, allocated: int, stored: int) -> int:
    """Give High Bit, or the one the standard allows (PS3.3 C.7.6.3.1.2) where it contradicts Bits Stored."""
    high_bit = data_set.integer(0x00280102, "US")
    return high_bit if high_bit is not None and stored <= high_bit + 1 <= allocated else stored - 1


def _read_span(part: Part10, pixels: PixelDescription) -> PixelSpan:
    assert part.pixel_tag is not None
    place = part.data_set.place(part.pixel_tag)
    assert place is not None
    offset, length = place
    syntax = TRANSFER_SYNTAXES.get(part.transfer_syntax_uid)
    is_encapsulated = length == UNDEFINED_LENGTH or (
        syntax is not None and syntax.is_encapsulated and length < pixels.native_bytes
    )
    is_big_endian = part.data_set.encoding.is_big_endian or (syntax and syntax.has_big_endian_pixels)
    # Bytes are swapped in pairs in an OW value, never in an OB one (PS3.5 section 7.3).
    swaps = pixels.bits_allocated > 8 or part.data_set.vr(part.pixel_tag) == "OW"
    length = part.data_bytes - offset if length == UNDEFINED_LENGTH else length
    return PixelSpan(offset, length, is_encapsulated, bool(is_big_endian and swaps and not is_encapsulated))


def _with_exact_span(instance: Instance, part: Part10, data: Buffer) -> Instance:
    pixels, syntax_uid = instance.pixels, instance.transfer_syntax_uid
    if pixels is None:
        return instance
    if part.is_deflated:
        _exact_span(_checked_span(part, pixels), pixels, syntax_uid, part.data)
        return instance
    assert instance.pixel_span is not None
    span = _exact_span(instance.pixel_span, pixels, syntax_uid, data)
    return instance if span is instance.pixel_span else replace(instance, pixel_span=span)


def _exact_span(span: PixelSpan, pixels: PixelDescription, syntax_uid: str, data: Buffer) -> PixelSpan:
    """Check that encapsulated pixels are complete; give the span, with the exact length where it was undefined."""
    if not span.is_encapsulated:
        return span
    fragments, end = scan_encapsulated(data, span)
    syntax = TRANSFER_SYNTAXES.get(syntax_uid)
    found, expected = len(fragments), 1 if syntax and syntax.is_video else pixels.frames
    if found < expected:
        raise Truncated(f"{expected} frames are declared; the pixel data holds {found} fragments")
    length = end - span.offset
    return span if length == span.length else replace(span, length=length)


def _read_frames(data_set: DataSet, frames: int) -> FrameTable:
    if PER_FRAME_GROUPS in data_set or SHARED_GROUPS in data_set:
        return read_functional_groups(data_set, frames)
    return read_frame_table(data_set, frames)


def _meaning(data_set: DataSet, tag: int, macro: int) -> str:
    """Give a text that stands at the top of the data set or, in enhanced objects, in a functional group."""
    text = data_set.text(tag)
    if text or (SHARED_GROUPS not in data_set and PER_FRAME_GROUPS not in data_set):
        return text
    item = shared_macro(data_set, macro)
    return "" if item is None else item.text(tag)


_OF_DISPLAY = (
    0x00181600,  # Shutter Shape
    0x00280121,  # Pixel Padding Range Limit
    0x00281101,  # Red Palette Color Lookup Table Descriptor
    0x00282000,  # ICC Profile
    0x00283000,  # Modality LUT Sequence
    0x00283010,  # VOI LUT Sequence
    0x00480105,  # Optical Path Sequence, with ICC profiles
    SHARED_GROUPS,
    PER_FRAME_GROUPS,
)
_OVERLAY_ROWS = range(0x60000010, 0x60200010, 0x20000)
_PRESENTATION_LUT_SHAPE = 0x20500020


def _is_plain(data_set: DataSet) -> bool:
    """Whether rescale, window and padding value are all that the header says of how its frames are to be seen."""
    is_inverse = data_set.text(_PRESENTATION_LUT_SHAPE) == "INVERSE"
    return not is_inverse and not any(tag in data_set for tag in (*_OF_DISPLAY, *_OVERLAY_ROWS))


def _padding_value(data_set: DataSet, pixels: PixelDescription | None) -> int | None:
    """Give Pixel Padding Value in the pixels' own representation, whichever of US and SS the file states."""
    if pixels is None or pixels.is_float:
        return None
    raw = data_set.raw(0x00280120)
    if len(raw) < 2:
        return data_set.integer(0x00280120, "SS" if pixels.is_signed else "US")
    order: Literal["big", "little"] = "big" if data_set.encoding.is_big_endian else "little"
    return int.from_bytes(raw[:2], order, signed=pixels.is_signed)
