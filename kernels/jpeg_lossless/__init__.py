"""JPEG Lossless, Huffman coded (T.81 process 14): what DICOM calls .57 and, with predictor 1, .70.

Marker segments are read in plain Python (`markers`, `huffman`); stuffed bytes are removed in one pass (`unstuff`) and
bits decoded in another (`scan`, `prediction`). `encode` goes the other way, with predictor 1.
"""

from .decode import decode_jpeg_lossless
from .encode import encode_jpeg_lossless

__all__ = ["decode_jpeg_lossless", "encode_jpeg_lossless"]
