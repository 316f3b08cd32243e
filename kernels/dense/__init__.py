"""The dense codec: linear prediction in three dimensions, then rANS under static distributions chosen by context.

`tables` holds the distributions, `layout` the form of a chunk, `prediction` and `entropy` the two halves of decoding,
`fitting` and `encoding` what only the writer does, `chunks` many chunks in one call. Specified in
docs/reference/dense-codec.md.
"""
