from __future__ import annotations

import struct

import numpy as np
import pytest
from dicom_bytes import even, image, ushort
from filmless.engine.frame_table import seconds_of, seconds_of_moment, time_key
from filmless.engine.parse import parse_instance

NAN = float("nan")


def double(value):
    return struct.pack("<d", value)


def macro(tag, *elements):
    return (tag, b"SQ", ([(list(elements), True)], False))


def groups(*frames):
    return (b"SQ", ([(list(frame), False) for frame in frames], True))


def plane(z):
    return macro(0x00209113, (0x00200032, b"DS", even(f"0\\0\\{z}")))


def frames_of(count, **changed):
    return parse_instance(image(pixels=bytes(12 * count), t00280008=(b"IS", even(str(count))), **changed)).frames


def test_keys_order_by_pass_then_time_then_instance_number():
    keys = [
        time_key(1, 10.0, 9),
        time_key(1, 10.001, 1),
        time_key(2, 5.0, 1),
        time_key(2, 5.0, 2),
        time_key(3, NAN, 3),
    ]

    assert keys == sorted(set(keys))
    assert time_key(NAN, NAN, 12) == 12


@pytest.mark.parametrize("times", [("101112.5", "10:11:12.5"), ("20200131", "2020.01.31")])
def test_retired_forms_of_dates_and_times_are_read(times):
    new, old = (seconds_of(t, "00") if t[:4] == "2020" else seconds_of("20200131", t) for t in times)

    assert new == old


def test_seconds_count_on_over_midnight():
    assert seconds_of("20200301", "000001") - seconds_of("20200229", "235959") == 2
    assert seconds_of_moment("20200301000001.5+0100") - seconds_of_moment("20200229235959") == 2.5
    assert np.isnan(seconds_of("20200301", ""))


def test_equal_positions_of_one_series_have_rising_keys():
    keys = [
        parse_instance(image(t00200013=(b"IS", even(str(n))), t00200012=(b"IS", b"1 "))).frames.time_key[0]
        for n in (1, 2, 16, 150)
    ]

    assert keys == sorted(set(keys))


def test_image_type_and_echo_separate_stacks():
    first = parse_instance(image(t00180086=(b"IS", b"1 "))).frames.stack_id
    second = parse_instance(image(t00180086=(b"IS", b"2 "))).frames.stack_id

    assert first == ("ORIGINAL\\PRIMARY\\AXIAL; echo 1",)
    assert first != second


def test_dose_planes_are_placed_by_their_offsets():
    frames = frames_of(3, t3004000C=(b"DS", b"0\\2.5\\5 "))

    assert frames.position_mm.tolist() == [[-1.5, 2, 30], [-1.5, 2, 32.5], [-1.5, 2, 35]]


def test_absolute_dose_offsets_are_patient_z():
    flipped = b"1\\0\\0\\0\\-1\\0"

    frames = frames_of(2, t3004000C=(b"DS", b"30\\32 "), t00200037=(b"DS", flipped))

    assert frames.position_mm[:, 2].tolist() == [30, 32]


def test_dose_offsets_of_another_number_place_nothing():
    assert np.isnan(frames_of(2, t3004000C=(b"DS", b"0\\2\\4 ")).position_mm).all()


def test_slices_of_nuclear_medicine_are_placed_by_their_vector():
    detector = [(0x00200032, b"DS", b"0\\0\\10"), (0x00200037, b"DS", b"1\\0\\0\\0\\1\\0 ")]

    frames = frames_of(
        4,
        t00540022=(b"SQ", ([(detector, False)], False)),
        t00540080=(b"US", struct.pack("<4H", 1, 2, 1, 2)),
        t00540070=(b"US", struct.pack("<4H", 1, 1, 2, 2)),
        t00180088=(b"DS", b"4 "),
    )

    assert frames.position_mm[:, 2].tolist() == [10, 14, 10, 14]
    assert frames.time_key[1] < frames.time_key[2]


def test_plain_frames_share_what_the_header_says_once():
    frames = frames_of(3)

    assert frames.spacing_mm.tolist() == [[0.5, 0.25]] * 3
    assert frames.time_key.tolist() == [1, 2, 3]
    assert len(frames) == len(frames.stack_id) == 3


def test_functional_groups_give_each_frame_its_own_row():
    measures = macro(0x00289110, (0x00180050, b"DS", b"3 "), (0x00280030, b"DS", b"2\\1 "))
    rescaled = macro(0x00289145, (0x00281052, b"DS", b"5 "), (0x00281053, b"DS", b"2 "), (0x00281054, b"LO", b"HU"))
    window = macro(0x00289132, (0x00281050, b"DS", b"1 "), (0x00281051, b"DS", b"9 "), (0x00281056, b"CS", b"SIGMOID "))

    instance = parse_instance(
        image(
            pixels=bytes(36),
            t00280008=(b"IS", b"3 "),
            t52009229=groups([measures, rescaled]),
            t52009230=groups(
                [plane(1), window], [plane(2)], [plane(3), macro(0x00289110, (0x00280030, b"DS", b"7\\7 "))]
            ),
        )
    )

    frames = instance.frames
    assert frames.position_mm[:, 2].tolist() == [1, 2, 3]
    assert frames.spacing_mm.tolist() == [[2, 1], [2, 1], [7, 7]]
    assert frames.rescale.tolist() == [[2, 5]] * 3
    assert frames.window.tolist() == [[1, 9], [40, 400], [40, 400]]
    assert (instance.voi_function, instance.rescale_type) == ("SIGMOID", "HU")


def test_temporal_positions_order_frames_and_stacks_separate_them():
    def content(stack, index):
        return macro(0x00209111, (0x00209056, b"SH", even(stack)), (0x00209128, b"UL", index.to_bytes(4, "little")))

    frames = frames_of(3, t52009230=groups([content("A", 2)], [content("A", 1)], [content("B", 1)]))

    assert np.floor(frames.time_key).tolist() == [2, 1, 1]
    assert [stack.rpartition("; ")[2] for stack in frames.stack_id] == ["stack A", "stack A", "stack B"]


def test_segments_and_b_values_separate_stacks():
    frames = frames_of(
        2,
        t52009230=groups(
            [macro(0x0062000A, (0x0062000B, b"US", ushort(4)))], [macro(0x00189117, (0x00189087, b"FD", double(1000)))]
        ),
    )

    assert [stack.rpartition("; ")[2] for stack in frames.stack_id] == ["segment 4", "b 1000"]


def test_frames_without_an_item_have_the_shared_values():
    frames = frames_of(3, t52009230=groups([plane(1)]))

    assert frames.position_mm[0, 2] == 1
    assert np.isnan(frames.position_mm[1:]).all()
    assert len(frames) == 3
