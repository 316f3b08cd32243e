"""The kernels beside the libraries a user would pick instead, everyone on one thread.

Results are compared before anything is timed: windows and means must agree within 1, planes and slabs within
0.05 HU wherever all of a slab lies inside the volume.

Each peer does the job in its fastest documented way. What is done for it beforehand (SciPy's coordinates, the
wrapping of the array for ITK, VTK and TensorStore, the folding of rescale and window into one line for
OpenCV, NumPy and SimpleITK) and not timed counts in its favour.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import inputs
import numpy as np
import pytest
from filmless.kernels.downsample import halve_mean
from filmless.kernels.reslice import reslice
from filmless.kernels.slab import project_slab
from filmless.kernels.window import window_linear
from pydicom.dataset import Dataset

SIZE = 512
BACKGROUND = -2000.0
SAMPLES = 11
CENTER, WIDTH = 40.0, 400.0
SLOPE, INTERCEPT = 1.0, -1024.0
# The window's lower end as a stored value, and what a stored value adds to the grey.
LOW = (CENTER - 0.5 - (WIDTH - 1) / 2 - INTERCEPT) / SLOPE
GAIN = 255 * SLOPE / (WIDTH - 1)
WINDOW_JOB = "rescale and window 512x512 int16 to 8 bits"
HALVE_JOB = "2x2x2 mean of 400x512x512 int16"


class Plane:
    """A square plane through the middle of the CT, one voxel a pixel, and its normal; all (z, y, x)."""

    def __init__(self, normal: tuple[float, float, float]) -> None:
        self.normal = np.array(normal) / np.linalg.norm(normal)
        self.row_step = np.cross(self.normal, [0.0, 0.1, 1.0])
        self.row_step /= np.linalg.norm(self.row_step)
        self.column_step = np.cross(self.row_step, self.normal)
        middle = np.array(inputs.SHAPE_ZYX) / 2.0 + [0.137, 0.271, 0.113]
        self.origin = middle - SIZE / 2 * (self.row_step + self.column_step)

    def at(self, sample: int) -> np.ndarray:
        """Where sample `sample` of a slab about the plane begins."""
        return self.origin + (sample - SAMPLES // 2) * self.normal

    def indices(self, sample: int = SAMPLES // 2) -> np.ndarray:
        """The voxel index of every pixel, (3, rows, columns)."""
        rows, columns = np.indices((SIZE, SIZE), dtype=np.float64)[:, None]
        column = (slice(None), None, None)
        return self.at(sample)[column] + rows * self.row_step[column] + columns * self.column_step[column]

    def is_inside(self, margin: float = 0.01) -> np.ndarray:
        """Pixels whose whole slab lies well inside, where every peer's rule for the border agrees."""
        ends = np.array(inputs.SHAPE_ZYX)[:, None, None] - 1 - margin
        inside = [(self.indices(s) > margin) & (self.indices(s) < ends) for s in range(SAMPLES)]
        return np.all(inside, axis=(0, 1))


PLANES = {"oblique": Plane((1.0, 0.9, 0.8)), "near-sagittal": Plane((0.2, 0.3, 1.0))}


@pytest.fixture(scope="module")
def volume() -> np.ndarray:
    return inputs.ct_volume()


@pytest.fixture(scope="module")
def frame(volume: np.ndarray) -> np.ndarray:
    return ((volume[200] - INTERCEPT) / SLOPE).astype(np.int16)


@pytest.fixture(scope="module")
def cv2(peer: Callable[[str], Any]) -> Any:
    module = peer("cv2")
    module.setNumThreads(1)
    return module


def nearly(expected: np.ndarray, tolerance: float, where: Any = ...) -> Callable[[Any], None]:
    """Give a check that a result differs from `expected` by `tolerance` at most."""
    wanted = expected.astype(np.float64)

    def check(result: Any) -> None:
        assert np.abs(np.asarray(result, dtype=np.float64)[where] - wanted[where]).max() <= tolerance

    return check


def test_window_filmless(race, frame):
    out = np.empty(frame.shape, np.uint8)

    def run():
        return window_linear(frame, CENTER, WIDTH, slope=SLOPE, intercept=INTERCEPT, out=out)

    race(WINDOW_JOB, "filmless", run, windowed(frame))


def windowed(frame):
    return nearly(np.clip((frame - LOW) * GAIN, 0, 255), 1)


