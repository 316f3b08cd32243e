"""Inside and outside of contours by counting crossings, one pixel at a time."""

from __future__ import annotations


def is_inside(u, v, polygons):
    """Even and odd over all polygons, each a list of (u, v)."""
    crossings = 0
    for polygon in polygons:
        for (u0, v0), (u1, v1) in zip(polygon, [*polygon[1:], polygon[0]], strict=True):
            if (v0 > v) != (v1 > v) and u < u0 + (v - v0) / (v1 - v0) * (u1 - u0):
                crossings += 1
    return crossings % 2 == 1


def fill(starts, right, layers, planes, columns):
    """Each pixel alone: the layer its depth is in, and the polygons of that layer."""
    picture = []
    for start, step in zip(starts, right, strict=True):
        row = []
        for c in range(columns):
            depth, u, v = (float(a + c * b) for a, b in zip(start, step, strict=True))
            row.append(
                int(
                    any(
                        low <= depth < high and is_inside(u, v, polygons)
                        for (low, high), polygons in zip(layers, planes, strict=True)
                    )
                )
            )
        picture.append(row)
    return picture
