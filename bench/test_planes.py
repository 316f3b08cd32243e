"""Pictures of planes from the archive, beside libraries that hold the volume in memory; everyone on one core.

Filmless maps a compressed archive and decodes, for each picture, the chunks that it touches; its peers were given the
volume beforehand, and that is not timed. All make the same 512 x 512 pixels, windowed to 8 bits, within 1 grey level
wherever a picture's samples lie well inside the volume.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import filmless
import numpy as np
import pytest
from filmless.engine.render import planes
from filmless.engine.volume import ArrayLevel
from folder import CtFolder

SIZE = (512, 512)
SLAB_MM = 10.0
CENTER, WIDTH = 40.0, 400.0
LOW_HU, HIGH_HU = CENTER - 0.5 - (WIDTH - 1) / 2, CENTER - 0.5 + (WIDTH - 1) / 2
AIR_HU = -2000.0
TILT = (1.0, 0.9, 0.8)
VIEWS = ("axial", "coronal", "sagittal", "oblique", "10 mm maximum slab")


@dataclass(frozen=True)
class View:
    """A picture to make: its plane, how deep it gathers, and what it must look like."""

    name: str
    volume: filmless.Volume
    plane: filmless.Plane
    slab_mm: float

    def picture(self, volume: filmless.Volume | None = None) -> Any:
        """Make the picture from the archive, or from another copy of the volume."""
        return filmless.render(volume or self.volume, self.plane, slab_mm=self.slab_mm, window=(CENTER, WIDTH))

    @property
    def samples(self) -> int:
        """How many samples a pixel gathers: one each finest voxel step."""
        return int(np.ceil(self.slab_mm / min(self.volume.spacing_mm) - 1e-6)) + 1

    @property
    def steps_mm(self) -> np.ndarray:
        """(3, 3) the way in LPS to the next column, the next row, and the next sample, as the rows of a matrix."""
        deeper = self.plane.normal * self.slab_mm / max(self.samples - 1, 1)
        across = deeper if self.slab_mm else self.plane.normal
        return np.array([self.plane.right_mm, self.plane.down_mm, across])

    @property
    def nearest_mm(self) -> np.ndarray:
        """Where the first sample of the top left pixel lies."""
        return np.array(self.plane.origin_mm) - self.plane.normal * self.slab_mm / 2

    def is_inside(self) -> np.ndarray:
        """Pixels all of whose samples lie well inside the volume, where every rule for the border agrees."""
        grid = np.indices((self.plane.rows, self.plane.columns))
        inside = np.ones(grid.shape[1:], bool)
        for sample in (0, self.samples - 1):
            row, column = grid[..., np.newaxis]
            right, down, deeper = self.steps_mm
            points = self.nearest_mm + column * right + row * down + sample * deeper
            voxels = self._voxels(points)
            inside &= np.all((voxels > 0.01) & (voxels < np.array(self.volume.shape) - 1.01), axis=-1)
        return inside

    def _voxels(self, points_mm: np.ndarray) -> np.ndarray:
        """Give the voxel indices (z, y, x) of points."""
        inverse = np.linalg.inv(self.volume.affine)
        return points_mm @ inverse[:3, :3].T + inverse[:3, 3]


@pytest.fixture(params=VIEWS)
def view(request: pytest.FixtureRequest, series: filmless.Series) -> View:
    volume, name = series.volume(), request.param
    if name in ("axial", "coronal", "sagittal"):
        return View(name, volume, getattr(planes, name)(volume, size=SIZE), 0.0)
    plane = planes.oblique(volume, TILT, size=SIZE)
    return View(name, volume, plane, SLAB_MM if "slab" in name else 0.0)


@pytest.fixture
def same_picture(view: View) -> Callable[[Any], None]:
    """Give a check against Filmless' picture, where all samples lie inside."""
    where, wanted = view.is_inside(), np.asarray(view.picture()).astype(int)
    assert where.sum() > 10_000

    def check(picture: Any) -> None:
        assert np.abs(np.asarray(picture).astype(int) - wanted)[where].max() <= 1

    return check


@pytest.fixture(scope="module")
def hu(ct: CtFolder) -> np.ndarray:
    return (ct.stored + ct.intercept).astype(np.int16)


def plane_job(view, ct):
    return f"{view.name} of 512x512 pixels: {ct.job}"


def test_plane_filmless(race, ct, view, same_picture):
    race(plane_job(view, ct), "filmless", view.picture, same_picture)


