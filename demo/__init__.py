"""A synthetic hospital export, for `filmless demo` and for tests that have no real data at hand.

`shapes` paints signed distance fields into voxels; `trunk` (with `cavities`, `skeleton`, `vessels`) and
`head` (with `brain`) say what a body is made of; `tissue` gives each tissue its signal per modality;
`scans`, `acquisition` and `ultrasound` are the scanners; `series`, `modules`, `writing` and `dicomdir`
turn their images into DICOM files; `phantom` writes the export. None of these needs more of Filmless than
`errors`: what the engine reads was not written by the engine.
"""
