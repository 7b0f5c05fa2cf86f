"""Predicting for files: pictures, folders and JSON lines in, JSON lines and drawings out."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any, Final, TextIO

from PIL import Image

from laconvnet.files import check_writable, replacing, to_json
from laconvnet.predictor import Prediction, Predictor, draw
from laconvnet.processing import ImageError, UInt8Array, picture_format, read_image, save_picture

LINES: Final = ".jsonl"


@dataclass(frozen=True, slots=True)
class Request:
    """A sentence about a picture file.

    Attributes:
        image: the file.
        text: the sentence.
        name: the picture as the source names it.
        id: of the line, where it has one.
        frame: width and height in which boxes and masks are told, where the line says them; else those of the file.
        where: the line, for errors.
    """

    image: Path
    text: str
    name: str
    id: str | None = None
    frame: tuple[int, int] | None = None
    where: str = ""


@dataclass(frozen=True, slots=True)
class Reply:
    """What became of a request: a prediction, or why there is none.

    Attributes:
        request: the request.
        prediction: what the network says.
        error: why there is none: the picture cannot be read, or the sentence has no words.
    """

    request: Request
    prediction: Prediction | None = None
    error: str | None = None

    def to_json(self, *, masks: bool = True) -> dict[str, Any]:
        """Return "id" where there is one, "image", and the prediction, or "text" and "error"; see `Prediction`."""
        head = {} if self.request.id is None else {"id": self.request.id}
        head["image"] = self.request.name
        if self.prediction is None:
            return {**head, "text": self.request.text, "error": self.error}
        return {**head, **self.prediction.to_json(masks=masks)}

    def __str__(self) -> str:
        return f"error: {self.error}" if self.prediction is None else str(self.prediction)


def requests_of(source: Path, texts: Sequence[str]) -> Iterable[Request]:
    """Return the sentences to answer.

    Args:
        source: a picture, a folder of pictures, or a file of JSON lines with "image", a path relative to the file, and
            "text"; other keys, such as the labels of a dataset's split, are left alone.
        texts: sentences about every picture; a file of JSON lines may bring its own instead.

    Raises:
        FileNotFoundError: there is no such file or folder.
        ValueError: there is no sentence, or a folder holds no picture.
    """
    if not source.exists():
        raise FileNotFoundError(f"{source} does not exist; give a picture, a folder of pictures, or a file *{LINES}")
    if source.suffix == LINES:
        return _requests_of_lines(source, texts)
    if not texts:
        raise ValueError(f"give at least one sentence about {source}")
    if not source.is_dir():
        return [Request(source, text, str(source)) for text in texts]
    endings = Image.registered_extensions()
    pictures = sorted(path for path in source.iterdir() if path.suffix.lower() in endings)
    if not pictures:
        raise ValueError(f"{source} holds no picture, such as *.jpg or *.png")
    return (Request(picture, text, picture.name) for picture in pictures for text in texts)


def _requests_of_lines(source: Path, texts: Sequence[str]) -> Iterator[Request]:
    with source.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            where = f"{source}:{number}"
            try:
                values = json.loads(line)
            except ValueError as error:
                raise ValueError(f"{where}: not JSON: {error}") from None
            if not isinstance(values, dict) or not isinstance(values.get("image"), str):
                raise ValueError(f"{where}: a line must be an object with 'image', the path of a picture")
            own: Sequence[Any] = texts or [values.get("text")]
            if not all(isinstance(text, str) for text in own):
                raise ValueError(f"{where}: 'text' must be a sentence, got {values.get('text')!r:.80}")
            name, key = values["image"], values.get("id")
            sides = values.get("width"), values.get("height")
            frame: Any = sides if all(type(side) is int and side > 0 for side in sides) else None
            for text in own:
                yield Request(source.parent / name, text, name, key if isinstance(key, str) else None, frame, where)


def predict_files(
    predictor: Callable[[], Predictor],
    requests: Iterable[Request],
    *,
    tasks: Collection[str] | None = None,
    top_k: int = 1,
    min_score: float = 0.0,
    out: Path | None = None,
    save: Path | None = None,
    is_single: bool = False,
) -> Iterator[Reply]:
    """Answer requests, batch by batch, and write what is asked for. Nothing is loaded before the paths are checked.

    Args:
        predictor: loads the network.
        requests: the sentences; those about one picture stand together.
        tasks: see `Predictor`.
        top_k: see `Predictor`.
        min_score: see `Predictor`.
        out: where drawings go: of a single picture this file, of several this folder, numbered; None draws nothing.
        save: file for one JSON line per request, in order, masks as COCO run-length encodings.
        is_single: whether all requests are about a single picture, which must be readable; otherwise one that is not
            is told in its reply.

    Yields:
        A reply to each request, in order.

    Raises:
        ImageError: a single picture cannot be read.
        OSError: a file cannot be written.
        ValueError: the ending of `out` is that of no picture.
    """
    if save is not None:
        check_writable(save)
    if out is not None and is_single:
        picture_format(out)
        check_writable(out)
    elif out is not None:
        out.mkdir(parents=True, exist_ok=True)
    network = predictor()
    opening: AbstractContextManager[TextIO | None] = nullcontext() if save is None else replacing(save)
    with opening as lines:
        drawing = _Drawing(out, is_single)
        for picture, reply in _answered(network, iter(requests), tasks, top_k, min_score, is_single):
            if picture is not None:
                drawing.add(picture, reply)
            if picture is not None and reply.prediction is not None:
                reply = replace(reply, prediction=_in_frame(reply.prediction, picture, reply.request.frame))
            if lines is not None:
                lines.write(to_json(reply.to_json()) + "\n")
            yield reply
        drawing.finish()


def _answered(
    network: Predictor,
    requests: Iterator[Request],
    tasks: Collection[str] | None,
    top_k: int,
    min_score: float,
    is_single: bool,
) -> Iterator[tuple[UInt8Array | None, Reply]]:
    """Pictures with the replies about them, a batch at a time; a picture that comes several times is opened once."""
    last: tuple[Path, UInt8Array | str] | None = None
    while batch := list(islice(requests, network.batch_size)):
        opened: list[UInt8Array | str] = []
        for request in batch:
            if last is None or last[0] != request.image:
                try:
                    last = request.image, read_image(request.image)
                except ImageError as error:
                    if is_single:
                        raise
                    last = request.image, str(error)
            opened.append(last[1] if is_single else _wordless(network, request) or last[1])
        good = [number for number, picture in enumerate(opened) if not isinstance(picture, str)]
        said = network(
            [opened[number] for number in good],
            [batch[number].text for number in good],
            tasks=tasks,
            top_k=top_k,
            min_score=min_score,
        )
        predictions = dict(zip(good, said, strict=True))
        for number, (request, picture) in enumerate(zip(batch, opened, strict=True)):
            if isinstance(picture, str):
                yield None, Reply(request, error=picture)
            else:
                yield picture, Reply(request, predictions[number])


def _wordless(network: Predictor, request: Request) -> str | None:
    """Why a sentence cannot be read; None where it can."""
    try:
        network.processor.encode(request.text)
    except ValueError as error:
        return f"{request.where}: {error}" if request.where else str(error)
    return None


def _in_frame(prediction: Prediction, picture: UInt8Array, frame: tuple[int, int] | None) -> Prediction:
    """A prediction about a picture file, in the pixels of the frame that its line tells."""
    height, width = picture.shape[:2]
    if frame is None or frame == (width, height):
        return prediction
    return prediction.scaled(frame[0] / width, frame[1] / height)


class _Drawing:
    """Draws the replies about each picture on it, once they are complete."""

    def __init__(self, out: Path | None, is_single: bool) -> None:
        self._out, self._is_single = out, is_single
        self._count = 0
        self._picture: UInt8Array | None = None
        self._replies: list[Reply] = []

    def add(self, picture: UInt8Array, reply: Reply) -> None:
        """Note a reply; a picture is drawn when the next one comes."""
        if self._out is None:
            return
        if self._replies and self._replies[-1].request.image != reply.request.image:
            self.finish()
        self._picture = picture
        self._replies.append(reply)

    def finish(self) -> None:
        """Draw the last picture."""
        if self._out is None or self._picture is None or not self._replies:
            return
        path = self._out
        if not self._is_single:
            path = path / f"{self._count:05d}_{self._replies[0].request.image.stem}.png"
        predictions = [reply.prediction for reply in self._replies if reply.prediction is not None]
        save_picture(draw(self._picture, predictions), path)
        self._count += 1
        self._replies = []
