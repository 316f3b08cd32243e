"""`series/` in an object store: a generation appears with its manifest, the last object to go up (invariant A4).

There is no rename. A marker goes up first and takes the generation's number, which only one writer can; the files
follow; then the manifest, by a request that fails where there is one; then the marker goes. Taking a generation away
puts a marker too, and begins with the manifest. So what has a marker and no manifest is left over and may go; what has
neither has lost its manifest: it is damage, and may hold what nothing else does.
"""

from __future__ import annotations

import hashlib
import secrets
import shutil
from collections.abc import Collection, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from ...errors import Damaged, FilmlessError, StoreFailed, Superseded
from .address import Address
from .client import Absent, Client, Listed, Taken, together
from .coalesce import PART_BYTES, parts_of
from .object_view import ChunkCache, ObjectView
from .place import ObjectPlace, Place
from .series_folder import MANIFEST, SeriesFolder, generation_numbers_among, series_path

if TYPE_CHECKING:
    from .local import LocalStore

UPLOADING, REMOVING = ".uploading", ".removing"
"""Markers of a generation that is not whole yet, or no longer."""
_MARKERS = (UPLOADING, REMOVING)
_WINDOW = 4
"""Parts of an object that are on their way while it is hashed."""


@dataclass
class _Seen:
    """What a listing shows of one series: numbers that have any object, a manifest, a marker."""

    numbers: set[int] = field(default_factory=set)
    manifests: set[int] = field(default_factory=set)
    markers: set[tuple[int, str]] = field(default_factory=set)

    def note(self, parts: list[str]) -> None:
        """Take note of an object by its path below the series' folder."""
        for number in generation_numbers_among(parts[:1]):
            self.numbers.add(number)
            if parts[1:] == [MANIFEST]:
                self.manifests.add(number)
            if len(parts) == 2 and parts[1] in _MARKERS:
                self.markers.add((number, parts[1]))

    @property
    def unfinished(self) -> set[int]:
        """Numbers of what is no generation yet, or no longer."""
        return {number for number, _ in self.markers} - self.manifests

    @property
    def generations(self) -> set[int]:
        """Numbers of the generations, those that have lost their manifest too."""
        return self.numbers - self.unfinished


