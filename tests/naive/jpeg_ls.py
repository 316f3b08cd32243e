"""JPEG-LS as T.87 says it, one sample after the other: an encoder for all that a decoder must understand."""

from __future__ import annotations

import struct

J = [0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 9, 10, 11, 12, 13, 14, 15]
NOT_INTERLEAVED, BY_LINE, BY_SAMPLE = range(3)


class Bits:
    """Bits with a zero after each byte FF (A.1)."""

    def __init__(self):
        self.data, self.byte, self.room = bytearray(), 0, 8

    def put(self, value, size):
        for place in reversed(range(size)):
            self.room -= 1
            self.byte |= (value >> place & 1) << self.room
            if self.room == 0:
                self.data.append(self.byte)
                self.room, self.byte = (7 if self.byte == 0xFF else 8), 0

    def finish(self):
        if self.room < 8:
            self.data.append(self.byte)
        return bytes(self.data)


class Coder:
    """The state of one scan or restart interval (A.2)."""

    def __init__(self, maximum, near, thresholds, reset):
        self.maximum, self.near, self.thresholds, self.reset = maximum, near, thresholds, reset
        self.range = (maximum + 2 * near) // (2 * near + 1) + 1
        self.value_bits = (self.range - 1).bit_length()
        bits = max(2, maximum.bit_length())
        self.limit = 2 * (bits + max(8, bits))
        first = max(2, (self.range + 32) // 64)
        self.a, self.b, self.c, self.n = [first] * 367, [0] * 367, [0] * 367, [1] * 367
        self.negative = [0, 0]
        self.bits = Bits()

    def gradient(self, rise):
        size = abs(rise)
        steps = sum(size >= step for step in (self.near + 1, *self.thresholds))
        return steps if rise > 0 else -steps

    def clamp(self, value):
        return min(max(value, 0), self.maximum)

    def quantize(self, difference):
        """The error as coded (A.4.4), before and after it is wrapped around."""
        step = 2 * self.near + 1
        error = (abs(difference) + self.near) // step * (1 if difference > 0 else -1)
        wrapped = error + self.range if error < 0 else error
        return error, wrapped - self.range if wrapped >= (self.range + 1) // 2 else wrapped

    def golomb(self, value, k, limit):
        zeros = value >> k
        if zeros < limit - self.value_bits - 1:
            self.bits.put(1, zeros + 1)
            self.bits.put(value & ((1 << k) - 1), k)
        else:
            self.bits.put(1, limit - self.value_bits)
            self.bits.put(value - 1, self.value_bits)

    def parameter(self, q, total):
        k = 0
        while self.n[q] << k < total:
            k += 1
        return k

    def regular(self, sample, left, up, corner, classes):
        """Code a sample (A.3 to A.6); give it as it will be decoded."""
        q = (classes[0] * 9 + classes[1]) * 9 + classes[2]
        sign = -1 if q < 0 else 1
        q = abs(q)
        if corner >= max(left, up):
            guess = min(left, up)
        elif corner <= min(left, up):
            guess = max(left, up)
        else:
            guess = left + up - corner
        predicted = self.clamp(guess + sign * self.c[q])
        whole, error = self.quantize(sign * (sample - predicted))
        k = self.parameter(q, self.a[q])
        if self.near == 0 and k == 0 and 2 * self.b[q] <= -self.n[q]:
            mapped = 2 * error + 1 if error >= 0 else -2 * (error + 1)
        else:
            mapped = 2 * error if error >= 0 else -2 * error - 1
        self.golomb(mapped, k, self.limit)
        self.learn(q, error)
        return self.clamp(predicted + sign * whole * (2 * self.near + 1))

    def learn(self, q, error):
        self.b[q] += error * (2 * self.near + 1)
        self.a[q] += abs(error)
        if self.n[q] == self.reset:
            self.a[q], self.b[q], self.n[q] = self.a[q] >> 1, self.b[q] >> 1, self.n[q] >> 1
        self.n[q] += 1
        if self.b[q] <= -self.n[q]:
            self.b[q] = max(self.b[q] + self.n[q], 1 - self.n[q])
            self.c[q] = max(self.c[q] - 1, -128)
        elif self.b[q] > 0:
            self.b[q] = min(self.b[q] - self.n[q], 0)
            self.c[q] = min(self.c[q] + 1, 127)

    def run(self, length, is_ended, index):
        while length >= 1 << J[index]:
            self.bits.put(1, 1)
            length -= 1 << J[index]
            index = min(index + 1, 31)
        if is_ended:
            self.bits.put(length, J[index] + 1)
        elif length:
            self.bits.put(1, 1)
        return index

    def run_end(self, sample, left, up, index, kind):
        """Code the sample that ended a run (A.7.2); give it as it will be decoded."""
        q = 365 + kind
        predicted, sign = (left, 1) if kind else (up, -1 if left > up else 1)
        whole, error = self.quantize(sign * (sample - predicted))
        k = self.parameter(q, self.a[q] + (self.n[q] >> 1 if kind else 0))
        is_mostly_negative = 2 * self.negative[kind] >= self.n[q]
        turned = (k == 0 and error > 0 and not is_mostly_negative) or (error < 0 and (is_mostly_negative or k != 0))
        mapped = 2 * abs(error) - kind - turned
        self.golomb(mapped, k, self.limit - J[index] - 1)
        self.negative[kind] += error < 0
        self.a[q] += (mapped + 1 - kind) >> 1
        if self.n[q] == self.reset:
            self.a[q], self.negative[kind], self.n[q] = self.a[q] >> 1, self.negative[kind] >> 1, self.n[q] >> 1
        self.n[q] += 1
        return self.clamp(predicted + sign * whole * (2 * self.near + 1))

    def line(self, rows, above, index):
        """Code one line of components that go together sample by sample; give the lines as decoded."""
        columns = len(rows[0])
        done = [[up[1]] for up in above]
        right = [[*up[1:], up[-1]] for up in above]
        x = 0
        while x < columns:
            classes = []
            for coded, up, next_up in zip(done, above, right, strict=True):
                b, c = up[x + 1], up[x]
                classes.append([self.gradient(next_up[x + 1] - b), self.gradient(b - c), self.gradient(c - coded[x])])
            if any(any(three) for three in classes):
                for row, coded, up, three in zip(rows, done, above, classes, strict=True):
                    coded.append(self.regular(row[x], coded[x], up[x + 1], up[x], three))
                x += 1
                continue
            start = x
            while x < columns and all(
                abs(row[x] - coded[-1]) <= self.near for row, coded in zip(rows, done, strict=True)
            ):
                for coded in done:
                    coded.append(coded[-1])
                x += 1
            index = self.run(x - start, x < columns, index)
            if x < columns:
                for row, coded, up in zip(rows, done, above, strict=True):
                    kind = len(rows) == 1 and abs(coded[x] - up[x + 1]) <= self.near
                    coded.append(self.run_end(row[x], coded[x], up[x + 1], index, int(kind)))
                index = max(index - 1, 0)
                x += 1
        return done, index


def encode_scan(image, coder_of, interleave, restart_rows):
    """Code (rows, columns, components) samples as the bytes of a scan; give also the image as decoded."""
    rows, columns, components = image.shape
    groups = [list(range(components))] if interleave == BY_SAMPLE else [[c] for c in range(components)]
    coded, decoded = b"", image.astype(int)
    interval = restart_rows or rows
    for number, first in enumerate(range(0, rows, interval)):
        coder = coder_of()
        above = {c: [0] * (columns + 1) for c in range(components)}
        index = [0] * len(groups)
        for y in range(first, min(first + interval, rows)):
            for g, group in enumerate(groups):
                lines = [[int(value) for value in image[y, :, c]] for c in group]
                done, index[g] = coder.line(lines, [above[c] for c in group], index[g])
                for c, line in zip(group, done, strict=True):
                    # What stands left of the next line's corner is what stood left of this line.
                    above[c] = line
                    decoded[y, :, c] = line[1:]
        marker = bytes((0xFF, 0xD0 + (number - 1) % 8)) if number else b""
        coded += marker + coder.bits.finish()
    return coded, decoded


def segment(marker, body):
    """A marker segment: FF, the marker, the length, the body."""
    return struct.pack(">BBH", 0xFF, marker, len(body) + 2) + body


def encode(image, precision, *, near=0, interleave=BY_LINE, maximum=0, thresholds=(3, 7, 21), reset=64, restart_rows=0):
    """Code (rows, columns, components) samples as a codestream; give it, and the image as it is to be decoded."""
    rows, columns, components = image.shape
    ceiling = maximum or (1 << precision) - 1

    def coder_of():
        return Coder(ceiling, near, thresholds, reset)

    frame = struct.pack(">BHHB", precision, rows, columns, components)
    frame += b"".join(bytes((c + 1, 0x11, 0)) for c in range(components))
    stream = b"\xff\xd8" + segment(0xF7, frame)
    stream += segment(0xF8, struct.pack(">B5H", 1, ceiling, *thresholds, reset))
    stream += segment(0xDD, struct.pack(">H", restart_rows)) if restart_rows else b""
    decoded = image.astype(int)
    scans = [[c] for c in range(components)] if interleave == NOT_INTERLEAVED else [list(range(components))]
    for scan in scans:
        coded, decoded[:, :, scan] = encode_scan(image[:, :, scan], coder_of, interleave, restart_rows)
        selected = b"".join(bytes((c + 1, 0)) for c in scan)
        tail = bytes((near, interleave if len(scan) > 1 else 0, 0))
        stream += segment(0xDA, bytes((len(scan),)) + selected + tail) + coded
    return stream + b"\xff\xd9", decoded
