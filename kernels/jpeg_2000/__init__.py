"""JPEG 2000 (T.800) and its high-throughput block coder (T.814), decoded from a bare codestream to an array.

The way of the bytes is the order of the files: `markers` reads the headers, `layout` says where tiles, bands, precincts
and code blocks lie, `packets` gathers each block's bytes, `mq` and `passes` (or `high_throughput`) decode blocks to
coefficients, `wavelet` and `components` turn these into samples, and `decode` leads through all of it.
"""

from .decode import decode_components, decode_jpeg_2000

__all__ = ["decode_components", "decode_jpeg_2000"]
