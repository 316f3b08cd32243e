"""Ray casting beside VTK's fixed-point ray caster on the processor; both on two threads and two cores.

Both hold the volume in memory and make 512 x 512 pixels of it, seen from the same oblique side, with a sample each
voxel and the same window or transfer function. Before anything is timed pictures are compared: their mean difference
is below 3 grey levels for the maximum and for colours without light; with light below 16, since VTK interpolates
between the shades of voxels, whose noisy normals are darker than those of a smoothed surface.

Run it by itself (`pytest bench/test_raycast.py`) where nothing else keeps the two cores busy.
"""

from __future__ import annotations

import os
from typing import Any

import filmless
import inputs
import numpy as np
import one_core
import pytest
from filmless.engine.geometry import Verdict, VolumeGeometry
from filmless.engine.render import raycast
from filmless.engine.render.view import lay_view
from filmless.engine.volume import ArrayLevel
from filmless.kernels.ranges import brick_ranges
from filmless.storage import pool

SIZE = (512, 512)
VIEW = (0.3, 0.8, 0.2)
WINDOW = filmless.Window(400.0, 1400.0, "LINEAR_EXACT")
BONE = filmless.TransferFunction(
    ((150, 200, 130, 90, 0.0), (500, 240, 220, 190, 0.3), (1500, 255, 250, 240, 0.6)), specular=0.0
)
FLAT = filmless.TransferFunction(BONE.points, ambient=1.0, diffuse=0.0, specular=0.0)
JOBS = {"maximum of every ray": None, "layers of colour": FLAT, "lit layers of colour": BONE}
TOLERANCES = {None: 3.0, FLAT: 3.0, BONE: 16.0}
MAXIMUM = "maximum of every ray"


class HeldLevel(ArrayLevel):
    """A volume in memory whose ranges are found beforehand, as VTK finds its own at the first picture."""

    def __init__(self, values: Any) -> None:
        super().__init__(values)
        self._ranges = brick_ranges(values)

    def brick_ranges(self) -> Any:
        return self._ranges


@pytest.fixture(scope="module", autouse=True)
def two_cores():
    """Undo the pinning to one core, for these benchmarks alone."""
    former = os.sched_getaffinity(0), os.environ["FILMLESS_THREADS"]
    pool._executor.cache_clear()
    pool.thread_count.cache_clear()
    os.environ["FILMLESS_THREADS"] = "2"
    os.sched_setaffinity(0, {one_core.CORE, one_core.CORE + 1})
    yield
    os.sched_setaffinity(0, former[0])
    os.environ["FILMLESS_THREADS"] = former[1]
    pool._executor.cache_clear()
    pool.thread_count.cache_clear()


@pytest.fixture(scope="module", params=["made chest, 400x512x512", "CT"])
def volume(request, ct):
    values, spacing = inputs.ct_volume(), (1.0, 1.0, 1.0)
    name = request.param
    if name == "CT":
        name = ct.job
        values, spacing = (ct.stored + ct.intercept).astype(np.int16), ct.spacing_mm_zyx
    verdict = Verdict(("uniform",), "in memory", {})
    geometry = VolumeGeometry((0.0, 0.0, 0.0), ((0, 0, 1), (0, 1, 0), (1, 0, 0)), spacing)
    made = filmless.Volume([HeldLevel(values)], [(1, 1, 1)], geometry, verdict)
    return name, values, made


def picture(volume, job):
    if job == MAXIMUM:
        return filmless.render_volume(volume, VIEW, size=SIZE, window=WINDOW)
    return filmless.render_volume(volume, VIEW, size=SIZE, transfer=JOBS[job])


@pytest.fixture(autouse=True)
def a_sample_each_voxel(monkeypatch):
    monkeypatch.setattr(raycast, "STEPS_A_VOXEL", 1.0)


@pytest.mark.parametrize("job", JOBS)
@pytest.mark.parametrize("threads", [1, 2])
def test_rays_filmless(race, volume, job, threads, monkeypatch):
    name, _, made = volume
    pool._executor.cache_clear()
    monkeypatch.setattr(pool, "thread_count", lambda: threads)
    who = "filmless" if threads == 2 else "filmless, one thread"

    race(f"{job}: {name}", who, lambda: picture(made, job), lambda image: None)


