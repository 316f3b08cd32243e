"""`filmless codecs`: who decodes and encodes each transfer syntax, and how fast on this machine."""

from __future__ import annotations

import importlib.util
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import imagecodecs
import numpy as np
from numpy.typing import NDArray
from rich.table import Table

from ..demo.scans import scan_trunk, trunk_grid
from ..engine.decode import CODECS, decode_frame
from ..engine.encode import ENCODERS, encode_frame
from ..engine.instance import PixelDescription
from ..engine.transfer_syntax import TRANSFER_SYNTAXES
from .console import out

_ROUNDS = 7
_SIZE = 512
_BITS = 12
_JPEG = "1.2.840.10008.1.2.4."
_PREFIX = "1.2.840.10008.1.2"
_BASELINE = _JPEG + "50"
_NOT_WRITTEN: dict[str, Callable[[NDArray[Any]], bytes | bytearray]] = {
    _BASELINE: lambda image: imagecodecs.jpeg8_encode((image >> 4).astype(np.uint8), level=90),
    _JPEG + "51": lambda image: imagecodecs.jpeg8_encode(image, level=90, bitspersample=_BITS),
    _JPEG + "81": lambda image: imagecodecs.jpegls_encode(image, level=2),
    _JPEG + "91": lambda image: imagecodecs.jpeg2k_encode(image, level=45, codecformat="j2k"),
    _JPEG + "110": lambda image: imagecodecs.jpegxl_encode(image, lossless=True, bitspersample=_BITS),
    _JPEG + "112": lambda image: imagecodecs.jpegxl_encode(image, distance=1.0, bitspersample=_BITS),
    _JPEG + "203": lambda image: imagecodecs.htj2k_encode(image, level=0.002, reversible=False),
}
"""What the archive never writes, encoded here to be decoded."""


def list_codecs() -> None:
    """List the transfer syntaxes that are decoded and encoded, by what, and how fast here (a CT of 512 × 512)."""
    image = _ct_slice()
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for column in ("UID", "transfer syntax", "decoded by", "tested against"):
        table.add_column(column, overflow="fold", no_wrap=column == "UID")
    table.add_column("MB/s", justify="right")
    table.add_column("encoded by", overflow="fold")
    table.add_column("MB/s", justify="right")
    for uid, codec in CODECS.items():
        encoder = ENCODERS.get(uid)
        written = ("", "")
        if encoder is not None:
            written = (_short(encoder.by), _rate_text(partial(_encoded, uid, image), image))
        by = (_short(codec.by), _short(codec.second))
        rate = _decoding_rate(uid, image)
        table.add_row(uid.removeprefix(_PREFIX), TRANSFER_SYNTAXES[uid].name, *by, rate, *written)
    out.print(table)
    videos = [uid for uid, syntax in TRANSFER_SYNTAXES.items() if syntax.is_video]
    is_there = "is installed" if importlib.util.find_spec("av") else "is not: pip install 'filmless\\[video]'"
    out.print(f"video, {videos[0]} to {videos[-1]}: single frames by FFmpeg (PyAV), which {is_there}")
    out.print(
        f"[dim]UIDs begin with {_PREFIX}. MB/s of stored values: the fastest of seven rounds of one frame."
        " JPEG 2000 is decoded on all threads.[/]"
    )


def _short(library: str) -> str:
    return library.replace(" (imagecodecs)", "")


def _ct_slice() -> NDArray[np.uint16]:
    """Give a made CT slice of the trunk, 12 bits in 16."""
    volume_hu = scan_trunk(trunk_grid((8, _SIZE, _SIZE)))
    slice_stored: NDArray[np.uint16] = np.clip(np.rint(volume_hu[5] + 1024), 0, (1 << _BITS) - 1).astype(np.uint16)
    return slice_stored


def _description(uid: str) -> PixelDescription:
    bits = 8 if uid == _BASELINE else 16
    stored = min(_BITS, bits)
    return PixelDescription(_SIZE, _SIZE, 1, 1, bits, stored, stored - 1, False, False, 0, "MONOCHROME2")


def _encoded(uid: str, image: NDArray[np.uint16]) -> bytes:
    return encode_frame(image, _description(uid), uid) if uid in ENCODERS else bytes(_NOT_WRITTEN[uid](image))


def _decoding_rate(uid: str, image: NDArray[np.uint16]) -> str:
    if uid not in ENCODERS and uid not in _NOT_WRITTEN:
        return "–"
    codestream = _encoded(uid, image)
    return _rate_text(lambda: decode_frame(codestream, _description(uid), uid), image)


def _rate_text(work: Callable[[], Any], image: NDArray[np.uint16]) -> str:
    """Time the work and give the MB of stored values that it takes a second."""
    fastest = float("inf")
    for _ in range(_ROUNDS):
        started = time.perf_counter()
        work()
        fastest = min(fastest, time.perf_counter() - started)
    return f"{image.nbytes / fastest / 1e6:.0f}"
