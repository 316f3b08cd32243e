"""Recovery: finish, or take back, what a process that died left between two steps (invariant A4).

Nothing that holds the only copy of anything is removed, and what a living process is at is left alone.
"""

from __future__ import annotations

from ..storage.home import Home
from ..storage.index import Index
from .members import remove_formers
from .reception import Reception


def recover(home: Home, index: Index, reception: Reception) -> list[str]:
    """Put the archive in order; give a line for each generation that cannot be read."""
    surveyed = home.survey()
    home.sweep(surveyed)
    unreadable = index.catch_up(surveyed).unreadable
    for series in surveyed:
        if len(series.generations) > 1:
            with home.series_lock(series.uid, waits=False) as is_held:
                if is_held:
                    remove_formers(home, index, series.uid, series.generations)
    reception.recover()
    return unreadable
