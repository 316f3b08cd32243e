"""A published generation opened for reading: manifest, headers, codestreams, and the arrays of its stacks."""

from __future__ import annotations

import hashlib
import os
import weakref
from functools import cached_property
from pathlib import Path

import numpy as np

from ..errors import Damaged, InvalidArgument
from .array import StoredArray
from .codec import codec_named
from .generation import CODESTREAMS, HEADERS, read_manifest
from .home import Home
from .lease import lease
from .manifest import Manifest
from .ome_zarr import GROUP
from .pack import GroupedPack, Pack
from .ranges import FOLDER
from .store.place import Place
from .store.reading import read_whole
from .store.series_folder import MANIFEST


class Published:
    """One generation of one series; files are mapped at first use and stay open."""

    def __init__(self, home: Home, series_uid: str, generation: int, folder: Path | None = None) -> None:
        """Read the manifest; raises `Damaged`, or `Superseded` where a newer generation has taken its place.

        The generation stays there while this object does. `folder` is where one lies that is not published yet.
        """
        self.folder: Place = folder or home.generation_folder(series_uid, generation)
        self.local_folder = home.root
        """A folder of this machine for what has to be put somewhere meanwhile."""
        held = lease(self.folder / MANIFEST) if isinstance(self.folder, Path) else None
        self._lease = weakref.finalize(self, os.close, held) if held is not None else None
        self.manifest: Manifest = read_manifest(self.folder)
        if self.manifest.series_instance_uid != series_uid or self.manifest.generation != generation:
            raise Damaged(f"{self.folder}: the manifest is that of another series or generation")
        self._arrays: dict[tuple[int, int], StoredArray] = {}

    def release(self) -> None:
        """Let others remove the generation; what was not read until now may be gone."""
        if self._lease is not None:
            self._lease()

    @cached_property
    def _headers(self) -> GroupedPack:
        return GroupedPack(self.folder / HEADERS)

    @cached_property
    def _codestreams(self) -> Pack:
        return Pack(self.folder / CODESTREAMS)

    @cached_property
    def identity(self) -> tuple[str, ...]:
        """What names the stored values of this generation for ever, wherever its folder lies and is moved to."""
        manifest = self.manifest
        received = hashlib.sha256("".join(instance.sha256 for instance in manifest.instances).encode()).hexdigest()
        return manifest.series_instance_uid, str(manifest.generation), manifest.created, manifest.software, received

    def header(self, instance: int) -> bytes:
        """Give all bytes of an instance's file but its pixels; raises `Damaged`."""
        return self._headers.read(*self.manifest.instances[instance].header)

    def codestream(self, instance: int, number: int = 0) -> bytes:
        """Give one of an instance's codestreams, or the file kept whole; raises `Damaged`."""
        record = self.manifest.instances[instance]
        if not 0 <= number < record.codestreams:
            raise InvalidArgument(f"codestream {number} of {record.codestreams} of {record.sop_instance_uid}")
        return self._codestreams.read(record.first_codestream + number)

    def group_metadata(self, stack: int) -> bytes:
        """Give the bytes of a stack's OME-Zarr group metadata; raises `Damaged` or `Superseded`."""
        return read_whole(self.folder / self.manifest.stacks[stack].folder / GROUP)

    def array(self, stack: int, level: int = 0) -> StoredArray:
        """Give one level of a stack."""
        record = self.manifest.stacks[stack]
        if not 0 <= level < len(record.levels):
            raise InvalidArgument(f"level {level} of a stack that has {len(record.levels)}")
        if (stack, level) not in self._arrays:
            path = self.folder / record.folder / str(level)
            identity = (self.identity, stack, level, record.levels[level].chunk)
            ranges = self.folder / record.folder / FOLDER / str(level) if level < record.with_ranges else None
            shape, dtype = record.levels[level], np.dtype(record.dtype)
            codec = codec_named(record.codec)
            self._arrays[stack, level] = StoredArray(path, shape, dtype, identity, codec, ranges)
        return self._arrays[stack, level]
