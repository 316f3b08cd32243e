from __future__ import annotations

import json

import numpy as np
import pytest
from filmless.engine.instance import PixelDescription
from filmless.engine.packing import Packing, is_packable, pack_frames, samples_first, unpack_frame
from filmless.errors import InvalidArgument
from hypothesis import given, settings
from hypothesis import strategies as st
from naive import stored_values as naive


@st.composite
def descriptions(draw):
    """Integer pixels of any kind; few and small frames."""
    allocated = draw(st.sampled_from([8, 16, 32, 64]))
    stored = draw(st.integers(1, allocated))
    return PixelDescription(
        rows=draw(st.integers(1, 4)),
        columns=draw(st.integers(1, 5)),
        frames=draw(st.integers(1, 3)),
        samples_per_pixel=draw(st.sampled_from([1, 3])),
        bits_allocated=allocated,
        bits_stored=stored,
        high_bit=draw(st.integers(stored - 1, allocated - 1)),
        is_signed=draw(st.booleans()),
        is_float=False,
        planar_configuration=draw(st.integers(0, 1)),
        photometric_interpretation="MONOCHROME2",
    )


def one_bit(rows, columns, frames):
    return PixelDescription(rows, columns, frames, 1, 1, 1, 0, False, False, 0, "MONOCHROME2")


def word_count(description):
    return description.frames * description.rows * description.columns * description.samples_per_pixel


def words(description, fill, seed, is_big_endian):
    """Pixel bytes of random stored values, with unused bits filled by a rule, or at random."""
    random = np.random.default_rng(seed)
    allocated, stored = description.bits_allocated, description.bits_stored
    low = description.high_bit + 1 - stored
    made = b""
    for _ in range(word_count(description)):
        value = int.from_bytes(random.bytes(8), "little") & ((1 << stored) - 1)
        if fill == "sign" and value >> (stored - 1):
            value |= ~((1 << stored) - 1)
        word = value << low & ((1 << allocated) - 1)
        if fill == "random":
            word = int.from_bytes(random.bytes(8), "little") & ((1 << allocated) - 1)
        made += word.to_bytes(allocated // 8, "big" if is_big_endian else "little")
    return made


def unpack_all(raw, packing):
    """Stored values of every frame, (frames, samples, rows, columns)."""
    description = packing.description
    shape = description.frames, description.samples_per_pixel, description.rows, description.columns
    out = np.empty(shape, description.stored_dtype)
    for frame in range(description.frames):
        unpack_frame(raw, frame, packing, out[frame])
    return out


def pack_all(packing, values):
    return b"".join(pack_frames(packing, lambda frame: values[frame]))


@settings(max_examples=200)
@given(descriptions(), st.sampled_from(["zero", "sign", "random"]), st.integers(0, 1 << 32), st.booleans())
def test_pixel_bytes_come_back_or_the_packing_says_that_they_cannot(description, fill, seed, is_big_endian):
    is_big_endian = is_big_endian and description.bits_allocated > 8
    raw = words(description, fill, seed, is_big_endian)

    packing = Packing.choose(raw, description, is_big_endian)

    if packing.fill is None:
        assert fill == "random"
    else:
        assert pack_all(packing, unpack_all(raw, packing)) == raw


@settings(max_examples=100)
@given(descriptions(), st.integers(0, 1 << 32), st.booleans())
def test_stored_values_are_those_of_the_standard(description, seed, is_big_endian):
    is_big_endian = is_big_endian and description.bits_allocated > 8
    raw = words(description, "random", seed, is_big_endian)

    values = unpack_all(raw, Packing.choose(raw, description, is_big_endian))

    bits = {name: getattr(description, name) for name in ("bits_allocated", "bits_stored", "high_bit", "is_signed")}
    flat = np.array(naive.unpack(raw, is_big_endian=is_big_endian, **bits), description.stored_dtype)
    samples, rows, columns = values.shape[1:]
    if description.planar_configuration == 0:
        expected = np.moveaxis(flat.reshape(-1, rows, columns, samples), -1, 1)
    else:
        expected = flat.reshape(-1, samples, rows, columns)
    np.testing.assert_array_equal(values, expected)


@settings(max_examples=80)
@given(st.integers(1, 5), st.integers(1, 5), st.integers(1, 20), st.integers(0, 1 << 32))
def test_one_bit_frames_need_not_end_at_a_byte(rows, columns, frames, seed):
    bits = np.random.default_rng(seed).integers(0, 2, (frames, 1, rows, columns), np.uint8)
    raw = np.packbits(bits.ravel(), bitorder="little").tobytes()
    packing = Packing.choose(raw, one_bit(rows, columns, frames), is_big_endian=False)

    np.testing.assert_array_equal(unpack_all(raw, packing), bits)
    assert pack_all(packing, bits) == raw


def test_set_bits_after_the_last_one_bit_pixel_cannot_be_told():
    assert Packing.choose(b"\xff", one_bit(1, 5, 1), is_big_endian=False).fill is None
    assert Packing.choose(b"\x1f", one_bit(1, 5, 1), is_big_endian=False).fill == "zero"


def test_packing_what_values_do_not_tell_is_refused():
    packing = Packing(one_bit(1, 5, 1), False, None)

    with pytest.raises(InvalidArgument, match="kept whole"):
        list(pack_frames(packing, lambda _: np.zeros((1, 1, 5), np.uint8)))


@given(descriptions(), st.booleans(), st.sampled_from(["zero", "sign", None]))
def test_a_packing_survives_the_manifest(description, is_big_endian, fill):
    packing = Packing(description, is_big_endian, fill)

    assert Packing.from_json(json.loads(json.dumps(packing.to_json()))) == packing


def test_shared_chroma_is_not_packable():
    grey = one_bit(1, 5, 1)

    assert is_packable(grey)
    assert not is_packable(PixelDescription(2, 2, 1, 3, 8, 8, 7, False, False, 0, "YBR_FULL_422"))


def test_samples_come_first():
    assert samples_first(np.zeros((4, 5))).shape == (1, 4, 5)
    assert samples_first(np.zeros((4, 5, 3))).shape == (3, 4, 5)
