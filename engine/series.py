"""One series of an archive: what it holds, its stacks, its instances as they came in."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path

from ..errors import Damaged, InvalidArgument, NotFound
from ..storage.durable import write_whole
from ..storage.index import SeriesRow
from ..storage.manifest import Manifest
from ..storage.published import Published
from ..storage.store.place import Place
from .rebuild import Rebuilder
from .render.answer import answer, etag
from .render.picture import Image
from .render.request import RenderRequest
from .report import Progress, no_progress
from .stack import Stack
from .verify import find_damage
from .volume import Volume


class Series:
    """The current generation of one series; stays as it is while newer generations come."""

    def __init__(self, published: Published, row: SeriesRow) -> None:
        self._published = published
        self.row = row
        """What the index says of it: identity, counts, sizes."""

    def __repr__(self) -> str:
        return f"<Series {self.uid}: {self.row.instances} instances; {'; '.join(self.row.stacks)}>"

    @property
    def uid(self) -> str:
        """Series Instance UID."""
        return self.row.series_uid

    @property
    def attributes(self) -> dict[str, str]:
        """Patient, study and series attributes, by DICOM keyword."""
        return self.row.attributes

    @property
    def manifest(self) -> Manifest:
        """Everything the archive wrote down about this generation."""
        return self._published.manifest

    @property
    def folder(self) -> Place:
        """Where the generation lies: a `Path`, or what shows the URL of a place in an object store.

        Its `stack-*.ome.zarr` open in any OME-Zarr reader.
        """
        return self._published.folder

    @cached_property
    def stacks(self) -> list[Stack]:
        """The stacks, in order of first appearance."""
        return [Stack(self._published, number) for number in range(len(self.manifest.stacks))]

    def stack(self, number: int | None = None) -> Stack:
        """Give a stack by number; by default the largest that can be reformatted, or else the largest."""
        if not self.stacks:
            raise NotFound(f"series {self.uid} has no images: {self.row.instances} other instances")
        if number is None:
            return max(self.stacks, key=lambda stack: (stack.verdict.is_volume, len(stack)))
        if not 0 <= number < len(self.stacks):
            raise InvalidArgument(f"stack {number}: the series has {len(self.stacks)}, counted from 0")
        return self.stacks[number]

    def volume(self, stack: int | None = None, time: int = 0) -> Volume:
        """Give a stack's volume at one time point; raises `NotFound` in a series without images."""
        return self.stack(stack).volume(time)

    def render(self, request: RenderRequest) -> Image:
        """Make the picture that a request describes; raises `NotFound`, `NotReformattable`, `InvalidArgument`."""
        return answer(self, request)

    def etag(self, request: RenderRequest) -> str:
        """Give what names the picture's bytes for ever: equal requests of one generation have the same one."""
        return etag(self, request)

    def export(self, folder: str | Path, progress: Progress = no_progress) -> list[Path]:
        """Write every instance to `folder`, byte for byte as received, each proven before it gets its name.

        Files are named by SOP Instance UID; one that is there already is replaced. Raises `Damaged` at the end, naming
        them, where instances do not rebuild exactly: these are not written, all others are.
        """
        target = Path(folder)
        target.mkdir(parents=True, exist_ok=True)
        rebuilder, done, total = Rebuilder(self._published), 0, self.manifest.received_bytes
        written: list[Path] = []
        failed: dict[str, list[str]] = {}
        for number in rebuilder.stack_order():
            record = self.manifest.instances[number]
            try:
                written.append(_write(target, record.sop_instance_uid, rebuilder.read(number)))
            except Damaged as problem:
                failed.setdefault(str(problem), []).append(record.sop_instance_uid)
            done += record.size_bytes
            progress("exporting", done, total)
        if failed:
            named = "; ".join(f"{', '.join(uids)}: {fault}" for fault, uids in failed.items())
            counts = f"{len(written)} of {len(self.manifest.instances)} instances were written"
            raise Damaged(f"series {self.uid}: {counts}, but not {named}")
        return written

    def instance(self, sop_instance_uid: str) -> bytes:
        """Give one instance's file, byte for byte as received; raises `NotFound`, `Damaged`."""
        for number, record in enumerate(self.manifest.instances):
            if record.sop_instance_uid == sop_instance_uid:
                return Rebuilder(self._published).read(number)
        raise NotFound(f"no instance {sop_instance_uid} in series {self.uid}")

    def verify(self, progress: Progress = no_progress) -> list[str]:
        """Re-read everything against its checksums; give a line for each thing that is wrong."""
        done = 0

        def told(size_bytes: int) -> None:
            nonlocal done
            done += size_bytes
            progress("verifying", done, self.row.received_bytes)

        return find_damage(self._published, told)


def _write(folder: Path, sop_instance_uid: str, data: bytes) -> Path:
    path = folder / f"{sop_instance_uid}.dcm"
    write_whole(path, data)
    return path
