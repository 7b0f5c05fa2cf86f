"""From pictures and sentences to answers: any picture, any sentence, or a clear error."""

import json

import numpy as np
import pytest
import torch
from fresh import ANSWERS, fresh_checkpoint
from PIL import Image

from laconvnet import Predictor
from laconvnet.models import Checkpoint
from laconvnet.predictor import draw
from laconvnet.processing import ImageError, as_picture, decode_mask


def predictor(tasks=("rec",), resize="letterbox", **options):
    return Predictor(fresh_checkpoint(tasks, resize=resize), **options)


def picture(width, height, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def test_batches_of_mixed_sizes_equal_one_by_one():
    answer = predictor(batch_size=3)
    pictures = [picture(*size, seed=size[0]) for size in [(40, 90), (200, 50), (64, 64), (7, 300), (90, 91)]]
    texts = ["the red circle", "left", "red red red red", "the circle", "the left circle"]
    together = answer(pictures, texts)
    for one, image, text in zip(together, pictures, texts, strict=True):
        (alone,) = answer(image, text)
        assert alone.box == pytest.approx(one.box, abs=1e-3) and alone.score == pytest.approx(one.score, abs=1e-5)
        x0, y0, x1, y1 = one.box
        assert 0 <= x0 <= x1 <= image.shape[1] and 0 <= y0 <= y1 <= image.shape[0] and one.text == text


def test_one_picture_for_many_sentences():
    answers = predictor()(picture(50, 40), ["red", "left circle"])
    assert [answer.text for answer in answers] == ["red", "left circle"]


@pytest.mark.parametrize("resize", ["letterbox", "stretch"])
def test_answers_are_in_the_pixels_of_the_picture(resize):
    """A network that always answers the same input box: undoing the resizing must give this box of the picture."""
    answer = predictor(resize=resize)
    constant = torch.zeros(1, 5, 2, 2)
    constant[0, :2, 0, 0], constant[0, 4, 0, 0] = 1.0, 5.0  # centre (32, 32), 32 x 32, of 64 x 64

    class Fixed:
        def read(self, tokens):
            return tokens

        def look(self, images, reading):
            return {"rec": constant.expand(len(images), -1, -1, -1)}

    answer.model = Fixed()
    answer._look = answer.model.look
    (answer_,) = answer(picture(200, 100), "red")
    expected = (50, 0, 150, 100) if resize == "letterbox" else (50, 25, 150, 75)
    assert answer_.box == pytest.approx(expected, abs=0.01)


def test_a_sentence_is_read_once_for_many_pictures(monkeypatch):
    answer, lengths = predictor(), []
    read = answer.model.read
    monkeypatch.setattr(answer.model, "read", lambda tokens: lengths.append(len(tokens)) or read(tokens))
    pictures = [picture(50, 40, seed) for seed in range(3)]
    together = answer(pictures, ["the red circle"] * 3)
    again = [answer(one, "the red circle")[0] for one in pictures]
    assert lengths == [1]
    for one, other in zip(together, again, strict=True):
        assert one.box == pytest.approx(other.box, abs=1e-3)
    answer(pictures[:2], ["red", "left"])
    assert lengths == [1, 2]


def test_half_precision_answers_nearly_the_same():
    torch.manual_seed(0)
    exact = predictor()
    torch.manual_seed(0)
    half = predictor(dtype=torch.bfloat16)
    one, other = (answer(picture(50, 40), "the red circle")[0] for answer in (exact, half))
    assert other.score == pytest.approx(one.score, abs=0.02)


def test_masks_have_the_size_of_the_picture():
    answers = predictor(("rec", "res"))([picture(50, 40), picture(300, 20)], ["red", "left"])
    assert [answer.mask.shape for answer in answers] == [(40, 50), (20, 300)]
    assert answers[0].mask.dtype == bool and "mask_pixels" in answers[0].to_json()
    assert predictor(("res",))(picture(50, 40), "red")[0].box is None


@pytest.mark.parametrize("size", [(1, 1), (5000, 4000), (1, 3000)])
def test_pictures_of_any_size(size):
    (answer,) = predictor()(picture(*size), "red")
    assert all(np.isfinite(answer.box))


def test_pictures_of_any_mode(tmp_path):
    base = Image.fromarray(picture(30, 20))
    for mode in ("L", "CMYK", "1", "RGBA", "P", "LA", "I;16"):
        converted = base.convert("L").convert("I").convert("I;16") if mode == "I;16" else base.convert(mode)
        assert as_picture(converted).shape == (20, 30, 3)
    exif = base.getexif()
    exif[0x0112] = 6  # turned by a quarter
    base.save(tmp_path / "turned.jpg", exif=exif)
    assert as_picture(tmp_path / "turned.jpg").shape == (30, 20, 3)


def test_pictures_that_cannot_be_read(tmp_path):
    with pytest.raises(ImageError, match=r"missing\.jpg: no such file"):
        predictor()(tmp_path / "missing.jpg", "red")
    (tmp_path / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 and no more")
    with pytest.raises(ImageError, match=r"broken\.jpg"):
        predictor()(tmp_path / "broken.jpg", "red")
    with pytest.raises(ValueError, match=r"uint8 \(H, W, 3\) RGB with pixels; got float64 \(4, 4\)"):
        predictor()(np.zeros((4, 4)), "red")


@pytest.mark.parametrize("text", ["", "   ", "!?.", "\n"])
def test_a_sentence_without_words_is_refused(text):
    with pytest.raises(ValueError, match="word"):
        predictor()(picture(30, 20), text)


@pytest.mark.parametrize("text", ["le chien à gauche", "собака", "左边的狗", "🐕 🔴", "red" * 5000])
def test_any_script_is_read(text):
    (answer,) = predictor()(picture(30, 20), text)
    assert answer.unknown_words and np.isfinite(answer.score)


def test_words_that_are_not_read_are_reported():
    with pytest.warns(UserWarning, match="reads 6 words; 9994 more of 'red red"):
        (answer,) = predictor()(picture(30, 20), "red " * 10_000)
    assert np.isfinite(answer.score)


def test_numbers_of_pictures_and_sentences_must_agree():
    with pytest.raises(ValueError, match="2 pictures for 3 sentences"):
        predictor()([picture(9, 9), picture(9, 9)], ["red"] * 3)


def test_a_folder_answers_like_the_network_it_was_saved_from(tmp_path):
    checkpoint = fresh_checkpoint()
    answer = Predictor(checkpoint)
    checkpoint.save(tmp_path / "m")
    with pytest.raises(ValueError, match="made ready for predicting; save the one it was made from"):
        Checkpoint(answer.model, checkpoint.processor, checkpoint.tasks).save(tmp_path / "n")
    loaded = Predictor.from_pretrained(tmp_path / "m")
    (one,), (other,) = (each(picture(50, 40), "the red circle") for each in (loaded, answer))
    assert one.to_json() == other.to_json()


@pytest.mark.parametrize(
    ("pictures", "texts", "message"),
    [
        (b"photo", "red", "a picture must be a file, a Pillow image or a uint8 .* array, got bytes"),
        (torch.zeros(3, 9, 9), "red", "got Tensor"),
        ([picture(9, 9)], [["red"]], r"a sentence must be a text, got list: \['red'\]"),
        ([picture(9, 9)], [3], "a sentence must be a text, got int: 3"),
    ],
)
def test_what_is_no_picture_or_no_sentence_is_named(pictures, texts, message):
    with pytest.raises(TypeError, match=message):
        predictor()(pictures, texts)


def test_pictures_may_come_from_anything_that_gives_them_in_turn():
    pictures = [picture(9, 9), picture(50, 40)]
    answer = predictor()
    listed, made = answer(pictures, ["red", "circle"]), answer((each for each in pictures), ["red", "circle"])
    assert [one.to_json() for one in listed] == [one.to_json() for one in made]


def count_opened(monkeypatch):
    """A list that gets every picture that a predictor opens."""
    opened = []
    monkeypatch.setattr("laconvnet.predictor.as_picture", lambda one: opened.append(one) or as_picture(one))
    return opened


def test_no_more_pictures_are_open_than_a_batch_has(monkeypatch):
    opened, asked = count_opened(monkeypatch), []

    def pictures():
        for seed in range(7):
            asked.append(seed)
            yield picture(9, 9 + seed, seed)

    said = predictor(batch_size=3).stream(pictures(), (f"red {number}" for number in range(7)))
    assert not asked and not opened
    for number, prediction in enumerate(said):
        assert prediction.text == f"red {number}"
        assert len(asked) == len(opened) == min(7, 3 * (number // 3 + 1))
    assert number == 6


def test_frames_may_come_in_one_piece_of_memory():
    """A camera writes each frame over the one before; the score here is the brightness of what was looked at."""
    answer, memory = predictor(batch_size=2), np.empty((64, 64, 3), np.uint8)

    def camera():
        for level in (0, 255, 128):
            memory[:] = level
            yield memory

    answer._look = lambda images, reading: {"rec": images.mean((1, 2, 3))[:, None, None, None].expand(-1, 5, 2, 2)}
    dark, bright, grey = (prediction.score for prediction in answer.stream(camera(), ["red"] * 3))
    assert dark < grey < bright


def test_a_picture_that_comes_again_at_once_is_opened_once(monkeypatch):
    opened, one, other = count_opened(monkeypatch), Image.fromarray(picture(9, 9)), Image.fromarray(picture(50, 40))
    answers = predictor(batch_size=2)([one, one, one, other, one], ["red", "left", "circle", "red", "red"])
    assert len(answers) == 5 and len(opened) == 3
    assert answers[0].box == pytest.approx(answers[4].box, abs=1e-3) and answers[0].box != answers[3].box


def test_a_stream_says_at_its_end_that_numbers_differ():
    image = picture(9, 9)
    with pytest.raises(ValueError, match="more pictures than the 2 sentences; give one each"):
        list(predictor().stream(iter([image] * 3), ["red"] * 2))
    with pytest.raises(ValueError, match="2 pictures for more sentences; give one each"):
        list(predictor().stream(iter([image] * 2), ["red"] * 3))
    assert predictor()([], []) == list(predictor().stream(iter([]), [])) == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"top_k": 0}, "top_k must be 1 or more, got 0"),
        ({"min_score": 1.5}, r"min_score must lie in \[0, 1\], got 1.5"),
        ({"min_score": float("nan")}, r"min_score must lie in \[0, 1\], got nan"),
        ({"tasks": "res"}, "this network learned rec, not res"),
    ],
)
def test_what_is_out_of_range_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        predictor()(picture(9, 9), "red", **options)


