"""libblosc2's compiled functions, by address, for kernels to call.

The library comes with the `blosc2` wheel. Its zstd and shuffle are called directly: c-blosc's own entry points write
the Blosc1 format only under a global lock. Contexts belong to one thread and live as long as it.
"""

from __future__ import annotations

import ctypes
import importlib.util
import threading
import weakref
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

_ZSTD_COMPRESSION_LEVEL = 100
"""ZSTD_c_compressionLevel (zstd.h)."""
_ZSTD_HASH_LOG = 102
"""ZSTD_c_hashLog (zstd.h)."""
_SMALL_HASH_LOG = 11
"""A table that stays in the first cache: 3–7 % faster on blocks of 32 KiB, at the same size to 0.2 %."""
_ZSTD_MIN_MATCH = 105
"""ZSTD_c_minMatch (zstd.h)."""
_LONG_MATCH = 7
"""Looks for matches of 7 bytes, not of 6 as level 1 does: noise in the low bytes has short ones by chance, which cost
time and gain little. Level 0 of CT takes 1–18 % less, MR 12 %, PET 6 %; CT and MR grow by at most 0.4 %, PET 1 %."""

_ZSTD_TARGET_LENGTH = 106
"""ZSTD_c_targetLength (zstd.h): level 1 skips ahead so many times as fast where it finds no match."""
_NOISE_SKIP = 8
"""A plane of low bytes is noise, or else holds runs, which this still finds: 4 packs
MR 0.5 and PET 1.5 % better, for 4 to 6 % more time."""
_ZSTD_LITERAL_COMPRESSION = 1002
"""ZSTD_c_literalCompressionMode (zstd.h, "experimental"; the number is that since 1.3.8)."""
_ALWAYS = 1
"""ZSTD_ps_enable. Left to itself zstd does without entropy coding where it skips ahead; of noise nothing is left."""


def _load_library() -> ctypes.CDLL:
    """Open libblosc2 without importing `blosc2`, which takes 0.2 s."""
    specification = importlib.util.find_spec("blosc2")
    folders = specification.submodule_search_locations if specification else None
    for folder in folders or ():
        for path in sorted(Path(folder).glob("lib*/libblosc2.so*")):
            return ctypes.CDLL(str(path))
    raise ImportError("the installed blosc2 has no libblosc2: install a binary wheel of blosc2>=4")


_LIBRARY = _load_library()


def _address(name: str) -> int:
    try:
        return ctypes.cast(getattr(_LIBRARY, name), ctypes.c_void_p).value or 0
    except AttributeError as missing:
        raise ImportError(f"this build of libblosc2 does not export {name}: install blosc2>=4,<5") from missing


_COMPRESS, _DECOMPRESS = _address("ZSTD_compress2"), _address("ZSTD_decompressDCtx")
_SHUFFLE, _UNSHUFFLE = _address("blosc2_shuffle"), _address("blosc2_unshuffle")

for _name in ("ZSTD_createCCtx", "ZSTD_createDCtx"):
    getattr(_LIBRARY, _name).restype = ctypes.c_void_p
for _name in ("ZSTD_freeCCtx", "ZSTD_freeDCtx"):
    getattr(_LIBRARY, _name).argtypes = [ctypes.c_void_p]
for _name in ("ZSTD_compress", "ZSTD_decompress", "ZSTD_compressBound", "ZSTD_CCtx_setParameter"):
    getattr(_LIBRARY, _name).restype = ctypes.c_size_t
_LIBRARY.ZSTD_compress.argtypes = [ctypes.c_char_p, ctypes.c_size_t, ctypes.c_char_p, ctypes.c_size_t, ctypes.c_int]
_LIBRARY.ZSTD_decompress.argtypes = [ctypes.c_char_p, ctypes.c_size_t, ctypes.c_char_p, ctypes.c_size_t]
_LIBRARY.ZSTD_compressBound.argtypes = [ctypes.c_size_t]
_LIBRARY.ZSTD_CCtx_setParameter.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_int]


def _set(context: int, parameter: int, value: int) -> None:
    # An error is a size_t close to its maximum.
    if _LIBRARY.ZSTD_CCtx_setParameter(context, parameter, value) >> 32:
        raise ImportError(f"this build of libblosc2 knows no zstd parameter {parameter}: install blosc2>=4,<5")


class _Contexts:
    """Two compression contexts, for anything and for planes of noise, and a decompression context."""

    def __init__(self) -> None:
        self.compression = _LIBRARY.ZSTD_createCCtx()
        self.noise_compression = _LIBRARY.ZSTD_createCCtx()
        self.decompression = _LIBRARY.ZSTD_createDCtx()
        if not (self.compression and self.noise_compression and self.decompression):
            raise MemoryError("zstd could not make a context")

        for context in (self.compression, self.noise_compression):
            _set(context, _ZSTD_HASH_LOG, _SMALL_HASH_LOG)
            _set(context, _ZSTD_MIN_MATCH, _LONG_MATCH)
        # Here, for zstd takes some parameters only before a context's first use.
        _set(self.noise_compression, _ZSTD_TARGET_LENGTH, _NOISE_SKIP)
        _set(self.noise_compression, _ZSTD_LITERAL_COMPRESSION, _ALWAYS)

        # Bound now: at exit this module may be taken apart before the last context is.
        weakref.finalize(self, _LIBRARY.ZSTD_freeCCtx, self.compression)
        weakref.finalize(self, _LIBRARY.ZSTD_freeCCtx, self.noise_compression)
        weakref.finalize(self, _LIBRARY.ZSTD_freeDCtx, self.decompression)


_thread = threading.local()


def _contexts() -> _Contexts:
    """Give this thread's contexts; they go when the thread ends."""
    if not hasattr(_thread, "contexts"):
        _thread.contexts = _Contexts()
    contexts: _Contexts = _thread.contexts
    return contexts


def compressor(level: int) -> NDArray[np.int64]:
    """Give (compress, shuffle, context, context for noise) of this thread, for `kernels.blosc.encode_chunks`."""
    contexts = _contexts()
    for context in (contexts.compression, contexts.noise_compression):
        _set(context, _ZSTD_COMPRESSION_LEVEL, level)
    return np.array([_COMPRESS, _SHUFFLE, contexts.compression, contexts.noise_compression], dtype=np.int64)


def decompressor() -> NDArray[np.int64]:
    """Give (decompress, unshuffle, context) of this thread, as `kernels.blosc.decode_chunks` takes them."""
    return np.array([_DECOMPRESS, _UNSHUFFLE, _contexts().decompression], dtype=np.int64)


def zstd_compress(data: bytes, level: int) -> bytes:
    """Give `data` as one zstd frame."""
    room = ctypes.create_string_buffer(_LIBRARY.ZSTD_compressBound(len(data)))
    used = _LIBRARY.ZSTD_compress(room, len(room), data, len(data), level)
    if used > len(room):  # an error is a size_t close to its maximum
        raise MemoryError(f"zstd could not compress {len(data)} bytes")
    return room.raw[:used]


def zstd_decompress(frame: bytes, size_bytes: int) -> bytes | None:
    """Give the `size_bytes` bytes that a zstd frame holds, or None where it does not hold that many."""
    room = ctypes.create_string_buffer(max(size_bytes, 1))
    used = _LIBRARY.ZSTD_decompress(room, size_bytes, frame, len(frame))
    return room.raw[:size_bytes] if used == size_bytes else None
