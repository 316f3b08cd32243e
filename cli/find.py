"""`filmless find`: ask the index by DICOM keywords."""

from __future__ import annotations

import json
from collections.abc import Collection
from typing import Annotated

import typer
from rich.cells import cell_len

from ..engine.archive import open_archive
from ..errors import InvalidArgument
from ..storage.keys import LEVELS, Level
from .console import count_text, out, plain
from .options import DEFAULT_ARCHIVE, ArchiveFolder, AsJson

_COLUMNS: dict[Level, tuple[str, ...]] = {
    "patient": ("PatientID", "PatientName", "PatientBirthDate", "PatientSex", "NumberOfPatientRelatedStudies"),
    "study": (
        "PatientID", "PatientName", "StudyDate", "ModalitiesInStudy", "StudyDescription",
        "NumberOfStudyRelatedSeries", "NumberOfStudyRelatedInstances", "StudyInstanceUID",
    ),
    "series": (
        "PatientName", "StudyDate", "Modality", "SeriesNumber", "SeriesDescription", "NumberOfSeriesRelatedInstances",
        "SeriesInstanceUID",
    ),
    "instance": ("PatientName", "Modality", "SeriesNumber", "InstanceNumber", "SOPClassUID", "SOPInstanceUID"),
}  # fmt: skip
_COUNTS = "NumberOf"
_ENTITIES = {
    "patient": ("patient", ""),
    "study": ("study", "studies"),
    "series": ("series", "series"),
    "instance": ("instance", ""),
}

Keys = Annotated[
    list[str] | None, typer.Argument(metavar="KEY=VALUE…", help="Query keys by DICOM keyword: PatientName='DOE*'.")
]


def find(
    keys: Keys = None,
    archive: ArchiveFolder = DEFAULT_ARCHIVE,
    *,
    level: Annotated[str, typer.Option("--level", "-l", help="patient, study, series or instance.")] = "study",
    fuzzy: Annotated[
        bool, typer.Option("--fuzzy", help="Match text by beginnings of words, whatever the case.")
    ] = False,
    limit: Annotated[int | None, typer.Option("--limit", min=0, help="Give so many at most.")] = None,
    offset: Annotated[int, typer.Option("--offset", min=0, help="Leave out so many first.")] = 0,
    as_json: AsJson = False,
) -> None:
    """Find patients, studies, series or instances by query keys; latest studies first."""
    chosen = _level(level)
    matching = _matching(keys or [])
    columns = (*_COLUMNS[chosen], *(key for key in matching if key not in _COLUMNS[chosen]))
    rows = open_archive(archive, create=False).find(
        matching, chosen, return_keys=None if as_json else columns, limit=limit, offset=offset, fuzzy=fuzzy
    )
    if as_json:
        out.print_json(json.dumps(rows), ensure_ascii=True)
        return
    if rows:
        _print(rows, columns)
    out.print(count_text(len(rows), *_ENTITIES[chosen]))


def _level(text: str) -> Level:
    for level in LEVELS:
        if level == text:
            return level
    raise InvalidArgument(f"--level {text}: choose {', '.join(LEVELS)}")


def _matching(keys: list[str]) -> dict[str, str]:
    matching: dict[str, str] = {}
    for key in keys:
        keyword, is_given, value = key.partition("=")
        if not is_given:
            raise InvalidArgument(f"{key!r} is no query key: write KEYWORD=VALUE, for example PatientName='DOE*'")
        matching[keyword] = value
    return matching


def _print(rows: list[dict[str, str]], columns: Collection[str]) -> None:
    """Print a line a row, however narrow the terminal: a UID cut into pieces cannot be copied."""
    titles = [column.partition("Related")[2].lower() if column.startswith(_COUNTS) else column for column in columns]
    lines = [titles, *([plain(row.get(column, "")) for column in columns] for row in rows)]
    widths = [max(map(cell_len, cells)) for cells in zip(*lines, strict=True)]
    for number, line in enumerate(lines):
        cells = (cell + " " * (width - cell_len(cell)) for cell, width in zip(line, widths, strict=True))
        text = "  ".join(cells).rstrip()
        out.print(text if number else f"[dim]{text}[/]", soft_wrap=True)
