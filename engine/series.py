"""One series of an archive: what it holds, its stacks, its instances as they came in."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cached_property, partial
from pathlib import Path

from ..errors import Damaged, InvalidArgument, NotFound
from ..storage.durable import write_pieces
from ..storage.index import SeriesRow
from ..storage.manifest import InstanceRecord, Manifest
from ..storage.published import Published
from ..storage.store.place import Place
from .labels.draw import Labels
from .packing import Bytes, Values
from .presentation.state import PresentationState
from .proof import Proof
from .rebuild import Rebuilder
from .render.answer import answer, etag, state_of
from .render.label_choice import LabelChoice
from .render.picture import Image
from .render.request import RenderRequest
from .report import Progress, no_progress
from .retrieval import LOSSLESS_DEFAULT, Retrieved, Way, is_dropped, way_of
from .stack import Stack
from .stored_instance import WaitingInstance, waiting_picture
from .verify import find_damage
from .volume import Volume

FindInstance = Callable[[str], bytes]
"""Gives the file of an instance of the archive, by SOP Instance UID; raises `NotFound`."""
FindLabels = Callable[[LabelChoice], Labels]
"""Gives the labels that a choice names, of whichever series of the archive; raises `NotFound`."""


class Series:
    """One series: its current generation, which stays as it is while newer ones come, and what waits in the inbox."""

    def __init__(
        self,
        published: Published | None,
        row: SeriesRow,
        waiting: Sequence[WaitingInstance] = (),
        inbox: Path = Path(),
        find_instance: FindInstance | None = None,
        find_labels: FindLabels | None = None,
    ) -> None:
        self._published, self._inbox = published, inbox
        self._waiting = {instance.row.sop_uid: instance for instance in waiting}
        self._find_instance = find_instance or self.instance
        self._find_labels = find_labels
        self.row = row
        """What the index says of it: identity, counts, sizes."""

    def __repr__(self) -> str:
        waiting = f", {self.row.waiting} waiting" if self.row.waiting else ""
        return f"<Series {self.uid}: {self.row.instances} instances{waiting}; {'; '.join(self.row.stacks)}>"

    @property
    def uid(self) -> str:
        """Series Instance UID."""
        return self.row.series_uid

    @property
    def attributes(self) -> dict[str, str]:
        """Patient, study and series attributes, by DICOM keyword."""
        return self.row.attributes

    @property
    def published(self) -> Published:
        """The current generation; raises `NotFound` where there is none yet."""
        if self._published is None:
            raise NotFound(
                f"series {self.uid} waits in the inbox: single frames of its {self.row.waiting} instances can be had; "
                "`filmless consolidate` makes stacks of them"
            )
        return self._published

    @property
    def is_consolidated(self) -> bool:
        """Whether there is a generation; some instances may wait nevertheless."""
        return self._published is not None

    @property
    def manifest(self) -> Manifest:
        """Everything the archive wrote down about this generation; raises `NotFound` where there is none yet."""
        return self.published.manifest

    @property
    def folder(self) -> Place:
        """Where the generation lies: a `Path`, or what shows the URL of a place in an object store.

        Its `stack-*.ome.zarr` open in any OME-Zarr reader. Before the first generation, the series' part of the inbox.
        """
        return self._inbox if self._published is None else self._published.folder

    @property
    def transfer_syntax_uids(self) -> set[str]:
        """Of all instances, as they were received."""
        consolidated = self._published.manifest.instances if self._published is not None else []
        waiting = {instance.row.transfer_syntax_uid for instance in self._waiting.values()}
        return waiting | {record.transfer_syntax_uid for record in consolidated}

    @cached_property
    def stacks(self) -> list[Stack]:
        """The stacks, in order of first appearance."""
        if self._published is None:
            return []
        return [Stack(self._published, number) for number in range(len(self.manifest.stacks))]

    def stack(self, number: int | None = None) -> Stack:
        """Give a stack by number; by default the largest that can be reformatted, or else the largest."""
        if not self.published.manifest.stacks:
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
        if request.instance in self._waiting:
            waiting = self._waiting[request.instance]
            return waiting_picture(waiting, request, state_of(self, request), self._labels_of(request))
        return answer(self, request, self._labels_of(request))

    def _labels_of(self, request: RenderRequest) -> list[Labels]:
        if self._find_labels is None and request.labels:
            raise NotFound("labels are found by the archive: open the series by Archive.series")
        return [self._find_labels(choice) for choice in request.labels] if self._find_labels is not None else []

    def render_all(self, requests: Iterable[RenderRequest]) -> list[Image]:
        """Make several pictures; blocks that more than one of them needs are decoded once, as far as the cache holds.

        Raises as `render` does, at the first picture that cannot be made.
        """
        return [self.render(request) for request in requests]

    def presentation_state(self, sop_instance_uid: str) -> PresentationState:
        """Give a presentation state that the archive holds, in whichever series.

        Raises `NotFound`, and `UnsupportedPixels` for an instance that is none, or of a kind that cannot be applied.
        """
        return PresentationState.read(self._find_instance(sop_instance_uid))

    def etag(self, request: RenderRequest) -> str:
        """Give what names the picture's bytes for ever: equal requests of one generation and equal labels have one."""
        if request.instance in self._waiting:
            parts = (self._waiting[request.instance].row.sha256, request.canonical)
            named = "\0".join((*parts, *(one.identity for one in self._labels_of(request))))
            return hashlib.sha256(named.encode()).hexdigest()[:32]
        return etag(self, request, self._labels_of(request))

    def export(self, folder: str | Path, progress: Progress = no_progress) -> list[Path]:
        """Write every instance to `folder`, byte for byte as received, each proven before it gets its name.

        Those whose codestreams were dropped (see `dropped`) are written with the same stored values instead.
        Files are named by SOP Instance UID; one that is there already is replaced. Raises `Damaged` at the end, naming
        them, where instances do not rebuild exactly: these are not written, all others are.
        """
        target = Path(folder)
        target.mkdir(parents=True, exist_ok=True)
        done, total = 0, self.row.received_bytes + self.row.waiting_bytes
        written: list[Path] = []
        failed: dict[str, list[str]] = {}
        for uid, pieces in self._readers():
            try:
                path = target / f"{uid}.dcm"
                done += write_pieces(path, pieces())
                written.append(path)
            except Damaged as problem:
                failed.setdefault(str(problem), []).append(uid)
            progress("exporting", done, total)
        if failed:
            named = "; ".join(f"{', '.join(uids)}: {fault}" for fault, uids in failed.items())
            lost = sum(map(len, failed.values()))
            counts = f"{len(written)} of {len(written) + lost} instances were written"
            raise Damaged(f"series {self.uid}: {counts}, but not {named}")
        return written

    def _readers(self) -> Iterator[tuple[str, Callable[[], Iterator[Bytes]]]]:
        """Give each instance's UID, and what reads it, proven at the end; a generation in the cheapest order."""
        for uid, instance in self._waiting.items():
            yield uid, instance.pieces
        if self._published is not None:
            rebuilder = Rebuilder(self._published)
            for number in rebuilder.stack_order():
                uid = self.manifest.instances[number].sop_instance_uid
                if uid not in self._waiting:
                    yield uid, partial(rebuilder.proven, number)

    @property
    def dropped(self) -> dict[str, Proof]:
        """The instances whose codestreams were dropped, by SOP Instance UID, with what proves their stored values.

        They cannot be given back as they were received any more.
        """
        records = self._published.manifest.instances if self._published is not None else ()
        gone = (record for record in records if is_dropped(record) and record.sop_instance_uid not in self._waiting)
        return {record.sop_instance_uid: Proof.of(record) for record in gone}

    def instance(self, sop_instance_uid: str, transfer_syntax: str | None = None) -> Retrieved:
        """Give one instance's file, byte for byte as received, or in a lossless transfer syntax asked for by UID.

        What is given says which transfer syntax it has, and whether it is what was received: it is not where another
        was asked for, or where codestreams were dropped. Raises `NotFound`, `Damaged`, `InvalidArgument` for a transfer
        syntax that is not written here, `UnsupportedPixels` for an instance that it does not hold.
        """
        return self.way(sop_instance_uid, transfer_syntax).read()

    def way(self, sop_instance_uid: str, transfer_syntax: str | None = None) -> Way:
        """Give how an instance is given back, to be read in pieces; raises as `instance` does."""
        if sop_instance_uid in self._waiting:
            return self._waiting[sop_instance_uid].way(transfer_syntax)
        for number, record in enumerate(self._published.manifest.instances if self._published is not None else ()):
            if record.sop_instance_uid == sop_instance_uid:
                return self._way(number, record, transfer_syntax)
        raise NotFound(f"no instance {sop_instance_uid} in series {self.uid}")

    def _way(self, number: int, record: InstanceRecord, transfer_syntax: str | None) -> Way:
        rebuilder = Rebuilder(self.published)
        if is_dropped(record):
            wanted = transfer_syntax or LOSSLESS_DEFAULT
            if wanted == LOSSLESS_DEFAULT:
                return Way(wanted, False, partial(rebuilder.proven, number))
            received = ""
        else:
            wanted, received = transfer_syntax or record.transfer_syntax_uid, record.transfer_syntax_uid
        return way_of(
            received,
            partial(rebuilder.proven, number),
            lambda: rebuilder.origin(number, partial(self._decoded, number)),
            wanted,
        )

    def _decoded(self, number: int, frame: int) -> tuple[Values, str]:
        """Decode a frame from its codestream; gives its photometric interpretation too."""
        for stack in self.stacks:
            if (number, frame) in stack.places:
                return next(stack.decoded([stack.places[number, frame]]))
        raise Damaged(f"series {self.uid}: frame {frame} of instance {number} is in no stack")

    def verify(self, progress: Progress = no_progress) -> list[str]:
        """Re-read everything against its checksums; give a line for each thing that is wrong."""
        done = 0

        def told(size_bytes: int) -> None:
            nonlocal done
            done += size_bytes
            progress("verifying", done, self.row.received_bytes + self.row.waiting_bytes)

        damage = [] if self._published is None else find_damage(self._published, told)
        for instance in self._waiting.values():
            damage += instance.verify()
            told(instance.row.size_bytes)
        return damage
