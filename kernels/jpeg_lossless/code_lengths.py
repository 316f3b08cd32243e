"""How long the Huffman code of each category is, for the shortest codestream (T.81 annex K.2), and the codes."""

from __future__ import annotations

import heapq
from dataclasses import dataclass

LONGEST_CODE = 16


@dataclass(frozen=True, slots=True)
class CodeLengths:
    """A table as DHT has it (T.81 B.2.4.2)."""

    counts: tuple[int, ...]
    """Numbers of codes of 1 to 16 bits."""
    values: bytes
    """Categories in order of their codes."""

    def codes(self, categories: int) -> tuple[list[int], list[int]]:
        """Give the code and its length of each category; 0 and 0 where it has none (T.81 annex C)."""
        codes, lengths = [0] * categories, [0] * categories
        code, position = 0, 0
        for length, count in enumerate(self.counts, 1):
            for value in self.values[position : position + count]:
                codes[value], lengths[value] = code, length
                code += 1
            code, position = code << 1, position + count
        return codes, lengths


def optimal_lengths(frequencies: list[int]) -> CodeLengths:
    """Give the lengths that code categories of these frequencies in the fewest bits, of 16 bits at most.

    At least one frequency is not 0. The code of all ones is left out, as T.81 F.1.2.1 asks.
    """
    nowhere = -1
    heap = [(0, nowhere, [nowhere])] + [(count, value, [value]) for value, count in enumerate(frequencies) if count]
    depth = {members[0]: 0 for _, _, members in heap}
    heapq.heapify(heap)
    while len(heap) > 1:
        # Ties go by the category, which makes the table, and so the codestream, the same every time.
        first, second = heapq.heappop(heap), heapq.heappop(heap)
        members = first[2] + second[2]
        for value in members:
            depth[value] += 1
        heapq.heappush(heap, (first[0] + second[0], max(first[1], second[1]), members))
    counts = [0] * (len(depth) + 1)
    for length in depth.values():
        counts[length] += 1
    _shorten(counts)
    counts[max(length for length, count in enumerate(counts) if count)] -= 1
    values = sorted((value for value in depth if value != nowhere), key=lambda value: (-frequencies[value], value))
    padded = (*counts[1:], *[0] * LONGEST_CODE)[:LONGEST_CODE]
    return CodeLengths(padded, bytes(values))


def _shorten(counts: list[int]) -> None:
    """Move codes of more than 16 bits up: a pair of them becomes one, and a shorter code two (T.81 figure K.3)."""
    for length in range(len(counts) - 1, LONGEST_CODE, -1):
        while counts[length]:
            split = max(shorter for shorter in range(1, length - 1) if counts[shorter])
            counts[length] -= 2
            counts[length - 1] += 1
            counts[split + 1] += 2
            counts[split] -= 1
