"""Tables of the high-throughput block coder (T.814 clause 7.3, annex C), for look-up of several bits at once."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

# The context-adaptive codewords of T.814 tables C.1 (first row of quads) and C.2 (other rows), a line a context or
# more; each codeword as seven hexadecimal digits: its bits, first bit lowest (two digits), their number, the
# significance pattern rho, u_off, e_k, e_1.
_FIRST_ROW = (
    "0032000 0234000 0438000 0641000 015a000 0e55000 1153000 1e5c000 0366000 056e1a8 096b110 0d67120 1364144 "
    "156c1c4 196f1e2 1d69000 2365144 256c1c8 296f1f4 2d69100 356a188 396f1f8 3d68188 077d1d8 0b7f1f5 0f75151 "
    "177c1cc 1b7f199 1f73131 277d111 2b7f1fc 2f77000 337f1f1 377b000 3b7e1e4 3f71111 477d154 4b7e122 4f77122 "
    "577b111 5b7f000 5f73122 677d000 6b7f1ba 6f76100 737f1e6 777a1a2 7b7e000 7f72122",
    "0020000 0248000 0642000 0a44000 0e41000 015c000 0367120 056c1c4 096f1a2 0b65000 0d69100 116b110 1366000 "
    "156a188 196e1a8 1b63000 1d68188 2366100 256c188 296f1b8 2b64144 2d69000 316f1e4 3365144 356a000 396d154 "
    "3b62122 3d63100 077f000 0f7d000 177d111 1f71111 277f188 2f7b000 377e000 3f77000 477f1f1 4f7b111 577e122 "
    "5f77122 677e1e4 6f7a1a2 777d1d8 7f75151",
    "0020000 0248000 0642000 0a44000 0e41000 0155000 0366000 056d188 096f111 0b64144 0d6a100 1167131 1365151 "
    "156c000 196e120 1b61111 1d69100 2365154 256c144 296f1f1 2b63000 2d6a000 316f174 3363111 356b120 396d1c4 "
    "3d69000 077f132 0f7b000 177d000 1f77000 277e000 2f75155 3777174 3b7f1f8 3f72122 477f000 4f78188 577c1c8 "
    "5f76100 677d1d1 6f77122 777b122 7b7e122 7f73132",
    "0030000 0441000 025f1f4 0655000 0a58000 0c52000 125f1f8 1654000 1a55155 1c5f1f1 016d1d4 0563111 096b132 "
    "0d65151 0e6f1aa 116c144 1567164 196a000 1d63000 1e6f1f5 216d1d1 2567171 296a188 2d64144 2e6f1f2 316c000 "
    "3565154 3969000 3d61111 3e6e1c8 037f1fc 0778188 0b7e000 0f77172 137e144 177a1a2 1b7d199 1f76162 237f1e6 "
    "277b1b1 2b7d1d5 2f77166 337e1e2 3779111 3b7c1c8 3f76000 437f1f3 477b111 4b7d1d8 4f72122 537f000 5779198 "
    "5b7d000 5f76144 637f1b9 677b000 6b7d1dc 6f77000 737e1e4 7777173 7b7b1b8 7f73132",
    "0020000 0248000 0642000 0a44000 0e41000 015a000 0367140 056d110 096f172 0b65000 0d6a1a8 1169000 1366000 "
    "156c000 196e1c8 1b62122 1d68188 2366100 256c188 296f191 2b63000 2d6a1a2 316f1b8 3365100 356b100 396e144 "
    "3d63122 077d111 0f7b1b2 177e000 1f77000 277f000 2f7a1aa 377c1c4 3b7f1f4 3f71111 477f199 4f7b000 577d000 "
    "5f74144 677e1e2 6f77144 7779100 7b7f176 7f73131",
    "0030000 0258000 045f1f2 0a52000 0c5f1f4 1254000 145f1f8 1a51000 1c5a000 016c000 0567164 066f1f1 096a1a2 "
    "0d65000 0e6e1e2 116b198 1566000 166f176 1968188 1d62122 1e6d198 216b1b2 2566122 2669000 296a1aa 2d63000 "
    "2e6d1d4 316a1a8 3565144 366e1e8 3963132 3e6c188 037f1d9 077b199 0b7e166 0f77173 137f000 1779188 1b7d1d5 "
    "1f74144 237f1fc 277b000 2b7d1d1 2f76164 337e1ea 3777171 3b7c1c4 3d7f1fa 3f73131 437f177 477b1b3 4b7e000 "
    "4f77000 537e1e4 5777166 5b7d000 5f73133 637f175 6779191 6b7d199 6f75151 737e1ec 7777172 7b7b1b1 7d7f1f3 "
    "7f71111",
    "0030000 0441000 025f1f2 0a54000 0c52000 1258000 1a53000 1c5f1f1 016d154 0361111 0567164 066f1f8 096b191 "
    "0d62122 0e6f1f3 116c000 1565111 166f1fc 196a000 1d63131 1e6f166 216c1c8 2566000 266f1f4 296a122 2d63132 "
    "2e6f1ea 316b1b2 3565000 3667171 3969000 3d63133 3e6e1e8 077c1cc 0b7e122 0f78188 137f000 177a1a8 1b7d1c8 "
    "1f76164 237f1f5 277b1ba 2b7e000 2f77173 337d155 3779111 3b7c1c4 3f74144 477b199 4b7e1e2 4f77166 537e1e4 "
    "5779198 5b7d000 5f76122 637f1b9 677b000 6b7d1d1 6f77000 737e1ec 7777172 7b7b1b8 7f75154",
    "004f1f1 044f1f8 084f1f4 0c4f1f2 025f1fa 065f1ff 0a5f1f3 1250000 1a5f1f5 016d1d1 0561000 0967171 0e6e1e8 "
    "116a122 166f1fc 1965111 1e6e1e2 216b1b2 2966100 2e6f1f9 3169100 366f1f6 3962000 3e6d1d4 037d000 0777174 "
    "0b7b1b3 0d7e1ea 0f74144 137b1b8 157f000 1777000 1b77175 1d7d1d8 1f73133 237c188 257f1fb 2777173 2b7b000 "
    "2d7e166 2f73131 337b1ba 357f1fd 3776000 3b78188 3d7d1dc 3f72122 437c1c4 4777172 4b7b199 4d7e1ec 4f74000 "
    "537a000 557f1f7 5775000 5b79000 5d7d1d5 5f73000 637c000 657f1fe 6777166 6b7a1a8 6d7e000 6f73132 737b1b1 "
    "757e1e4 7775154 7b78000 7d7d199 7f71111",
)
_OTHER_ROWS = (
    "0031000 0234000 0438000 0632000 0156000 0558188 095a000 0d53000 115c000 1555000 1959000 036d100 0764144 "
    "0b6a188 1369100 1762122 1b67100 1d6f110 236c188 2761111 2b65100 336b100 3b63100 3d6e140 0f7d000 1f77000 "
    "2f7e000 377f111 3f7a1a2 4f7e144 5f7b000 6f7c1c4 777f000 7f76100",
    "0010000 0148000 0541000 0942000 0d54000 1d53000 0365000 0b69000 136c000 236f140 336a000 077d000 0f77000 "
    "1778188 1b7f000 1f72122 277b000 2b7b100 2f76000 3774144 3b7e000 3f73111 477c100 4f76100 5779100 5b7e100 "
    "5f73132 677a100 6b7f144 6f75100 7777100 7b7d100 7f71111",
    "0010000 0142000 0941000 0558000 1554000 0365000 0d6c000 1d6a000 2362122 2d6a1a2 3d63000 077b100 0b7f000 "
    "0f77000 137f1f8 1777100 1b7d100 1f73131 277b000 2b7e144 2f76000 337f151 3779000 3b7c100 3f73122 477b1b2 "
    "4b7e140 4f76100 537f172 5779100 5b7d000 5f74144 677a1a8 6b7e000 6f75100 737f144 7778188 7b7a1aa 7f71111",
    "0020000 0242000 0a41000 0658000 0e53000 1654000 016f1f8 0365000 056b000 096c100 0b61111 0d69000 116f000 "
    "1363131 156a000 196b1b2 1d66000 1e67151 216f1f2 2362122 256a122 296c000 2d67000 316d140 3363132 3569100 "
    "396b188 3d65111 3e6f1f1 077f166 0f7a1a8 177b1b3 1b7f1f5 1f75154 277e144 2b7f1f4 2f77144 377d000 3b7f1fa "
    "3f74144 477e1c8 4f78188 577d144 5b7f1a8 5f76100 677e000 6b7e1e2 6f77172 777b1b1 7b7f173 7f73133",
    "0010000 0148000 0944000 055c000 0d51000 1552000 036e120 1366000 1d6a000 2364144 3365000 3d6f130 077c1c4 "
    "0b7f132 0f78188 177a100 1b7e122 1f75100 277c1cc 2b7f000 2f76100 3779100 3b7d100 3f72122 477c1c8 4b7f111 "
    "4f77000 5777100 5b7e000 5f73000 677b000 6b7b100 6f73100 7779000 7b7d000 7f71111",
    "0020000 0244000 065c000 0a52000 0e55000 1658000 1a5f000 1e51000 016e1a8 0368188 056d000 096f1fc 0b63100 "
    "0d6b000 116f1f8 1366000 1567120 196e000 1b63000 1d6a000 216f1f2 2367000 256c144 296f1f1 2b64144 2d6a100 "
    "316f1f4 3365144 356b110 396d154 3b61111 3d69000 077f1f3 0f7d1d8 177f199 1f79100 277f176 2f7c1c8 377e1e4 "
    "3f72122 477f1fa 4f7b111 577e122 5f77122 677f1d5 6f76100 777d111 7f75151",
    "0030000 0241000 0444000 0c42000 065a000 0a55000 1658000 1a5c000 016f000 0361111 0568188 096a1a2 0d63122 "
    "0e6b000 116e000 1566000 1969100 1d63000 1e6f1f8 216e1e8 2567000 2967122 2d64144 2e6f1f4 316d000 3565144 "
    "3969000 3d62122 3e6f1f2 077d1d4 0b7f176 0f7a1aa 137f1f5 177c1cc 1b7e144 1f77131 237f1f1 277c1c4 2b7d1d1 "
    "2f75151 337e1e2 377b122 3b7d1c8 3f76122 477b1b1 4b7f133 4f7a1a8 537f1b9 577b1a8 5b7e1e4 5f76164 637f1fc "
    "677c1c8 6b7e1ea 6f77174 737f1fa 777b1b2 7b7d144 7f73131",
    "003f000 0440000 025f1f1 0657000 0a5f1f2 0c5d000 125f1f8 1655000 1a5b000 1c5f1f4 016f1fa 0363000 056b132 "
    "096d154 0d67171 0e6f1fc 116f1f3 1361111 1569000 196c100 1d66000 1e6f1b9 216f176 2362000 256a000 296a100 "
    "2d64000 2e6f1f5 316e000 3361000 3568000 396c000 3d65111 3e6e1a8 077d111 0b7e1e4 0f77173 177b1b1 1b7d1d8 "
    "1f75154 2779100 2b7f1f7 2f77174 3778188 3b7e1e2 3f73111 477d1d1 4b7f1fb 4f77144 5777172 5b7e122 5f74144 "
    "677b111 6b7f1ff 6f73132 7776100 7b7b1b8 7f72122",
)

LENGTH_BITS, U_OFFSET, CONTEXT_BITS = 7, 1 << 6, 7 << 7
"""Of an entry: masks of the codeword's length, of the flag u_off, and of what it adds to the next quad's context."""
U, RHO, NO_QUAD, KNOWN_BITS, FIRST_BITS = 10, 16, 1 << 20, 21, 25
"""Of an entry: where u (six bits, put in later), rho, e_k and e_1 (four bits each) begin. `NO_QUAD` is what stands
beyond the last quad of a row: it takes no bits, and adds to the context what leads to itself in the next row."""

ROW_ENTRIES = 2048


def _left_context(rho: int, is_first_row: bool) -> int:
    """Give what a quad adds to the context of the one to its right (T.814 7.3.5)."""
    if is_first_row:
        return (rho & 3 != 0) << 7 | rho >> 2 << 8
    return (rho >> 2 != 0) << 8


def _codeword_table(contexts: tuple[str, ...], is_first_row: bool) -> Iterator[int]:
    """Give the entry for each context (three bits) and seven bits to come."""
    for line in contexts:
        entries = [0] * 128
        for text in line.split():
            word, length = int(text[:2], 16), int(text[2], 16)
            rho, offset, known, first = (int(digit, 16) for digit in text[3:])
            entry = known << KNOWN_BITS | first << FIRST_BITS | rho << RHO | _left_context(rho, is_first_row)
            for rest in range(0, 128, 1 << length):
                entries[rest | word] = entry | offset * U_OFFSET | length
        yield from entries
    yield from [NO_QUAD] * 1024


CODEWORDS: NDArray[np.uint32] = np.array(
    [*_codeword_table(_FIRST_ROW, True), *_codeword_table(_OTHER_ROWS, False)], np.uint32
)
"""By row kind * 2048 + context * 128 + seven bits; contexts from 8 on are those of no quad."""


def _prefix(bits: int) -> tuple[int, int, int]:
    """Give length of a prefix of u, length of the suffix, and the least u it stands for (T.814 table 3)."""
    if bits & 1:
        return 1, 0, 1
    if bits & 2:
        return 2, 0, 2
    return (3, 1, 3) if bits & 4 else (3, 5, 5)


U_TOTAL_BITS, U_SECOND, U_IS_LONG, U_MODE_ENTRIES = 31, 20, 1 << 31, 256
"""Of a pair of u: mask of the length of both, where the second one begins (the first one is at `U`, as in an entry),
and a flag for pairs of more than eight bits."""
U_FIRST_SUFFIX, U_SECOND_SUFFIX, U_FIRST_LEAST, U_SECOND_LEAST = 3, 6, 9, 13
"""Of the prefixes of such a pair: where these begin after the length of both prefixes (three bits): the length of each
suffix (three bits), and the least of each u (four bits)."""


def _prefixes_of_u(mode: int, bits: int) -> tuple[tuple[int, int, int], tuple[int, int, int]]:
    """Give the two prefixes (T.814 7.3.6).

    `mode` has a bit for each quad whose u is coded, and 4 where both exceed 2 (first row only; 5 stands for 3 there,
    when at least one does not).
    """
    none = (0, 0, 0)
    first = _prefix(bits) if mode != 2 and mode else none
    rest = bits >> first[0]
    if mode in (0, 1):
        return first, none
    if mode == 5 and first[0] == 3:
        return first, (1, 0, 1 + (rest & 1))
    second = _prefix(rest)
    if mode == 4:
        return (*first[:2], first[2] + 2), (*second[:2], second[2] + 2)
    return first, second


def _pair_of_u(mode: int, bits: int) -> int:
    """Give both u and the length of their codewords, prefixes before suffixes, if eight bits hold them."""
    first, second = _prefixes_of_u(mode, bits)
    total = first[0] + first[1] + second[0] + second[1]
    rest = bits >> first[0] + second[0]
    one = first[2] + (rest & ((1 << first[1]) - 1))
    other = second[2] + (rest >> first[1] & ((1 << second[1]) - 1))
    return total | one << U | other << U_SECOND if total <= 8 else U_IS_LONG


def _long_pair_of_u(mode: int, bits: int) -> int:
    first, second = _prefixes_of_u(mode, bits)
    lengths = first[0] + second[0] | first[1] << U_FIRST_SUFFIX | second[1] << U_SECOND_SUFFIX
    return lengths | first[2] << U_FIRST_LEAST | second[2] << U_SECOND_LEAST


U_PAIRS: NDArray[np.uint32] = np.array([_pair_of_u(mode, bits) for mode in range(6) for bits in range(256)], np.uint32)
LONG_U_PAIRS: NDArray[np.uint32] = np.array(
    [_long_pair_of_u(mode, bits) for mode in range(6) for bits in range(256)], np.uint32
)
"""By mode * 256 + eight bits. Modes 0 to 3 say whose u is coded; 4 and 5 stand for 3 in the first row, after the event
1 or 0."""

_RUN_EXPONENTS = (0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 4, 5)
"""T.814 table 2."""
RUN_BITS, RUN_ENTRIES = 6, 64
RUN_ONE, RUN_EVENTS, RUN_STATE = 3, 4, 10
"""Of a run: where these begin after the length of its codeword (three bits): whether an event 1 follows, the number of
events 0 (six bits), and the next state, times `RUN_ENTRIES`."""


def _run(state: int, bits: int) -> int:
    """Give what a MEL codeword, the highest of six bits first, says in a state (T.814 7.3.3)."""
    exponent = _RUN_EXPONENTS[state]
    if bits >> (RUN_BITS - 1):
        return 1 | 1 << exponent << RUN_EVENTS | min(state + 1, 12) * RUN_ENTRIES << RUN_STATE
    zeros = bits >> (RUN_BITS - 1 - exponent) & ((1 << exponent) - 1)
    return 1 + exponent | 1 << RUN_ONE | zeros << RUN_EVENTS | max(state - 1, 0) * RUN_ENTRIES << RUN_STATE


RUNS: NDArray[np.uint32] = np.array([_run(state, bits) for state in range(13) for bits in range(64)], np.uint32)
"""By state * 64 + six bits."""
