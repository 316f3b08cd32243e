"""Where a tile's resolutions, subbands, precincts and code blocks lie (T.800 annex B), as tables of numbers.

The few rows of components, resolutions and bands are computed in Python; precincts and blocks, of which there may be
a million, by one kernel. A block's row also holds what packets will say of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import DecodeError, UnsupportedPixels
from ..jit import inlined, kernel
from .parameters import (
    DERIVED,
    HIGH_THROUGHPUT,
    CodingStyle,
    Component,
    Parameters,
    Quantization,
    Size,
)

Table = NDArray[np.int64]

R_X0, R_Y0, R_X1, R_Y1, R_PRECINCT_X, R_PRECINCT_Y, R_ACROSS, R_DOWN, R_FIRST = range(9)
R_BLOCK_X, R_BLOCK_Y, R_STYLE, R_BAND, R_BANDS, R_COLUMNS = range(9, 15)
"""Columns of a resolution: its rectangle, logarithms of its precincts' size, precincts across and down, number of the
first precinct, logarithms of its blocks' size, block style, first band, bands."""

B_X0, B_Y0, B_X1, B_Y1, B_ORIENTATION, B_PLANES, B_TARGET, B_STRIDE, B_KEPT, B_STYLE, B_REVERSIBLE, B_COLUMNS = range(
    12
)
"""Columns of a band: its rectangle, orientation (0 LL, 1 HL, 2 LH, 3 HH), magnitude bit planes, where its coefficients
begin and how far its rows are apart, whether it is wanted, block style, wavelet."""

C_BLOCK, C_ACROSS, C_DOWN, C_NODE, C_COLUMNS = range(5)
"""Columns of a cell, the part of a band within a precinct: first block, blocks across and down, first node of its tag
trees. Each precinct has three cells, of which a lowest resolution uses one."""

K_BAND, K_X, K_Y, K_WIDTH, K_HEIGHT, K_PASSES, K_MISSING, K_LENGTH_BITS, K_FIRST, K_LAST, K_COLUMNS = range(11)
"""Columns of a block: band, place in the band and size; then coding passes, missing bit planes, Lblock, and the first
and last piece of its bytes (-1: none)."""

CELLS = 3
MAXIMUM_PLANES = 30


@dataclass(frozen=True, slots=True)
class TileComponent:
    """One component of a tile, at the resolution that is decoded."""

    style: CodingStyle
    rectangles: tuple[tuple[int, int, int, int], ...]
    """(x0, y0, x1, y1) of each resolution kept, lowest first, in samples of the component."""
    target: int
    """Where its coefficients begin in the tile's buffer; they lie there as (height, width)."""


@dataclass(frozen=True, slots=True)
class TileLayout:
    """The tables of one tile."""

    components: tuple[TileComponent, ...]
    resolutions: Table
    owners: Table
    """(resolutions, 2) component, and number of the resolution."""
    bands: Table
    steps: NDArray[np.float32]
    """Quantization step of each band."""
    coefficients: int
    """Length of the buffer for all components."""

    @property
    def precincts(self) -> int:
        """Precincts of all resolutions."""
        return int((self.resolutions[:, R_ACROSS] * self.resolutions[:, R_DOWN]).sum())


def _ceil_shift(value: int, shift: int) -> int:
    return -(-value >> shift)


def tile_rectangle(size: Size, number: int) -> tuple[int, int, int, int]:
    """Give (x0, y0, x1, y1) of a tile on the reference grid (T.800 B.3)."""
    down, across = divmod(number, size.tiles_across)
    x0, y0 = size.tile_x0 + across * size.tile_width, size.tile_y0 + down * size.tile_height
    return (
        max(x0, size.x0),
        max(y0, size.y0),
        min(x0 + size.tile_width, size.x1),
        min(y0 + size.tile_height, size.y1),
    )