def test_plane_filmless_in_memory(race, ct, view, same_picture):
    level, volume = ArrayLevel(ct.stored), view.volume
    held = filmless.Volume([level], [(1, 1, 1)], volume.geometry, volume.verdict, rescale=volume.rescale)

    race(plane_job(view, ct), "filmless, volume in memory", lambda: view.picture(held), same_picture)


def itk_image(sitk, hu, volume):
    image = sitk.GetImageFromArray(hu)
    image.SetSpacing(volume.spacing_mm[::-1])
    image.SetOrigin(volume.affine[:3, 3].tolist())
    image.SetDirection((volume.affine[:3, 2::-1] / np.array(volume.spacing_mm)[::-1]).ravel().tolist())
    return image


def itk_resampler(sitk, view):
    """A resampler onto the view's samples: an affine transform carries their numbers to the patient."""
    resampler = sitk.ResampleImageFilter()
    resampler.SetSize([*SIZE, view.samples])
    resampler.SetTransform(sitk.AffineTransform(view.steps_mm.T.ravel().tolist(), view.nearest_mm.tolist()))
    resampler.SetInterpolator(sitk.sitkLinear)
    resampler.SetDefaultPixelValue(AIR_HU)
    resampler.SetOutputPixelType(sitk.sitkFloat32)
    return resampler


def test_plane_simpleitk(race, sitk, ct, hu, view, same_picture):
    image, resampler = itk_image(sitk, hu, view.volume), itk_resampler(sitk, view)

    def run():
        sampled = resampler.Execute(image)
        flat = sitk.MaximumProjection(sampled, 2) if view.slab_mm else sampled
        return sitk.Cast(sitk.IntensityWindowing(flat, LOW_HU, HIGH_HU, 0, 255), sitk.sitkUInt8)

    def check(picture):
        same_picture(sitk.GetArrayViewFromImage(picture)[0])

    race(plane_job(view, ct), "SimpleITK Resample, volume in memory", run, check)


def vtk_pipeline(vtk, hu, view):
    """A reslicer of the volume, not copied, by voxel indices, and the window behind it."""
    image = vtk.vtkImageData()
    image.SetDimensions(*hu.shape[::-1])
    image.GetPointData().SetScalars(vtk.util.numpy_support.numpy_to_vtk(hu.reshape(-1)))
    inverse = np.linalg.inv(view.volume.affine)
    axes = np.eye(4)
    axes[:3, :3] = (inverse[:3, :3] @ view.steps_mm.T)[::-1]
    axes[:3, 3] = (inverse[:3, :3] @ np.array(view.plane.origin_mm) + inverse[:3, 3])[::-1]
    matrix = vtk.vtkMatrix4x4()
    matrix.DeepCopy(axes.ravel())
    reslicer = vtk.vtkImageReslice()
    reslicer.SetInputData(image)
    reslicer.SetResliceAxes(matrix)
    reslicer.SetOutputDimensionality(2)
    reslicer.SetOutputExtent(0, SIZE[0] - 1, 0, SIZE[1] - 1, 0, 0)
    reslicer.SetOutputOrigin(0, 0, 0)
    reslicer.SetOutputSpacing(1, 1, 1)
    reslicer.SetInterpolationModeToLinear()
    reslicer.SetBackgroundLevel(AIR_HU)
    reslicer.SetOutputScalarType(vtk.VTK_FLOAT)
    if view.slab_mm:
        reslicer.SetSlabModeToMax()
        reslicer.SetSlabNumberOfSlices(view.samples)
    window = vtk.vtkImageShiftScale()
    window.SetInputConnection(reslicer.GetOutputPort())
    window.SetShift(-LOW_HU)
    window.SetScale(255 / (WIDTH - 1))
    window.SetOutputScalarTypeToUnsignedChar()
    window.ClampOverflowOn()
    for each in (reslicer, window):
        each.SetNumberOfThreads(1)
    return reslicer, window


def test_plane_vtk(race, vtk, ct, hu, view, same_picture):
    reslicer, window = vtk_pipeline(vtk, hu, view)

    def run():
        reslicer.Modified()  # as if its input had changed
        window.Update()
        return window.GetOutput()

    def check(image):
        pixels = vtk.util.numpy_support.vtk_to_numpy(image.GetPointData().GetScalars())
        same_picture(pixels.reshape(SIZE[::-1]))

    race(plane_job(view, ct), "VTK vtkImageReslice, volume in memory", run, check)
