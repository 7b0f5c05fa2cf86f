"""Starting from a checkpoint: what is taken over, what starts anew, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from fresh import differing

from laconvnet.language import Vocabulary
from laconvnet.models import Checkpoint, LaConvNet, build_model
from laconvnet.models.transfer import start_from
from laconvnet.processing import Preprocess, Processor

KNOWN = Vocabulary(["dog", "the", "left"], num_buckets=4)
WANTED = Vocabulary(["the", "cat", "dog"], num_buckets=4)


def listed(checkpoint: Checkpoint) -> tuple[str, ...]:
    """What the outputs of a checkpoint's answer head stand for."""
    return tuple(answer for options in checkpoint.tasks.values() for answer in options.get("answers", ()))


def save(
    folder: Path,
    vocabulary: Vocabulary = KNOWN,
    heads: tuple[str, ...] = ("rec",),
    answers: tuple[str, ...] = (),
    **sections: Any,
) -> LaConvNet:
    torch.manual_seed(1)
    model = build_model("n", heads, vocabulary=vocabulary, num_answers=len(answers), **sections)
    for tensor in model.state_dict().values():
        if tensor.is_floating_point():
            torch.nn.init.normal_(tensor)
    model.state_dict()["text.embedding.weight"][0] = 0  # padding
    processor = Processor(Preprocess(size=64, resize="letterbox", max_length=15), vocabulary)
    Checkpoint(model, processor, {"vqa": {"answers": list(answers)}} if answers else {"rec": {}}).save(folder)
    return model


def test_everything_of_the_same_network_is_taken_over(tmp_path: Path) -> None:
    learned = save(tmp_path / "first", heads=("rec", "res", "no_target"))
    model = build_model("n", ("rec", "res", "no_target"), vocabulary=KNOWN)
    start = start_from(tmp_path / "first", model, KNOWN, answers_of=listed)
    assert all(torch.equal(tensor, model.state_dict()[key]) for key, tensor in learned.state_dict().items())
    assert set(start.taken) == {"text", "backbone", "neck", "mask_path", "heads.rec", "heads.res", "heads.no_target"}
    assert (start.anew, start.words, start.new_words) == ((), 3, 0)
    assert str(start).endswith(", 3 words are taken over, 0 words start anew")


def test_a_head_that_the_checkpoint_lacks_starts_anew(tmp_path: Path) -> None:
    learned = save(tmp_path / "first", heads=("rec",))
    model = build_model("n", ("res",), vocabulary=KNOWN)
    start = start_from(tmp_path / "first", model, KNOWN, answers_of=listed)
    assert start.taken == ("text", "backbone", "neck") and start.anew == ("heads.res", "mask_path")
    assert differing(model, learned) == {"mask_path", "heads.res"}
    assert str(start).endswith("text, backbone, neck, 3 words are taken over, heads.res, mask_path, 0 words start anew")


def test_a_neck_of_another_depth_starts_anew_as_a_whole(tmp_path: Path) -> None:
    learned = save(tmp_path / "first")
    model = build_model("n", ("rec",), vocabulary=KNOWN, neck={"depth": 2})
    before = {key: tensor.clone() for key, tensor in model.neck.state_dict().items()}
    assert start_from(tmp_path / "first", model, KNOWN, answers_of=listed).anew == ("neck",)
    assert all(torch.equal(tensor, before[key]) for key, tensor in model.neck.state_dict().items())
    assert differing(model, learned) == {"neck"}


