"""Scoring a checkpoint on a dataset folder."""

import json
from dataclasses import replace

import pytest
import torch
from fresh import fresh_checkpoint, show_pictures
from PIL import Image

from laconvnet.data import FolderDataset, Record, generate, read_records, write_records
from laconvnet.evaluation import blind_baselines, learned_task, score, score_checkpoint, split_to_score
from laconvnet.files import to_json
from laconvnet.models import Checkpoint
from laconvnet.processing import decode_mask, union_mask
from laconvnet.scenes import WORLDS, SceneSource, answers
from laconvnet.tasks import TASKS, build_task, tasks_for_scenes

SENTENCES = {"rec": {"rec": 2}, "gres": {"gres": 2}, "vqa": {"vqa": 3}}
BASELINES = {
    "rec": {"whole image", "best constant box", "best constant box per last word"},
    "res": {"whole image", "best constant mask"},
    "gres": {"whole image", "best constant mask", "no target"},
    "vqa": {"most frequent answer", "most frequent answer per first two words", "words alone (linear)"},
}
SAID = {
    "rec": {"box", "score"},
    "res": {"mask", "mask_pixels"},
    "gres": {"mask", "mask_pixels", "no_target"},
    "vqa": {"answer", "answers"},
}
TRUTH = {"rec": {"boxes"}, "res": {"masks"}, "gres": {"masks"}, "vqa": {"answer"}}


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """A dataset folder for each sort of sentences, as `laconvnet data generate` writes it."""
    root = tmp_path_factory.mktemp("score")
    for name, sentences in SENTENCES.items():
        source = SceneSource(world=WORLDS["near"], sentences=sentences)
        generate(root / name, source, {"train": 10, "val": 4}, tasks=tasks_for_scenes(source.sorts), size=64)
    return root


@pytest.fixture(scope="module")
def four(folders):
    """A network of every task that was not trained, and tells pictures apart."""
    torch.manual_seed(0)
    known = answers(WORLDS["near"].values)
    tasks = {"rec": {}, "res": {}, "gres": {"no_target": "classifier"}, "vqa": {}}
    return show_pictures(fresh_checkpoint(tasks, answers=known, max_length=None), folders / "gres" / "images")


def lines_of(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def iou(a, b):
    width, height = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    both = max(width, 0) * max(height, 0)
    return both / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - both)


@pytest.mark.parametrize(
    ("folder", "asked", "expected"),
    [("rec", None, "rec"), ("rec", "res", "res"), ("gres", None, "gres"), ("vqa", None, "vqa")],
)
def test_each_task_is_scored_beside_its_blind_baselines(four, folders, tmp_path, folder, asked, expected):
    path = tmp_path / "predictions.jsonl"
    result = score_checkpoint(
        four, folders / folder, task=asked, save_predictions=path, blind_split="train", batch_size=5
    )
    records, lines = lines_of(folders / folder / "val.jsonl"), lines_of(path)
    main = TASKS[expected].headline[0]
    assert (result["task"], result["split"]) == (expected, "val") and result["headline"] == list(
        TASKS[expected].headline
    )
    assert result["n"] == len(records) == 4 * sum(SENTENCES[folder].values()) and result["pictures"] == 4
    assert 0 <= result["metrics"][main] <= 1
    assert all(low <= result["metrics"][name] <= high for name, (low, high) in result["intervals"].items())
    assert set(result["blind"]) == BASELINES[expected]
    assert all(0 <= scores[main] <= 1 for scores in result["blind"].values())
    assert sum(part["n"] for part in result["groups"].values()) == result["n"]
    assert set(result["groups"]) == {record["group"] for record in records}
    means = sum(part["n"] * part["metrics"][main] for part in result["groups"].values()) / result["n"]
    assert means == pytest.approx(result["metrics"][main])

    for key in ("id", "image", "text", "group"):
        assert [line[key] for line in lines] == [record[key] for record in records]
    common = {"id", "image", "text", "group", "truth", "scores"}
    assert all(set(line) == common | SAID[expected] for line in lines)
    for line, record in zip(lines, records, strict=True):
        assert line["truth"] == {label: record[label] for label in TRUTH[expected]}
    own = [line["scores"][main] for line in lines]
    assert sum(own) / len(own) == pytest.approx(result["metrics"][main], abs=1e-4)


