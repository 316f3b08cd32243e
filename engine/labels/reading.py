"""Read the segmentations and structure sets of a series from what an archive holds of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from ...errors import FilmlessError, FormatError, InvalidArgument
from ..render.tables import read_header
from .draw import LabelSet
from .segmentation import Segmentation
from .structure_set import StructureSet

if TYPE_CHECKING:
    from ..stored_instance import StoredInstance

SEGMENTATIONS = ("1.2.840.10008.5.1.4.1.1.66.4", "1.2.840.10008.5.1.4.1.1.66.7")
"""SOP Classes of binary and fractional segmentations, and of label maps."""
STRUCTURE_SETS = ("1.2.840.10008.5.1.4.1.1.481.3",)


def read_label_sets(series: str, instances: Iterable[StoredInstance]) -> tuple[LabelSet, ...]:
    """Read those instances of a series that are labels.

    Raises `InvalidArgument` where none is, and `FormatError` for a header that is not what its SOP Class says.
    """
    found = tuple(_read(series, instances))
    if not found:
        raise InvalidArgument(f"series {series} holds no labels: name one of segmentations (SEG) or RT structure sets")
    return found


def _read(series: str, instances: Iterable[StoredInstance]) -> Iterator[LabelSet]:
    for instance in instances:
        row = instance.row
        try:
            if row.sop_class_uid in SEGMENTATIONS:
                yield Segmentation(read_header(instance.header()), instance.frame)
            elif row.sop_class_uid in STRUCTURE_SETS:
                yield StructureSet(read_header(instance.header()))
        except FilmlessError:
            raise
        except (TypeError, ValueError, AttributeError, IndexError, KeyError) as problem:
            # pydicom converts values when they are asked for, and has no error of its own for those that are none.
            raise FormatError(f"labels {row.sop_uid} of series {series} cannot be read: {problem}") from problem
