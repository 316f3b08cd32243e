"""The codec tiers beside what else would keep a volume small: sizes, and the time to code and decode all of it.

Each real series is decoded once; then everyone keeps its 32 × 32 × 32 chunks, or its slices, on one core. How much
smaller it becomes is part of the job's name. Dense is what carries the name of Filmless.
"""

from __future__ import annotations

import tarfile
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import filmless
import numpy as np
import pytest
from filmless.kernels.blosc import MISSING
from filmless.storage.codec import CODECS, LevelCodec
from filmless.storage.shape import LevelShape
from numpy.typing import NDArray
from real_frames import real_data
from table import OURS

SERIES = {
    "CT of a chest, 2 mm": "ct_chest_jpeg_lossless",
    "CT of a head, 1 mm": "ct_head_phantom_1mm",
    "CT, tilted, 4 mm": "ct_gantry_tilt_variable_gap",
    "MR T1, 0.7 mm": "mr_t1_structural_384",
    "MR, functional, 5 mm": "mr_4d_fmri_interleaved",
    "PET, 3.4 mm": "pet_whole_body",
}
MOST_SLICES = 96
EDGE = 32


@dataclass(frozen=True)
class Volume:
    """The middle of a real volume, cut to whole chunks, and by whom it is kept how small."""

    name: str
    values: NDArray[Any]

    @property
    def chunks(self) -> list[NDArray[Any]]:
        """Every chunk, contiguous."""
        z, y, x = self.values.shape
        corners = ((a, b, c) for a in range(0, z, EDGE) for b in range(0, y, EDGE) for c in range(0, x, EDGE))
        return [np.ascontiguousarray(self.values[a : a + EDGE, b : b + EDGE, c : c + EDGE]) for a, b, c in corners]


