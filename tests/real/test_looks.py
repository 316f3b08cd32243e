"""Every kind of pixels that occurs in the real data, as a picture, beside what pydicom makes of it; and a sheet of all.

Every combination of photometric interpretation, bits, sign and planar configuration is there once for each file that
has it. Colour may be one level apart, where one rounds up and the other down; grey is compared in `test_windows`.
"""

from __future__ import annotations

import math
import os
from pathlib import Path

import filmless
import numpy as np
import pydicom
import pytest
from dicom_files import image, save
from filmless.engine.presentation.show import Look
from filmless.errors import FilmlessError
from PIL import Image as PillowImage
from PIL import ImageDraw
from pydicom.pixels import apply_color_lut, apply_modality_lut, apply_voi_lut, convert_color_space, pixel_array

pytestmark = [pytest.mark.real, pytest.mark.filterwarnings("ignore::UserWarning")]

TILE = 160
COLOR_LEVELS = 1


def combination(header):
    """What the standard lets pixels differ in."""
    names = ("PhotometricInterpretation", "BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation")
    return (*(header.get(name) for name in names), header.get("PlanarConfiguration"))


def stacks_of_everything(singles):
    """(file, stack) of every image that the archive took in."""
    return [(taken, stack) for taken in singles if taken.is_stored for stack in taken.series.stacks]


def reference_in_color(taken, stored, photometric):
    """RGB of 8 bits by pydicom, from the samples that both decoders give alike."""
    header = taken.header
    if photometric == "PALETTE COLOR":
        painted = apply_color_lut(stored, header)
        return painted if painted.dtype == np.uint8 or painted.max() < 256 else (painted >> 8).astype(np.uint8)
    if photometric.startswith("YBR_FULL"):
        return convert_color_space(stored, photometric, "RGB")
    return np.rint(stored / ((1 << header.BitsStored) - 1) * 255)  # pydicom makes no 8 bits of more


def test_colour_of_every_kind_is_that_of_pydicom(singles, add_table):
    lines = []
    for taken, stack in stacks_of_everything(singles):
        if stack.is_gray:
            continue
        stored, photometric = stack._frame(0)
        expected = reference_in_color(taken, stored, photometric)
        picture = stack.show(0, Look(overlays=False, shutters=False)).pixels
        levels = int(np.abs(picture.astype(int) - expected).max())
        lines.append(f"{combination(taken.header)} {taken.file.path.name}: {levels}")
        assert levels <= COLOR_LEVELS, lines[-1]
    add_table("colour against pydicom, greatest difference in levels", lines)
    assert len(lines) > 20


def test_an_overlay_of_a_real_image_lies_where_pydicom_has_it(singles):
    taken = next(taken for taken in singles if taken.file.path.name == "examples_overlay.dcm")
    mask = taken.header.overlay_array(0x6000).astype(bool)
    stack = taken.series.stack()

    with_it, without = (stack.show(0, Look(overlays=overlays)).pixels for overlays in (True, False))

    assert mask.any()
    assert (with_it[mask] == 255).all()
    assert np.array_equal(with_it[~mask], without[~mask])


def test_a_real_presentation_state_brings_its_overlays_and_activates_those_of_the_image(real_data, tmp_path):
    state = pydicom.dcmread(real_data / "modalities" / "prOverlay.dcm")
    (series,) = state.ReferencedSeriesSequence
    (reference,) = series.ReferencedImageSequence
    made = image(np.zeros((512, 512), np.uint8), SOPInstanceUID=reference.ReferencedSOPInstanceUID)
    made.SeriesInstanceUID, made.StudyInstanceUID = series.SeriesInstanceUID, state.StudyInstanceUID
    made.PatientID, made.PatientName = state.PatientID, state.PatientName
    own = np.zeros((512, 512), np.uint8)
    own[400:420, 100:140] = 1
    for group, is_active in ((0x6000, True), (0x6010, False)):
        made.add_new((group, 0x0010), "US", 512)
        made.add_new((group, 0x0011), "US", 512)
        made.add_new((group, 0x0040), "CS", "G")
        made.add_new((group, 0x0050), "SS", [1, 1])
        made.add_new((group, 0x3000), "OB", np.packbits(own if is_active else own.T, bitorder="little").tobytes())
    save(made, tmp_path / "export" / "image.dcm")
    archive = filmless.open(tmp_path / "archive")
    archive.ingest([tmp_path / "export", real_data / "modalities" / "prOverlay.dcm"])
    request = filmless.RenderRequest(instance=made.SOPInstanceUID, presentation=state.SOPInstanceUID)

    picture = archive.series(made.SeriesInstanceUID).render(request).pixels

    masks = [own, state.overlay_array(0x6008), state.overlay_array(0x600A)]
    assert all(mask.any() for mask in masks)
    assert np.array_equal(picture == 255, np.any(masks, axis=0))