def test_saved_boxes_and_answers_are_those_that_count(four, folders, tmp_path):
    path = tmp_path / "predictions.jsonl"
    score_checkpoint(four, folders / "rec", save_predictions=path)
    for line in lines_of(path):
        value = iou(line["box"], line["truth"]["boxes"][0])
        assert line["scores"]["mean_iou"] == pytest.approx(value, abs=0.01)
        assert line["scores"]["accuracy@0.5"] == (line["scores"]["mean_iou"] > 0.5)
    score_checkpoint(four, folders / "vqa", save_predictions=path)
    for line in lines_of(path):
        assert line["scores"]["accuracy"] == (line["answer"] == line["truth"]["answer"])
        assert line["answer"] == max(line["answers"], key=line["answers"].__getitem__)


def test_saved_masks_are_those_that_count(four, folders, tmp_path):
    path = tmp_path / "predictions.jsonl"
    score_checkpoint(four, folders / "rec", task="res", save_predictions=path)
    for line in lines_of(path):
        said, true = decode_mask(line["mask"]), union_mask(line["truth"]["masks"], 64, 64)
        assert line["scores"]["mean_iou"] == pytest.approx((said & true).sum() / (said | true).sum(), abs=1e-4)
        assert 0 < said.sum() == line["mask_pixels"] < said.size
    score_checkpoint(four, folders / "gres", save_predictions=path, options={"no_target": "pixels", "min_pixels": 4096})
    assert all(line["no_target"] is (line["mask_pixels"] == 0) for line in lines_of(path))


def test_a_label_that_is_not_there_is_no_score(four, folders, tmp_path):
    """T-acc counts records with a target only, N-acc the others."""
    path = tmp_path / "predictions.jsonl"
    score_checkpoint(four, folders / "gres", save_predictions=path)
    for line in lines_of(path):
        assert ("T-acc" in line["scores"]) is bool(line["truth"]["masks"]) is ("N-acc" not in line["scores"])


def test_every_value_has_an_interval(folders):
    result = score_checkpoint(fresh_checkpoint(), folders / "rec")
    assert result["intervals"].keys() == {"accuracy@0.25", "accuracy@0.5", "accuracy@0.75", "mean_iou"}
    assert all(low <= result["metrics"][name] <= high for name, (low, high) in result["intervals"].items())
    part = next(iter(result["groups"].values()))
    assert part.keys() == {"n", "pictures", "metrics", "intervals"} and "blind" not in result
    group = next(iter(result["groups"]))
    assert result["metrics"][f"accuracy@0.5/{group}"] == pytest.approx(part["metrics"]["accuracy@0.5"])


def test_parts_of_a_score_make_up_the_whole(folders):
    checkpoint = fresh_checkpoint()
    task = learned_task(checkpoint, "rec")
    dataset = split_to_score(checkpoint, folders / "rec", "val", task)
    whole = score(checkpoint, dataset, task)
    labels = [None if number == 0 else number % 3 for number in range(len(dataset))]
    parts = whole.by(labels)
    assert list(parts) == [0, 1, 2]
    assert sum(len(part.records) for part in parts.values()) == len(dataset) - 1
    assert parts[1].records[0] == dataset.records[1] and parts[1].answers[0] is whole.answers[1]
    hits = sum(part.values()["accuracy@0.25"] * len(part.records) for part in parts.values())
    first = whole.of([0]).values()["accuracy@0.25"]
    assert hits + first == pytest.approx(whole.values()["accuracy@0.25"] * len(dataset))
    each = whole.value_of_each("mean_iou")
    assert sum(each) / len(each) == pytest.approx(whole.values()["mean_iou"])


def test_what_is_said_does_not_depend_on_the_batch(four, folders):
    task = learned_task(four, "rec")
    dataset = split_to_score(four, folders / "rec", "val", task)
    one, many = (score(four, dataset, task, batch_size=size) for size in (1, 8))
    for alone, among in zip(one.answers, many.answers, strict=True):
        assert alone.box == pytest.approx(among.box, abs=1e-3)


