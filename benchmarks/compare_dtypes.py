"""How far half precision moves the boxes of a checkpoint, on the pictures of a split.

    python benchmarks/compare_dtypes.py --model runs/flickr30k_s/final --data data/flickr30k [--split val]
        [--pictures 200] [--dtype bfloat16] [--size N] [--device cpu]

One sentence for each picture, the first. A shift is the largest of the four sides', in pixels of the network's input.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np

from laconvnet import Predictor
from laconvnet.data import Record, read_records
from laconvnet.doctor import describe_machine
from laconvnet.models import Checkpoint, named_dtype
from laconvnet.processing import read_image


def main() -> None:
    """Answer every picture twice and print how far the answers lie apart."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--split", default="val")
    parser.add_argument("--pictures", type=int, default=200)
    parser.add_argument("--dtype", default="bfloat16")
    parser.add_argument("--size", type=int, help="side of the input; the checkpoint's unless given")
    parser.add_argument("--device", default="cpu")
    arguments = parser.parse_args()
    print(describe_machine())

    checkpoint = Checkpoint.load(arguments.model)
    preprocess = checkpoint.processor.preprocess
    if arguments.size:
        preprocess = preprocess.model_copy(update={"size": arguments.size})
        checkpoint = replace(checkpoint, processor=replace(checkpoint.processor, preprocess=preprocess))
    first: dict[str, Record] = {}
    for record in read_records(arguments.data / f"{arguments.split}.jsonl"):
        first.setdefault(record.image, record)
    records = list(first.values())[: arguments.pictures]
    pictures, texts = [read_image(arguments.data / r.image) for r in records], [r.text for r in records]
    exact, half = (
        Predictor(checkpoint, device=arguments.device, dtype=named_dtype(dtype))(pictures, texts)
        for dtype in ("float32", arguments.dtype)
    )
    sides = np.array([picture.shape[1::-1] * 2 for picture in pictures])
    if preprocess.resize == "letterbox":
        sides = sides.max(1, keepdims=True)
    scale = preprocess.size / sides
    boxes = [np.array([answer.box for answer in answers]) * scale for answers in (exact, half)]
    shift = np.abs(boxes[0] - boxes[1]).max(1)
    low, middle, high = np.quantile(shift, (0.25, 0.5, 0.9))
    print(f"{len(records)} pictures of {arguments.split}, input {preprocess.size}, {arguments.dtype} against float32:")
    print(
        f"within 1 pixel {(shift <= 1).mean():.1%}, within 2 {(shift <= 2).mean():.1%}, other cell chosen or more "
        f"than 16 pixels {(shift > 16).mean():.1%}"
    )
    print(f"shift: quartile {low:.2f}, median {middle:.2f}, nine in ten {high:.2f}, largest {shift.max():.1f} pixels")


if __name__ == "__main__":
    main()
