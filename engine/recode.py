"""Move a series between codecs: a new generation with the same instances and values, proven before the former goes.

No DICOM file is parsed and no frame decoded: stored values go from one pyramid's level 0 to the next by the slab, all
other bytes from pack to pack.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from ..errors import InvalidArgument
from ..kernels.downsample import halve_mean, halve_mode
from ..storage import ome_zarr
from ..storage.codec import LevelCodec, codec_for, codec_named
from ..storage.generation import GenerationWriter, remove_generations
from ..storage.home import Home
from ..storage.index import Index
from ..storage.manifest import InstanceRecord, Manifest, StackRecord
from ..storage.published import Published
from ..storage.pyramid import PyramidWriter
from .consolidate import SOFTWARE, Told, prove
from .report import Progress


@dataclass(frozen=True, slots=True)
class Recoded:
    """What became of a series."""

    series_instance_uid: str
    generation: int
    """The current one, new or as it was."""
    is_new: bool
    """False where every stack had the codec already, or is of a type that it cannot hold."""
    former_bytes: int
    """Of the whole generation before."""
    archived_bytes: int
    """Of the whole generation now."""
    codecs: dict[str, str]
    """The codec of each stack that has levels, by its name."""


def recode(home: Home, index: Index, uid: str, codec: str, progress: Progress) -> Recoded:
    """Write a series' next generation with another codec, prove it, make it current and remove the former.

    Takes the series' lock. Raises `InvalidArgument`, `Damaged`, `Unproven`; the former generation stays then.
    """
    name = codec_named(codec).name
    with home.series_lock(uid):
        row = index.find_series(uid)
        if not row.generation:
            raise InvalidArgument(f"series {uid} waits in the inbox: consolidate it first")
        former = Published(home, uid, row.generation)
        held, done = _codecs(former.manifest), 0
        wanted = [codec_for(name, np.dtype(stack.dtype)).name for stack in former.manifest.stacks if stack.levels]
        if wanted == list(held.values()):
            return Recoded(uid, row.generation, False, row.archived_bytes, row.archived_bytes, held)

        def told(size_bytes: int) -> None:
            nonlocal done
            done += size_bytes
            progress("proving", done, former.manifest.received_bytes)

        new, archived_bytes = _write(home, former, name, told)
        index.put(new, archived_bytes)
        former.release()
        remove_generations(home, uid, [row.generation])
        return Recoded(uid, new.generation, True, row.archived_bytes, archived_bytes, _codecs(new))


def _codecs(manifest: Manifest) -> dict[str, str]:
    return {stack.name: stack.codec for stack in manifest.stacks if stack.levels}


def _write(home: Home, former: Published, codec: str, told: Told) -> tuple[Manifest, int]:
    """Write, prove and publish the generation; give its manifest, and its size in bytes."""
    manifest = former.manifest
    writer = GenerationWriter(home, manifest.series_instance_uid, codec)
    try:
        new = dataclasses.replace(
            manifest,
            generation=writer.number,
            created=datetime.now(UTC).isoformat(timespec="seconds"),
            software=SOFTWARE,
            instances=[_copy_bytes(former, number, writer) for number in range(len(manifest.instances))],
            stacks=[_write_stack(former, number, writer) for number in range(len(manifest.stacks))],
        )
        writer.finish(new)
        prove(home, writer, new, told)
        return new, writer.publish()
    except BaseException:
        writer.abandon()
        raise


def _copy_bytes(former: Published, number: int, writer: GenerationWriter) -> InstanceRecord:
    """Put all of an instance that is not in a stack into the new packs."""
    record = former.manifest.instances[number]
    header = b"" if record.source == "whole" else former.header(number)
    kept = (former.codestream(number, item) for item in range(record.codestreams))
    items = [writer.codestreams.append(item, compress=record.source == "whole") for item in kept]
    first = items[0] if items else 0
    return dataclasses.replace(record, header=writer.headers.append(header), first_codestream=first)


def _write_stack(former: Published, number: int, writer: GenerationWriter) -> StackRecord:
    stack = former.manifest.stacks[number]
    if not stack.levels:
        return stack
    dtype, folder = np.dtype(stack.dtype), Path(stack.folder)
    codec = codec_for(writer.codec, dtype)
    writer.write(folder / ome_zarr.GROUP, former.group_metadata(number))
    for path, data in ome_zarr.describe_levels(stack.levels, dtype, codec, stack.with_ranges):
        writer.write(folder / path, data)
    writer.add_files(_write_levels(former, number, writer.folder / folder, codec))
    return dataclasses.replace(stack, codec=codec.name)


def _write_levels(former: Published, number: int, folder: Path, codec: LevelCodec) -> dict[Path, tuple[str, int]]:
    """Make the pyramid anew from the former level 0; give each file's SHA-256 and size."""
    stack, array = former.manifest.stacks[number], former.array(number)
    times, channels, depth, rows, columns = array.level.shape
    # The method is not stored but follows from what the values mean, as it did when the stack was made.
    halve = halve_mode if stack.meaning["labels"] else halve_mean
    pyramid = PyramidWriter(folder, stack.levels, array.dtype, halve, codec, stack.with_ranges)
    try:
        for t in range(times):
            z = 0
            while z < depth:
                room = pyramid.room()
                last = z + room.shape[1]
                for c in range(channels):
                    array.volume(t, c).read_box((z, 0, 0), (last, rows, columns), out=room[c])
                pyramid.filled(last - z)
                z = last
        return pyramid.close()
    except BaseException:
        pyramid.abandon()
        raise
