"""src/core/random.ts again in numpy, so that fixtures need not store what follows from a seed."""

import numpy as np

ROTATIONS = (13, 15, 26, 6, 17, 29, 16, 24)
SKEIN_PARITY = 0x1BD11BDA
WORD = np.uint32


def threefry2x32(key, counter0, counter1):
    """Threefry-2x32-20 of whole arrays of counters. Returns two arrays of uint32."""
    keys = [WORD(key[0]), WORD(key[1]), WORD(SKEIN_PARITY) ^ WORD(key[0]) ^ WORD(key[1])]
    with np.errstate(over="ignore"):
        x0 = np.asarray(counter0, WORD) + keys[0]
        x1 = np.asarray(counter1, WORD) + keys[1]
        for group in range(5):
            for rotation in ROTATIONS[4 * (group % 2) : 4 * (group % 2) + 4]:
                x0 = x0 + x1
                x1 = (x1 << WORD(rotation)) | (x1 >> WORD(32 - rotation))
                x1 = x1 ^ x0
            x0 = x0 + keys[(group + 1) % 3]
            x1 = x1 + keys[(group + 2) % 3] + WORD(group + 1)
    return x0, x1


def key_of_seed(seed):
    return (seed & 0xFFFFFFFF, seed >> 32)


def derive_key(key, *purposes):
    """deriveKeys of random.ts: each purpose is a whole number or a string."""
    for purpose in purposes:
        if isinstance(purpose, str):
            key = _block(key, len(purpose), 0x80000000)
            for character in purpose:
                key = _block(key, ord(character), 0x80000001)
        else:
            key = _block(key, purpose & 0xFFFFFFFF, purpose >> 32)
    return key


def _block(key, counter0, counter1):
    x0, x1 = threefry2x32(key, [counter0], [counter1])
    return (int(x0[0]), int(x1[0]))


def words(key, count):
    """The first words of a RandomStream."""
    counters = np.arange((count + 1) // 2, dtype=np.uint64)
    x0, x1 = threefry2x32(key, counters & 0xFFFFFFFF, counters >> np.uint64(32))
    return np.stack([x0, x1], axis=1).reshape(-1)[:count]


def normals(key, count):
    """The first normal draws of a RandomStream, in double precision."""
    pairs = (count + 1) // 2
    word = words(key, 4 * pairs).astype(np.uint64)
    uniform = ((word[0::2] >> np.uint64(5)) * 2.0**26 + (word[1::2] >> np.uint64(6))) / 2.0**53
    radius = np.sqrt(-2 * np.log(1 - uniform[0::2]))
    angle = 2 * np.pi * uniform[1::2]
    return np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1).reshape(-1)[:count]


def dropout_mask(rate, key, ordinal, count):
    """1 where a value of an image is kept, as src/kernels/backend.ts defines it."""
    blocks = np.arange((count + 1) // 2)
    x0, x1 = threefry2x32(key, np.full(len(blocks), ordinal), blocks)
    word = np.stack([x0, x1], axis=1).reshape(-1)[:count]
    return (word >= np.uint64(round(rate * 2**32))).astype(np.float64)
