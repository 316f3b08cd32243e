"""Where things are kept: shards and pyramids, packs of headers and codestreams, generations, the index, quarantine.

Imports `kernels`. Knows bytes, arrays, checksums and transactions; knows no DICOM and does not render.
"""