class ObjectStore:
    """The series of an archive in one bucket; `staging` is the local folder in which generations are written."""

    def __init__(self, address: Address, staging: LocalStore) -> None:
        self.address = address
        self._client = Client(address)
        self._staging = staging
        self._cache = ChunkCache()

    def series(self, series_uid: str) -> ObjectPlace:
        """Give the place of a series' generations."""
        return ObjectPlace(self, series_path(series_uid))

    def next_number(self, series_uid: str) -> int:
        """Give a number that no generation has, nor what is left of one."""
        numbers = self._seen_below(self.series(series_uid).path).numbers
        return max(numbers, default=0) + 1

    def publish(self, written: Path, series_uid: str, number: int) -> None:
        """Upload what lies in the local folder `written`, the manifest last, then remove the folder.

        Raises `StoreFailed`, and `FilmlessError` where another writer took the number; nothing is published then,
        unless just the answer to the manifest's request was lost.
        """
        target = self.series(series_uid) / str(number)
        manifest = (written / MANIFEST).read_bytes()
        files = {str(path.relative_to(written)): path for path in written.rglob("*") if path.is_file()}
        del files[MANIFEST]
        self._take(target)
        try:
            together(lambda name: self._client.upload(f"{target.path}/{name}", files[name]), sorted(files))
            self._check_sizes(target, {name: path.stat().st_size for name, path in files.items()})
        except BaseException:
            self._remove_all(target)
            raise
        # Where its answer is lost the manifest may appear yet: what it tells of stays, at worst to be swept.
        self._claim(target, MANIFEST, manifest)
        with suppress(StoreFailed):  # the next sweep does it
            self._client.delete([f"{target.path}/{UPLOADING}"])
        shutil.rmtree(written, ignore_errors=True)

    def _take(self, target: ObjectPlace) -> None:
        """Have a generation's number alone; one whose writer is done has no marker, but objects."""
        self._claim(target, UPLOADING, secrets.token_hex(16).encode())
        if self.files(target):
            self._client.delete([f"{target.path}/{UPLOADING}"])
            raise _taken(target)

    def _claim(self, target: ObjectPlace, name: str, data: bytes) -> None:
        try:
            self._client.put(f"{target.path}/{name}", data)
        except Taken:
            raise _taken(target) from None

    def _check_sizes(self, target: ObjectPlace, expected: dict[str, int]) -> None:
        held = self.files(target)
        wrong = sorted(name for name in expected if held.get(name) != expected[name])
        if wrong or held.keys() != expected.keys():
            raise StoreFailed(f"{target}: what was uploaded did not arrive whole: {', '.join(wrong) or sorted(held)}")

    def remove(self, series_uid: str, numbers: Collection[int]) -> None:
        """Remove published generations: at once where they are the newest, else when their readers had time to end."""
        folder = self.series(series_uid)
        listed = list(self._client.listed(folder.path))
        published = {number: item.modified for item in listed for number in _published_by(item, folder)}
        for number in sorted(published.keys() & set(numbers)):
            newer = [modified for other, modified in published.items() if other > number]
            if not newer or self._is_old(min(newer)):
                generation = folder / str(number)
                with suppress(FilmlessError):  # another takes it away too
                    self._claim(generation, REMOVING, secrets.token_hex(16).encode())
                self._client.delete([f"{generation.path}/{MANIFEST}"])
                self._remove_all(generation)

    def restore(self, series_uid: str, number: int, manifest: bytes) -> None:
        """Put a generation's manifest in the place of a damaged or missing one."""
        target = self.series(series_uid) / str(number)
        self._client.delete([f"{target.path}/{MANIFEST}"])
        self._claim(target, MANIFEST, manifest)

    def discard(self, leftover: Place) -> None:
        """Remove a marker, or what is left where one says so, unless someone may be at work on it still."""
        if isinstance(leftover, Path):
            self._staging.discard(leftover)
            return
        parts = leftover.path.split("/")
        listed = list(self._client.listed("/".join(parts[:3])))
        if not all(self._is_old(item.modified) for item in listed):
            return
        seen = self._seen_below("/".join(parts[:2]))
        if parts[3:]:
            self._client.delete([leftover.path])
        elif int(leftover.name) in seen.unfinished:
            self._remove_all(leftover)

    def _is_old(self, modified: datetime) -> bool:
        return datetime.now(UTC) - modified >= timedelta(seconds=self.address.grace_s)

    def _remove_all(self, generation: ObjectPlace) -> None:
        """Remove the objects of what has no manifest, its marker last."""
        paths = [item.path for item in self._client.listed(generation.path)]
        markers = [path for path in paths if path.rpartition("/")[2] in _MARKERS]
        self._client.delete([path for path in paths if path not in markers])
        self._client.delete(markers)

    def survey_series(self, series_uid: str) -> SeriesFolder | None:
        """Give what lies in one series' folder, and what writers left of it here; None where nothing does."""
        seen = self._seen_below(series_path(series_uid))
        staged = self._staging.survey_series(series_uid)
        if not seen.numbers and staged is None:
            return None
        return self._series_folder(series_uid, seen, staged.leftovers if staged is not None else ())

    def survey(self) -> list[SeriesFolder]:
        """Give what lies in every series' folder, in order of UID, and what writers left on this machine."""
        seen: dict[str, _Seen] = {}
        for item in self._client.listed(""):
            parts = item.path.split("/")
            if len(parts) >= 4 and len(parts[0]) == 2:
                seen.setdefault(parts[1], _Seen()).note(parts[2:])
        staged = {series.uid: series.leftovers for series in self._staging.survey() if series.leftovers}
        return [
            self._series_folder(uid, seen.get(uid, _Seen()), staged.get(uid, ())) for uid in sorted({*seen, *staged})
        ]

    def _series_folder(self, uid: str, seen: _Seen, staged: Iterable[Place]) -> SeriesFolder:
        folder = self.series(uid)
        unfinished = [folder / str(number) for number in sorted(seen.unfinished)]
        stray = [folder / str(n) / name for n, name in sorted(seen.markers) if n in seen.manifests]
        return SeriesFolder(uid, folder, tuple(sorted(seen.generations)), (*unfinished, *stray, *staged))

    def _seen_below(self, folder: str) -> _Seen:
        seen = _Seen()
        for item in self._client.listed(folder):
            seen.note(item.path.removeprefix(f"{folder}/").split("/"))
        return seen

    def files(self, folder: ObjectPlace) -> dict[str, int]:
        """Give the sizes of all objects below a folder but markers, by their paths below it."""
        sizes = {
            item.path.removeprefix(f"{folder.path}/"): item.size_bytes for item in self._client.listed(folder.path)
        }
        return {name: size for name, size in sizes.items() if name not in _MARKERS}

    def open_view(self, place: ObjectPlace, tail_bytes: int) -> ObjectView:
        """Open an object, its last bytes read; raises `Damaged`, `Superseded`, `StoreFailed`."""
        try:
            return ObjectView(self._client, self._cache, place, tail_bytes)
        except Absent:
            raise self._why_absent(place) from None

    def read_whole(self, place: ObjectPlace) -> bytes:
        """Give a small object's bytes; raises `Damaged`, `Superseded`, `StoreFailed`."""
        try:
            return self._client.read_whole(place.path)
        except Absent:
            raise self._why_absent(place) from None

    def hash_whole(self, place: ObjectPlace) -> str:
        """Give the SHA-256 of an object, read in bounded memory."""
        digest = hashlib.sha256()
        try:
            tail, size_bytes = self._client.read_tail(place.path, PART_BYTES)
            parts = parts_of(0, size_bytes - len(tail)) if size_bytes > len(tail) else []
            for at in range(0, len(parts), _WINDOW):
                for data in together(lambda part: self._client.read(place.path, *part), parts[at : at + _WINDOW]):
                    digest.update(data)
        except Absent:
            raise self._why_absent(place) from None
        digest.update(tail)
        return digest.hexdigest()

    def _why_absent(self, place: ObjectPlace) -> FilmlessError:
        self.check_not_superseded(place)
        return Damaged(f"{place}: is missing, or empty")

    def check_not_superseded(self, place: ObjectPlace) -> None:
        """Raise `Superseded` where the generation that `place` lies in is gone and a newer one is there."""
        bucket, uid, number, *_ = [*place.path.split("/"), "", ""]
        if number.isdecimal():
            published = self._seen_below(f"{bucket}/{uid}").manifests
            newest = max(published, default=0)
            if int(number) not in published and newest > int(number):
                raise Superseded(f"{uid}: generation {number} was replaced by {newest}; open the series again")


def _taken(target: ObjectPlace) -> FilmlessError:
    return FilmlessError(f"{target}: another writer is making this generation: do it again later")


def _published_by(item: Listed, folder: ObjectPlace) -> list[int]:
    """Give the number of the generation whose manifest an object is, none where it is something else."""
    number, _, name = item.path.removeprefix(f"{folder.path}/").partition("/")
    return generation_numbers_among([number]) if name == MANIFEST else []
