"""SHA-256 of two byte strings at once, with the processor's own instructions.

One stream waits: each of its rounds needs the one before, and the instruction takes four cycles. Two streams that do
not need each other fill the gaps: 1.6 times the bytes in the same time (three or four give no more). Where the
processor has no such instructions, `HAS_INSTRUCTIONS` is false and callers hash one after another with `hashlib`.

Source: FIPS 180-4; Intel SHA extensions (sha256rnds2, sha256msg1, sha256msg2), which keep a state as words (f, e, b, a)
and (h, g, d, c).
"""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Sequence
from itertools import count, islice
from math import isqrt
from typing import Any

import numpy as np
from llvmlite import binding, ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic
from numpy.typing import NDArray

from .jit import inlined, kernel

_FEATURES = binding.get_host_cpu_features()
HAS_INSTRUCTIONS = platform.machine() in ("x86_64", "AMD64") and bool(_FEATURES.get("sha"))

DIGEST_BYTES = 32
_BLOCK_BYTES = 64
_LANES = 2
_TURNS = 16
_LENGTH_BYTES = 8
_WORTH_BYTES = 32 << 10
"""Shorter strings gain nothing: a call costs 4 µs more than two of `hashlib`."""

Bytes = NDArray[np.uint8]
States = NDArray[np.uint32]
"""(lanes, 8) words in the order of the instructions."""


def _roots(degree: int, wanted: int) -> list[int]:
    """Give the first 32 bits of the fractional parts of the first primes' roots, square (2) or cube (3)."""
    primes = islice((n for n in count(2) if all(n % d for d in range(2, isqrt(n) + 1))), wanted)
    return [_whole_root(prime << (32 * degree), degree) & 0xFFFFFFFF for prime in primes]


def _whole_root(number: int, degree: int) -> int:
    low, high = 0, 1 << 64
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if middle**degree <= number else (low, middle)
    return low


_ROUND_CONSTANTS = _roots(3, 64)
_ORDER = np.array([5, 4, 1, 0, 7, 6, 3, 2])
"""Words a to h as the instructions keep them."""
_BACK = np.argsort(_ORDER)
_START = np.array(_roots(2, 8), np.uint32)[_ORDER]

_WORDS = ir.VectorType(ir.IntType(32), 4)
_OCTETS = ir.VectorType(ir.IntType(8), 16)


def _shuffled(builder: Any, low: Any, high: Any, *lanes: int) -> Any:
    mask = ir.Constant(ir.VectorType(ir.IntType(32), len(lanes)), list(lanes))
    return builder.shuffle_vector(low, high, mask)


class _Lane:
    """The code for one stream: its state, and the last sixteen words of its message schedule."""

    def __init__(self, builder: Any, states: Any, lane: int) -> None:
        self._builder = builder
        self._homes = [builder.gep(states, [ir.Constant(ir.IntType(64), 2 * lane + half)]) for half in range(2)]
        # Variables of the stack, which LLVM keeps in registers from block to block.
        self._places = [cgutils.alloca_once_value(builder, builder.load(home, align=4)) for home in self._homes]

    def _call(self, name: str, *arguments: Any) -> Any:
        kind = ir.FunctionType(_WORDS, [_WORDS] * len(arguments))
        function = self._builder.module.declare_intrinsic(f"llvm.x86.sha256{name}", fnty=kind)
        return self._builder.call(function, arguments)

    def begin(self, block: Any) -> None:
        """Take a block's sixteen words, which are big-endian."""
        builder, swapped = self._builder, [4 * word + byte for word in range(4) for byte in (3, 2, 1, 0)]
        self._feba, self._hgdc = self._before = [builder.load(place) for place in self._places]
        self._words = []
        for quarter in range(4):
            place = builder.gep(block, [ir.Constant(ir.IntType(64), quarter)])
            octets = builder.load(place, align=1)
            self._words.append(builder.bitcast(_shuffled(builder, octets, octets, *swapped), _WORDS))

    def four_rounds(self, turn: int) -> None:
        """Do rounds 4 × `turn` and on, and make the words that are wanted four turns later."""
        builder, words = self._builder, self._words
        constants = ir.Constant(_WORDS, _ROUND_CONSTANTS[4 * turn : 4 * turn + 4])
        sums = builder.add(words[0], constants)
        for _ in range(2):
            self._feba, self._hgdc = self._call("rnds2", self._hgdc, self._feba, sums), self._feba
            sums = _shuffled(builder, sums, sums, 2, 3, 0, 1)
        if turn < _TURNS - 4:
            recent = _shuffled(builder, words[2], words[3], 1, 2, 3, 4)
            mixed = builder.add(self._call("msg1", words[0], words[1]), recent)
            words.append(self._call("msg2", mixed, words[3]))
        del words[0]

    def end(self) -> None:
        """Add what the block made of the state to it."""
        for place, before, after in zip(self._places, self._before, (self._feba, self._hgdc), strict=True):
            self._builder.store(self._builder.add(before, after), place)

    def leave(self) -> None:
        """Put the state back where it came from."""
        for home, place in zip(self._homes, self._places, strict=True):
            self._builder.store(self._builder.load(place), home, align=4)