class Tier:
    """One of the archive's codecs on slabs, as the archive calls it."""

    def __init__(self, name: str, volume: Volume) -> None:
        self._codec: LevelCodec = CODECS[name]
        _, y, x = volume.values.shape
        depth = min(EDGE, volume.values.shape[0])
        chunk = (1, 1, depth, EDGE, EDGE)
        self._level = LevelShape((1, 1, *volume.values.shape), chunk, chunk, (1, 1, 1), (2, 3, 4))
        self._slabs = [
            np.ascontiguousarray(volume.values[z : z + depth]) for z in range(0, volume.values.shape[0], depth)
        ]
        self._count = (y // EDGE) * (x // EDGE)
        bound = self._codec.bound_bytes(self._level, volume.values.dtype)
        self._out = [np.empty(self._count * bound, np.uint8) for _ in self._slabs]
        self._lengths = [np.zeros(self._count, np.int64) for _ in self._slabs]
        self._origins = np.array([(0, n // (x // EDGE) * EDGE, n % (x // EDGE) * EDGE) for n in range(self._count)])
        self._box = np.empty_like(self._slabs[0])

    def encode(self) -> int:
        """Give the bytes of all slabs."""
        slabs = zip(self._slabs, self._out, self._lengths, strict=True)
        return sum(self._codec.encode(slab, self._level, (0, self._count), out, n) for slab, out, n in slabs)

    def decode(self) -> bool:
        """Decode all slabs; tell whether the last one came back."""
        for out, lengths in zip(self._out, self._lengths, strict=True):
            ends = np.cumsum(lengths)
            ranges = np.stack([ends - lengths, lengths], axis=1).astype(np.uint64)
            ranges[lengths == 0] = MISSING
            self._codec.decode(out, ranges, self._origins, self._level, self._box)
        return bool(np.array_equal(self._box, self._slabs[-1]))


class Pieces:
    """A codec of one piece at a time."""

    def __init__(
        self,
        pieces: list[NDArray[Any]],
        encode: Callable[[NDArray[Any]], bytes],
        decode: Callable[[bytes, NDArray[Any]], Any],
    ) -> None:
        self._pieces, self._encode, self._decode = pieces, encode, decode
        self._encoded: list[bytes] = []

    def encode(self) -> int:
        """Give the bytes of all pieces."""
        self._encoded = [self._encode(piece) for piece in self._pieces]
        return sum(map(len, self._encoded))

    def decode(self) -> bool:
        """Decode all pieces; tell whether the last one came back."""
        for encoded, piece in zip(self._encoded, self._pieces, strict=True):
            decoded = self._decode(encoded, piece)
        return bool(np.array_equal(decoded, self._pieces[-1]))


@pytest.fixture(scope="module", params=SERIES.items(), ids=SERIES.values())
def volume(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Volume:
    name, source = request.param
    folder = tmp_path_factory.mktemp("tiers")
    packed = real_data() / "volumes" / f"{source}.tar.xz"
    if packed.exists():
        with tarfile.open(packed) as archive:
            archive.extractall(folder / "in", filter="data")
    archive = filmless.open(folder / "archive")
    archive.ingest(folder / "in" if packed.exists() else real_data() / "volumes" / source)
    (row,) = archive.contents()
    stored = archive.series(row.series_uid)._published.array(0).volume()
    z, y, x = stored.shape
    depth = min(z // EDGE * EDGE or z, MOST_SLICES)
    first = (z - depth) // 2 if z >= EDGE else 0
    values = stored.read_box((first, 0, 0), (first + depth, y // EDGE * EDGE, x // EDGE * EDGE))
    return Volume(f"{name}, {'x'.join(map(str, values.shape))}", values)


@pytest.fixture(scope="module")
def tiers(volume: Volume) -> dict[str, Any]:
    """Everyone who keeps the volume, all of it encoded, by name; sizes are named as they are found."""
    blosc2, imagecodecs = pytest.importorskip("blosc2"), pytest.importorskip("imagecodecs")
    filters = [blosc2.Filter.SHUFFLE, blosc2.Filter.BYTEDELTA]
    settings = {"codec": blosc2.Codec.ZSTD, "clevel": 1, "filters": filters, "nthreads": 1}
    lowest = min(0, int(volume.values.min()))
    positive = [np.ascontiguousarray(plane - lowest).astype(np.uint16) for plane in volume.values.astype(np.int32)]
    return {
        OURS: Tier("dense", volume),
        "open": Tier("open", volume),
        "JPEG-LS by CharLS, a slice each": Pieces(
            positive, imagecodecs.jpegls_encode, lambda data, _: imagecodecs.jpegls_decode(data)
        ),
        "blosc2: shuffle, bytedelta, zstd-1": Pieces(
            volume.chunks,
            lambda chunk: blosc2.compress2(chunk, typesize=chunk.itemsize, **settings),
            lambda data, chunk: np.frombuffer(blosc2.decompress2(data, nthreads=1), chunk.dtype).reshape(chunk.shape),
        ),
    }


PEERS = [OURS, "open", "JPEG-LS by CharLS, a slice each", "blosc2: shuffle, bytedelta, zstd-1"]


def _job(verb: str, volume: Volume, tiers: dict[str, Any]) -> str:
    sizes = (
        f"{name.split(':')[0].split(' ')[0]} {volume.values.nbytes / tier.encode():.2f}" for name, tier in tiers.items()
    )
    return f"{verb} {volume.name} ({volume.values.nbytes / 1e6:.1f} MB; {', '.join(sizes)} : 1)"


@pytest.mark.parametrize("peer_name", PEERS)
def test_encode(race, volume, tiers, peer_name):
    race(_job("encode", volume, tiers), peer_name, tiers[peer_name].encode, lambda size: size > 0)


@pytest.mark.parametrize("peer_name", PEERS)
def test_decode(race, volume, tiers, peer_name):
    job = _job("decode", volume, tiers)

    def check(is_equal):
        assert is_equal

    race(job, peer_name, tiers[peer_name].decode, check)
