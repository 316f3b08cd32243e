"""Letters drawn on a picture's edges that say where they look in the patient."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage
from PIL import ImageDraw, ImageFont

from .picture import Image
from .planes import EdgeLetters

LEAST_FONT_PX = 10
FONT_SHARE = 24
"""Letters are this part of the shorter side."""


def with_edge_letters(picture: Image, letters: EdgeLetters) -> Image:
    """Give the picture with white letters, outlined in black, at the middle of its four edges."""
    rows, columns = picture.shape[:2]
    size_px = max(LEAST_FONT_PX, min(rows, columns) // FONT_SHARE)
    font, margin = ImageFont.load_default(size_px), size_px // 3
    canvas = PillowImage.fromarray(np.array(picture.pixels))
    draw = ImageDraw.Draw(canvas)
    white, black = (255, 0) if canvas.mode == "L" else ((255, 255, 255), (0, 0, 0))
    places = (
        (letters.left, (margin, rows // 2), "lm"),
        (letters.right, (columns - margin, rows // 2), "rm"),
        (letters.top, (columns // 2, margin), "mt"),
        (letters.bottom, (columns // 2, rows - margin), "mb"),
    )
    outline = max(1, size_px // 12)
    for text, place, anchor in places:
        draw.text(place, text, white, font, anchor, stroke_width=outline, stroke_fill=black)
    drawn: NDArray[np.uint8] = np.asarray(canvas)
    return Image(drawn)