@pytest.mark.parametrize("size", [0, -1])
def test_a_batch_holds_a_pair_at_least(size):
    with pytest.raises(ValueError, match=f"batch_size must be 1 or more, got {size}"):
        predictor(batch_size=size)


def boxes_at(cells):
    """Outputs of a box head on a map of 2 x 2: a box of 30 x 30 around the middle of each cell, with these logits."""
    outputs = torch.zeros(1, 5, 2, 2)
    outputs[0, :2], outputs[0, 2:4] = 0.5, float(np.log(30 / 32))
    outputs[0, 4] = torch.tensor(cells)
    return outputs


def test_several_boxes_are_ranked_and_weak_ones_left_out(monkeypatch):
    answer = predictor()
    raw = boxes_at([[1.0, 3.0], [2.0, -3.0]])
    monkeypatch.setattr(answer, "_look", lambda images, reading: {"rec": raw.expand(len(images), -1, -1, -1)})
    image = picture(64, 64)
    one, three, strong, none = (
        answer(image, "red", **options)[0]
        for options in ({}, {"top_k": 3}, {"top_k": 9, "min_score": 0.5}, {"min_score": 0.99})
    )
    assert one.box == pytest.approx((33, 1, 63, 31), abs=0.01) and len(one.boxes) == 1
    assert "boxes" not in one.to_json() and "scores" not in one.to_json()
    assert three.boxes[0] == pytest.approx(one.box) and three.scores == pytest.approx(torch.tensor([3, 2, 1]).sigmoid())
    assert three.to_json()["boxes"][0] == three.to_json()["box"] and len(three.to_json()["scores"]) == 3
    assert [score for _, score in three.ranked] == list(three.scores) and str(three).count("box (") == 3
    assert len(strong.boxes) == 3 and min(strong.scores) > 0.5
    assert none.box is None and none.score is None and str(none) == "'red'"


