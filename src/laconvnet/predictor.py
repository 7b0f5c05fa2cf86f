"""From pictures and sentences to boxes, masks and answers, in one line."""

from __future__ import annotations

import os
import warnings
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageOps

from laconvnet.data import Sample, resize_to_input
from laconvnet.language import Vocabulary
from laconvnet.models import (
    LaConvNet,
    Preprocess,
    Reading,
    compile_look,
    load_checkpoint,
    named_device,
    prepare_for_inference,
)
from laconvnet.models.inference import Look
from laconvnet.processing import read_image, resize_mask
from laconvnet.processing.drawing import annotate
from laconvnet.processing.pictures import UInt8Array, to_rgb
from laconvnet.tasks import MIN_PIXELS, best_answers, best_boxes, to_record_frame, to_record_masks

Picture = str | os.PathLike[str] | Image.Image | np.ndarray[Any, Any]
"""A file, a Pillow image, or uint8 (H, W, 3) RGB."""


@dataclass(frozen=True, eq=False)
class Prediction:
    """What the network answers for one picture and one sentence.

    Attributes:
        text: the sentence.
        box: x0, y0, x1, y1 in the pixels of the picture as it is shown (upright); None without a box head, and where
            nothing is meant.
        score: objectness of the box in [0, 1], None without a box; not a calibrated probability.
        mask: bool (H, W) in the pixels of the picture; None without a mask head.
        no_target: whether the picture shows nothing that the sentence names, in which case the mask is empty; None
            without the task gres.
        answers: the likeliest answers with their shares in [0, 1], the first one first; empty without the task vqa.
        unknown_words: words of the sentence that the vocabulary does not hold.
    """

    text: str
    box: tuple[float, float, float, float] | None
    score: float | None
    mask: np.ndarray[Any, np.dtype[np.bool_]] | None
    no_target: bool | None
    answers: tuple[tuple[str, float], ...]
    unknown_words: tuple[str, ...]

    @property
    def answer(self) -> str | None:
        """The likeliest answer; None without the task vqa."""
        return self.answers[0][0] if self.answers else None

    def scaled(self, factor: float) -> Prediction:
        """The same of a picture that is `factor` times as wide and high."""
        box, mask = self.box, self.mask
        if box is not None:
            x0, y0, x1, y1 = box
            box = factor * x0, factor * y0, factor * x1, factor * y1
        if mask is not None:
            mask = resize_mask(mask, round(factor * mask.shape[1]), round(factor * mask.shape[0]))
        return replace(self, box=box, mask=mask)

    def to_json(self) -> dict[str, Any]:
        """Everything but the mask's pixels, of which the area is given."""
        values: dict[str, Any] = {"text": self.text}
        if self.box is not None:
            values |= {"box": [round(v, 2) for v in self.box], "score": round(self.score or 0.0, 4)}
        if self.mask is not None:
            values["mask_pixels"] = int(self.mask.sum())
        if self.no_target is not None:
            values["no_target"] = self.no_target
        if self.answers:
            values["answers"] = {answer: round(share, 4) for answer, share in self.answers}
        return values | {"unknown_words": list(self.unknown_words)}

    def __str__(self) -> str:
        parts = [repr(self.text)]
        if self.box is not None:
            x0, y0, x1, y1 = (round(v) for v in self.box)
            parts.append(f"box ({x0}, {y0})-({x1}, {y1}), score {self.score:.2f}")
        if self.mask is not None and not self.no_target:
            parts.append(f"mask of {int(self.mask.sum())} pixels")
        if self.no_target:
            parts.append("nothing in the picture is meant")
        if self.answers:
            parts.append("answer " + ", ".join(f"{answer!r} ({share:.0%})" for answer, share in self.answers[:3]))
        if self.unknown_words:
            parts.append(f"unknown words: {', '.join(self.unknown_words)}")
        return "; ".join(parts)


def as_picture(picture: Picture) -> UInt8Array:
    """Open a picture, upright and RGB.

    Args:
        picture: a file, a Pillow image, or uint8 (H, W, 3).

    Returns:
        uint8 (H, W, 3).

    Raises:
        ImageError: the file is missing or no picture.
        ValueError: an array of another shape or dtype.
        TypeError: none of these.
    """
    if isinstance(picture, Image.Image):
        return np.asarray(to_rgb(ImageOps.exif_transpose(picture)))
    if isinstance(picture, np.ndarray):
        if picture.ndim != 3 or picture.shape[2] != 3 or picture.dtype != np.uint8 or picture.size == 0:
            raise ValueError(
                f"an array picture must be uint8 (H, W, 3) RGB with pixels; got {picture.dtype} {picture.shape}"
            )
        return picture
    if not isinstance(picture, str | os.PathLike):
        raise TypeError(
            f"a picture must be a file, a Pillow image or a uint8 (H, W, 3) array, got {type(picture).__name__}"
        )
    return read_image(picture)


