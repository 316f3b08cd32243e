"""JPEG-LS, lossless and near-lossless (ISO 14495-1, ITU-T T.87): codestreams in, arrays out, and back."""

from __future__ import annotations

from .decoder import decode_jpeg_ls
from .encoder import encode_jpeg_ls

__all__ = ["decode_jpeg_ls", "encode_jpeg_ls"]