def test_overlapping_boxes_are_one(monkeypatch):
    answer = predictor()
    raw = boxes_at([[1.0, 3.0], [2.0, -3.0]])
    raw[0, 2:4] += 2.0  # each as large as the picture
    monkeypatch.setattr(answer, "_look", lambda images, reading: {"rec": raw})
    (found,) = answer(picture(64, 64), "red", top_k=4)
    assert len(found.boxes) == 1


def test_one_task_may_be_named_alone():
    (chosen,) = all_tasks()(picture(9, 9), "is the circle red?", tasks="vqa")
    assert chosen.answers and chosen.mask is None


def test_a_device_that_is_not_here_is_refused():
    for name, message in {"gpu": "device must be cpu, .* got 'gpu'", "cuda:99": "device 'cuda:99' is not here"}.items():
        with pytest.raises(ValueError, match=message):
            predictor(device=name)


def test_the_same_answer_twice_is_drawn_twice():
    image = picture(400, 300)
    answers = all_tasks()(image, ["the red circle", "the red circle"], tasks=["rec", "res"])
    assert draw(image, answers).size == (400, 300)


def test_drawing_shows_every_answer():
    image = picture(400, 300)
    answers = predictor()(image, ["red", "the circle"])
    alone, both = draw(image, answers[:1]), draw(image, answers)
    assert alone.height > 300 and both.size == (400, 300)
    assert not np.array_equal(np.asarray(both), image)


