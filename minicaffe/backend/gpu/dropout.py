"""Dropout's mask: each thread makes the eight numbers of one step of the Philox generator that NumPy has too."""

from __future__ import annotations

from typing import Any

from minicaffe.backend.gpu.arrays import written
from minicaffe.backend.gpu.launch import Kernel
from minicaffe.backend.kernels import VALUES_PER_STEP

# Philox 4x64 with ten rounds (Salmon et al., SC 2011, "Parallel random numbers: as easy as 1, 2, 3").
DROPOUT_MASK = Kernel(r"""
typedef unsigned long long Word;

__device__ void philox(Word counter, Word key_0, Word key_1, Word* word)
{
    const Word multiplier_0 = 0xD2E7470EE14C6C93ULL, multiplier_1 = 0xCA5A826395121157ULL;
    word[0] = counter;
    word[1] = word[2] = word[3] = 0;
    for (int round = 0; round < 10; round++) {
        Word high_0 = __umul64hi(multiplier_0, word[0]), low_0 = multiplier_0 * word[0];
        Word high_1 = __umul64hi(multiplier_1, word[2]), low_1 = multiplier_1 * word[2];
        word[0] = high_1 ^ word[1] ^ key_0;
        word[1] = low_1;
        word[2] = high_0 ^ word[3] ^ key_1;
        word[3] = low_0;
        key_0 += 0x9E3779B97F4A7C15ULL;
        key_1 += 0xBB67AE8584CAA73BULL;
    }
}

extern "C" __global__ void dropout_mask(
    Index total, Index values, Index key_0, Index key_1, Index limit, unsigned char* mask)
{
    GRID_STRIDE_LOOP(i, total) {
        Word word[4];
        // NumPy steps its counter before it makes numbers.
        philox(i + 1, key_0, key_1, word);
        for (int j = 0; j < 8 && 8 * i + j < values; j++) {
            Index bits = word[j / 2] >> 32 * (j % 2) & 0xFFFFFFFF;
            mask[8 * i + j] = bits >= limit;
        }
    }
}
""")


def dropout_mask(key: int, limit: int, mask: Any) -> None:
    """As kernels.py."""
    with written(mask) as out:
        steps = -(-out.size // VALUES_PER_STEP)
        DROPOUT_MASK.launch(steps, out.size, signed(key), signed(key >> 64), limit, out)


def signed(word: int) -> int:
    """The lowest 64 bits of a number, as CUDA's Index holds them."""
    word &= (1 << 64) - 1
    return word - (1 << 64) if word >> 63 else word
