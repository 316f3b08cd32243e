"""Where `series/` lies: a folder of this machine, or an S3-compatible object store by URL.

A generation is written to a local folder, published through a `Store`, and read through `View`s of its files. A
`Place` names a file or folder of either kind. Imports only checksums and pools of `storage` beside it.
"""
