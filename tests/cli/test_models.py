"""`laconvnet train`, `eval`, `predict` and `doctor`: what they print, and what they write."""

import json
import shutil

import pytest
import torch
import typer
from PIL import Image

from laconvnet.models import Checkpoint


def lines_of(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_training_resumes_and_says_what_it_reached(run, world, tmp_path):
    config = tmp_path / "config.yaml"
    config.write_text(
        f"preset: n\ndata: {{root: {world}, size: 64, batch_size: 4, num_workers: 0}}\n"
        f"epochs: 1\nmax_steps: 2\noutput: {tmp_path / 'run'}\ndevice: cpu\n"
    )
    assert json.loads(run("train", config))["step"] == 2
    assert (tmp_path / "run" / "final" / "model.safetensors").is_file()
    run("train", config, "max_steps=3", "--resume")
    assert json.loads((tmp_path / "run" / "results.json").read_text())["step"] == 3


def test_sentences_are_answered_in_words_and_in_json(run, model, picture, tmp_path):
    out = tmp_path / "out.png"
    answers = json.loads(run("predict", "--model", model, picture, "the red circle", "the blue one", "--json"))
    assert [answer["text"] for answer in answers] == ["the red circle", "the blue one"]
    assert answers[1]["unknown_words"] == ["blue", "one"] and len(answers[0]["box"]) == 4
    assert answers[0]["image"] == str(picture) and "mask_pixels" in answers[0] and "mask" not in answers[0]
    said = run("predict", "--model", model, picture, "the red circle", "--task", "rec", "--out", out)
    assert said.startswith("'the red circle'; box (") and "mask" not in said
    with Image.open(out) as drawn:
        assert drawn.width >= 360
    several = run("predict", "--model", model, picture, "red", "--task", "rec", "--top-k", 3, "--dtype", "bfloat16")
    assert several.count("box (") > 1


def test_a_folder_is_answered_picture_by_picture(run, fail, model, world, picture, tmp_path):
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number in range(2):
        shutil.copyfile(picture, folder / f"{number}.png")
    options = ("--out", tmp_path / "drawn", "--save", tmp_path / "said.jsonl")
    said = run("predict", "--model", model, folder, "the circle", "red", *options).splitlines()
    assert [line.split("; ")[0] for line in said] == [
        f"{number}.png: {text!r}" for number in range(2) for text in ("the circle", "red")
    ]
    lines = lines_of(tmp_path / "said.jsonl")
    assert [line["image"] for line in lines] == ["0.png", "0.png", "1.png", "1.png"]
    assert all(line["mask"]["size"] == [64, 64] for line in lines)
    assert sorted(path.name for path in (tmp_path / "drawn").iterdir()) == ["00000_0.png", "00001_1.png"]

    (folder / "0.png").write_text("no picture")
    told = fail("predict", "--model", model, folder, "red", "--save", tmp_path / "broken.jsonl")
    assert told == "error: 1 of 2 sentences could not be answered: their pictures cannot be read, or no words\n"
    broken, whole = lines_of(tmp_path / "broken.jsonl")
    assert "0.png" in broken["error"] and len(whole["box"]) == 4
    told = fail("predict", "--model", model, folder / "0.png", "red", "--save", tmp_path / "single.jsonl")
    assert (
        told.startswith(f"error: cannot read picture {folder / '0.png'}") and not (tmp_path / "single.jsonl").exists()
    )


def test_lines_of_a_split_are_answered_as_they_are(run, model, world):
    answers = json.loads(run("predict", "--model", model, world / "val.jsonl", "--task", "rec", "--json"))
    records = lines_of(world / "val.jsonl")
    assert [(one["id"], one["image"], one["text"]) for one in answers] == [
        (record["id"], record["image"], record["text"]) for record in records
    ]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--out", "a.txt"], "a.txt needs the ending of a picture, such as .png"),
        (["--save", "."], "is a folder; a file is to be written there"),
    ],
)
def test_answers_need_a_place_before_the_network_is_loaded(fail, picture, monkeypatch, options, message):
    monkeypatch.setattr(Checkpoint, "load", lambda path: pytest.fail("the checkpoint was loaded"))
    assert message in fail("predict", picture, "a dog", *options)


def test_scores_are_json_where_nobody_looks(run, model, world, tmp_path):
    out = tmp_path / "result.json"
    said = run("eval", "--model", model, "--data", world, "--workers", 0, "--json", out, "--blind", "train")
    result = json.loads(out.read_text())
    assert result["n"] == len(lines_of(world / "val.jsonl")) and "blind" in result
    assert json.loads(said) == result and result["task"] == "rec" and result["headline"][0] == "accuracy@0.5"


def test_scores_are_a_table_on_a_terminal(run, model, world, monkeypatch):
    class Terminal:
        def isatty(self):
            return True

    monkeypatch.setattr(typer, "get_text_stream", lambda name: Terminal())
    said = run("eval", "--model", model, "--data", world, "--workers", 0)
    first, _, head, every, *_ = said.splitlines()
    assert first == f"rec of {model} on {world}, split val"
    assert head.split()[:2] == ["sentences", "accuracy@0.5"] and every.split()[:2] == ["all", "16"]


def test_what_was_said_and_what_was_wrong_is_written(run, model, world, tmp_path):
    paths = {"--save-predictions": tmp_path / "new" / "said.jsonl", "--sheet": tmp_path / "new" / "wrong.png"}
    options = [word for pair in paths.items() for word in pair]
    options += ["--task", "res", "--option", "mask_rule=dilate", "--shuffle-sentences"]
    result = json.loads(run("eval", "--model", model, "--data", world, "--workers", 0, *options))
    assert result["task"] == "res" and result["shuffled_sentences"] is True
    assert len(lines_of(paths["--save-predictions"])) == result["n"]
    with Image.open(paths["--sheet"]) as sheet:
        assert sheet.width > 360


@pytest.mark.parametrize("option", ["--json", "--save-predictions", "--sheet"])
def test_scores_need_a_place_before_the_network_is_loaded(fail, world, tmp_path, monkeypatch, option):
    monkeypatch.setattr(Checkpoint, "load", lambda path: pytest.fail("the checkpoint was loaded"))
    (tmp_path / "file").write_text("no folder")
    assert "file" in fail("eval", "--model", "scenes-t", "--data", world, option, "file/result.png")


def test_a_wrong_option_of_a_task_is_named(fail, model, world):
    said = fail("eval", "--model", model, "--data", world, "--task", "res", "--option", "mask_rule=grow")
    assert "res.mask_rule is 'grow', allowed: 'interpolate' or 'dilate'" in said


def test_the_doctor_names_the_backend(run):
    text = run("doctor")
    assert "dynamic_conv2d on cpu, float32:" in text and "native kernels: " in text
    assert f"torch: {torch.__version__}" in text
