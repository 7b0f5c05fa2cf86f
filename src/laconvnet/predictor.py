"""From pictures and sentences to boxes, masks and answers, in one line."""

from __future__ import annotations

import os
import warnings
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from itertools import islice, repeat
from typing import Any

import numpy as np
import torch
from PIL import Image

from laconvnet.models import Checkpoint, Reading, compile_look, named_device, prepare_for_inference
from laconvnet.models.inference import Look
from laconvnet.processing import Picture, UInt8Array, as_picture, is_picture, resize_mask
from laconvnet.processing.drawing import annotate
from laconvnet.tasks import Answer, Task, build_tasks, check_fit, combine


@dataclass(frozen=True, eq=False)
class Prediction(Answer):
    """What the network says of one picture and one sentence.

    Attributes:
        text: the sentence.
        unknown_words: words of the sentence that the vocabulary does not hold.
    """

    text: str = ""
    unknown_words: tuple[str, ...] = ()

    def scaled(self, x: float, y: float | None = None) -> Prediction:
        """Return the same of a picture that is `x` times as wide and `y` times as high, or `x` times as both."""
        y = x if y is None else y
        boxes = tuple((x * x0, y * y0, x * x1, y * y1) for x0, y0, x1, y1 in self.boxes)
        mask = self.mask
        if mask is not None:
            mask = resize_mask(mask, round(x * mask.shape[1]), round(y * mask.shape[0]))
        return replace(self, boxes=boxes, mask=mask)

    def to_json(self, *, masks: bool = True) -> dict[str, Any]:
        """Return everything as plain values.

        Args:
            masks: whether a mask is told as COCO run-length encoding, or by its number of pixels alone.
        """
        said = super().to_json(masks=masks)
        return {"text": self.text, **said, "unknown_words": list(self.unknown_words)}

    def __str__(self) -> str:
        parts = [repr(self.text)]
        for box, score in zip(self.boxes, self.scores, strict=True):
            x0, y0, x1, y1 = (round(v) for v in box)
            parts.append(f"box ({x0}, {y0})-({x1}, {y1}), score {score:.2f}")
        if self.mask is not None and not self.no_target:
            parts.append(f"mask of {int(self.mask.sum())} pixels")
        if self.no_target:
            parts.append("nothing in the picture is meant")
        if self.answers:
            parts.append("answer " + ", ".join(f"{answer!r} ({share:.0%})" for answer, share in self.answers[:3]))
        if self.unknown_words:
            parts.append(f"unknown words: {', '.join(self.unknown_words)}")
        return "; ".join(parts)


