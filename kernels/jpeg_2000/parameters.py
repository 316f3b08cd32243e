"""What the headers of a codestream say, as values (T.800 annex A)."""

from __future__ import annotations

from dataclasses import dataclass, field

LRCP, RLCP, RPCL, PCRL, CPRL = range(5)
"""Progression orders (T.800 table A.16)."""

BYPASS, RESET, TERMINATE_ALL, VERTICALLY_CAUSAL, PREDICTABLE, SEGMENTATION, HIGH_THROUGHPUT = (1 << n for n in range(7))
"""Code-block style bits (T.800 table A.19, T.814 A.3)."""

NO_QUANTIZATION, DERIVED, EXPOUNDED = range(3)
"""Quantization styles (T.800 table A.28)."""


@dataclass(frozen=True, slots=True)
class Component:
    """One component of the SIZ segment (T.800 A.5.1)."""

    precision: int
    """Bits a sample, 1 to 38."""
    is_signed: bool
    step_x: int
    """Horizontal distance of samples on the reference grid."""
    step_y: int


@dataclass(frozen=True, slots=True)
class Size:
    """The reference grid, its tiles and components (T.800 A.5.1); all in grid points."""

    x1: int
    y1: int
    x0: int
    y0: int
    tile_width: int
    tile_height: int
    tile_x0: int
    tile_y0: int
    components: tuple[Component, ...]

    @property
    def tiles_across(self) -> int:
        """Tiles in a row of tiles."""
        return -(-(self.x1 - self.tile_x0) // self.tile_width)

    @property
    def tiles_down(self) -> int:
        """Rows of tiles."""
        return -(-(self.y1 - self.tile_y0) // self.tile_height)


@dataclass(frozen=True, slots=True)
class CodingStyle:
    """How a tile's component is transformed and cut into blocks (T.800 A.6.1, A.6.2)."""

    levels: int
    """Wavelet decompositions, 0 to 32."""
    block_x: int
    """Logarithm of the width of a code block, 2 to 10."""
    block_y: int
    style: int
    """Code-block style bits."""
    is_reversible: bool
    precincts: tuple[tuple[int, int], ...]
    """Logarithms (x, y) of the precinct size of each resolution."""


@dataclass(frozen=True, slots=True)
class Packaging:
    """What COD says for all components of a tile."""

    progression: int
    layers: int
    has_transform: bool
    """Whether the first three components were transformed together."""
    may_have_sop: bool
    has_eph: bool


@dataclass(frozen=True, slots=True)
class Quantization:
    """Quantization of a tile's component (T.800 A.6.4)."""

    style: int
    guard_bits: int
    steps: tuple[tuple[int, int], ...]
    """(exponent, mantissa) of each subband; of LL alone where the others derive from it."""


@dataclass(frozen=True, slots=True)
class Volume:
    """One progression order change (T.800 A.6.6): which packets come next, and in which order."""

    first_resolution: int
    first_component: int
    end_layer: int
    end_resolution: int
    end_component: int
    progression: int


@dataclass(slots=True)
class Parameters:
    """Parameters in force: of the whole image, or of a tile once its own headers are read."""

    packaging: Packaging | None = None
    style: CodingStyle | None = None
    styles: dict[int, CodingStyle] = field(default_factory=dict)
    """Of the components that have their own."""
    quantization: Quantization | None = None
    quantizations: dict[int, Quantization] = field(default_factory=dict)
    volumes: tuple[Volume, ...] = ()

    def copy(self) -> Parameters:
        """Give parameters that a tile may change without changing these."""
        return Parameters(
            self.packaging, self.style, dict(self.styles), self.quantization, dict(self.quantizations), self.volumes
        )


@dataclass(slots=True)
class Tile:
    """One tile: its parameters, and where its packets lie in `Codestream.data`."""

    parameters: Parameters
    bodies: list[tuple[int, int]] = field(default_factory=list)
    """(start, end) of the packets of each tile-part."""
    headers: list[tuple[int, int]] = field(default_factory=list)
    """(start, end) of packed packet headers, where there are any."""


@dataclass(frozen=True, slots=True)
class Codestream:
    """A codestream whose headers have been read."""

    size: Size
    data: bytearray
    """The codestream, packed packet headers, and padding."""
    tiles: dict[int, Tile]
