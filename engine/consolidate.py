"""Turn the instances of one series into a generation: stacks with pyramids, packed headers, kept codestreams.

Slices are read in the order in which the stack wants them, a slab at a time, in parallel; each file is read once,
hashed, and taken apart into pixels (to the pyramid or the codestream pack) and all other bytes (to the header pack).
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TypeVar

from ..errors import BadSources, FormatError, Unproven
from ..kernels.downsample import halve_mean, halve_mode
from ..kernels.sha256 import sha256_of_each
from ..storage import ome_zarr, pool
from ..storage.codec import codec_for
from ..storage.fail import reached
from ..storage.generation import GenerationWriter
from ..storage.home import Home
from ..storage.keys import of_instance, of_series
from ..storage.manifest import InstanceRecord, Manifest, StackRecord
from ..storage.published import Published
from ..storage.pyramid import PyramidWriter
from ..storage.ranges import levels_with_ranges
from ..storage.shape import LevelShape, plan_levels
from .instance import Instance
from .loading import Carried, Loaded, Received, Source, take_apart
from .packing import Values
from .retrieval import is_dropped
from .stacking import StackPlan, plan_stacks
from .verify import find_unlike

SOFTWARE = f"filmless {version('filmless')}"

Job = TypeVar("Job")

Told = Callable[[int], None]
"""Called with the bytes of each file that is in the generation."""

_BATCH = 32
"""Most instances read at a time where no slab sets the pace."""
_BATCH_BYTES = 256 << 20
"""Most bytes of them, or one instance."""


def consolidate(
    home: Home, instances: Sequence[Instance], sources: Sequence[Source], told: Told, *, proves: bool = False
) -> tuple[Manifest, int, list[str]]:
    """Write and publish the next generation of the series that all `instances` belong to.

    Gives the manifest, the generation's size in bytes, and warnings. Raises `BadSources` naming the instances that
    must be left out; nothing is published then. Instances that are whole, but whose codestreams do not decode, are
    kept and not expanded into a stack; acknowledged ones of which the pixels cannot be found are kept as bytes.
    With `proves`, every instance is rebuilt from what was written, and published only if it has the hash of its
    reception; raises `Unproven` where one has not.
    """
    undecodable: dict[int, str] = {}
    without_pixels: dict[int, str] = {}
    while True:
        writer = GenerationWriter(home, instances[0].series_instance_uid)
        try:
            kept = [_as_bytes(i) if n in without_pixels else i for n, i in enumerate(instances)]
            work = _Work(kept, sources, writer, told, drops=home.policy.originals == "drop-when-proven")
            manifest = work.write(frozenset(instances[number].sop_instance_uid for number in undecodable))
            if manifest is not None:
                writer.finish(manifest)
                if proves or any(map(is_dropped, manifest.instances)):
                    prove(home, writer, manifest)
                reasons = undecodable | without_pixels
                warnings = [f"{sources[n].name}: kept, not expanded: {reason}" for n, reason in reasons.items()]
                warnings += _told_of_doubts(work.doubts, sources)
                return manifest, writer.publish(), warnings
        except BaseException:
            writer.abandon()
            raise
        writer.abandon()
        undecodable |= work.undecodable
        without_pixels |= work.without_pixels


def _told_of_doubts(doubts: dict[int, str], sources: Sequence[Source]) -> list[str]:
    """Say, a line a reason, of which instances the codestreams stay although policy would let them go."""
    by_reason: dict[str, list[str]] = {}
    for number, reason in doubts.items():
        by_reason.setdefault(reason, []).append(sources[number].name)
    more = {reason: f" and {len(names) - 1} more" if len(names) > 1 else "" for reason, names in by_reason.items()}
    return [f"{names[0]}{more[reason]}: codestreams kept: {reason}" for reason, names in by_reason.items()]


def _as_bytes(instance: Instance) -> Instance:
    """Give an instance as one of which no pixels are known: all its bytes are header then."""
    return dataclasses.replace(instance, pixels=None, pixel_span=None, frames=None)


def prove(home: Home, writer: GenerationWriter, manifest: Manifest, told: Told = lambda _: None) -> None:
    """Rebuild every instance from what was written; raises `Unproven` naming those that are not what was received."""
    # What was written goes to the disk meanwhile: it has to before it is published.
    with ThreadPoolExecutor(1, thread_name_prefix="filmless-flush") as other:
        flushing = other.submit(writer.flush)
        published = Published(home, manifest.series_instance_uid, manifest.generation, writer.folder)
        faults = find_unlike(published, told)
        flushing.result()
    if faults:
        raise Unproven(faults)
    reached("generation: proven")


class _Work:
    """One generation under way."""

    def __init__(
        self, instances: Sequence[Instance], sources: Sequence[Source], writer: GenerationWriter, told: Told,
        *, drops: bool = False,
    ) -> None:  # fmt: skip
        """`drops` lets lossless codestreams go that two decoders agree on."""
        self._instances, self._sources, self._writer, self._told = instances, sources, writer, told
        self._drops = drops
        self.doubts: dict[int, str] = {}
        """Why codestreams of instances in stacks stay nevertheless."""
        self.undecodable: dict[int, str] = {}
        """Why instances did not decode. All of a pass are found before the next, so that few passes do."""
        self.without_pixels: dict[int, str] = {}
        """Why the pixels of acknowledged instances cannot be told from their other bytes."""
        self._bad: dict[int, str] = {}
        self._loaded: dict[int, Loaded] = {}
        self._frames_left: Counter[int] = Counter()
        self._frames_expanded: Counter[int] = Counter()
        self._records: dict[int, InstanceRecord] = {}
        self._told_bytes = 0

    def write(self, undecodable: frozenset[str]) -> Manifest | None:
        """Write every file of the generation but the manifest, and give that; None where `undecodable` has grown."""
        plans = plan_stacks(self._instances, undecodable)
        self._frames_left = Counter(number for plan in plans for number, _ in plan.members)
        self._frames_expanded = Counter(number for plan in plans if plan.is_expanded for number, _ in plan.members)
        stacks = [self._write_stack(f"stack-{n}", plan) for n, plan in enumerate(plans)]
        others = [n for n in range(len(self._instances)) if n not in self._frames_left]
        self._take_without_frames(others)
        if self._bad or self.undecodable or self.without_pixels:
            self._told(-self._told_bytes)
            if self._bad:
                raise BadSources(self._bad)
            return None
        first = self._instances[0]
        return Manifest(
            series_instance_uid=first.series_instance_uid,
            study_instance_uid=first.study_instance_uid,
            generation=self._writer.number,
            created=datetime.now(UTC).isoformat(timespec="seconds"),
            software=SOFTWARE,
            attributes=of_series(first.attributes),
            instances=[self._records[number] for number in range(len(self._instances))],
            stacks=stacks,
        )

    def _write_stack(self, name: str, plan: StackPlan) -> StackRecord:
        levels, with_ranges = self._write_pyramid(name, plan) if plan.is_expanded else ([], 0)
        if not plan.is_expanded:
            self._take_without_frames(list(dict.fromkeys(number for number, _ in plan.members)), plan)
        dtype = plan.description.stored_dtype.name
        codec = codec_for(self._writer.codec, plan.description.stored_dtype).name
        return StackRecord(name, plan.times_slices, dtype, levels, plan.members, plan.meaning(), codec, with_ranges)

    def _write_pyramid(self, name: str, plan: StackPlan) -> tuple[list[LevelShape], int]:
        """Write a stack's levels; give them, and of how many the ranges of bricks are kept."""
        description, (times, slices) = plan.description, plan.times_slices
        levels = plan_levels(
            (times, description.samples_per_pixel, slices, description.rows, description.columns),
            description.stored_dtype.itemsize,
            is_volume=plan.is_volume,
            keep_z=not plan.is_volume or len(plan.rescale) > 1,
            spacing_mm_zyx=plan.spacing_mm_zyx,
        )
        if not plan.can_shrink:
            levels = levels[:1]
        folder = self._writer.folder / f"{name}.ome.zarr"
        halve = halve_mode if plan.has_labels else halve_mean
        codec = codec_for(self._writer.codec, description.stored_dtype)
        with_ranges = levels_with_ranges(levels, description.stored_dtype, is_volume=plan.is_volume)
        pyramid = PyramidWriter(folder, levels, description.stored_dtype, halve, codec, with_ranges)
        try:
            self._fill(pyramid, plan)
            self._writer.add_files(pyramid.close())
        except BaseException:
            pyramid.abandon()
            raise
        self._describe(name, plan, levels, with_ranges)
        return levels, with_ranges

    def _describe(self, name: str, plan: StackPlan, levels: list[LevelShape], with_ranges: int) -> None:
        geometry = plan.arrangement.geometry
        extra = {"affine_zyx_to_lps_mm": geometry.affine.tolist() if geometry else None} | plan.meaning()
        method = "mode" if plan.has_labels else "mean"
        dtype = plan.description.stored_dtype
        described = ome_zarr.describe(
            name,
            levels,
            dtype,
            plan.spacing_mm_zyx,
            method,
            extra,
            is_placed=plan.has_spacing,
            codec=codec_for(self._writer.codec, dtype),
            with_ranges=with_ranges,
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
            pool.run_all(self._put_frames, _in_pairs([(*member, room[:, slot]) for slot, member in enumerate(batch)]))
            pyramid.filled(len(batch))
            for number, _ in batch:
                self._settle(number, 1)
            at += len(batch)

    def _put_frames(self, jobs: Sequence[tuple[int, int, Values]]) -> None:
        self._load([number for number, _, _ in jobs])
        for number, frame, out in jobs:
            if number not in self._loaded:
                continue
            try:
                self._loaded[number].read_frame(frame, out)
                if self._frames_left[number] == 1:
                    self._loaded[number].part(self._frames_expanded[number])
            except FormatError as problem:
                self.undecodable[number] = str(problem)

    def _take_without_frames(self, numbers: list[int], plan: StackPlan | None = None) -> None:
        """Take in instances of which no stored values are wanted."""
        frames = Counter(number for number, _ in plan.members) if plan else Counter()
        for batch in self._batches(numbers):
            self._load_all(batch)
            for number in batch:
                self._settle(number, frames[number])

    def _batches(self, numbers: Sequence[int]) -> Iterator[list[int]]:
        """Cut instances into runs that fit in memory together."""
        batch: list[int] = []
        held_bytes = 0
        for number in numbers:
            size_bytes = self._sources[number].size_bytes
            if batch and (len(batch) == _BATCH or held_bytes + size_bytes > _BATCH_BYTES):
                yield batch
                batch, held_bytes = [], 0
            batch.append(number)
            held_bytes += size_bytes
        if batch:
            yield batch

    def _load_all(self, numbers: Iterable[int]) -> None:
        pool.run_all(self._load, _in_pairs(list(numbers)))

    def _load(self, numbers: Sequence[int]) -> None:
        """Have instances in memory, hashed together, or know why they cannot be taken in."""
        read: dict[int, bytes | memoryview | Carried] = {}
        for number in numbers:
            if not (number in self._loaded or number in self._bad or number in self.without_pixels):
                with self._bad_where_it_fails(number):
                    read[number] = self._sources[number].read()
        for number, received in self._receptions(read).items():
            with self._bad_where_it_fails(number):
                loaded = take_apart(read[number], received, self._instances[number])
                if self._drops and loaded.fragments and self._frames_expanded[number]:
                    loaded.begin_trial()
                self._loaded[number] = loaded

    def _receptions(self, read: dict[int, bytes | memoryview | Carried]) -> dict[int, Received]:
        """Give what is known of instances; the hash of those that were received need not be found out."""
        known = {number: self._sources[number].received for number in read}
        files = {n: data for n, data in read.items() if known[n] is None and not isinstance(data, Carried)}
        digests = dict(zip(files, sha256_of_each([bytes(data) for data in files.values()]), strict=True))
        return {number: received or Received(digests[number]) for number, received in known.items()}

    @contextmanager
    def _bad_where_it_fails(self, number: int) -> Iterator[None]:
        try:
            yield
        except (FormatError, OSError) as problem:
            is_kept = self._sources[number].is_acknowledged and isinstance(problem, FormatError)
            (self.without_pixels if is_kept else self._bad)[number] = str(problem)

    def _settle(self, number: int, frames: int) -> None:
        """Count frames as taken; after an instance's last one, keep its other bytes and let go of it."""
        self._frames_left[number] -= frames
        if self._frames_left[number] > 0 or number not in self._loaded:
            return
        loaded = self._loaded.pop(number)
        self._records[number] = self._keep_bytes(number, loaded, self._frames_expanded[number])
        self._told_bytes += loaded.size_bytes
        self._told(loaded.size_bytes)

    def _keep_bytes(self, number: int, loaded: Loaded, frames_expanded: int) -> InstanceRecord:
        """Put an instance's header, and its codestreams or whole file, into the packs."""
        instance, parted = loaded.instance, loaded.part(frames_expanded)
        if loaded.trial is not None and loaded.trial.doubt:
            self.doubts[number] = loaded.trial.doubt
        items = [self._writer.codestreams.append(item, compress=parted.source == "whole") for item in parted.kept]
        return InstanceRecord(
            sop_instance_uid=instance.sop_instance_uid,
            sop_class_uid=instance.sop_class_uid,
            transfer_syntax_uid=instance.transfer_syntax_uid,
            instance_number=instance.instance_number,
            sha256=loaded.received.sha256,
            size_bytes=loaded.size_bytes,
            source=parted.source,
            header=self._writer.headers.append(parted.header),
            pixel_offset=instance.pixel_span.offset if instance.pixel_span else 0,
            pixel_bytes=parted.pixel_bytes,
            first_codestream=items[0] if items else 0,
            codestreams=len(items),
            pixels=loaded.pixels_to_json(),
            received_at=loaded.received.received_at,
            received_from=loaded.received.received_from,
            attributes=of_instance(instance.attributes),
        )


def _in_pairs(jobs: Sequence[Job]) -> list[Sequence[Job]]:
    """Cut jobs into twos: SHA-256 of two files takes little longer than of one."""
    return [jobs[at : at + 2] for at in range(0, len(jobs), 2)]


def series_order(instances: Sequence[Instance]) -> list[int]:
    """Give the order in which a generation lists instances, by number, then UID: file names do not matter."""
    last = 1 << 31
    keys = [(last if i.instance_number is None else i.instance_number, i.sop_instance_uid) for i in instances]
    return sorted(range(len(keys)), key=keys.__getitem__)
