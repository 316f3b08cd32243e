"""What a PACS does with images: read DICOM, judge geometry, ingest, rebuild, verify, render.

Imports `storage` and `kernels`. Knows DICOM's meaning (transfer syntaxes, geometry, the softcopy pipeline); knows no
socket and no HTTP.
"""
