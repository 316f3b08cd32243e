"""Write one generation of a series and publish it in one step (invariant A4).

All files are written into a hidden local folder, listed with their SHA-256 in `SHA256SUMS` (the format of coreutils,
so that `sha256sum -c` needs nothing of ours), and appear at once: by one rename, or by the manifest's upload.
"""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Collection
from pathlib import Path

from ..errors import Damaged, Superseded
from .durable import HashedFile, flush
from .fail import reached
from .home import Home
from .manifest import Manifest
from .pack import GroupedPackWriter, Pack, PackWriter
from .store.place import Place
from .store.reading import read_whole
from .store.series_folder import MANIFEST, SUMS

HEADERS = "headers.pack"
CODESTREAMS = "codestreams.pack"


class GenerationWriter:
    """The next generation of a series while it is being written."""

    def __init__(self, home: Home, series_uid: str, codec: str | None = None) -> None:
        """Begin a generation whose stacks get a codec, the one of the archive's policy where none is named."""
        self.codec = home.policy.codec if codec is None else codec
        self._store, self._series_uid = home.store, series_uid
        series_folder = home.series_folder(series_uid)
        series_folder.mkdir(parents=True, exist_ok=True)
        self.number = home.store.next_number(series_uid)
        self.folder = series_folder / f".new-{os.getpid()}-{secrets.token_hex(4)}"
        self.folder.mkdir()
        self._sums: dict[Path, tuple[str, int]] = {}
        reached("generation: begun")
        self.headers = GroupedPackWriter(self.folder / HEADERS)
        self._codestreams: PackWriter | None = None

    @property
    def codestreams(self) -> PackWriter:
        """The codestream pack, made at its first use."""
        if self._codestreams is None:
            self._codestreams = PackWriter(self.folder / CODESTREAMS)
        return self._codestreams

    def add_files(self, written: dict[Path, tuple[str, int]]) -> None:
        """Take note of files that others wrote below `folder`, with their SHA-256 and size."""
        self._sums.update(written)

    def write(self, path: Path, data: bytes) -> None:
        """Write a small file at `path` below `folder`."""
        file = HashedFile(self.folder / path)
        try:
            file.append(data)
            self._sums[file.path] = file.close(), file.size_bytes
        finally:
            file.abandon()

    def finish(self, manifest: Manifest) -> None:
        """Write manifest and sums: all that is missing then is the generation's name."""
        text = manifest.to_json()
        self._sums[self.headers.path] = self.headers.close(last=text)
        if self._codestreams is not None:
            self._sums[self._codestreams.path] = self._codestreams.close()
        self.write(Path(MANIFEST), text)
        sums = {str(path.relative_to(self.folder)): digest for path, (digest, _) in self._sums.items()}
        self.write(Path(SUMS), _sums_text(sums).encode())
        reached("generation: written")

    def flush(self) -> None:
        """Wait until all that was written is on the disk; leaves the pool to others."""
        for path in (self.folder, *self.folder.rglob("*")):
            flush(path)

    def publish(self, manifest: Manifest | None = None) -> int:
        """Let the generation appear, durably, finished by `manifest` if it is not yet; give its size in bytes."""
        if manifest is not None:
            self.finish(manifest)
        self._store.publish(self.folder, self._series_uid, self.number)
        return sum(size for _, size in self._sums.values())

    def abandon(self) -> None:
        """Remove what was written so far."""
        for pack in (self.headers, self._codestreams):
            if pack is not None:
                pack.abandon()
        shutil.rmtree(self.folder, ignore_errors=True)


def read_manifest(folder: Place) -> Manifest:
    """Read a generation's manifest; raises `Damaged` where it is missing or no manifest, or `Superseded`."""
    path = folder / MANIFEST
    return Manifest.from_json(read_whole(path), path)


def copied_manifest(folder: Place) -> bytes | None:
    """Give the manifest's text as the header pack keeps it, for when the manifest is damaged; None where it has none.

    It is the last item there, on other blocks of the disk; generations written before there was one have a header.
    """
    try:
        pack = Pack(folder / HEADERS)
        text = pack.read(len(pack) - 1) if len(pack) else b""
        Manifest.from_json(text, folder / HEADERS)
    except (Damaged, Superseded):
        return None
    return text


def read_sums(folder: Place) -> dict[str, str]:
    """Read `SHA256SUMS`: path below the generation to hexadecimal digits; raises `Damaged` or `Superseded`."""
    path = folder / SUMS
    try:
        text = read_whole(path).decode()
    except ValueError as problem:
        raise Damaged(f"{path}: cannot be read ({problem})") from problem
    sums = {name: digest for digest, _, name in (line.partition("  ") for line in text.splitlines())}
    # Nothing vouches for this file but its form: it must be just as it was written.
    if MANIFEST not in sums or text != _sums_text(sums) or not all(len(digest) == 64 for digest in sums.values()):
        raise Damaged(f"{path}: not a list of SHA-256 sums")
    return sums


def _sums_text(sums: dict[str, str]) -> str:
    return "".join(sorted(f"{digest}  {name}\n" for name, digest in sums.items()))


def remove_generations(home: Home, series_uid: str, numbers: Collection[int]) -> None:
    """Remove generations of a series, but for such as somebody on this machine reads: a later sweep does it."""
    home.store.remove(series_uid, numbers)