def component_rectangle(
    rectangle: tuple[int, int, int, int], component: Component, shift: int = 0
) -> tuple[int, int, int, int]:
    """Give a rectangle of the reference grid in samples of a component, `shift` levels down."""
    x0, y0, x1, y1 = rectangle
    step_x, step_y = component.step_x, component.step_y
    return (
        _ceil_shift(-(-x0 // step_x), shift),
        _ceil_shift(-(-y0 // step_y), shift),
        _ceil_shift(-(-x1 // step_x), shift),
        _ceil_shift(-(-y1 // step_y), shift),
    )


class LayoutBuilder:
    """Collects the rows of one tile's tables."""

    def __init__(self, size: Size, number: int, parameters: Parameters, level: int) -> None:
        self.rectangle = tile_rectangle(size, number)
        self.parameters = parameters
        self.level = level
        self.components: list[TileComponent] = []
        self.resolutions: list[list[int]] = []
        self.owners: list[tuple[int, int]] = []
        self.bands: list[list[int]] = []
        self.steps: list[float] = []
        self.coefficients = 0
        self.precincts = 0

    def build(self, size: Size) -> TileLayout:
        """Lay out all components."""
        for number, component in enumerate(size.components):
            self._add_component(number, component)
        return TileLayout(
            tuple(self.components),
            np.array(self.resolutions, np.int64).reshape(-1, R_COLUMNS),
            np.array(self.owners, np.int64).reshape(-1, 2),
            np.array(self.bands, np.int64).reshape(-1, B_COLUMNS),
            np.array(self.steps, np.float32),
            self.coefficients,
        )

    def _add_component(self, number: int, component: Component) -> None:
        style = self.parameters.styles.get(number, self.parameters.style)
        quantization = self.parameters.quantizations.get(number, self.parameters.quantization)
        if style is None or quantization is None:
            raise DecodeError(f"component {number} has no COD or no QCD segment")
        kept = max(style.levels - self.level, 0)
        rectangles = [component_rectangle(self.rectangle, component, style.levels - r) for r in range(style.levels + 1)]
        full = rectangles[kept]
        stride = full[2] - full[0]
        for resolution, rectangle in enumerate(rectangles):
            self.owners.append((number, resolution))
            self._add_resolution(style, resolution, rectangle)
            for orientation in (0,) if resolution == 0 else (1, 2, 3):
                x, y = self._place(rectangles, resolution, orientation)
                exponent, mantissa = _step(quantization, resolution, orientation)
                planes = quantization.guard_bits + exponent - 1
                self.bands.append(
                    [
                        *self._band_rectangle(component, style.levels, resolution, orientation),
                        orientation,
                        planes,
                        self.coefficients + y * stride + x,
                        stride,
                        int(resolution <= kept),
                        style.style,
                        int(style.is_reversible),
                    ]
                )
                self.steps.append(_step_size(component.precision, style, orientation, exponent, mantissa))
        self.components.append(TileComponent(style, tuple(rectangles[: kept + 1]), self.coefficients))
        self.coefficients += stride * (full[3] - full[1])

    def _add_resolution(self, style: CodingStyle, resolution: int, rectangle: tuple[int, int, int, int]) -> None:
        x0, y0, x1, y1 = rectangle
        log_x, log_y = style.precincts[resolution]
        is_empty = x1 <= x0 or y1 <= y0
        across = 0 if is_empty else _ceil_shift(x1, log_x) - (x0 >> log_x)
        down = 0 if is_empty else _ceil_shift(y1, log_y) - (y0 >> log_y)
        halved = int(resolution > 0)
        blocks = (min(style.block_x, log_x - halved), min(style.block_y, log_y - halved))
        bands = 3 if resolution else 1
        self.resolutions.append(
            [*rectangle, log_x, log_y, across, down, self.precincts, *blocks, style.style, len(self.bands), bands]
        )
        self.precincts += across * down

    def _band_rectangle(
        self, component: Component, levels: int, resolution: int, orientation: int
    ) -> tuple[int, int, int, int]:
        """Give (x0, y0, x1, y1) of a band in its own samples (T.800 B.5, equation B-15)."""
        depth = levels - resolution + (resolution > 0)
        x0, y0, x1, y1 = component_rectangle(self.rectangle, component)
        half = (1 << depth) >> 1
        off_x, off_y = half * (orientation & 1), half * (orientation >> 1)
        return (
            _ceil_shift(x0 - off_x, depth),
            _ceil_shift(y0 - off_y, depth),
            _ceil_shift(x1 - off_x, depth),
            _ceil_shift(y1 - off_y, depth),
        )

    @staticmethod
    def _place(rectangles: list[tuple[int, int, int, int]], resolution: int, orientation: int) -> tuple[int, int]:
        """Give (x, y) where a band is kept: beside and below the lower resolution."""
        if resolution == 0:
            return 0, 0
        x0, y0, x1, y1 = rectangles[resolution - 1]
        return (x1 - x0) * (orientation & 1), (y1 - y0) * (orientation >> 1)


def _step(quantization: Quantization, resolution: int, orientation: int) -> tuple[int, int]:
    """Give exponent and mantissa of a band (T.800 E.1.1)."""
    number = 0 if resolution == 0 else 3 * (resolution - 1) + orientation
    if quantization.style == DERIVED:
        exponent, mantissa = quantization.steps[0]
        return max(exponent - max(resolution - 1, 0), 0), mantissa
    if number >= len(quantization.steps):
        raise DecodeError(f"the quantization segment has {len(quantization.steps)} steps: band {number} has none")
    return quantization.steps[number]


def _step_size(precision: int, style: CodingStyle, orientation: int, exponent: int, mantissa: int) -> float:
    """Give the step of a band (T.800 equation E-3); 1 where the wavelet is reversible."""
    if style.is_reversible:
        return 1.0
    gain = (orientation & 1) + (orientation >> 1)
    return float(2.0 ** (precision + gain - exponent) * (1 + mantissa / 2048))


def lay_out(size: Size, number: int, parameters: Parameters, level: int) -> TileLayout:
    """Give the tables of tile `number`, of which the `level` highest resolutions are not kept.

    Raises `DecodeError` where parameters are missing.
    """
    return LayoutBuilder(size, number, parameters, level).build(size)


def lay_blocks(layout: TileLayout) -> tuple[Table, Table, Table]:
    """Give the tables of cells, of blocks, and the nodes of all tag trees (2 trees, value and bound, nodes)."""
    cells = np.zeros((layout.precincts * CELLS, C_COLUMNS), np.int64)
    blocks, nodes = _fill(layout.resolutions, layout.bands, cells, np.empty((0, K_COLUMNS), np.int64))
    table = np.empty((blocks, K_COLUMNS), np.int64)
    _fill(layout.resolutions, layout.bands, cells, table)
    trees = np.zeros((2, 2, nodes), np.int64)
    trees[:, 0] = 1 << 30
    return cells, table, trees


@kernel
def _fill(resolutions: Table, bands: Table, cells: Table, blocks: Table) -> tuple[Any, Any]:
    """Fill cells, and blocks if they are that many; give how many blocks and nodes there are."""
    block, node = 0, 0
    for number in range(resolutions.shape[0]):
        row = resolutions[number]
        for precinct in range(row[R_ACROSS] * row[R_DOWN]):
            for band in range(row[R_BANDS]):
                cell = cells[(row[R_FIRST] + precinct) * CELLS + band]
                x0, y0, x1, y1 = _cell_rectangle(row, bands[row[R_BAND] + band], precinct)
                log_x, log_y = row[R_BLOCK_X], row[R_BLOCK_Y]
                cell[C_BLOCK], cell[C_NODE], cell[C_ACROSS], cell[C_DOWN] = block, node, 0, 0
                if x1 <= x0 or y1 <= y0:
                    continue
                cell[C_ACROSS] = ((x1 + (1 << log_x) - 1) >> log_x) - (x0 >> log_x)
                cell[C_DOWN] = ((y1 + (1 << log_y) - 1) >> log_y) - (y0 >> log_y)
                count = cell[C_ACROSS] * cell[C_DOWN]
                if block + count <= blocks.shape[0]:
                    _fill_cell(blocks[block : block + count], cell, x0, y0, x1, y1, log_x, log_y)
                    for index in range(block, block + count):
                        blocks[index, K_BAND] = row[R_BAND] + band
                        blocks[index, K_X] -= bands[row[R_BAND] + band, B_X0]
                        blocks[index, K_Y] -= bands[row[R_BAND] + band, B_Y0]
                block += count
                node += _tree_nodes(cell[C_ACROSS], cell[C_DOWN])
    return block, node


@inlined
def _cell_rectangle(row: Any, band: Any, precinct: Any) -> tuple[Any, Any, Any, Any]:
    """Give the part of a band within a precinct (T.800 B.7)."""
    down = precinct // row[R_ACROSS]
    across = precinct - down * row[R_ACROSS]
    halved = 1 if row[R_BANDS] > 1 else 0
    log_x, log_y = row[R_PRECINCT_X] - halved, row[R_PRECINCT_Y] - halved
    px = (row[R_X0] >> row[R_PRECINCT_X]) + across
    py = (row[R_Y0] >> row[R_PRECINCT_Y]) + down
    return (
        max(px << log_x, band[B_X0]),
        max(py << log_y, band[B_Y0]),
        min((px + 1) << log_x, band[B_X1]),
        min((py + 1) << log_y, band[B_Y1]),
    )


@inlined
def _fill_cell(blocks: Any, cell: Any, x0: Any, y0: Any, x1: Any, y1: Any, log_x: Any, log_y: Any) -> None:
    """Cut a cell at the multiples of the block size; places are still absolute."""
    index = 0
    for gy in range(y0 >> log_y, (y0 >> log_y) + cell[C_DOWN]):
        for gx in range(x0 >> log_x, (x0 >> log_x) + cell[C_ACROSS]):
            block = blocks[index]
            left, top = max(gx << log_x, x0), max(gy << log_y, y0)
            block[K_X], block[K_Y] = left, top
            block[K_WIDTH] = min((gx + 1) << log_x, x1) - left
            block[K_HEIGHT] = min((gy + 1) << log_y, y1) - top
            block[K_PASSES], block[K_MISSING], block[K_LENGTH_BITS] = 0, 0, 3
            block[K_FIRST], block[K_LAST] = -1, -1
            index += 1


@inlined
def _tree_nodes(across: Any, down: Any) -> Any:
    """Give the nodes of a tag tree with that many leaves (T.800 B.10.2)."""
    count = across * down
    total = count
    while count > 1:
        across, down = (across + 1) >> 1, (down + 1) >> 1
        count = across * down
        total += count
    return total


def uses_high_throughput(layout: TileLayout) -> bool:
    """Say whether blocks are coded by T.814; raises `UnsupportedPixels` where components differ in that."""
    coders = set((layout.bands[:, B_STYLE] & HIGH_THROUGHPUT).tolist())
    if len(coders) > 1:
        raise UnsupportedPixels("some components are coded by T.800 and others by T.814")
    return coders == {HIGH_THROUGHPUT}


def check_planes(layout: TileLayout) -> None:
    """Raise `DecodeError` for more bit planes than 32-bit coefficients hold."""
    planes = layout.bands[:, B_PLANES]
    if planes.size and int(planes.max()) > MAXIMUM_PLANES:
        raise DecodeError(f"a band has {int(planes.max())} bit planes: at most {MAXIMUM_PLANES} are decoded")
