"""What an image, or a presentation state, says of how it is to be seen (PS3.4 annex N), and doing so.

Values become grey or colour (`softcopy`), overlays and shutters lie over them, colours are defined by ICC profiles, PET
counts become SUV; a presentation state (`state`) takes the place of what the image itself says. It knows the rooms of
`engine.render` that hold windows, tables, palettes and pictures, and neither series nor archive.
"""