class Predictor:
    """A network with its vocabulary and preprocessing, ready for pictures of any size.

    Args:
        model: the network; a copy is made ready for predicting, see `models.prepare_for_inference`.
        vocabulary: the words its ids stand for.
        preprocess: how pictures and sentences reach it.
        device: where to run it, see `models.named_device`.
        batch_size: pairs that go through the network together.
        dtype: bfloat16 is faster on CPUs and GPUs that have it, and moves boxes a little.
        compile: see `models.compile_look`; the first calls take long, a dict holds options of `torch.compile`.
    """

    def __init__(
        self,
        model: LaConvNet,
        vocabulary: Vocabulary,
        preprocess: Preprocess,
        *,
        device: str | torch.device = "cpu",
        batch_size: int = 16,
        dtype: torch.dtype = torch.float32,
        compile: bool | dict[str, Any] = False,
    ):
        self.device = named_device(device)
        self.model = prepare_for_inference(model, dtype=dtype).to(self.device)
        self._look: Look = self.model.look
        if compile is not False:
            self._look = compile_look(self.model, **(compile if isinstance(compile, dict) else {}))
        self.vocabulary = vocabulary
        self.preprocess = preprocess
        self.batch_size = batch_size
        self.tasks: tuple[str, ...] = model.config.tasks
        self._answers = model.config.answers
        self._last_read: tuple[tuple[str, ...], Reading] | None = None

    @classmethod
    def from_pretrained(cls, path: str | os.PathLike[str], **options: Any) -> Predictor:
        """Load a checkpoint folder from disk; never touches the network.

        Args:
            path: the folder, such as the ``final/`` of a training run, or the name of shipped weights: "photos-t" or
                "scenes-t".
            **options: ``device``, ``batch_size``, ``dtype`` and ``compile``.

        Returns:
            The predictor.

        Raises:
            FileNotFoundError: the folder or a file of it is missing.
            ValueError: a file is broken or does not fit the others, or the device is not here.
        """
        return cls(*load_checkpoint(path), **options)

    def _tokens(self, texts: Sequence[str]) -> torch.Tensor:
        limit = self.preprocess.max_length
        rows = [torch.tensor(self.vocabulary.encode(text, max_length=limit)) for text in texts]
        return torch.nn.utils.rnn.pad_sequence(rows, batch_first=True)

    def _read(self, texts: Sequence[str]) -> Reading:
        """Encode sentences; one for all pictures only once, and those of the last call not again."""
        wanted = (texts[0],) if len(set(texts)) == 1 else tuple(texts)
        last = self._last_read
        if last is None or last[0] != wanted:
            self._last_read = last = wanted, self.model.read(self._tokens(wanted).to(self.device))
        return last[1]

    def _warn_of_unread_words(self, texts: Sequence[str]) -> None:
        limit = self.preprocess.max_length
        for text in dict.fromkeys(texts):
            if unread := self.vocabulary.unread(text, limit) if limit else []:
                warnings.warn(
                    f"this network reads {limit} words; {len(unread)} more of {text[:40]!r}... are not read",
                    stacklevel=3,
                )

    def __call__(
        self,
        pictures: Picture | Sequence[Picture],
        texts: str | Sequence[str],
        *,
        tasks: Collection[str] | None = None,
    ) -> list[Prediction]:
        """Answer sentences about pictures.

        Args:
            pictures: one for every sentence, or a single one that all sentences are about; sizes may differ.
            texts: one sentence or several.
            tasks: which of the tasks that the network learned shall answer. By default, of a network that both answers
                and points, vqa answers sentences that end with a question mark and its other tasks the others; any
                other network does all it can.

        Returns:
            One prediction per sentence, in order.

        Raises:
            ValueError: numbers of pictures and sentences differ, a sentence has no words, or a task was not learned.
            TypeError: a sentence is no text, or a picture none of `Picture`.
            ImageError: a picture cannot be read.
        """
        tasks = (tasks,) if isinstance(tasks, str) else tasks
        if unlearned := [task for task in tasks or () if task not in self.tasks]:
            raise ValueError(f"this network learned {', '.join(self.tasks)}, not {', '.join(unlearned)}")
        texts = [texts] if isinstance(texts, str) else list(texts)
        if wrong := [text for text in texts if not isinstance(text, str)]:
            raise TypeError(f"a sentence must be a text, got {type(wrong[0]).__name__}: {wrong[0]!r}")
        if isinstance(pictures, str | bytes | os.PathLike | Image.Image | np.ndarray):
            opened = [as_picture(pictures)] * len(texts)
        else:
            opened = [as_picture(picture) for picture in pictures]
        if len(opened) != len(texts):
            raise ValueError(f"{len(opened)} pictures for {len(texts)} sentences; give one each, or one picture")
        self._warn_of_unread_words(texts)
        predictions: list[Prediction] = []
        for start in range(0, len(texts), self.batch_size):
            part = slice(start, start + self.batch_size)
            predictions += self._predict(opened[part], texts[part], tasks)
        return predictions

    def _tasks_for(self, text: str) -> Collection[str]:
        """The tasks that shall answer a sentence where none are asked for."""
        if "vqa" not in self.tasks or len(self.tasks) == 1:
            return self.tasks
        is_question = text.rstrip().endswith("?")
        return [task for task in self.tasks if (task == "vqa") == is_question]

    @torch.inference_mode()
    def _predict(
        self, pictures: Sequence[UInt8Array], texts: Sequence[str], tasks: Collection[str] | None
    ) -> list[Prediction]:
        reading = self._read(texts)
        no_boxes = np.zeros((0, 4), np.float32)
        samples = [
            resize_to_input(Sample(picture, no_boxes, text), self.preprocess.size, self.preprocess.resize)
            for picture, text in zip(pictures, texts, strict=True)
        ]
        images = torch.from_numpy(np.stack([sample.image for sample in samples])).to(self.device)
        outputs = self._look(images.permute(0, 3, 1, 2).float() / 255, reading)
        frames = torch.tensor([sample.frame for sample in samples])
        sizes = torch.tensor([picture.shape[1::-1] for picture in pictures])
        boxes, scores = self._boxes(outputs, frames, sizes)
        masks = self._masks(outputs, frames, sizes)
        absent = self._absent(outputs, masks)
        answers = best_answers(outputs["answer"], self._answers, 5) if "answer" in outputs else [[]] * len(texts)
        predictions = []
        for number, text in enumerate(texts):
            asked = self._tasks_for(text) if tasks is None else tasks
            mask, none = masks[number], absent[number] if "gres" in asked else None
            predictions.append(
                Prediction(
                    text,
                    boxes[number] if "rec" in asked and not none else None,
                    scores[number] if "rec" in asked and not none else None,
                    (np.zeros_like(mask) if none else mask) if {"res", "gres"} & {*asked} else None,
                    none,
                    tuple(answers[number]) if "vqa" in asked else (),
                    tuple(self.vocabulary.unknown(text)),
                )
            )
        return predictions

    def _boxes(
        self, outputs: dict[str, torch.Tensor], frames: torch.Tensor, sizes: torch.Tensor
    ) -> tuple[list[Any], list[Any]]:
        if "rec" not in outputs:
            return [None] * len(sizes), [None] * len(sizes)
        boxes, scores = best_boxes(outputs["rec"])
        boxes = to_record_frame(boxes.cpu(), frames, sizes)
        return [tuple(row) for row in boxes.tolist()], scores.tolist()

    def _masks(self, outputs: dict[str, torch.Tensor], frames: torch.Tensor, sizes: torch.Tensor) -> list[Any]:
        if "res" not in outputs:
            return [None] * len(sizes)
        return [mask.numpy() for mask in to_record_masks(outputs["res"].cpu(), frames, sizes)]

    def _absent(self, outputs: dict[str, torch.Tensor], masks: Sequence[Any]) -> list[bool | None]:
        """Whether nothing is meant: by the classifier, or by too small a mask where there is none."""
        if "no_target" in outputs:
            return [bool(decision) for decision in outputs["no_target"] > 0]
        if "gres" not in self.tasks:
            return [None] * len(masks)
        return [bool(mask.sum() < MIN_PIXELS) for mask in masks]


def draw(picture: Picture, predictions: Sequence[Prediction]) -> Image.Image:
    """Draw answers about one picture on it.

    Args:
        picture: the picture they are about.
        predictions: what `Predictor` answered; each gets a colour of its own.

    Returns:
        A new RGB picture. Below it stand the sentence when there is only one, and every sentence that has no box.
    """
    boxed = [prediction for prediction in predictions if prediction.box is not None]
    meant = boxed + [prediction for prediction in predictions if prediction.box is None and not prediction.no_target]
    alone = len(predictions) == 1
    captions = [
        f"{prediction.text}\n{_verdict(prediction)}".rstrip()
        for prediction in predictions
        if alone or prediction.box is None or prediction.answer is not None
    ]
    return annotate(
        as_picture(picture),
        [prediction.box or () for prediction in boxed],
        "\n".join(captions),
        labels=[f"{p.score:.2f}" if alone else p.text for p in boxed],
        masks=[prediction.mask for prediction in meant if prediction.mask is not None],
    )


def _verdict(prediction: Prediction) -> str:
    """What is said of a sentence beside box and mask."""
    if prediction.no_target:
        return "nothing is meant"
    return "" if prediction.answer is None else f"answer: {prediction.answer}"