def test_an_answer_head_goes_by_the_answer(tmp_path: Path) -> None:
    learned = save(tmp_path / "first", heads=("answer",), answers=("yes", "no", "red"))
    model = build_model("n", ("answer",), vocabulary=KNOWN, num_answers=3)
    before = {key: tensor.clone() for key, tensor in model.state_dict().items()}
    start = start_from(tmp_path / "first", model, KNOWN, ("2", "no", "yes"), answers_of=listed)
    assert "heads.answer" in start.taken and (start.answers, start.new_answers) == (2, 1)
    assert "3 words, 2 answers are taken over, 0 words, 1 answers start anew" in str(start)
    for name, weight in model.heads["answer"].state_dict().items():
        theirs = learned.heads["answer"].state_dict()[name]
        if name.startswith("perceptron.3."):
            assert torch.equal(weight[0], before[f"heads.answer.{name}"][0])
            assert torch.equal(weight[[1, 2]], theirs[[1, 0]])
        else:
            assert torch.equal(weight, theirs)


def test_an_answer_head_of_another_width_starts_anew(tmp_path: Path) -> None:
    save(tmp_path / "first", heads=("answer",), answers=("yes", "no"))
    wider = build_model("n", ("answer",), vocabulary=KNOWN, num_answers=2, head={"answer_hidden_dim": 40})
    start = start_from(tmp_path / "first", wider, KNOWN, ("yes", "no"), answers_of=listed)
    assert start.anew == ("heads.answer",) and (start.answers, start.new_answers) == (0, 2)


@pytest.mark.parametrize("num_buckets", [4, 5])
def test_word_vectors_go_by_the_word(tmp_path: Path, num_buckets: int) -> None:
    learned = save(tmp_path / "first").text.embedding.weight
    vocabulary = Vocabulary(WANTED.words, num_buckets)
    model = build_model("n", ("rec",), vocabulary=vocabulary)
    before = model.text.embedding.weight.detach().clone()
    start = start_from(tmp_path / "first", model, vocabulary, answers_of=listed)
    weight = model.text.embedding.weight
    assert (start.words, start.new_words) == (2, 1)
    for word in ("the", "dog"):
        assert torch.equal(weight[vocabulary.id(word)], learned[KNOWN.id(word)])
    assert torch.equal(weight[vocabulary.id("cat")], before[vocabulary.id("cat")])
    assert torch.equal(weight[0], before[0])
    buckets = slice(1, 1 + num_buckets)
    assert torch.equal(weight[buckets], learned[buckets] if num_buckets == 4 else before[buckets])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"backbone": {"groups": [1, 1, 1, 1, 1]}}, r"backbone\.groups is \(2, 2, 4, 4, 8\) there .*\(1, 1, .* here"),
        (
            {"backbone": {"block": {"num_heads": 2}}},
            r"backbone\.block\.num_heads is 4 there \(preset n\) and 2 here",
        ),
        (
            {"backbone": {"block": "sentence"}},
            r"backbone\.block\.kind is 'laconv' there \(preset n\) and 'sentence' here",
        ),
        ({"backbone": {"block": {"no_packing": True}}}, r"backbone\.block\.no_packing is False there .* and True here"),
        ({"language": {"embed_dim": 300}}, r"language\.embed_dim is 100 there .* 300 here \(preset n\); the weights"),
        ({"language": {"rnn": "lstm"}}, r"first: model\.language\.rnn is 'gru' there"),
    ],
)
def test_another_body_is_refused(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    save(tmp_path / "first")
    model = build_model("n", ("rec",), vocabulary=KNOWN, **changes)
    with pytest.raises(ValueError, match=message):
        start_from(tmp_path / "first", model, KNOWN, answers_of=listed)


def test_another_dropout_or_position_code_is_no_other_body(tmp_path: Path) -> None:
    save(tmp_path / "first")
    backbone = {"kernel_dropout": 0.0, "block": {"attention_dropout": 0.3, "position": "sine_normalized"}}
    model = build_model("n", ("rec",), vocabulary=KNOWN, backbone=backbone, language={"dropout": 0.2})
    assert start_from(tmp_path / "first", model, KNOWN, answers_of=listed).anew == ()


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="nowhere is not a folder; a checkpoint is"):
        start_from(tmp_path / "nowhere", build_model("n", ("rec",), vocabulary=KNOWN), KNOWN, answers_of=listed)
