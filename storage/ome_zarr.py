"""Describe a pyramid as OME-Zarr 0.5 over Zarr v3, so that any reader of that format opens it.

Only metadata is written here, as plain JSON.   Sources: OME-NGFF 0.5 `multiscales`; Zarr v3 core; sharding codec 1.0.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from .codec import OPEN, LevelCodec
from .ranges import FOLDER, describe_ranges
from .shape import LevelShape

GROUP = "zarr.json"
"""The pyramid's own metadata, in its folder."""

_AXES: tuple[dict[str, str], ...] = (
    {"name": "t", "type": "time"},
    {"name": "c", "type": "channel"},
    {"name": "z", "type": "space", "unit": "millimeter"},
    {"name": "y", "type": "space", "unit": "millimeter"},
    {"name": "x", "type": "space", "unit": "millimeter"},
)


def describe(
    name: str,
    levels: list[LevelShape],
    dtype: np.dtype[np.generic],
    spacing_mm_zyx: tuple[float, float, float],
    method: str,
    extra: dict[str, Any],
    *,
    is_placed: bool = True,
    codec: LevelCodec = OPEN,
    with_ranges: int = 0,
) -> Iterator[tuple[Path, bytes]]:
    """Give each metadata file's path below the pyramid's folder, and its bytes.

    Where not `is_placed` the spacing is made up, and has no unit. `method` says how levels were made ("mean" or
    "mode"); `extra` goes into the group's attributes as "filmless". Beside `with_ranges` of the finest levels lie the
    ranges of their bricks.
    """
    axes = [_AXES[axis] for axis in levels[0].axes]
    if not is_placed:
        axes = [{key: word for key, word in axis.items() if key != "unit"} for axis in axes]
    multiscale = {
        "name": name,
        "axes": axes,
        "datasets": [_dataset(n, level, spacing_mm_zyx) for n, level in enumerate(levels)],
        "type": method,
        "metadata": {"method": "filmless", "description": f"2x box {method} of the stored values"},
    }
    attributes = {"ome": {"version": "0.5", "multiscales": [multiscale]}, "filmless": extra}
    yield Path(GROUP), _json({"zarr_format": 3, "node_type": "group", "attributes": attributes})
    yield from describe_levels(levels, dtype, codec, with_ranges)


def describe_levels(
    levels: list[LevelShape], dtype: np.dtype[np.generic], codec: LevelCodec, with_ranges: int = 0
) -> Iterator[tuple[Path, bytes]]:
    """Give the metadata of the levels' arrays alone, and of those of their ranges."""
    names = [_AXES[axis]["name"] for axis in levels[0].axes]
    for n, level in enumerate(levels):
        yield Path(str(n), "zarr.json"), _json(_array(level, dtype, names, codec))
    if with_ranges:
        yield Path(FOLDER, GROUP), _json({"zarr_format": 3, "node_type": "group", "attributes": {}})
        for n, level in enumerate(levels[:with_ranges]):
            yield Path(FOLDER, str(n), GROUP), _json(describe_ranges(level, dtype, names))


def _dataset(n: int, level: LevelShape, spacing_mm_zyx: tuple[float, float, float]) -> dict[str, Any]:
    """Describe one level; a box mean's centre lies half a coarse voxel, less half a fine one, further in."""
    scale = [1.0, 1.0, *(mm * k for mm, k in zip(spacing_mm_zyx, level.factors_zyx, strict=True))]
    shift = [0.0, 0.0, *(mm * (k - 1) / 2 for mm, k in zip(spacing_mm_zyx, level.factors_zyx, strict=True))]
    transformations = [
        {"type": "scale", "scale": [scale[axis] for axis in level.axes]},
        {"type": "translation", "translation": [shift[axis] for axis in level.axes]},
    ]
    return {"path": str(n), "coordinateTransformations": transformations}


def _array(level: LevelShape, dtype: np.dtype[np.generic], names: list[str], codec: LevelCodec) -> dict[str, Any]:
    sharding = {
        "chunk_shape": level.without_missing_axes(level.chunk),
        "codecs": [*codec.describe(level, dtype), {"name": "crc32c"}],
        "index_codecs": [{"name": "bytes", "configuration": {"endian": "little"}}, {"name": "crc32c"}],
        "index_location": "end",
    }
    return {
        "zarr_format": 3,
        "node_type": "array",
        "shape": level.without_missing_axes(level.shape),
        "data_type": dtype.name,
        "chunk_grid": {
            "name": "regular",
            "configuration": {"chunk_shape": level.without_missing_axes(level.shard)},
        },
        "chunk_key_encoding": {"name": "default", "configuration": {"separator": "."}},
        "codecs": [{"name": "sharding_indexed", "configuration": sharding}],
        "fill_value": 0.0 if dtype.kind == "f" else 0,
        "dimension_names": names,
        "attributes": {},
    }


def _json(value: dict[str, Any]) -> bytes:
    return json.dumps(value, indent=1).encode()