def test_window_pydicom(race, peer, frame):
    processing = peer("pydicom").pixels
    header = Dataset()
    header.PixelRepresentation, header.BitsStored, header.PhotometricInterpretation = 0, 8, "MONOCHROME2"
    header.WindowCenter, header.WindowWidth = CENTER, WIDTH
    header.RescaleSlope, header.RescaleIntercept = SLOPE, INTERCEPT
    # Its output keeps the range of the rescaled values: 255 levels, from the intercept up.
    check = windowed(frame)

    def run():
        return processing.apply_voi_lut(processing.apply_modality_lut(frame, header), header)

    race(WINDOW_JOB, "pydicom, left in float64", run, lambda gray: check(gray - INTERCEPT))


def test_window_simpleitk(race, sitk, frame):
    image, high = sitk.GetImageFromArray(frame), LOW + (WIDTH - 1) / SLOPE

    def run():
        return sitk.Cast(sitk.IntensityWindowing(image, LOW, high, 0, 255), sitk.sitkUInt8)

    check = windowed(frame)
    race(
        WINDOW_JOB,
        "SimpleITK IntensityWindowing",
        run,
        lambda image: check(sitk.GetArrayViewFromImage(image)),
    )


def test_window_opencv_linear(race, cv2, frame):
    out = np.empty(frame.shape, np.uint8)

    def run():
        return cv2.addWeighted(frame, GAIN, frame, 0.0, -LOW * GAIN, dst=out, dtype=cv2.CV_8U)

    race(WINDOW_JOB, "OpenCV addWeighted", run, windowed(frame))


def test_window_opencv_table(race, cv2, frame):
    # OpenCV 4 reads tables by 8 bits only; a table of all 16-bit values needs OpenCV 5.
    if int(cv2.__version__.split(".")[0]) < 5:
        pytest.skip("peer missing: cv2.LUT by 16 bits (OpenCV 5)")
    values = np.arange(65536, dtype=np.uint16).view(np.int16)
    table = np.rint(np.clip((values - LOW) * GAIN, 0, 255)).astype(np.uint8).reshape(1, -1)
    indices = frame.view(np.uint16)

    race(WINDOW_JOB, "OpenCV LUT", lambda: cv2.LUT(indices, table), windowed(frame))


def test_window_numpy(race, frame):
    gain, offset = np.float32(GAIN), np.float32(0.5 - LOW * GAIN)
    scratch, out = np.empty(frame.shape, np.float32), np.empty(frame.shape, np.uint8)

    def run():
        np.multiply(frame, gain, out=scratch, dtype=np.float32)
        np.add(scratch, offset, out=scratch)
        np.clip(scratch, 0, 255, out=scratch)
        np.copyto(out, scratch, casting="unsafe")
        return out

    race(WINDOW_JOB, "NumPy, buffers reused", run, windowed(frame))


def test_window_memcpy(race, frame):
    out = np.empty_like(frame)

    def run():
        np.copyto(out, frame)
        return out

    race(WINDOW_JOB, "(memcpy of the frame)", run, nearly(frame, 0))


