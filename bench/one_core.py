"""Everyone on one core and one thread; imported before any library that sizes a pool of threads.

A pool asks once how many it may be, some at import: so the process is pinned and the environment set first. The
core is the first that the process may use: `taskset -c 3 make bench` runs on core 3.
"""

from __future__ import annotations

import os

CORE = min(os.sched_getaffinity(0))
ONE_THREAD = (
    "FILMLESS_THREADS",
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "RAYON_NUM_THREADS",  # zarrs and zarrista, in Rust
    "BLOSC_NTHREADS",
    "VTK_SMP_MAX_THREADS",
    "ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS",
)

os.sched_setaffinity(0, {CORE})
os.environ.update(dict.fromkeys(ONE_THREAD, "1"))