def test_pictures_come_as_the_checkpoint_takes_them(folders):
    checkpoint = fresh_checkpoint(resize="stretch")
    task = learned_task(checkpoint, "rec")
    dataset = split_to_score(checkpoint, folders / "rec", "val", task)
    assert (dataset.size, dataset.resize) == (64, "stretch")
    assert split_to_score(checkpoint, folders / "rec", "val", task, size=96).size == 96


def test_shuffled_sentences_are_said_so(folders):
    checkpoint = fresh_checkpoint()
    result = score_checkpoint(checkpoint, folders / "rec", shuffle_sentences=True)
    assert result["shuffled_sentences"] is True
    assert "shuffled_sentences" not in score_checkpoint(checkpoint, folders / "rec")


def test_a_checkpoint_may_be_named_by_its_folder(four, folders, tmp_path):
    four.save(tmp_path / "model")
    named = score_checkpoint(str(tmp_path / "model"), folders / "rec")
    assert named["model"] == str(tmp_path / "model") and named["data"] == str(folders / "rec")
    given = score_checkpoint(four, folders / "rec")
    assert given["model"] == "checkpoint" and given["metrics"] == pytest.approx(named["metrics"], nan_ok=True)


def test_unless_named_the_first_task_is_scored_that_the_data_serve(four, folders, tmp_path):
    assert score_checkpoint(four, folders / "gres")["task"] == "gres"
    for info, expected in {"res": "res", "nothing": "rec"}.items():
        source = SceneSource(world=WORLDS["near"], sentences={"rec": 1})
        generate(tmp_path / info, source, {"val": 2}, tasks=[info], size=64)
        assert score_checkpoint(four, tmp_path / info)["task"] == expected


def test_a_task_that_was_not_learned_is_refused(folders):
    with pytest.raises(ValueError, match="learned rec, not 'res'"):
        score_checkpoint(fresh_checkpoint(), folders / "rec", task="res")


def test_every_task_of_a_mixed_folder_has_its_own_records(four, tmp_path):
    source = SceneSource(world=WORLDS["near"], sentences={"rec": 2, "vqa": 3})
    generate(tmp_path / "mixed", source, {"train": 10, "val": 4}, size=64)
    for task, own in {"rec": 2, "res": 2, "gres": 2, "vqa": 3}.items():
        result = score_checkpoint(four, tmp_path / "mixed", task=task, blind_split="train")
        assert result["n"] == 4 * own and set(result["blind"]) == BASELINES[task]


@pytest.mark.parametrize(("sort", "task"), [("rec", "res"), ("gres", "gres")])
def test_masks_get_the_size_of_larger_pictures_by_either_rule(four, tmp_path, sort, task):
    generate(tmp_path / "large", SceneSource(world=WORLDS["near"], sentences={sort: 4}), {"val": 2}, size=100)
    scores = [
        score_checkpoint(four, tmp_path / "large", task=task, options={"mask_rule": rule})["metrics"]
        for rule in ("interpolate", "dilate")
    ]
    assert scores[0].keys() == scores[1].keys() and scores[0] != scores[1]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"mask_rule": "grow"}, "settings of the task: gres.mask_rule is 'grow', allowed: 'interpolate' or 'dilate'"),
        ({"min_pixel": 50}, "settings of the task: unknown setting 'gres.min_pixel'; did you mean 'gres.min_pixels'"),
        ({"min_pixels": 0}, "settings of the task: gres.min_pixels is 0, allowed: greater than or equal to 1"),
    ],
)
def test_a_wrong_option_is_named(four, folders, options, message):
    with pytest.raises(ValueError, match=message):
        score_checkpoint(four, folders / "gres", options=options)


