"""Labels: what segmentations (SEG) and RT structure sets say of the patient, drawn over pictures.

A segment is a part of the patient with a number, a name and a colour, whether it was marked pixel by pixel
(`segmentation`) or by contours (`structure_set`). Both know which pixels of a plane, curved plane, slab or frame they
cover; `draw` lays that over a picture. Knows the rooms of `engine.render` that hold planes and sampling, and neither
archive nor series.
"""