def vtk_window(vtk, values, made, job):
    """A window that draws the volume as Filmless lays its view."""
    plane = lay_view(made, VIEW, size=SIZE)
    image = vtk.vtkImageData()
    image.SetDimensions(*values.shape[::-1])
    image.SetSpacing(*made.spacing_mm[::-1])
    image.GetPointData().SetScalars(vtk.util.numpy_support.numpy_to_vtk(values.reshape(-1)))
    mapper = vtk.vtkFixedPointVolumeRayCastMapper()
    mapper.SetInputData(image)
    mapper.SetNumberOfThreads(2)
    mapper.AutoAdjustSampleDistancesOff()
    mapper.SetSampleDistance(min(made.spacing_mm))
    mapper.SetImageSampleDistance(1.0)
    looks, colors, opacity = vtk.vtkVolumeProperty(), vtk.vtkColorTransferFunction(), vtk.vtkPiecewiseFunction()
    looks.SetInterpolationTypeToLinear()
    if job == MAXIMUM:
        mapper.SetBlendModeToMaximumIntensity()
        colors.AddRGBPoint(0, 1, 1, 1)
        opacity.AddPoint(WINDOW.center - WINDOW.width / 2, 0)
        opacity.AddPoint(WINDOW.center + WINDOW.width / 2, 1)
    else:
        looks.SetShade(JOBS[job].is_shaded)
        looks.SetAmbient(BONE.ambient)
        looks.SetDiffuse(BONE.diffuse)
        looks.SetSpecular(0.0)
        for value, red, green, blue, alpha in BONE.points:
            colors.AddRGBPoint(value, red / 255, green / 255, blue / 255)
            opacity.AddPoint(value, alpha)
    looks.SetColor(colors)
    looks.SetScalarOpacity(opacity)
    looks.SetScalarOpacityUnitDistance(1.0)
    actor, renderer, window = vtk.vtkVolume(), vtk.vtkRenderer(), vtk.vtkRenderWindow()
    actor.SetMapper(mapper)
    actor.SetProperty(looks)
    renderer.AddVolume(actor)
    window.SetOffScreenRendering(1)
    window.AddRenderer(renderer)
    window.SetSize(*SIZE)
    right, down = np.array(plane.right_mm), np.array(plane.down_mm)
    focus = np.array(plane.origin_mm) + (SIZE[0] - 1) / 2 * right + (SIZE[1] - 1) / 2 * down
    camera = renderer.GetActiveCamera()
    camera.ParallelProjectionOn()
    camera.SetFocalPoint(*focus)
    camera.SetPosition(*(focus - 1000.0 * plane.normal))
    camera.SetViewUp(*(-down))
    camera.SetParallelScale(SIZE[1] / 2 * float(np.linalg.norm(down)))
    camera.SetClippingRange(1.0, 3000.0)
    return window, camera


@pytest.mark.parametrize("job", JOBS)
def test_rays_vtk(race, vtk, volume, job):
    name, values, made = volume
    vtk.vtkMultiThreader.SetGlobalMaximumNumberOfThreads(2)
    window, camera = vtk_window(vtk, values, made, job)

    def run():
        camera.Modified()  # as if it had turned
        window.Render()

    def check(_: Any) -> None:
        grab = vtk.vtkWindowToImageFilter()
        grab.SetInput(window)
        grab.ReadFrontBufferOff()
        grab.Update()
        scalars = vtk.util.numpy_support.vtk_to_numpy(grab.GetOutput().GetPointData().GetScalars())
        theirs = scalars.reshape(SIZE[1], SIZE[0], -1)[::-1, :, :3].astype(int)
        ours = np.asarray(picture(made, job)).astype(int)
        ours = ours if ours.ndim == 3 else ours[..., np.newaxis]
        assert np.abs(theirs - ours).mean() < TOLERANCES[JOBS[job]]

    race(f"{job}: {name}", "VTK vtkFixedPointVolumeRayCastMapper", run, check)