def box_mean(volume):
    z, y, x = (size // 2 for size in volume.shape)
    return nearly(volume.reshape(z, 2, y, 2, x, 2).mean(axis=(1, 3, 5), dtype=np.float32), 1)


def test_halve_filmless(race, volume):
    out = np.empty(tuple(size // 2 for size in volume.shape), volume.dtype)

    race(HALVE_JOB, "filmless", lambda: halve_mean(volume, out=out), box_mean(volume))


def test_halve_simpleitk(race, sitk, volume):
    image, check = sitk.GetImageFromArray(volume), box_mean(volume)

    race(
        HALVE_JOB,
        "SimpleITK BinShrink",
        lambda: sitk.BinShrink(image, [2, 2, 2]),
        lambda image: check(sitk.GetArrayViewFromImage(image)),
    )


def test_halve_tensorstore(race, peer, volume):
    ts = peer("tensorstore")
    context = ts.Context({"data_copy_concurrency": {"limit": 1}})
    halved = ts.downsample(ts.array(volume, context=context), [2, 2, 2], method="mean")

    race(HALVE_JOB, "TensorStore downsample", lambda: halved.read().result(), box_mean(volume))


def test_halve_scikit_image(race, peer, volume):
    transform = peer("skimage").transform

    race(
        HALVE_JOB,
        "scikit-image downscale_local_mean",
        lambda: transform.downscale_local_mean(volume, (2, 2, 2)),
        box_mean(volume),
    )


@pytest.fixture(params=PLANES)
def cut(request, volume):
    """A plane and what to call it."""
    plane = PLANES[request.param]
    return plane, request.param


def plane_job(name):
    return f"{name} plane 512x512 of 400x512x512 int16"


def slab_job(name):
    return f"{name} maximum of 11 planes 512x512"


def trilinear(volume, indices):
    """Sample well inside the volume, in float64, by NumPy alone."""
    lower = np.floor(indices).astype(np.intp)
    z, y, x = lower
    weights = [(1 - part, part) for part in indices - lower]
    corners = itertools.product((0, 1), repeat=3)
    return sum(weights[0][k] * weights[1][j] * weights[2][i] * volume[z + k, y + j, x + i] for k, j, i in corners)


def sampled(volume, plane):
    where = plane.is_inside()
    return nearly(trilinear(volume, np.where(where, plane.indices(), 1.0)), 0.05, where)


def projected(volume, plane):
    where = plane.is_inside()
    exact = [trilinear(volume, np.where(where, plane.indices(s), 1.0)) for s in range(SAMPLES)]
    return nearly(np.max(exact, axis=0), 0.05, where)


def test_plane_filmless(race, volume, cut):
    plane, name = cut
    geometry, out = (plane.origin, plane.row_step, plane.column_step), np.empty((SIZE, SIZE), np.float32)

    race(
        plane_job(name),
        "filmless",
        lambda: reslice(volume, *geometry, out=out, background=BACKGROUND),
        sampled(volume, plane),
    )


def keys(distance):
    """The kernel of cubic convolution, Keys 1981."""
    d = np.abs(distance)
    return np.where(d < 1, (1.5 * d - 2.5) * d * d + 1, np.where(d < 2, ((-0.5 * d + 2.5) * d - 4) * d + 2, 0.0))


def cubic(volume, plane):
    """Check against 64 voxels a sample, weighed in float64 by NumPy alone."""
    where = plane.is_inside(1.01)
    indices = np.where(where, plane.indices(), 5.0)
    lower = np.floor(indices).astype(np.intp)
    offsets = itertools.product((-1, 0, 1, 2), repeat=3)
    taps = [lower + np.reshape(offset, (3, 1, 1)) for offset in offsets]
    return nearly(sum(keys(indices - tap).prod(axis=0) * volume[tuple(tap)] for tap in taps), 0.05, where)


def cubic_job(name):
    return f"{name} cubic plane 512x512 of 400x512x512 int16"


def test_cubic_filmless(race, volume, cut):
    plane, name = cut
    geometry, out = (plane.origin, plane.row_step, plane.column_step), np.empty((SIZE, SIZE), np.float32)

    race(
        cubic_job(name),
        "filmless",
        lambda: reslice(volume, *geometry, out=out, background=BACKGROUND, interpolation="cubic"),
        cubic(volume, plane),
    )


def test_cubic_vtk(race, vtk, volume, cut):
    plane, name = cut
    reslicer = vtk_reslice(vtk, volume, plane)
    reslicer.SetInterpolationModeToCubic()
    run, pixels = vtk_run(vtk, reslicer)
    check = cubic(volume, plane)

    race(cubic_job(name), "VTK vtkImageReslice, cubic", run, lambda image: check(pixels(image)))


def test_slab_filmless(race, volume, cut):
    plane, name = cut
    geometry, out = (plane.at(0), plane.row_step, plane.column_step), np.empty((SIZE, SIZE), np.float32)

    race(
        slab_job(name),
        "filmless",
        lambda: project_slab(volume, *geometry, plane.normal, SAMPLES, out=out, background=BACKGROUND),
        projected(volume, plane),
    )


def itk_resampler(sitk, plane, planes):
    """A resampler onto a grid whose points an affine transform carries into the volume."""
    matrix = np.stack([plane.column_step[::-1], plane.row_step[::-1], plane.normal[::-1]], axis=1)
    first = plane.origin if planes == 1 else plane.at(0)
    resampler = sitk.ResampleImageFilter()
    resampler.SetSize([SIZE, SIZE, planes])
    resampler.SetTransform(sitk.AffineTransform(matrix.ravel().tolist(), first[::-1].tolist()))
    resampler.SetInterpolator(sitk.sitkLinear)
    resampler.SetDefaultPixelValue(BACKGROUND)
    resampler.SetOutputPixelType(sitk.sitkFloat32)
    return resampler


def test_plane_simpleitk(race, sitk, volume, cut):
    plane, name = cut
    image, resampler, check = (
        sitk.GetImageFromArray(volume),
        itk_resampler(sitk, plane, 1),
        sampled(volume, plane),
    )

    race(
        plane_job(name),
        "SimpleITK Resample",
        lambda: resampler.Execute(image),
        lambda image: check(sitk.GetArrayViewFromImage(image)[0]),
    )


def test_slab_simpleitk(race, sitk, volume, cut):
    plane, name = cut
    image, resampler = sitk.GetImageFromArray(volume), itk_resampler(sitk, plane, SAMPLES)
    check = projected(volume, plane)

    race(
        slab_job(name),
        "SimpleITK Resample, MaximumProjection",
        lambda: sitk.MaximumProjection(resampler.Execute(image), 2),
        lambda image: check(sitk.GetArrayViewFromImage(image)[0]),
    )


def vtk_reslice(vtk, volume, plane):
    """A reslicer of the volume, not copied, onto the plane."""
    image = vtk.vtkImageData()
    image.SetDimensions(*volume.shape[::-1])
    image.GetPointData().SetScalars(vtk.util.numpy_support.numpy_to_vtk(volume.reshape(-1)))
    axes = np.eye(4)
    axes[:3, :3] = np.stack([plane.column_step[::-1], plane.row_step[::-1], plane.normal[::-1]], axis=1)
    axes[:3, 3] = plane.origin[::-1]
    matrix = vtk.vtkMatrix4x4()
    matrix.DeepCopy(axes.ravel())
    reslicer = vtk.vtkImageReslice()
    reslicer.SetInputData(image)
    reslicer.SetNumberOfThreads(1)
    reslicer.SetResliceAxes(matrix)
    reslicer.SetOutputDimensionality(2)
    reslicer.SetOutputExtent(0, SIZE - 1, 0, SIZE - 1, 0, 0)
    reslicer.SetOutputOrigin(0, 0, 0)
    reslicer.SetOutputSpacing(1, 1, 1)
    reslicer.SetInterpolationModeToLinear()
    reslicer.SetBackgroundLevel(BACKGROUND)
    reslicer.SetOutputScalarType(vtk.VTK_FLOAT)
    return reslicer


def vtk_run(vtk, reslicer):
    """Run the reslicer again, as if its input had changed, and give its pixels."""

    def run():
        reslicer.Modified()
        reslicer.Update()
        return reslicer.GetOutput()

    def pixels(image):
        return vtk.util.numpy_support.vtk_to_numpy(image.GetPointData().GetScalars()).reshape(SIZE, SIZE)

    return run, pixels


def test_plane_vtk(race, vtk, volume, cut):
    plane, name = cut
    run, pixels = vtk_run(vtk, vtk_reslice(vtk, volume, plane))
    check = sampled(volume, plane)

    race(plane_job(name), "VTK vtkImageReslice", run, lambda image: check(pixels(image)))


def test_slab_vtk(race, vtk, volume, cut):
    plane, name = cut
    reslicer = vtk_reslice(vtk, volume, plane)
    reslicer.SetSlabModeToMax()
    reslicer.SetSlabNumberOfSlices(SAMPLES)
    run, pixels = vtk_run(vtk, reslicer)
    check = projected(volume, plane)

    race(slab_job(name), "VTK vtkImageReslice, slab mode", run, lambda image: check(pixels(image)))


def test_plane_scipy(race, peer, volume, cut):
    plane, name = cut
    sample, coordinates = peer("scipy").ndimage.map_coordinates, plane.indices()
    out = np.empty((SIZE, SIZE), np.float32)

    race(
        plane_job(name),
        "SciPy map_coordinates",
        lambda: sample(volume, coordinates, output=out, order=1, cval=BACKGROUND, prefilter=False),
        sampled(volume, plane),
    )


def test_slab_scipy(race, peer, volume, cut):
    plane, name = cut
    sample = peer("scipy").ndimage.map_coordinates
    coordinates = np.stack([plane.indices(s) for s in range(SAMPLES)], axis=1)
    out = np.empty((SAMPLES, SIZE, SIZE), np.float32)

    def run():
        sample(volume, coordinates, output=out, order=1, cval=BACKGROUND, prefilter=False)
        return out.max(axis=0)

    race(slab_job(name), "SciPy map_coordinates, max", run, projected(volume, plane))
