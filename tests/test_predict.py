"""Predicting for files: what is asked, what is written, and what becomes of pictures that cannot be read."""

import json

import numpy as np
import pytest
from fresh import fresh_checkpoint
from PIL import Image

from laconvnet import Predictor
from laconvnet.predict import predict_files, requests_of
from laconvnet.processing import ImageError, decode_mask


def picture(width, height, seed=0):
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8))


@pytest.fixture
def folder(tmp_path):
    """Three pictures, one of which is broken, and a file that is none."""
    root = tmp_path / "pictures"
    root.mkdir()
    picture(40, 30).save(root / "a.png")
    (root / "b.JPG").write_bytes(b"\xff\xd8\xff\xe0 and no more")
    picture(30, 50, 1).save(root / "c.jpg")
    (root / "notes.txt").write_text("no picture")
    return root


@pytest.fixture(scope="module")
def predictor():
    return Predictor(fresh_checkpoint({"rec": {}, "res": {}, "vqa": {}}), batch_size=2)


def told(source, texts=()):
    return [(request.name, request.text) for request in requests_of(source, texts)]


def lines_of(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def write_lines(path, *lines):
    path.write_text("".join((line if isinstance(line, str) else json.dumps(line)) + "\n" for line in lines))
    return path


def test_a_picture_is_asked_every_sentence(folder):
    assert told(folder / "a.png", ["red", "left"]) == [(str(folder / "a.png"), "red"), (str(folder / "a.png"), "left")]


def test_a_folder_is_asked_of_its_pictures_in_order_and_of_nothing_else(folder):
    assert told(folder, ["red", "left"]) == [
        (name, text) for name in ("a.png", "b.JPG", "c.jpg") for text in ("red", "left")
    ]


def test_lines_name_their_pictures_and_need_no_labels(folder):
    lines = write_lines(
        folder / "asked.jsonl",
        {"image": "a.png", "text": "red"},
        "",
        {"image": "c.jpg", "text": "left", "id": "7", "boxes": [[0, 0, 9, 9]], "width": 30, "height": 50},
    )
    requests = list(requests_of(lines, ()))
    assert [(request.image, request.text, request.id) for request in requests] == [
        (folder / "a.png", "red", None),
        (folder / "c.jpg", "left", "7"),
    ]
    assert told(lines, ["one", "two"]) == [(name, text) for name in ("a.png", "c.jpg") for text in ("one", "two")]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", r"asked\.jsonl:2: not JSON"),
        ("[1]", r"asked\.jsonl:2: a line must be an object with 'image', the path of a picture"),
        ({"text": "red"}, r"asked\.jsonl:2: a line must be an object with 'image'"),
        ({"image": "a.png"}, r"asked\.jsonl:2: 'text' must be a sentence, got None"),
        ({"image": "a.png", "text": ["red"]}, r"asked\.jsonl:2: 'text' must be a sentence, got \['red'\]"),
    ],
)
def test_a_wrong_line_is_named(folder, line, message):
    lines = write_lines(folder / "asked.jsonl", {"image": "a.png", "text": "red"}, line)
    with pytest.raises(ValueError, match=message):
        list(requests_of(lines, ()))


def test_what_cannot_be_asked_is_refused(folder, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"nowhere does not exist; give a picture, a folder of pictures, or a"):
        requests_of(tmp_path / "nowhere", ["red"])
    for source in (folder, folder / "a.png"):
        with pytest.raises(ValueError, match="give at least one sentence about"):
            requests_of(source, ())
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match=r"empty holds no picture, such as \*\.jpg or \*\.png"):
        requests_of(tmp_path / "empty", ["red"])


def test_a_broken_picture_of_several_gets_an_error_and_the_others_an_answer(folder, predictor, tmp_path):
    save = tmp_path / "said" / "answers.jsonl"
    replies = list(predict_files(lambda: predictor, requests_of(folder, ["the red circle", "left?"]), save=save))
    assert [reply.error is None for reply in replies] == [True, True, False, False, True, True]
    lines = lines_of(save)
    assert [(line["image"], line["text"]) for line in lines] == told(folder, ["the red circle", "left?"])
    assert "b.JPG" in lines[2]["error"] and lines[2].keys() == {"image", "text", "error"}
    assert str(replies[2]) == f"error: {lines[2]['error']}" and str(replies[0]) == str(replies[0].prediction)
    pointed, answered = lines[4:]
    assert decode_mask(pointed["mask"]).shape == (50, 30) and len(pointed["box"]) == 4 and "answer" not in pointed
    assert answered["answer"] in ("yes", "no", "two") and "box" not in answered
    assert [reply.to_json() for reply in replies] == lines
    assert "mask" not in replies[4].to_json(masks=False)