def test_an_option_changes_what_is_scored(four, folders):
    found = [
        score_checkpoint(four, folders / "gres", options={"no_target": "pixels", "min_pixels": least})["metrics"]
        for least in (1, 64 * 64 + 1)
    ]
    assert found[0]["N-acc"] < 1 == found[1]["N-acc"] and found[1]["T-acc"] == 0
    assert four.tasks["gres"]["no_target"] == "classifier"  # the checkpoint is as it was


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"save_predictions": "taken"}, IsADirectoryError, "taken is a folder"),
        ({"save_predictions": "file/predictions.jsonl"}, OSError, "file"),
        ({"sheet": "taken"}, IsADirectoryError, "taken is a folder"),
        ({"sheet": "sheet.txt"}, ValueError, r"sheet\.txt needs the ending of a picture"),
    ],
)
def test_a_path_that_cannot_be_written_fails_before_anything_is_loaded(
    folders, tmp_path, monkeypatch, options, error, message
):
    (tmp_path / "taken").mkdir()
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setattr(Checkpoint, "load", lambda path: pytest.fail("the checkpoint was loaded"))
    with pytest.raises(error, match=message):
        score_checkpoint("photos-t", folders / "rec", **{name: tmp_path / path for name, path in options.items()})
    assert {path.name for path in tmp_path.iterdir()} == {"taken", "file"}


def test_a_sheet_is_written_where_something_is_wrong(four, folders, tmp_path, monkeypatch):
    score_checkpoint(four, folders / "rec", sheet=tmp_path / "wrong.jpg")
    with Image.open(tmp_path / "wrong.jpg") as sheet:
        assert sheet.format == "JPEG" and sheet.width > 360
    monkeypatch.setattr("laconvnet.evaluation.Score.value_of_each", lambda outcome, name: [1.0] * len(outcome.records))
    score_checkpoint(four, folders / "rec", sheet=tmp_path / "none.png")
    assert not (tmp_path / "none.png").exists()


def test_what_the_accuracy_hides_is_counted(folders, tmp_path):
    """A network that knows two answers, one of which is right nowhere in the data."""
    checkpoint = fresh_checkpoint(("vqa",), answers=("yes", "maybe"), max_length=None)
    generate(
        tmp_path / "vqa", SceneSource(1, WORLDS["near"], {"vqa": 4}, families=("count", "exist")), {"val": 6}, size=64
    )
    records = read_records(tmp_path / "vqa" / "val.jsonl")
    right = [record.answer for record in records]
    result = score_checkpoint(checkpoint, tmp_path / "vqa", save_predictions=tmp_path / "said.jsonl")
    said = [line["answer"] for line in lines_of(tmp_path / "said.jsonl")]
    expected = {
        "right answers that the network does not know": len(right) - right.count("yes"),
        "answers given that are right nowhere in the data": said.count("maybe"),
    }
    assert right.count("yes") < len(right)
    assert result["remarks"] == {what: count for what, count in expected.items() if count}
    everything = fresh_checkpoint(("vqa",), answers=sorted(set(right)), max_length=None)
    assert score_checkpoint(everything, tmp_path / "vqa")["remarks"] == {}
    assert score_checkpoint(fresh_checkpoint(), folders / "rec")["remarks"] == {}


def test_blind_answers_need_a_split_with_the_labels(folders):
    task = build_task("rec")
    unlabelled = [Record("a", "a.png", 9, 9, "red")]
    with pytest.raises(ValueError, match="blind baselines of rec need records with boxes in that split"):
        blind_baselines(task, unlabelled, read_records(folders / "rec" / "val.jsonl"))


def test_masks_of_a_question_teach_and_do_not_judge(folders, tmp_path):
    """A network that learned where to look is scored on questions without masks too."""
    checkpoint = fresh_checkpoint({"vqa": {"mask_weight": 1.0}}, max_length=None)
    generate(tmp_path / "d", SceneSource(1, WORLDS["near"], {"vqa": 2}), {"val": 2}, size=64)
    path = tmp_path / "d" / "val.jsonl"
    write_records(path, [replace(record, masks=None) for record in read_records(path)])
    assert score_checkpoint(checkpoint, tmp_path / "d")["n"] == 4
    with pytest.raises(ValueError, match="has no 'masks'"):
        FolderDataset(tmp_path / "d", "val", size=64, tasks=[learned_task(checkpoint, "vqa")])


def test_the_result_is_json(four, folders):
    result = score_checkpoint(four, folders / "gres", blind_split="train", shuffle_sentences=True)
    assert json.loads(to_json(result))["n"] == result["n"]
