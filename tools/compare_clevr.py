"""Compare this project's pictures with pictures of CLEVR's base scene that Blender drew.

    python tools/compare_clevr.py CLEVR_DIR [--sheet sheet.png]

CLEVR_DIR holds `<split>/CLEVR_scenes.json` and `<split>/images/`. The camera of each scene is recovered from where its
objects appear; the lamps, whose jitter is not recorded, hang in their mean places, and so the ground is compared in the
mean of all pictures. Of the objects, only the first of each scene is compared: in the third-party set at hand, the
others are painted in other colours than their labels say. Sheets show people's pictures: do not publish them.
"""

from __future__ import annotations

import argparse
import json
import math
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from laconvnet.scenes import Scene, SceneObject, render
from laconvnet.scenes.geometry import Cameras
from laconvnet.scenes.lighting import LAMPS
from laconvnet.scenes.world import EYE

MATERIALS = ("rubber", "metal")


def recover_eye(entry: dict[str, Any], size: tuple[int, int]) -> np.ndarray:
    """The camera's position, by Gauss-Newton on the pixels and depths of the objects' centres."""
    points = torch.tensor([item["3d_coords"] for item in entry["objects"]], dtype=torch.float64).T[:, None]
    seen = np.array([item["pixel_coords"] for item in entry["objects"]])
    scale = np.array([1.0, 1.0, 20.0])  # a depth is known far better than a pixel

    def residual(eye: np.ndarray) -> np.ndarray:
        scene = Scene((), tuple(eye.tolist()), LAMPS)
        cameras = Cameras.of([scene], *size, device=torch.device("cpu"), dtype=torch.float64)
        placed = torch.stack(cameras.project(torch.zeros(1, dtype=torch.int64), points))[:, 0].T.numpy()
        return ((placed - seen - [0.5, 0.5, 0.0]) * scale).ravel()

    eye = np.array(EYE)
    for _ in range(8):
        slope = np.stack([(residual(eye + 1e-5 * axis) - residual(eye)) / 1e-5 for axis in np.eye(3)], 1)
        eye = eye - np.linalg.lstsq(slope, residual(eye), rcond=None)[0]
    return eye


def to_scene(entry: dict[str, Any], eye: np.ndarray) -> Scene:
    """A scene of this project; CLEVR hands its degrees to Blender, which takes them as radians."""
    objects = tuple(
        SceneObject(
            *(item[name] for name in ("shape", "size", "color", "material")),
            *item["3d_coords"][:2],
            math.degrees(item["rotation"]) % 360,
        )
        for item in entry["objects"]
    )
    return Scene(objects, tuple(eye.tolist()), LAMPS)


def main() -> None:
    """Draw every scene again and print how far the pictures differ."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", type=Path)
    parser.add_argument("--sheet", type=Path, help="write Blender's pictures over this project's, in rows of six")
    arguments = parser.parse_args()
    pairs, grounds, colours = [], [], defaultdict(list)
    for file in sorted(arguments.source.glob("*/CLEVR_scenes.json")):
        for entry in json.loads(file.read_text())["scenes"]:
            with Image.open(file.parent / "images" / entry["image_filename"]) as picture:
                blender = np.asarray(picture.convert("RGB")).astype(float)
            drawn = render([to_scene(entry, recover_eye(entry, picture.size))], picture.size)
            ours, instances = drawn.images[0].numpy().astype(float), drawn.instances[0].numpy()
            pairs.append(np.concatenate([blender, ours]))
            ground = np.where((instances == -1)[..., None], 1.0, np.nan)
            grounds.append(np.stack([blender * ground, ours * ground]))
            if (instances == 0).sum() >= 60:
                means = blender[instances == 0].mean(0), ours[instances == 0].mean(0)
                colours[entry["objects"][0]["material"]].append(means)
    blender, ours = np.nanmean(grounds, axis=0)
    print(f"{len(pairs)} pictures; ground of the mean picture: {np.nanmean(np.abs(blender - ours)):.2f} levels of 255")
    for material in MATERIALS:
        difference = np.array([ours - blender for blender, ours in colours[material]])
        print(
            f"{len(difference)} first objects of {material}: mean colour differs by {np.abs(difference).mean():.1f} "
            f"levels, {difference.mean():+.1f} on average"
        )
    if arguments.sheet is not None:
        pictures = np.array(pairs[: len(pairs) // 6 * 6][:18])
        rows = [np.concatenate(list(pictures[first : first + 6]), 1) for first in range(0, len(pictures), 6)]
        Image.fromarray(np.concatenate(rows).astype(np.uint8)).save(arguments.sheet)


if __name__ == "__main__":
    main()
