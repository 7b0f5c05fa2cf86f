"""A batch of masks in pictures of many sizes, what a fair network says of it, and the pixels counted by pycocotools."""

import numpy as np
import pytest
import torch
from pycocotools import mask as coco

from laconvnet.data import Collator, Example, Record, Sample, resize_to_input
from laconvnet.processing import encode_mask

SIZES = [(40, 30), (40, 30), (25, 60), (64, 64), (90, 20), (33, 32)]  # width, height


def blob(width, height, seed):
    """An ellipse somewhere in a picture."""
    rng = np.random.default_rng(seed)
    x, y, a, b = rng.uniform((0.3, 0.3, 0.2, 0.2), (0.7, 0.7, 0.45, 0.45)) * (width, height, width, height)
    rows, columns = np.mgrid[:height, :width]
    return ((columns - x) / a) ** 2 + ((rows - y) / b) ** 2 < 1


def example(number, masks, size):
    width, height = size
    record = Record(
        f"r{number}", "a.png", width, height, "x", masks=tuple(map(encode_mask, masks)), group="ab"[number % 2]
    )
    sample = Sample(np.zeros((height, width, 3), np.uint8), np.zeros((0, 4), np.float32), "x", masks=masks)
    return Example(number, record, resize_to_input(sample, 64))


@pytest.fixture
def batch():
    """The fifth record has no target, the second has two."""
    masks = [[blob(*size, seed)] for seed, size in enumerate(SIZES)]
    masks[1].append(blob(*SIZES[1], 99))
    masks[4] = []
    return Collator(lambda text: [1])([example(n, *pair) for n, pair in enumerate(zip(masks, SIZES, strict=True))])


@pytest.fixture
def outputs(batch):
    """Right in most pixels, and the last but one is nearly empty, as it should be."""
    torch.manual_seed(0)
    noise = torch.nn.functional.interpolate(torch.randn(6, 1, 8, 8), size=64, mode="bilinear")
    logits = batch["target_masks"][:, None] * 3 - 1.5 + noise
    logits[4] = -3.0
    logits[4, 0, 30:34, 30:34] = 3.0
    return {"res": logits, "no_target": torch.tensor([-1.0, 2.0, -3.0, -1.0, 4.0, -0.5])}


@pytest.fixture
def areas():
    """Counts the pixels of predicted and true masks, of both and of either: `areas(answers, batch)`."""

    def count(answers, batch):
        rows = []
        for answer, encodings, (width, height) in zip(
            answers, batch["record_masks"], batch["sizes"].tolist(), strict=True
        ):
            said = answer.to_json()["mask"]
            assert said["size"] == [height, width]
            empty = encode_mask(np.zeros((height, width), bool))
            true = coco.merge([as_bytes(mask) for mask in (*encodings, empty)])
            predicted = as_bytes(said)
            both, either = (coco.merge([predicted, true], intersect=intersect) for intersect in (True, False))
            rows.append([int(coco.area(mask)) for mask in (predicted, true, both, either)])
            assert rows[-1][3] == 0 or coco.iou([predicted], [true], [False])[0, 0] == rows[-1][2] / rows[-1][3]
        return np.array(rows).T

    return count


def as_bytes(mask):
    return {"size": mask["size"], "counts": mask["counts"].encode()}
