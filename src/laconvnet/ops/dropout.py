"""Which entries of the generated kernels are dropped: a function of a seed and the entry's place, so no mask is stored.

The two passes, every backend and every device draw the same entries from the same seed. With all numbers unsigned of
32 bits, ``mix`` a bijection that scatters them, and an entry in plane ``(n*G + g)*T + t`` at pixel ``i*W + j``,

    key = mix(mix(plane ^ seed) + seed >> 32),    dropped if mix(pixel + key) < p * 2**32

and an entry that stays is divided by 1 - p; one that is dropped is 0, whatever it was.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

_WORD = 2**32 - 1
_CHUNK = 2**14  # entries that a CPU decides on at a time, so that what lies between stays in its caches


def _mix(bits: Tensor) -> Tensor:
    """Two rounds of multiply and xor-shift ("lowbias32" of C. Wellons), on 32-bit numbers held in int64."""
    bits = bits ^ bits >> 16
    bits = bits * 0x7FEB352D & _WORD
    bits = bits ^ bits >> 15
    bits = bits * 0x846CA68B & _WORD
    return bits ^ bits >> 16


@dataclass(frozen=True)
class Dropout:
    """Dropout of kernel entries.

    Attributes:
        p: probability that an entry is dropped, in [0, 1).
        seed: one int64 in a tensor, on the device of the kernels.
    """

    p: float
    seed: Tensor

    @property
    def threshold(self) -> int:
        """Entries whose 32 bits lie below are dropped."""
        return int(self.p * 2**32)

    @property
    def scale(self) -> float:
        """What an entry that stays is multiplied by."""
        return 1 / (1 - self.p)

    def stays(self, shape: torch.Size, first_sample: int = 0) -> Tensor:
        """Which entries of kernels (N,G,T,H,W) are kept, bool.

        Args:
            shape: of the kernels.
            first_sample: place in the batch of the first of them.
        """
        samples, groups, taps, height, width = shape
        count = samples * groups * taps
        planes = torch.arange(count, device=self.seed.device) + first_sample * groups * taps
        key = _mix(_mix((planes ^ self.seed) & _WORD) + (self.seed >> 32) & _WORD)
        pixels = torch.arange(height * width, device=self.seed.device)
        entries = _CHUNK if self.seed.device.type == "cpu" else count * height * width
        parts = torch.split(key, max(1, entries // max(1, height * width)))
        return torch.cat([_mix(part[:, None] + pixels & _WORD) >= self.threshold for part in parts]).view(shape)

    def apply(self, kernels: Tensor, first_sample: int = 0) -> Tensor:
        """Drop entries of kernels (N,G,T,H,W), or of their gradient, in their dtype."""
        return torch.where(self.stays(kernels.shape, first_sample), kernels * self.scale, 0)