FOUR = ("rec", "res", "gres", "vqa")


def all_tasks(tasks=FOUR, *, no_target=True, **options):
    settings = {name: {} for name in tasks}
    if no_target:
        settings["gres"] = {"no_target": "classifier"}
    return predictor(settings, **options)


def replace_outputs(monkeypatch, answer, **changes):
    """Make a predictor see other outputs of its network: a number fills the whole output of that head."""
    look = answer._look

    def changed(images, reading):
        outputs = look(images, reading)
        return outputs | {head: torch.full_like(outputs[head], value) for head, value in changes.items()}

    monkeypatch.setattr(answer, "_look", changed)


def test_four_tasks_are_answered_at_once(monkeypatch):
    answer = all_tasks(batch_size=2)
    replace_outputs(monkeypatch, answer, no_target=-1.0, res=1.0)
    pictures = [picture(50, 40), picture(300, 20), picture(64, 64)]
    for one, image in zip(answer(pictures, ["red", "left", "a dog"], tasks=FOUR), pictures, strict=True):
        height, width = image.shape[:2]
        x0, y0, x1, y1 = one.box
        assert 0 <= x0 <= x1 <= width and 0 <= y0 <= y1 <= height and 0 <= one.score <= 1
        assert one.mask.shape == (height, width) and one.mask.dtype == bool and one.mask.all()
        assert one.no_target is False
        names, shares = zip(*one.answers, strict=True)
        assert set(names) == set(ANSWERS) and one.answer == names[0]
        assert list(shares) == sorted(shares, reverse=True) and sum(shares) == pytest.approx(1, abs=1e-5)
        values = json.loads(json.dumps(one.to_json()))
        assert list(values) == [
            "text", "box", "score", "mask_pixels", "mask", "no_target", "answer", "answers", "unknown_words",
        ]  # fmt: skip
        assert values["mask_pixels"] == height * width and values["no_target"] is False
        assert decode_mask(values["mask"]).all() and values["mask"]["size"] == [height, width]
        assert list(values["answers"]) == list(names) and values["answer"] == names[0]
        assert one.to_json(masks=False) == {name: value for name, value in values.items() if name != "mask"}
        said = str(one)
        assert "box (" in said and f"mask of {height * width} pixels" in said and f"answer '{names[0]}' (" in said
        assert "nothing in the picture is meant" not in said


def test_where_nothing_is_meant_the_mask_is_empty(monkeypatch):
    answer = all_tasks()
    replace_outputs(monkeypatch, answer, no_target=1.0, res=1.0)
    (one,) = answer(picture(50, 40), "red")
    assert one.no_target is True and one.mask.shape == (40, 50) and not one.mask.any()
    assert one.to_json()["no_target"] is True and one.to_json()["mask_pixels"] == 0
    assert "nothing in the picture is meant" in str(one)


