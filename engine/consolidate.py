"""Turn the instances of one series into a generation: stacks with pyramids, packed headers, kept codestreams.

Slices are read in the order in which the stack wants them, a slab at a time, in parallel; each file is read once,
hashed, and taken apart into pixels (to the pyramid or the codestream pack) and all other bytes (to the header pack).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from ..errors import DecodeError, FilmlessError, FormatError, UnsupportedPixels
from ..kernels.downsample import halve_mean, halve_mode
from ..storage import ome_zarr, pool
from ..storage.generation import GenerationWriter
from ..storage.home import Home
from ..storage.manifest import InstanceRecord, Manifest, StackRecord
from ..storage.pyramid import PyramidWriter
from ..storage.shape import LevelShape, plan_levels
from .instance import Instance
from .loading import Loaded, Source, load
from .packing import Values
from .stacking import StackPlan, plan_stacks

SOFTWARE = "filmless 0.1.0"

Told = Callable[[int], None]
"""Called with the bytes of each file that is in the generation."""

_BATCH = 32
"""Instances read at a time where no slab sets the pace."""


class BadSource(FilmlessError):
    """One instance cannot be taken in; the others can, without it."""

    def __init__(self, number: int, reason: str) -> None:
        super().__init__(reason)
        self.number = number


class _Undecodable(FilmlessError):
    """An instance is whole, but its codestreams do not decode: it is kept, and not expanded into a stack."""

    def __init__(self, number: int, reason: str) -> None:
        super().__init__(reason)
        self.number = number


def consolidate(
    home: Home, instances: Sequence[Instance], sources: Sequence[Source], told: Told
) -> tuple[Manifest, int, list[str]]:
    """Write and publish the next generation of the series that all `instances` belong to.

    Gives the manifest, the generation's size in bytes, and warnings. Raises `BadSource` naming an instance that must
    be left out; nothing is published then.
    """
    undecodable: dict[str, str] = {}
    while True:
        writer = GenerationWriter(home, instances[0].series_instance_uid)
        try:
            work = _Work(instances, sources, writer, told)
            manifest = work.write(frozenset(undecodable))
            return manifest, writer.publish(manifest), list(undecodable.values())
        except _Undecodable as problem:
            writer.abandon()
            instance = instances[problem.number]
            undecodable[instance.sop_instance_uid] = f"{sources[problem.number].name}: kept, not expanded: {problem}"
        except BaseException:
            writer.abandon()
            raise


class _Work:
    """One generation under way."""

    def __init__(
        self, instances: Sequence[Instance], sources: Sequence[Source], writer: GenerationWriter, told: Told
    ) -> None:
        self._instances, self._sources, self._writer, self._told = instances, sources, writer, told
        self._loaded: dict[int, Loaded] = {}
        self._frames_left: Counter[int] = Counter()
        self._records: dict[int, InstanceRecord] = {}

    def write(self, undecodable: frozenset[str]) -> Manifest:
        """Write every file of the generation but the manifest, and give that."""
        plans = plan_stacks(self._instances, undecodable)
        self._frames_left = Counter(number for plan in plans for number, _ in plan.members)
        stacks = [self._write_stack(f"stack-{n}", plan) for n, plan in enumerate(plans)]
        others = [n for n in range(len(self._instances)) if n not in self._frames_left]
        self._take_without_frames(others)
        first = self._instances[0]
        return Manifest(
            first.series_instance_uid,
            first.study_instance_uid,
            self._writer.number,
            datetime.now(UTC).isoformat(timespec="seconds"),
            SOFTWARE,
            first.attributes,
            [self._records[number] for number in range(len(self._instances))],
            stacks,
        )

    def _write_stack(self, name: str, plan: StackPlan) -> StackRecord:
        levels = self._write_pyramid(name, plan) if plan.is_expanded else []
        if not plan.is_expanded:
            self._take_without_frames(list(dict.fromkeys(number for number, _ in plan.members)), plan)
        dtype = plan.description.stored_dtype.name
        return StackRecord(name, plan.times_slices, dtype, levels, plan.members, plan.meaning())

    def _write_pyramid(self, name: str, plan: StackPlan) -> list[LevelShape]:
        description, (times, slices) = plan.description, plan.times_slices
        levels = plan_levels(
            (times, description.samples_per_pixel, slices, description.rows, description.columns),
            description.stored_dtype.itemsize,
            is_volume=plan.is_volume,
            keep_z=not plan.is_volume or len(plan.rescale) > 1,
            spacing_mm_zyx=plan.spacing_mm_zyx,
        )
        folder = self._writer.folder / f"{name}.ome.zarr"
        halve = halve_mode if plan.has_labels else halve_mean
        pyramid = PyramidWriter(folder, levels, description.stored_dtype, halve)
        try:
            self._fill(pyramid, plan)
            self._writer.add_files(pyramid.close())
        except BaseException:
            pyramid.abandon()
            raise
        self._describe(name, plan, levels)
        return levels

    def _describe(self, name: str, plan: StackPlan, levels: list[LevelShape]) -> None:
        geometry = plan.arrangement.geometry
        extra = {"affine_zyx_to_lps_mm": geometry.affine.tolist() if geometry else None} | plan.meaning()
        method = "mode" if plan.has_labels else "mean"
        dtype = plan.description.stored_dtype
        described = ome_zarr.describe(
            name, levels, dtype, plan.spacing_mm_zyx, method, extra, is_placed=plan.has_spacing
        )
        for path, data in described:
            self._writer.write(Path(f"{name}.ome.zarr") / path, data)

    def _fill(self, pyramid: PyramidWriter, plan: StackPlan) -> None:
        """Hand the pyramid all slices, as many at a time as its slab has room for."""
        at = 0
        while at < len(plan.members):
            room = pyramid.room()
            batch = plan.members[at : at + room.shape[1]]
            # An instance with several frames here is loaded once, before threads ask for its frames.
            frames_here = Counter(number for number, _ in batch)
            self._load_all(number for number, count in frames_here.items() if count > 1)
            pool.run_all(self._put_frame, [(*member, room[:, slot]) for slot, member in enumerate(batch)])
            pyramid.filled(len(batch))
            for number, _ in batch:
                self._settle(number, 1)
            at += len(batch)

    def _put_frame(self, job: tuple[int, int, Values]) -> None:
        number, frame, out = job
        loaded = self._load(number)
        try:
            loaded.read_frame(frame, out)
        except (DecodeError, UnsupportedPixels, FormatError) as problem:
            raise _Undecodable(number, str(problem)) from problem

    def _take_without_frames(self, numbers: list[int], plan: StackPlan | None = None) -> None:
        """Take in instances of which no stored values are wanted."""
        frames = Counter(number for number, _ in plan.members) if plan else Counter()
        for at in range(0, len(numbers), _BATCH):
            batch = numbers[at : at + _BATCH]
            self._load_all(batch)
            for number in batch:
                self._settle(number, frames[number])

    def _load_all(self, numbers: Iterable[int]) -> None:
        pool.run_all(self._load, list(numbers))

    def _load(self, number: int) -> Loaded:
        if number not in self._loaded:
            try:
                self._loaded[number] = load(self._sources[number], self._instances[number])
            except (FormatError, OSError) as problem:
                raise BadSource(number, str(problem)) from problem
        return self._loaded[number]

    def _settle(self, number: int, frames: int) -> None:
        """Count frames as taken; after an instance's last one, keep its other bytes and let go of it."""
        self._frames_left[number] -= frames
        if self._frames_left[number] > 0:
            return
        loaded = self._loaded.pop(number)
        self._records[number] = self._keep_bytes(loaded)
        self._told(len(loaded.data))

    def _keep_bytes(self, loaded: Loaded) -> InstanceRecord:
        """Put an instance's header, and its codestreams or whole file, into the packs."""
        instance, source = loaded.instance, loaded.source
        span = instance.pixel_span
        cuts = loaded.fragments
        if source == "stack" and span is not None:
            cuts = [(span.offset, len(loaded.pixels))]
        header = b"" if source == "whole" else _without(loaded.data, cuts)
        kept: list[bytes | memoryview] = [loaded.data] if source == "whole" else []
        if source == "codestreams":
            view = memoryview(loaded.data)
            kept = [view[offset : offset + length] for offset, length in loaded.fragments]
        items = [self._writer.codestreams.append(item, compress=source == "whole") for item in kept]
        return InstanceRecord(
            instance.sop_instance_uid,
            instance.sop_class_uid,
            instance.transfer_syntax_uid,
            instance.instance_number,
            loaded.sha256,
            len(loaded.data),
            source,
            self._writer.headers.append(header),
            span.offset if span else 0,
            sum(length for _, length in cuts),
            items[0] if items else 0,
            len(items),
            loaded.pixels_to_json(),
        )


def _without(data: bytes, cuts: Sequence[tuple[int, int]]) -> bytes:
    """Give `data` less some runs of it, (offset, length) each, in order."""
    pieces, at = [], 0
    for offset, length in cuts:
        pieces.append(data[at:offset])
        at = offset + length
    return b"".join([*pieces, data[at:]])


def series_order(instances: Sequence[Instance]) -> list[int]:
    """Give the order in which a generation lists instances, by number, then UID: file names do not matter."""
    last = 1 << 31
    keys = [(last if i.instance_number is None else i.instance_number, i.sop_instance_uid) for i in instances]
    return sorted(range(len(keys)), key=keys.__getitem__)