class Predictor:
    """A checkpoint ready for pictures of any size.

    Args:
        checkpoint: the model; a copy of its network is made ready for predicting, see `models.prepare_for_inference`.
        device: where to run it, see `models.named_device`.
        batch_size: pairs of picture and sentence that go through the network together, at least 1.
        dtype: bfloat16 is faster on CPUs and GPUs that have it, and moves boxes a little.
        compile: see `models.compile_look`; the first calls take long, a dict holds options of `torch.compile`.

    Attributes:
        model: the network that predicts.
        processor: how pictures and sentences reach it.
        tasks: what it learned, by name.

    Raises:
        ValueError: the batch size is below 1, or the device is not here.
    """

    def __init__(
        self,
        checkpoint: Checkpoint,
        *,
        device: str | torch.device = "cpu",
        batch_size: int = 16,
        dtype: torch.dtype = torch.float32,
        compile: bool | dict[str, Any] = False,
    ):
        if batch_size < 1:
            raise ValueError(f"batch_size must be 1 or more, got {batch_size}")
        self.device = named_device(device)
        self.batch_size = batch_size
        self.model = prepare_for_inference(checkpoint.network, dtype=dtype).to(self.device)
        self._look: Look = self.model.look
        if compile is not False:
            self._look = compile_look(self.model, **(compile if isinstance(compile, dict) else {}))
        self.processor = checkpoint.processor
        stride = checkpoint.network.config.stride
        tasks = build_tasks(checkpoint.tasks, stride=stride, where="tasks of the checkpoint")
        check_fit(tasks, checkpoint.network.config)
        self.tasks: dict[str, Task[Any]] = {task.name: task for task in tasks}
        self._last_read: tuple[tuple[str, ...], Reading] | None = None

    @classmethod
    def from_pretrained(cls, path: str | os.PathLike[str], **options: Any) -> Predictor:
        """Load a checkpoint folder from disk; never touches the network.

        Args:
            path: the folder, such as the ``final/`` of a training run, or the name of shipped weights: "photos-t" or
                "scenes-t".
            **options: ``device``, ``batch_size``, ``dtype`` and ``compile``.

        Raises:
            FileNotFoundError: the folder or a file of it is missing.
            ValueError: a file is broken or does not fit the others, or an option is out of range.
        """
        return cls(Checkpoint.load(path), **options)

    def __call__(
        self,
        pictures: Picture | Iterable[Picture],
        texts: str | Iterable[str],
        *,
        tasks: str | Collection[str] | None = None,
        top_k: int = 1,
        min_score: float = 0.0,
    ) -> list[Prediction]:
        """Answer sentences about pictures.

        Args:
            pictures: one for every sentence, or a single one that all sentences are about; sizes may differ.
            texts: one sentence or several.
            tasks: which of the tasks that the network learned shall answer. By default those whose sentence it is (a
                question is for "vqa"), or all where it is nobody's.
            top_k: most boxes of an answer, the best one first; those that overlap a better one by an IoU above 0.5 are
                left out.
            min_score: score in [0, 1] below which a box is left out.

        Returns:
            One prediction per sentence, in order.

        Raises:
            ValueError: numbers of pictures and sentences differ, a sentence has no words, a task was not learned, or a
                number is out of range.
            TypeError: a sentence is no text, or a picture none of `Picture`.
            ImageError: a picture cannot be read.
        """
        if not is_picture(pictures) and isinstance(pictures, Sequence) and isinstance(texts, Sequence):
            sentences = 1 if isinstance(texts, str) else len(texts)
            if len(pictures) != sentences:
                raise ValueError(f"{len(pictures)} pictures for {sentences} sentences; give one each, or one picture")
        return list(self.stream(pictures, texts, tasks=tasks, top_k=top_k, min_score=min_score))

    def stream(
        self,
        pictures: Picture | Iterable[Picture],
        texts: str | Iterable[str],
        *,
        tasks: str | Collection[str] | None = None,
        top_k: int = 1,
        min_score: float = 0.0,
    ) -> Iterator[Prediction]:
        """Return the predictions of a call one by one; no more than `batch_size` pictures are open at a time.

        Arguments and errors are those of a call; that the numbers of pictures and sentences differ is found out at the
        end of the shorter one.
        """
        if top_k < 1:
            raise ValueError(f"top_k must be 1 or more, got {top_k}")
        if not 0 <= min_score <= 1:
            raise ValueError(f"min_score must lie in [0, 1], got {min_score}")
        asked = self._learned(tasks)
        sentences = _sentences(texts)
        if is_picture(pictures):
            pairs = zip(repeat(as_picture(pictures)), sentences, strict=False)  # type: ignore[arg-type]
        else:
            pairs = _opened(pictures, sentences)  # type: ignore[arg-type,assignment]
        return self._batches(pairs, asked, top_k, min_score)

    def _batches(
        self, pairs: Iterator[tuple[UInt8Array, str]], asked: Collection[str] | None, top_k: int, min_score: float
    ) -> Iterator[Prediction]:
        while batch := list(islice(pairs, self.batch_size)):
            opened, asking = zip(*batch, strict=True)
            yield from self._predict(opened, asking, asked, top_k, min_score)

    def _learned(self, tasks: str | Collection[str] | None) -> Collection[str] | None:
        """The tasks that shall answer; None where each sentence decides."""
        tasks = (tasks,) if isinstance(tasks, str) else tasks
        if tasks is not None and not tasks:
            raise ValueError(f"tasks is empty; name at least one of {', '.join(self.tasks)}, or leave it out")
        if unlearned := [task for task in tasks or () if task not in self.tasks]:
            raise ValueError(f"this network learned {', '.join(self.tasks)}, not {', '.join(unlearned)}")
        return tasks

    def _tasks_for(self, text: str) -> Collection[str]:
        """The tasks that shall answer a sentence where none are asked for."""
        own = [name for name, task in self.tasks.items() if task.answers_text(text)]
        return own or self.tasks

    def _read(self, texts: Sequence[str]) -> Reading:
        """Encode sentences; one for all pictures only once, and those of the last call not again."""
        wanted = (texts[0],) if len(set(texts)) == 1 else tuple(texts)
        last = self._last_read
        if last is None or last[0] != wanted:
            self._warn_of_unread_words(wanted)
            self._last_read = last = wanted, self.model.read(self.processor.texts(wanted).to(self.device))
        return last[1]

    def _warn_of_unread_words(self, texts: Sequence[str]) -> None:
        for text in dict.fromkeys(texts):
            if unread := self.processor.unread(text):
                warnings.warn(
                    f"this network reads {self.processor.preprocess.max_length} words; {len(unread)} more of "
                    f"{text[:40]!r}... are not read",
                    stacklevel=2,
                )

    @torch.inference_mode()
    def _predict(
        self,
        pictures: Sequence[UInt8Array],
        texts: Sequence[str],
        tasks: Collection[str] | None,
        top_k: int,
        min_score: float,
    ) -> list[Prediction]:
        reading = self._read(texts)
        images, frames, sizes = self.processor.pictures(pictures)
        outputs = self._look(images.to(self.device), reading)
        outputs = {name: output.cpu() for name, output in outputs.items()}
        asked = [self._tasks_for(text) if tasks is None else tasks for text in texts]
        said = {
            name: task.decode(outputs, frames, sizes, top_k=top_k, min_score=min_score)
            for name, task in self.tasks.items()
            if any(name in own for own in asked)
        }
        return [
            self._prediction(text, combine(said[name][number] for name in self.tasks if name in own))
            for number, (text, own) in enumerate(zip(texts, asked, strict=True))
        ]

    def _prediction(self, text: str, answer: Answer) -> Prediction:
        values = {field.name: getattr(answer, field.name) for field in fields(Answer)}
        return Prediction(**values, text=text, unknown_words=tuple(self.processor.unknown(text)))


