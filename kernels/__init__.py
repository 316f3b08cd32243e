"""Numba kernels: arrays and numbers in, arrays out.

Imports NumPy and Numba, nothing else: no DICOM object, no file, no dict. Each public function checks its arguments
(dtype, shape, contiguity), allocates `out` where none is given, and calls one compiled loop that holds no lock.
"""
