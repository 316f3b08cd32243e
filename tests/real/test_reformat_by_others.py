"""Oblique planes, slabs and cubic interpolation of a real chest CT, against VTK and SimpleITK."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk
import vtk
from filmless import RenderRequest
from filmless.engine.render import planes
from filmless.engine.render.sample import Cut, sample
from filmless.engine.render.window import Window
from filmless.storage import bricks
from vtk.util import numpy_support

pytestmark = pytest.mark.real

SIDE, SLAB_MM, OUTSIDE = 160, 10.0, -9999.0
WIDE = Window(0, 4000, "LINEAR_EXACT")
MODES = {"max": "SetSlabModeToMax", "min": "SetSlabModeToMin", "mean": "SetSlabModeToMean"}


@pytest.fixture(scope="module")
def chest(everything):
    return everything.series("ct_chest_jpeg_lossless").volume()


@pytest.fixture(scope="module")
def stored(chest):
    return np.ascontiguousarray(np.asarray(chest.level(0)).astype(np.int16))


@pytest.fixture(
    scope="module", params=[(1, 0.9, 0.8), (0.1, 1, 0.05), (0, 0.3, 1)], ids=["double", "coronal", "tilted"]
)
def plane(request, chest):
    """A plane whose pixels are about as large as voxels: level 0 is read."""
    return planes.oblique(chest, request.param, size=(SIDE, SIDE)).adjusted(zoom=3.5)


def ours(chest, plane, interpolation, slab_mm=0.0, mode="max"):
    return sample(chest, Cut(plane, slab_mm, mode, interpolation), WIDE, False)[0]


def samples_of(chest, slab_mm):
    return int(np.ceil(slab_mm / min(chest.spacing_mm) - 1e-6)) + 1 if slab_mm else 1


def by_vtk(chest, stored, plane, interpolation, slab_mm=0.0, mode="max"):
    """The plane by voxel indices, so that VTK needs no geometry of its own."""
    image = vtk.vtkImageData()
    image.SetDimensions(*stored.shape[::-1])
    image.GetPointData().SetScalars(numpy_support.numpy_to_vtk(stored.reshape(-1)))
    samples = samples_of(chest, slab_mm)
    deeper = plane.normal * (slab_mm / (samples - 1) if slab_mm else 1.0)
    inverse = np.linalg.inv(chest.affine)
    axes = np.eye(4)
    steps = np.stack([plane.right_mm, plane.down_mm, deeper], axis=1)
    axes[:3, :3] = (inverse[:3, :3] @ steps)[::-1]
    axes[:3, 3] = (inverse[:3, :3] @ np.array(plane.origin_mm) + inverse[:3, 3])[::-1]
    matrix = vtk.vtkMatrix4x4()
    matrix.DeepCopy(axes.ravel())
    reslice = vtk.vtkImageReslice()
    reslice.SetInputData(image)
    reslice.SetResliceAxes(matrix)
    reslice.SetOutputDimensionality(2)
    reslice.SetOutputExtent(0, plane.columns - 1, 0, plane.rows - 1, 0, 0)
    reslice.SetOutputOrigin(0, 0, 0)
    reslice.SetOutputSpacing(1, 1, 1)
    getattr(reslice, f"SetInterpolationModeTo{interpolation}")()
    reslice.SetBackgroundLevel(OUTSIDE)
    reslice.SetOutputScalarType(vtk.VTK_FLOAT)
    if slab_mm:
        getattr(reslice, MODES[mode])()
        reslice.SetSlabNumberOfSlices(samples)
    reslice.Update()
    pixels = numpy_support.vtk_to_numpy(reslice.GetOutput().GetPointData().GetScalars())
    return pixels.reshape(plane.rows, plane.columns).copy()


def by_simpleitk(chest, stored, plane, interpolator, slab_mm=0.0):
    image = sitk.GetImageFromArray(stored)
    image.SetSpacing(chest.spacing_mm[::-1])
    image.SetOrigin(chest.affine[:3, 3].tolist())
    image.SetDirection((chest.affine[:3, 2::-1] / np.array(chest.spacing_mm)[::-1]).ravel().tolist())
    samples = samples_of(chest, slab_mm)
    deeper = plane.normal * (slab_mm / (samples - 1) if slab_mm else 1.0)
    steps = np.stack([plane.right_mm, plane.down_mm, deeper], axis=1)
    first = np.array(plane.origin_mm) - plane.normal * slab_mm / 2
    resampler = sitk.ResampleImageFilter()
    resampler.SetSize([plane.columns, plane.rows, samples])
    resampler.SetTransform(sitk.AffineTransform(steps.ravel().tolist(), first.tolist()))
    resampler.SetInterpolator(interpolator)
    resampler.SetDefaultPixelValue(OUTSIDE)
    resampler.SetOutputPixelType(sitk.sitkFloat32)
    return sitk.GetArrayFromImage(resampler.Execute(image))


def well_inside(chest, plane, margin):
    """Pixels all of whose voxels are there, where rules for the border do not matter."""
    rows, columns = np.indices((plane.rows, plane.columns))[..., None]
    points = np.array(plane.origin_mm) + rows * np.array(plane.down_mm) + columns * np.array(plane.right_mm)
    inside = np.ones(points.shape[:2], bool)
    for depth in (-SLAB_MM / 2, 0.0, SLAB_MM / 2):
        voxels = chest.geometry.voxel_from_mm(points + depth * plane.normal)
        inside &= np.all((voxels > margin) & (voxels < np.array(chest.shape) - 1 - margin), axis=-1)
    assert inside.sum() > 5000
    return inside


@pytest.mark.parametrize("interpolation", ["trilinear", "cubic"])
def test_vtk_samples_the_same(chest, stored, plane, interpolation):
    """VTK's cubic is Catmull-Rom too. It weighs in float64, we by 20 binary places: 4 × 2⁻²⁰ of 4000 values a voxel."""
    inside = well_inside(chest, plane, 2.01)

    found = ours(chest, plane, interpolation)

    theirs = by_vtk(chest, stored, plane, {"trilinear": "Linear", "cubic": "Cubic"}[interpolation])
    assert np.abs(found - theirs)[inside].max() <= 0.05