def _sentences(texts: str | Iterable[str]) -> Iterator[str]:
    for text in [texts] if isinstance(texts, str) else texts:
        if not isinstance(text, str):
            raise TypeError(f"a sentence must be a text, got {type(text).__name__}: {text!r}")
        yield text


def _opened(pictures: Iterable[Picture], texts: Iterable[str]) -> Iterator[tuple[UInt8Array, str]]:
    """Pictures with their sentences, opened one by one; a picture that comes several times in a row only once."""
    end = object()
    texts, last, opened = iter(texts), end, None
    count = 0
    for count, picture in enumerate(pictures, start=1):
        text = next(texts, end)
        if text is end:
            raise ValueError(f"more pictures than the {count - 1} sentences; give one each, or one picture")
        if isinstance(picture, np.ndarray):
            opened = as_picture(picture).copy()  # its owner may put the next frame into the same memory
        elif opened is None or picture is not last:
            opened = as_picture(picture)
        last = picture
        yield opened, text  # type: ignore[misc]
    if next(texts, end) is not end:
        raise ValueError(f"{count} pictures for more sentences; give one each, or one picture")


def draw(picture: Picture, predictions: Sequence[Prediction]) -> Image.Image:
    """Draw answers about one picture on it.

    Args:
        picture: the picture they are about.
        predictions: what `Predictor` answered; each gets a colour of its own, for all of its boxes.

    Returns:
        A new RGB picture. Below it stand the sentence when there is only one, and every sentence that has no box.
    """
    boxed = [prediction for prediction in predictions if prediction.boxes]
    meant = boxed + [prediction for prediction in predictions if not prediction.boxes and not prediction.no_target]
    others = [(number, *pair) for number, prediction in enumerate(boxed) for pair in prediction.ranked[1:]]
    alone = len(predictions) == 1
    captions = [
        f"{prediction.text}\n{_verdict(prediction)}".rstrip()
        for prediction in predictions
        if alone or not prediction.boxes or prediction.answer is not None
    ]
    return annotate(
        as_picture(picture),
        [*(prediction.boxes[0] for prediction in boxed), *(box for _, box, _ in others)],
        "\n".join(captions),
        labels=[*(_label(prediction, alone) for prediction in boxed), *(f"{score:.2f}" for _, _, score in others)],
        masks=[prediction.mask for prediction in meant if prediction.mask is not None],
        colours=[*range(len(boxed)), *(number for number, _, _ in others)],
    )


def _label(prediction: Prediction, alone: bool) -> str:
    """What stands beside the best box."""
    return f"{prediction.scores[0]:.2f}" if alone else prediction.text


def _verdict(prediction: Prediction) -> str:
    """What is said of a sentence beside box and mask."""
    if prediction.no_target:
        return "nothing is meant"
    return "" if prediction.answer is None else f"answer: {prediction.answer}"
