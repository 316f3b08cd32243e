"""Pictures of single frames as they are stored, grey or colour: the softcopy pipeline (PS3.4 N.2) in one pass."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import InvalidArgument
from ...kernels.window import window_table
from .color import Palette, rgb_from_color
from .picture import Image
from .sample import without_padding
from .tables import Table
from .window import Display, WindowChoice, chosen_window, header_window, modality_values, robust_window


def render_frame(
    stored: NDArray[Any],
    *,
    photometric_interpretation: str = "MONOCHROME2",
    bits_stored: int = 8,
    rescale: tuple[float, float] = (1.0, 0.0),
    window: WindowChoice = None,
    frame_window: tuple[float, float] | None = None,
    voi_function: str = "LINEAR",
    padding_value: int | None = None,
    palette: Palette | None = None,
    modality_table: Table | None = None,
    voi_table: Table | None = None,
) -> Image:
    """Make a picture of a decoded frame, as stored: grey (rows, columns) or colour (rows, columns, 3).

    `modality_table` takes the place of `rescale`. `window` is the caller's choice; without it the header's
    `voi_table` is used, else its `frame_window` (center, width), else grey is shown from percentile 0.5 to 99.5.
    `photometric_interpretation` is that of the decoded samples; `bits_stored` matters to colour alone. Raises
    `InvalidArgument` for a shape that does not fit it, or PALETTE COLOR without a palette.
    """
    if photometric_interpretation == "PALETTE COLOR":
        if palette is None:
            raise InvalidArgument("PALETTE COLOR needs its palette")
        return Image(palette.paint(_plane_of(stored)))
    if not photometric_interpretation.startswith("MONOCHROME"):
        return Image(rgb_from_color(stored, photometric_interpretation, bits_stored))
    values, (slope, intercept) = _plane_of(stored), rescale
    if modality_table is not None:
        values, slope, intercept, padding_value = modality_table.look_up(values), 1.0, 0.0, None
    invert = photometric_interpretation == "MONOCHROME1"
    if window is None and voi_table is not None:
        table, first = voi_table.gray, voi_table.first_mapped
        return Image(window_table(values, table, first, slope=slope, intercept=intercept, invert=invert))
    shown = chosen_window(window, voi_function) or header_window(frame_window, voi_function)
    shown = shown or robust_window(modality_values(values, padding_value, slope, intercept))
    display = Display(shown, slope, intercept, invert)
    return Image(display.gray(without_padding(values, padding_value, display)))


def _plane_of(stored: NDArray[Any]) -> NDArray[Any]:
    if stored.ndim != 2 or stored.dtype.kind not in "biuf":
        raise InvalidArgument(f"a grey frame is numbers (rows, columns), not {stored.dtype} {stored.shape}")
    return np.ascontiguousarray(stored)