def test_supplemental_colours_start_at_their_first_value(singles):
    taken = next(taken for taken in singles if taken.file.path.name == "eCT_Supplemental.dcm")
    stack = taken.series.stack()

    picture = stack.picture(0).pixels

    stored, first = stack.frame(0), taken.header.RedPaletteColorLookupTableDescriptor[1]
    colored, _ = np.where(stored >= first)
    is_gray = (picture[..., 0] == picture[..., 1]) & (picture[..., 1] == picture[..., 2])
    assert colored.size
    assert is_gray[stored < first].all()
    header = taken.header
    del header.PixelPresentation  # with it pydicom refuses
    palette = apply_color_lut(np.maximum(stored, first), header) >> 8
    assert np.array_equal(picture[stored >= first], palette[stored >= first])


def test_two_windows_of_a_real_image_are_found_by_name(singles):
    taken = next(taken for taken in singles if taken.file.path.name == "examples_overlay.dcm")
    header, stack = taken.header, taken.series.stack()

    for number, name in enumerate(header.WindowCenterWidthExplanation):
        picture = stack.show(0, Look(window=name, overlays=False)).pixels
        window = header.WindowCenter[number], header.WindowWidth[number]
        assert np.array_equal(picture, stack.show(0, Look(window=window, overlays=False)).pixels), name


def test_sixteen_bits_of_every_grey_frame_are_eight_when_shortened(singles):
    for taken, stack in stacks_of_everything(singles):
        if stack.is_gray and "Supplemental" not in taken.file.name:
            deep, shallow = (stack.show(0, Look(bits=bits, overlays=False)).pixels for bits in (16, 8))
            assert deep.dtype == np.uint16
            assert np.abs(deep / 257.0 - shallow).max() <= 0.51, taken.file.name


def test_real_pet_is_suv_or_is_refused_with_the_reason(singles, everything, add_table):
    lines = []
    named = [(taken.file.path.name, taken.series) for taken in singles if taken.is_stored]
    named.append(("pet_whole_body", everything.series("pet_whole_body")))
    for name, series in named:
        if not series.stacks or series.attributes.get("Modality") != "PT":
            continue
        try:
            lines.append(f"{name}: factor {series.stack().suv_factor():.4g}")
        except FilmlessError as reason:
            lines.append(f"{name}: {reason}")
    add_table("SUV of real PET", lines)
    assert lines


def test_a_sheet_of_every_combination_can_be_looked_at(singles, tmp_path):
    """Ours on the left of each pair, pydicom's on the right where it makes one."""
    found = {}
    for taken, stack in stacks_of_everything(singles):
        found.setdefault(combination(taken.header), (taken, stack))
    columns = 6
    sheet = PillowImage.new("RGB", (columns * 2 * TILE, math.ceil(len(found) / columns) * (TILE + 24)), (40, 40, 60))
    for number, (name, (taken, stack)) in enumerate(found.items()):
        x, y = number % columns * 2 * TILE, number // columns * (TILE + 24)
        ours = stack.picture(len(stack) // 2)
        sheet.paste(PillowImage.fromarray(ours.fitted((TILE, TILE)).pixels).convert("RGB"), (x, y))
        theirs = by_pydicom(taken, stack)
        if theirs is not None:
            sheet.paste(theirs.resize((TILE, TILE)), (x + TILE, y))
        label = " ".join(str(part) for part in name)
        ImageDraw.Draw(sheet).text((x + 2, y + TILE), f"{label}\n{taken.file.path.name[:48]}", font_size=9)
    folder = Path(os.environ.get("FILMLESS_PICTURES", tmp_path))
    sheet.save(folder / "looks.png")
    print(f"every combination of pixels: {folder / 'looks.png'}")

    assert len(found) >= 25


def by_pydicom(taken, stack):
    """A picture by pydicom's own decoders and tables; None where it has none for these pixels."""
    frame = stack.record.frames[len(stack) // 2][1]
    try:
        header = taken.header
        pixels = pixel_array(taken.file.path, index=frame if header.get("NumberOfFrames", 1) > 1 else None)
        if header.PhotometricInterpretation == "PALETTE COLOR":
            painted = apply_color_lut(pixels, header)
            pixels = painted if painted.max() < 256 else painted >> 8
        elif pixels.ndim == 2:
            shown = apply_voi_lut(apply_modality_lut(pixels, header), header).astype(float)
            low, high = (shown.min(), shown.max()) if "WindowWidth" in header else np.percentile(shown, (0.5, 99.5))
            shown = np.clip((shown - low) / max(high - low, 1e-9), 0, 1) * 255
            pixels = 255 - shown if header.PhotometricInterpretation == "MONOCHROME1" else shown
        return PillowImage.fromarray(pixels.astype(np.uint8)).convert("RGB")
    except Exception:
        return None