@pytest.mark.parametrize(("pixels", "expected"), [(0, True), (49, True), (50, False), (64, False)])
def test_without_the_classifier_a_small_mask_says_that_nothing_is_meant(monkeypatch, pixels, expected):
    answer = predictor(("gres", "vqa"))
    look = answer._look

    def few(images, reading):
        outputs = look(images, reading)
        logits = torch.full_like(outputs["res"], -1.0)
        logits.flatten(1)[:, :pixels] = 1.0
        return outputs | {"res": logits}

    monkeypatch.setattr(answer, "_look", few)
    (one,) = answer(picture(64, 64), "red")
    assert one.no_target is expected and int(one.mask.sum()) == (0 if expected else pixels)


def test_a_network_without_gres_never_says_that_nothing_is_meant(monkeypatch):
    answer = all_tasks(("rec", "res", "vqa"), no_target=False)
    replace_outputs(monkeypatch, answer, res=-1.0)
    (one,) = answer(picture(50, 40), "red")
    assert one.no_target is None and not one.mask.any() and "no_target" not in one.to_json()


def test_every_ranked_box_is_drawn_with_its_score_in_the_colour_of_its_sentence(monkeypatch):
    answer, image, drawn = predictor(), picture(400, 300), {}
    raw = boxes_at([[1.0, 3.0], [2.0, -3.0]])
    monkeypatch.setattr(answer, "_look", lambda images, reading: {"rec": raw.expand(len(images), -1, -1, -1)})
    monkeypatch.setattr(
        "laconvnet.predictor.annotate", lambda picture, boxes, caption, **rest: drawn.update(rest, boxes=boxes)
    )
    one, other = answer(image, ["red", "left"], top_k=3)
    draw(image, [one])
    assert drawn["boxes"] == list(one.boxes) and drawn["labels"] == ["0.95", "0.88", "0.73"]
    assert drawn["colours"] == [0, 0, 0]
    draw(image, [one, other])
    assert drawn["labels"] == ["red", "left", "0.88", "0.73", "0.88", "0.73"]
    assert drawn["colours"] == [0, 1, 0, 0, 1, 1]


def test_answers_are_written_below_the_picture():
    image = picture(400, 300)
    answers = all_tasks(("vqa",), no_target=False)(image, ["red", "the circle", "left"])
    assert all(one.box is None and one.mask is None and one.no_target is None for one in answers)
    assert set(answers[0].to_json()) == {"text", "answer", "answers", "unknown_words"}
    one, three = draw(image, answers[:1]), draw(image, answers)
    assert one.width == three.width == 400 and 300 < one.height < three.height
    assert np.array_equal(np.asarray(three)[:300], image)


def test_drawing_four_tasks_shows_boxes_masks_and_captions():
    image = picture(400, 300)
    drawn = draw(image, all_tasks()(image, ["red", "the circle"], tasks=FOUR))
    assert drawn.width == 400 and drawn.height > 300


def test_questions_are_answered_and_other_sentences_pointed_at(monkeypatch):
    answer = all_tasks()
    replace_outputs(monkeypatch, answer, no_target=-1.0)
    pointed, answered = answer(picture(50, 40), ["the red circle", "is the circle red? "])
    assert pointed.box and pointed.mask is not None and pointed.no_target is False and not pointed.answers
    assert answered.answer in ANSWERS
    assert answered.box is answered.score is answered.mask is answered.no_target is None


def test_tasks_can_be_chosen():
    (chosen,) = all_tasks()(picture(50, 40), "is the circle red?", tasks=["rec", "vqa"])
    assert chosen.box and chosen.answers and chosen.mask is None and chosen.no_target is None
    with pytest.raises(ValueError, match="this network learned rec, not vqa, res"):
        predictor()(picture(50, 40), "red", tasks=["rec", "vqa", "res"])


def test_where_nothing_is_meant_no_box_is_shown(monkeypatch):
    answer, image = all_tasks(), picture(400, 300)
    replace_outputs(monkeypatch, answer, no_target=1.0)
    (found,) = answer(image, "the red circle")
    assert str(found) == "'the red circle'; nothing in the picture is meant"
    assert found.box is found.score is None and "box" not in found.to_json()
    assert np.array_equal(np.asarray(draw(image, [found]))[:300], image)


def test_a_prediction_is_scaled_with_its_picture():
    (small,) = all_tasks()(picture(50, 40), "the red circle", tasks=["rec", "res"])
    large = small.scaled(3)
    assert large.box == pytest.approx([3 * side for side in small.box]) and large.mask.shape == (120, 150)
    assert large.score == small.score
