"""`filmless codecs`: who decodes each transfer syntax, and how fast on this machine."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import imagecodecs
import numpy as np
from numpy.typing import NDArray
from rich.table import Table

from ..demo.scans import scan_trunk, trunk_grid
from ..engine.decode import CODECS, decode_frame
from ..engine.instance import PixelDescription
from ..engine.transfer_syntax import TRANSFER_SYNTAXES
from ..kernels.jpeg_lossless import encode_jpeg_lossless
from ..kernels.jpeg_ls import encode_jpeg_ls
from ..kernels.rle import encode_rle
from .console import out

_ROUNDS = 7
_SIZE = 512
_BITS = 12
_JPEG = "1.2.840.10008.1.2.4."
_ENCODERS: dict[str, Callable[[NDArray[Any]], bytes | bytearray]] = {
    "1.2.840.10008.1.2.1.98": lambda image: image.tobytes(),
    "1.2.840.10008.1.2.5": encode_rle,
    _JPEG + "50": lambda image: imagecodecs.jpeg8_encode((image >> 4).astype(np.uint8), level=90),
    _JPEG + "51": lambda image: imagecodecs.jpeg8_encode(image, level=90, bitspersample=_BITS),
    _JPEG + "57": lambda image: encode_jpeg_lossless(image, _BITS),
    _JPEG + "70": lambda image: encode_jpeg_lossless(image, _BITS),
    _JPEG + "80": lambda image: encode_jpeg_ls(image, _BITS),
    _JPEG + "81": lambda image: imagecodecs.jpegls_encode(image, level=2),
    _JPEG + "90": lambda image: imagecodecs.jpeg2k_encode(image, reversible=True, level=0, codecformat="j2k"),
    _JPEG + "91": lambda image: imagecodecs.jpeg2k_encode(image, reversible=True, level=0, codecformat="j2k"),
    _JPEG + "201": lambda image: imagecodecs.htj2k_encode(image),
    _JPEG + "202": lambda image: imagecodecs.htj2k_encode(image),
    _JPEG + "203": lambda image: imagecodecs.htj2k_encode(image),
}


def list_codecs() -> None:
    """List the transfer syntaxes that can be decoded, by what, and how fast here (one frame, one CT of 512 × 512)."""
    image = _ct_slice()
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for column in ("transfer syntax", "name", "decoded by", "tested against"):
        table.add_column(column, overflow="fold")
    table.add_column("MB/s", justify="right")
    for uid, codec in CODECS.items():
        rate = _rate_mb_s(uid, image) if uid in _ENCODERS else None
        name = TRANSFER_SYNTAXES[uid].name
        table.add_row(uid, name, codec.by, codec.second, "not measured" if rate is None else f"{rate:.0f}")
    out.print(table)
    out.print(
        "[dim]MB/s of stored values, the fastest of seven rounds; progressive and deflated frames are not measured[/]"
    )


def _ct_slice() -> NDArray[np.uint16]:
    """Give a made CT slice of the trunk, 12 bits in 16."""
    volume_hu = scan_trunk(trunk_grid((8, _SIZE, _SIZE)))
    slice_stored: NDArray[np.uint16] = np.clip(np.rint(volume_hu[5] + 1024), 0, (1 << _BITS) - 1).astype(np.uint16)
    return slice_stored


def _rate_mb_s(uid: str, image: NDArray[np.uint16]) -> float:
    codestream = bytes(_ENCODERS[uid](image))
    bits = 8 if uid == _JPEG + "50" else 16
    description = PixelDescription(
        rows=_SIZE,
        columns=_SIZE,
        frames=1,
        samples_per_pixel=1,
        bits_allocated=bits,
        bits_stored=min(_BITS, bits),
        high_bit=min(_BITS, bits) - 1,
        is_signed=False,
        is_float=False,
        planar_configuration=0,
        photometric_interpretation="MONOCHROME2",
    )
    fastest = float("inf")
    for _ in range(_ROUNDS):
        started = time.perf_counter()
        decoded = decode_frame(codestream, description, uid)
        fastest = min(fastest, time.perf_counter() - started)
    return decoded.values.nbytes / fastest / 1e6