@intrinsic  # type: ignore[untyped-decorator] # Numba ships no types
def _advance(_typing: Any, _states: Any, _first: Any, _second: Any, _blocks: Any) -> Any:
    """Take so many blocks, by address, into each of two lanes' states, by address too."""

    def generate(context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        states = builder.inttoptr(arguments[0], _WORDS.as_pointer())
        lanes = [_Lane(builder, states, lane) for lane in range(_LANES)]
        with cgutils.for_range(builder, arguments[3]) as loop:
            offset = builder.mul(loop.index, ir.Constant(loop.index.type, _BLOCK_BYTES))
            for lane, data in zip(lanes, arguments[1:3], strict=True):
                lane.begin(builder.inttoptr(builder.add(data, offset), _OCTETS.as_pointer()))
            for turn in range(_TURNS):
                for lane in lanes:
                    lane.four_rounds(turn)
            for lane in lanes:
                lane.end()
        for lane in lanes:
            lane.leave()
        return context.get_dummy_value()

    return types.void(*[types.int64] * 4), generate


@inlined
def _write_tail(data: Bytes, tail: Bytes) -> int:
    """Write what follows the last whole block, padded (FIPS 180-4 section 5.1.1); give its blocks, 1 or 2."""
    left = data.size % _BLOCK_BYTES
    blocks = 1 if left + 1 + _LENGTH_BYTES <= _BLOCK_BYTES else 2
    tail[:] = 0
    tail[:left] = data[data.size - left :]
    tail[left] = 0x80
    bits = np.uint64(data.size) * np.uint64(8)
    for byte in range(_LENGTH_BYTES):
        tail[blocks * _BLOCK_BYTES - 1 - byte] = np.uint8(bits >> np.uint64(8 * byte) & np.uint64(0xFF))
    return blocks


@inlined
def _advance_one(states: States, lane: int, data: int, blocks: int) -> None:
    """Advance one lane; the other repeats it on a copy, which costs nothing, for one alone has to wait anyway."""
    both = np.empty_like(states)
    both[:] = states[lane]
    _advance(both.ctypes.data, data, data, blocks)
    states[lane] = both[0]


@kernel
def _hash_two(first: Bytes, second: Bytes, states: States) -> None:
    tails = np.empty((_LANES, 2 * _BLOCK_BYTES), np.uint8)
    whole = first.size // _BLOCK_BYTES, second.size // _BLOCK_BYTES
    starts = first.ctypes.data, second.ctypes.data
    shared = min(whole)
    _advance(states.ctypes.data, starts[0], starts[1], shared)
    last = _write_tail(first, tails[0]), _write_tail(second, tails[1])
    for lane in range(_LANES):
        _advance_one(states, lane, starts[lane] + shared * _BLOCK_BYTES, whole[lane] - shared)
        _advance_one(states, lane, tails[lane].ctypes.data, last[lane])


def sha256_of_each(strings: Sequence[bytes]) -> list[str]:
    """Give the SHA-256 of each byte string as hexadecimal digits, hashed two by two where that is faster.

    Of two that lie side by side the longer one goes on alone: this pays for strings of about the same length.
    """
    digests: list[str] = []
    for at in range(0, len(strings), _LANES):
        lanes = strings[at : at + _LANES]
        if HAS_INSTRUCTIONS and len(lanes) == _LANES and min(map(len, lanes)) >= _WORTH_BYTES:
            digests += sha256_of_two(*lanes)
        else:
            digests += [hashlib.sha256(string).hexdigest() for string in lanes]
    return digests


def sha256_of_two(first: bytes, second: bytes) -> tuple[str, str]:
    """Give the SHA-256 of both as hexadecimal digits; only where `HAS_INSTRUCTIONS`."""
    states = np.tile(_START, (_LANES, 1))
    _hash_two(np.frombuffer(first, np.uint8), np.frombuffer(second, np.uint8), states)
    digests = states[:, _BACK].astype(">u4")
    return digests[0].tobytes().hex(), digests[1].tobytes().hex()