def test_replies_are_those_of_the_predictor(folder, predictor):
    (reply,) = predict_files(lambda: predictor, requests_of(folder / "c.jpg", ["red"]), tasks="rec", top_k=3)
    (expected,) = predictor(folder / "c.jpg", "red", tasks="rec", top_k=3)
    assert reply.prediction.to_json() == expected.to_json() and reply.prediction.mask is None
    assert 1 < len(expected.boxes) <= 3
    least = expected.scores[0] + 0.01
    (reply,) = predict_files(lambda: predictor, requests_of(folder / "c.jpg", ["red"]), tasks="rec", min_score=least)
    assert reply.prediction.boxes == ()


def test_ids_of_lines_come_back(folder, predictor):
    lines = write_lines(
        folder / "asked.jsonl",
        {"image": "a.png", "text": "red", "id": "x"},
        {"image": "b.JPG", "text": "red", "id": "y"},
    )
    replies = list(predict_files(lambda: predictor, requests_of(lines, ())))
    assert [list(reply.to_json())[:3] for reply in replies] == [["id", "image", "text"]] * 2
    assert [reply.to_json()["id"] for reply in replies] == ["x", "y"] and replies[1].error


def test_a_single_picture_must_be_readable(folder, predictor, tmp_path):
    with pytest.raises(ImageError, match=r"b\.JPG"):
        list(
            predict_files(
                lambda: predictor, requests_of(folder / "b.JPG", ["red"]), save=tmp_path / "s", is_single=True
            )
        )
    assert not (tmp_path / "s").exists()


def test_a_single_picture_is_drawn_into_a_file(folder, predictor, tmp_path):
    out = tmp_path / "new" / "drawn.jpg"
    list(predict_files(lambda: predictor, requests_of(folder / "a.png", ["red", "left?"]), out=out, is_single=True))
    with Image.open(out) as drawn:
        assert drawn.format == "JPEG" and drawn.width == 360
    assert [path.name for path in out.parent.iterdir()] == ["drawn.jpg"]


def test_several_pictures_are_drawn_into_a_folder_each_with_all_of_its_answers(
    folder, predictor, tmp_path, monkeypatch
):
    texts = []
    monkeypatch.setattr(
        "laconvnet.predict.draw",
        lambda picture, said: texts.append([one.text for one in said]) or Image.new("RGB", (9, 9)),
    )
    sentences = ["red", "left", "circle"]  # one more than a batch has
    list(predict_files(lambda: predictor, requests_of(folder, sentences), out=tmp_path / "drawn"))
    assert texts == [sentences] * 2
    assert sorted(path.name for path in (tmp_path / "drawn").iterdir()) == ["00000_a.png", "00001_c.png"]


def test_no_more_is_asked_and_opened_than_a_batch_has(folder, predictor, monkeypatch):
    asked, opened = [], []
    read = predict_files.__globals__["read_image"]
    monkeypatch.setattr("laconvnet.predict.read_image", lambda path: opened.append(path) or read(path))

    def requests():
        for number in range(5):
            (request,) = requests_of(folder / ("a.png" if number % 2 else "c.jpg"), ["red"])
            asked.append(request)
            yield request

    replies = predict_files(lambda: predictor, requests())
    assert not asked
    for number, _ in enumerate(replies):
        assert len(asked) == len(opened) == min(5, 2 * (number // 2 + 1))
    assert number == 4


def test_a_picture_is_opened_once_for_all_of_its_sentences(folder, predictor, monkeypatch):
    opened = []
    read = predict_files.__globals__["read_image"]
    monkeypatch.setattr("laconvnet.predict.read_image", lambda path: opened.append(path.name) or read(path))
    list(predict_files(lambda: predictor, requests_of(folder, ["red", "left", "circle"])))
    assert opened == ["a.png", "b.JPG", "c.jpg"]


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"save": "taken"}, IsADirectoryError, "taken is a folder; a file is to be written there"),
        ({"out": "taken", "is_single": True}, ValueError, "taken needs the ending of a picture"),
        ({"out": "drawn.txt", "is_single": True}, ValueError, r"drawn\.txt needs the ending of a picture"),
        ({"out": "file/drawn.png", "is_single": True}, OSError, "file"),
        ({"out": "file"}, OSError, "file"),
    ],
)
def test_a_path_that_cannot_be_written_fails_before_the_network_is_loaded(folder, tmp_path, options, error, message):
    (tmp_path / "taken").mkdir()
    (tmp_path / "file").write_text("no folder")
    paths = {name: tmp_path / value if isinstance(value, str) else value for name, value in options.items()}
    with pytest.raises(error, match=message):
        list(predict_files(lambda: pytest.fail("loaded"), requests_of(folder, ["red"]), **paths))


def test_a_run_that_fails_leaves_the_answers_of_the_last_one(folder, predictor, tmp_path):
    save = tmp_path / "answers.jsonl"
    save.write_text("of the last run\n")
    lines = write_lines(
        folder / "asked.jsonl", {"image": "a.png", "text": "red"}, {"image": "a.png", "text": "left"}, "{"
    )
    with pytest.raises(ValueError, match="not JSON"):
        list(predict_files(lambda: predictor, requests_of(lines, ()), save=save))
    assert save.read_text() == "of the last run\n"
