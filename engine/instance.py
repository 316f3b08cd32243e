"""What the engine knows of one SOP instance, parsed once at the border and trusted from there on.

`Instance` is made by `engine.parse.parse_instance` from a file's bytes; geometry, stacks, ingest and render read it
and never look at DICOM elements again.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ..errors import UnsupportedPixels

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class PixelDescription:
    """The Image Pixel module (PS3.3 C.7.6.3), and Float Pixel Data, of one instance."""

    rows: int
    columns: int
    frames: int
    samples_per_pixel: int
    bits_allocated: int
    """1, 8, 16, 32 or 64."""
    bits_stored: int
    high_bit: int
    is_signed: bool
    is_float: bool
    """Float or Double Float Pixel Data (7FE0,0008 / 7FE0,0009)."""
    planar_configuration: int
    """0: samples of a pixel together; 1: planes of samples."""
    photometric_interpretation: str

    @property
    def stored_dtype(self) -> np.dtype[np.generic]:
        """The type of a stored value, in native byte order; one bit is kept as uint8."""
        kind = "f" if self.is_float else "i" if self.is_signed else "u"
        size_bytes = max(self.bits_allocated // 8, 1)
        if size_bytes not in (1, 2, 4, 8) or (kind == "f" and size_bytes < 4):
            raise UnsupportedPixels(f"Bits Allocated is {self.bits_allocated}: not a size pixels can have")
        return np.dtype(f"{kind}{size_bytes}")

    @property
    def frame_shape(self) -> tuple[int, ...]:
        """(rows, columns), or (rows, columns, samples) for colour."""
        if self.samples_per_pixel == 1:
            return (self.rows, self.columns)
        return (self.rows, self.columns, self.samples_per_pixel)

    @property
    def frame_bits(self) -> int:
        """Bits that one native, uncompressed frame occupies (4:2:2 chroma: two samples a pixel)."""
        samples = self.samples_per_pixel
        if self.photometric_interpretation == "YBR_FULL_422" and samples == 3:
            samples = 2
        return self.rows * self.columns * samples * self.bits_allocated

    @property
    def frame_bytes(self) -> int:
        """Bytes of one frame's stored values in memory."""
        return self.rows * self.columns * self.samples_per_pixel * self.stored_dtype.itemsize

    @property
    def native_bytes(self) -> int:
        """Bytes of all frames as a native pixel element, without its padding."""
        return -(-self.frames * self.frame_bits // 8)


@dataclass(frozen=True, slots=True)
class PixelSpan:
    """Where the value of the pixel data element lies in the file."""

    offset: int
    """Byte offset of the value (for encapsulated pixels: of the Basic Offset Table's item tag)."""
    length: int
    """Bytes of the value, the encapsulated sequence delimiter included."""
    is_encapsulated: bool
    is_big_endian: bool


@dataclass(frozen=True, slots=True, eq=False)
class FrameTable:
    """Geometry and meaning of each frame, one row a frame, columns as arrays; NaN where the header is silent."""

    position_mm: FloatArray
    """(frames, 3) Image Position (Patient), LPS."""
    orientation: FloatArray
    """(frames, 6) Image Orientation (Patient): direction cosines of a row, then of a column."""
    spacing_mm: FloatArray
    """(frames, 2) between rows (y), between columns (x)."""
    thickness_mm: FloatArray
    """(frames,) Slice Thickness."""
    rescale: FloatArray
    """(frames, 2) slope, intercept of the modality LUT; (1, 0) where the header is silent."""
    window: FloatArray
    """(frames, 2) center, width of the first VOI window."""
    time_key: FloatArray
    """(frames,) a number that rises with time or another repeated dimension (temporal position, acquisition
    time, trigger time, instance number last); equal only for frames of one pass over the positions."""
    stack_id: tuple[str, ...]
    """Whatever else separates frames that must not share a stack: Stack ID, echo, image type; one a frame."""

    def __len__(self) -> int:
        return len(self.thickness_mm)


@dataclass(frozen=True, slots=True)
class Instance:
    """One SOP instance."""

    sop_instance_uid: str
    sop_class_uid: str
    series_instance_uid: str
    study_instance_uid: str
    transfer_syntax_uid: str
    instance_number: int | None
    attributes: dict[str, str]
    """What people and the index ask for at all levels (see `storage.keys`), by DICOM keyword, decoded to str."""
    pixels: PixelDescription | None
    """None where the object has no pixel data."""
    pixel_span: PixelSpan | None
    """None where the object has no pixel data, or the data set is deflated."""
    frames: FrameTable | None = field(repr=False)
    voi_function: str = "LINEAR"
    """LINEAR, LINEAR_EXACT or SIGMOID (0028,1056)."""
    rescale_type: str = ""
    """Unit of the modality LUT's output: HU, BQML, …; "" where unknown."""
    is_plain: bool = True
    """Whether rescale, window and padding value are all that the header says of how its frames are to be seen."""
    padding_value: int | None = None
    """Pixel Padding Value (0028,0120)."""


PixelSource = Literal["stack", "codestreams", "values", "whole", "none"]
"""Where an archived instance's pixel bytes are: stored values in a stack, codestreams in the pack, nowhere but in their
values, the codestreams being dropped, the whole file kept as received, or nowhere (no pixels)."""
