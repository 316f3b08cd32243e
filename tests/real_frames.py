"""The encapsulated frames of the real DICOM files in some transfer syntaxes."""

from __future__ import annotations

import lzma

from filmless.engine.encapsulation import locate_frames, read_codestream
from filmless.engine.parse import extended_offset_table, parse_instance
from filmless.errors import FilmlessError


def real_frames(real_data, syntaxes):
    """Each frame of each file in order of path, as (path below `real_data`, codestream, pixel description)."""
    for path in sorted(real_data.rglob("*.dcm*")):
        if path.suffix not in (".dcm", ".xz"):
            continue
        data = path.read_bytes()
        data = lzma.decompress(data) if path.suffix == ".xz" else data
        try:
            instance = parse_instance(data)
            if instance.transfer_syntax_uid not in syntaxes or instance.pixel_span is None:
                continue
            offsets = extended_offset_table(data, len(data))
            frames = locate_frames(data, instance.pixel_span, instance.pixels.frames, offsets)
        except FilmlessError:
            continue
        for frame in frames:
            yield str(path.relative_to(real_data)), read_codestream(data, frame), instance.pixels
