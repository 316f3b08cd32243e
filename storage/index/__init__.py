"""The index: which patients, studies, series and instances the archive holds, so that no question opens a file.

It is a cache of what generations and inbox say (invariant A5). It imports storage's files and SQLAlchemy, and knows no
DICOM file.
"""

from .index import CaughtUp, Index, SeriesRow, newest_readable, short_id

__all__ = ["CaughtUp", "Index", "SeriesRow", "newest_readable", "short_id"]
