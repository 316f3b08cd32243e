"""Pictures of single frames as they are stored, grey or colour: the softcopy pipeline (PS3.4 N.2) in one pass."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import InvalidArgument
from ..presentation.softcopy import Softcopy, gray_or_color
from .color import rgb_from_color
from .picture import Image
from .window import WindowChoice


def render_frame(
    stored: NDArray[Any],
    softcopy: Softcopy,
    *,
    photometric_interpretation: str = "MONOCHROME2",
    window: WindowChoice = None,
    bits: int = 8,
) -> Image:
    """Make a picture of a decoded frame, as stored: grey (rows, columns) or colour (rows, columns, 3).

    `photometric_interpretation` is that of the decoded samples. `window` is the caller's choice; without it what the
    header offers first is used, else grey is shown from percentile 0.5 to 99.5. `bits` of grey are 8 or 16. Raises
    `InvalidArgument` for a shape that does not fit, PALETTE COLOR without a palette, or 16 bits of colour.
    """
    if photometric_interpretation.startswith("MONOCHROME"):
        return Image(gray_or_color(_plane_of(stored), softcopy, window, bits))
    if bits != 8:
        raise InvalidArgument("these frames are in colour: 16 bits are for grey alone, choose 8")
    if photometric_interpretation == "PALETTE COLOR":
        if softcopy.palette is None:
            raise InvalidArgument("PALETTE COLOR needs its palette")
        return Image(softcopy.palette.paint(_plane_of(stored)))
    return Image(rgb_from_color(stored, photometric_interpretation, softcopy.bits_stored or 8 * stored.dtype.itemsize))


def _plane_of(stored: NDArray[Any]) -> NDArray[Any]:
    if stored.ndim != 2 or stored.dtype.kind not in "biuf":
        raise InvalidArgument(f"a grey frame is numbers (rows, columns), not {stored.dtype} {stored.shape}")
    return np.ascontiguousarray(stored)