@pytest.mark.parametrize("mode", MODES)
def test_vtk_gathers_the_same_slab(chest, stored, plane, mode):
    inside = well_inside(chest, plane, 1.01)

    found = ours(chest, plane, "trilinear", SLAB_MM, mode)

    assert np.abs(found - by_vtk(chest, stored, plane, "Linear", SLAB_MM, mode))[inside].max() <= 0.05


def test_simpleitk_gathers_the_same_slab(chest, stored, plane):
    inside = well_inside(chest, plane, 1.01)

    found = ours(chest, plane, "trilinear", SLAB_MM, "max")

    theirs = by_simpleitk(chest, stored, plane, sitk.sitkLinear, SLAB_MM).max(axis=0)
    assert np.abs(found - theirs)[inside].max() <= 0.05


def test_a_weighted_slab_is_the_weighted_mean_of_simpleitks_planes(chest, stored, plane):
    inside = well_inside(chest, plane, 1.01)

    found = ours(chest, plane, "trilinear", SLAB_MM, "weighted")

    layers = by_simpleitk(chest, stored, plane, sitk.sitkLinear, SLAB_MM)
    distances = np.linspace(-SLAB_MM / 2, SLAB_MM / 2, len(layers))
    tent = 1 - np.abs(distances) / (SLAB_MM / 2 + distances[1] - distances[0])
    assert np.abs(found - np.average(layers, axis=0, weights=tent))[inside].max() <= 0.05


def test_cubic_comes_nearer_to_simpleitks_spline_than_trilinear_does(chest, stored, plane):
    """SimpleITK's cubic is a B-spline with prefilter, another curve through the same voxels: near, not the same."""
    inside = well_inside(chest, plane, 8.0)
    spline = by_simpleitk(chest, stored, plane, sitk.sitkBSpline)[0]

    off = {how: np.sqrt(np.mean((ours(chest, plane, how) - spline)[inside] ** 2)) for how in ("trilinear", "cubic")}

    print({how: round(float(value), 2) for how, value in off.items()})
    assert off["cubic"] < 0.6 * off["trilinear"]
    assert off["cubic"] < 0.01 * np.ptp(spline[inside])


def test_planes_of_one_call_share_what_they_read(everything):
    series = everything.series("ct_head_phantom_1mm")
    requests = [RenderRequest(plane=name, size=(64, 64)) for name in ("coronal", "sagittal", "axial")]
    requests += [RenderRequest(normal=(1, 1, z / 10)) for z in range(3)]

    def misses(some):
        bricks.shared.cache_clear()
        pictures = series.render_all(some)
        return bricks.shared().misses, pictures

    alone = [misses([request]) for request in requests]
    together, pictures = misses(requests)

    assert together < 0.9 * sum(count for count, _ in alone)
    for picture, (_, (single,)) in zip(pictures, alone, strict=True):
        assert np.array_equal(picture.pixels, single.pixels)
