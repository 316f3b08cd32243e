"""`series/` in an object store: a generation exists exactly when its manifest does (invariant A4).

There is no rename. Its `SHA256SUMS` goes up first and takes the generation's number, which only one writer can; the
large files follow; the manifest goes up last, by a request that fails where there is one. What has no manifest is no
generation, but left over; taking a generation away begins with its manifest.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Collection, Iterable
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
from .series_folder import MANIFEST, SUMS, SeriesFolder, generation_numbers_among, series_path

if TYPE_CHECKING:
    from .local import LocalStore

_WINDOW = 4
"""Parts of an object that are on their way while it is hashed."""


@dataclass
class _Seen:
    """What a listing shows of one series."""

    published: set[int] = field(default_factory=set)
    numbers: set[int] = field(default_factory=set)


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
        unless just the answer to the last request was lost.
        """
        target = self.series(series_uid) / str(number)
        sums, manifest = ((written / name).read_bytes() for name in (SUMS, MANIFEST))
        files = {str(path.relative_to(written)): path for path in written.rglob("*") if path.is_file()}
        self._claim(target, SUMS, sums)
        try:
            large = sorted(files.keys() - {SUMS, MANIFEST})
            together(lambda name: self._client.upload(f"{target.path}/{name}", files[name]), large)
            self._check_sizes(target, {name: path.stat().st_size for name, path in files.items() if name != MANIFEST})
        except BaseException:
            self._remove_all(target)
            raise
        # Where its answer is lost the manifest may appear yet: what it tells of stays, at worst to be swept.
        self._claim(target, MANIFEST, manifest)
        shutil.rmtree(written, ignore_errors=True)

    def _claim(self, target: ObjectPlace, name: str, data: bytes) -> None:
        try:
            self._client.put(f"{target.path}/{name}", data)
        except Taken:
            raise FilmlessError(f"{target}: another writer is making this generation: do it again later") from None

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
                self._remove_all(folder / str(number))

    def discard(self, leftover: Place) -> None:
        """Remove what is left of a generation that was never published, unless someone may be writing it still."""
        if isinstance(leftover, Path):
            self._staging.discard(leftover)
            return
        listed = list(self._client.listed(leftover.path))
        if all(self._is_old(item.modified) for item in listed) and not any(_is_manifest(item) for item in listed):
            self._client.delete([item.path for item in listed])

    def _is_old(self, modified: datetime) -> bool:
        return datetime.now(UTC) - modified >= timedelta(seconds=self.address.grace_s)

    def _remove_all(self, generation: ObjectPlace) -> None:
        """Remove a generation's objects, the manifest first: from then on it is none."""
        self._client.delete([f"{generation.path}/{MANIFEST}"])
        self._client.delete([item.path for item in self._client.listed(generation.path)])

    def survey(self) -> list[SeriesFolder]:
        """Give what lies in every series' folder, in order of UID, and what writers left on this machine."""
        seen: dict[str, _Seen] = {}
        for item in self._client.listed(""):
            parts = item.path.split("/")
            if len(parts) >= 4 and len(parts[0]) == 2:
                _note(seen.setdefault(parts[1], _Seen()), parts[2:])
        staged = {series.uid: series.leftovers for series in self._staging.survey() if series.leftovers}
        return [
            self._series_folder(uid, seen.get(uid, _Seen()), staged.get(uid, ())) for uid in sorted({*seen, *staged})
        ]

    def _series_folder(self, uid: str, seen: _Seen, staged: Iterable[Place]) -> SeriesFolder:
        folder = self.series(uid)
        unfinished = (folder / str(number) for number in sorted(seen.numbers - seen.published))
        return SeriesFolder(uid, folder, tuple(sorted(seen.published)), (*unfinished, *staged))

    def _seen_below(self, folder: str) -> _Seen:
        seen = _Seen()
        for item in self._client.listed(folder):
            _note(seen, item.path.removeprefix(f"{folder}/").split("/"))
        return seen

    def files(self, folder: ObjectPlace) -> dict[str, int]:
        """Give the sizes of all objects below a folder, by their paths below it."""
        return {item.path.removeprefix(f"{folder.path}/"): item.size_bytes for item in self._client.listed(folder.path)}

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
        return Damaged(f"{place}: is missing")

    def check_not_superseded(self, place: ObjectPlace) -> None:
        """Raise `Superseded` where the generation that `place` lies in is gone and a newer one is there."""
        bucket, uid, number, *_ = [*place.path.split("/"), "", ""]
        if number.isdecimal():
            published = self._seen_below(f"{bucket}/{uid}").published
            newest = max(published, default=0)
            if int(number) not in published and newest > int(number):
                raise Superseded(f"{uid}: generation {number} was replaced by {newest}; open the series again")


def _note(seen: _Seen, parts: list[str]) -> None:
    """Take note of an object by its path below the series' folder."""
    for number in generation_numbers_among(parts[:1]):
        seen.numbers.add(number)
        if parts[1:] == [MANIFEST]:
            seen.published.add(number)


def _is_manifest(item: Listed) -> bool:
    return item.path.endswith(f"/{MANIFEST}")


def _published_by(item: Listed, folder: ObjectPlace) -> list[int]:
    """Give the number of the generation whose manifest an object is, none where it is something else."""
    number, _, name = item.path.removeprefix(f"{folder.path}/").partition("/")
    return generation_numbers_among([number]) if name == MANIFEST else []
