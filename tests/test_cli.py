"""The commands: what they print, and how they fail."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

from laconvnet import cli
from laconvnet.data import generate
from laconvnet.language import Vocabulary
from laconvnet.models import Preprocess, build_model, save_checkpoint
from laconvnet.scenes import WORLDS, SceneSource

COMMANDS = [
    "data convert", "data mix", "data generate", "data validate", "data stats", "data show", "train", "eval", "predict",
    "import-official", "bench op", "bench model", "bench train", "bench data", "doctor", "demo",
]  # fmt: skip


def run(*arguments, code=0):
    """Run a command in this process as the entry point does, and check its exit code."""
    result = CliRunner().invoke(cli.app, [str(argument) for argument in arguments])
    assert result.exit_code == code, (result.output, result.exception)
    return result.output


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    root = tmp_path_factory.mktemp("cli") / "world"
    generate(root, SceneSource(world=WORLDS["near"]), {"train": 8, "val": 4}, size=64)
    return root


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cli") / "model"
    vocabulary = Vocabulary(["red", "circle", "the"], num_buckets=4)
    network = build_model("n", ("rec", "res"), vocabulary=vocabulary)
    preprocess = Preprocess(size=64, resize="letterbox", max_length=15)
    save_checkpoint(folder, network, vocabulary=vocabulary, preprocess=preprocess, card="")
    return folder


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_every_command(command):
    assert "Usage" in run(*command.split(), "--help")


def test_the_list_of_commands_is_the_documented_one():
    found = {name for name in ("train", "eval", "predict", "import-official", "doctor", "demo", "data", "bench")}
    listed = {command.name or command.callback.__name__ for command in cli.app.registered_commands}
    groups = {group.name for group in cli.app.registered_groups}
    assert listed | groups == found


def test_validate_stats_show(world, tmp_path):
    assert "0 errors" in run("data", "validate", world)
    assert json.loads(run("data", "stats", world, "--json"))["val"]
    run("data", "show", world, "--split", "val", "--out", tmp_path / "sheet.png", "--count", 4)
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.width > 300


def test_generate(tmp_path):
    root = tmp_path / "scenes"
    sorts = ["--sentence", "rec=1", "--sentence", "vqa=2", "--family", "count", "--kind", "relation"]
    output = run(
        "data", "generate", root, "--split", "val=3", *sorts, "--size", "96x64", "--world", "hard", "--workers", 0,
        "--seed", 4, "--clevr",
    )  # fmt: skip
    assert "val: 9 records" in output
    records = [json.loads(line) for line in (root / "val.jsonl").read_text().splitlines()]
    assert {record["group"] for record in records} == {"count", "relation"}
    assert (records[0]["width"], records[0]["height"]) == (96, 64)
    assert (root / "clevr" / "CLEVR_val_questions.json").is_file()


def test_validate_fails_on_a_broken_dataset(world, tmp_path):
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "dataset.json").write_text((world / "dataset.json").read_text())
    (tmp_path / "d" / "train.jsonl").write_text("not json\n")
    assert "train.jsonl:1" in run("data", "validate", tmp_path / "d", code=1)


def test_predict(world, model, tmp_path):
    picture = next((world / "images").iterdir())
    out = tmp_path / "out.png"
    answers = json.loads(run("predict", "--model", model, picture, "the red circle", "the blue one", "--json"))
    assert [answer["text"] for answer in answers] == ["the red circle", "the blue one"]
    assert answers[1]["unknown_words"] == ["blue", "one"] and len(answers[0]["box"]) == 4
    assert "box" in run("predict", "--model", model, picture, "the red circle", "--out", out)
    with Image.open(out) as drawn:
        assert drawn.width >= 360


def test_eval(world, model, tmp_path):
    out = tmp_path / "result.json"
    run("eval", "--model", model, "--data", world, "--workers", 0, "--json", out, "--blind", "train")
    result = json.loads(out.read_text())
    assert result["n"] == len((world / "val.jsonl").read_text().splitlines()) and "blind" in result


def test_eval_of_everything(model, tmp_path, monkeypatch):
    monkeypatch.setattr("laconvnet.report.measure._SCENES", {"train": 4, "test": 3})
    monkeypatch.setattr("laconvnet.report.measure._SIZE", 64)
    page = tmp_path / "results.md"
    page.write_text("# Results\n\n<!-- laconvnet eval --all: begin -->\n<!-- end -->\n")
    files = {"--json": tmp_path / "results.json", "--markdown": page, "--sheet": tmp_path / "sheet.png"}
    options = [word for pair in files.items() for word in pair]
    output = run("eval", "--all", "--model", model, "--data", tmp_path / "data", "--workers", 0, *options)
    result = json.loads(files["--json"].read_text())
    assert set(result["scenes"]) == {"rec", "res"} and "photographs" not in result
    assert "### Scenes, by number of objects" in output and "### Scenes, by number of objects" in page.read_text()
    with Image.open(files["--sheet"]) as sheet:
        assert sheet.width > 360


def test_train_resume_and_refusal(world, tmp_path):
    config = tmp_path / "config.yaml"
    config.write_text(
        f"preset: n\ndata: {{root: {world}, size: 64, batch_size: 4, num_workers: 0}}\n"
        f"epochs: 1\nmax_steps: 2\noutput: {tmp_path / 'run'}\ndevice: cpu\n"
    )
    run("train", config)
    assert (tmp_path / "run" / "final" / "model.safetensors").is_file()
    run("train", config, "max_steps=3", "--resume")
    assert json.loads((tmp_path / "run" / "results.json").read_text())["step"] == 3


SMALL = ("--size", 64, "--repeats", 2, "--threads", 1, "--no-plot")


def test_bench_op(tmp_path):
    out = tmp_path / "results" / "machine"
    options = ("--preset", "n", "--stage", "4,5", "--batch", "1,2", "--backend", "shifted", "--dtype", "bfloat16")
    output = run("bench", "op", *SMALL, *options, "--out", out)
    assert "limits: matmul_gflops" in output and "static depthwise" in output and "threads: 1" in output
    assert sorted(path.name for path in out.iterdir()) == ["op.csv", "op.json"]
    rows = json.loads((out / "op.json").read_text())["rows"]
    assert len(rows) == 2 * 2 * 2 * 5 and {row["dtype"] for row in rows} == {"bfloat16"}


def test_bench_model():
    result = json.loads(run("bench", "model", "n", *SMALL, "--vocabulary-size", 50, "--json"))
    (row,) = result["rows"]
    assert row["parameters"] - row["parameters_without_embedding"] == 50 * 100
    assert row["low_ms"] <= row["median_ms"] <= row["high_ms"] and row["times_faster"] == 1
    assert 0 < row["memory_before_mib"] <= row["peak_memory_mib"]
    assert result["machine"]["threads"] == "1"


def test_bench_growth(monkeypatch):
    monkeypatch.setattr("laconvnet.bench.growth.AXES", {"words": (1, 2)})
    output = run("bench", "model", "n", *SMALL, "--growth")
    assert "exponent" in output


def test_bench_train():
    output = run("bench", "train", "n", *SMALL, "--batch", 2, "--vocabulary-size", 50, "--no-memory")
    assert "pictures per second" in output and "peak" not in output


def test_bench_data(world, tmp_path):
    options = ("--size", 64, "--repeats", 2, "--pictures", 2, "--out", tmp_path)
    assert "with random changes" in run("bench", "data", world, *options)
    assert (tmp_path / "data.csv").is_file()


def test_doctor_names_the_backend():
    text = run("doctor")
    assert "dynamic_conv2d on cpu, float32:" in text and "native kernels: " in text
    assert f"torch: {torch.__version__}" in text


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["predict", "--model", "nowhere", "x.jpg", "red"], 1, "error: cannot read picture x.jpg: no such file"),
        (["eval", "--model", "nowhere", "--data", "d"], 1, "error: nowhere is not a folder"),
        (["train", "missing.yaml"], 1, "missing.yaml"),
        (["data", "convert", "imagenet", "--source", ".", "--out", "o"], 2, "'imagenet' is not"),
        (["data", "generate", "o", "--size", "0"], 1, "sides from 64 to 2048 pixels, got 0"),
        (["data", "generate", "o", "--size", "big"], 2, "needs a number of pixels or WIDTHxHEIGHT, got 'big'"),
        (["data", "generate", "o", "--split", "train"], 2, "needs NAME=COUNT, such as train=1000; got 'train'"),
        (["data", "generate", "o", "--split", "a=1", "--split", "a=2"], 2, "names 'a' twice"),
        (["data", "generate", "o", "--family", "sum"], 1, "families of scenes: unknown ['sum']; allowed are count"),
        (["data", "generate", "o", "--world", "mars"], 1, "--world must be one of clevr, cogent_a"),
        (["bench", "model", "xl"], 1, "error: unknown preset 'xl'; allowed: s, b"),
        (["bench", "op", "--stage", "6"], 1, "error: stages are 1 to 5, got [6]"),
        (["bench", "op", "--batch", "1;8"], 2, "--batch needs numbers of at least 1, such as 1,8; got '1;8'"),
        (["bench", "model", "n", "--growth", "--batch", "1,2"], 2, "--growth starts from one --batch and --dtype"),
        (["bench", "model", "n", "--against", "yolo"], 1, "error: against names ['yolo']; allowed: vilt, resnet50"),
        (["bench", "train", "n", "--dtype", "float16"], 1, "error: a training step runs in float32 or bfloat16"),
        (["bench", "data", "nowhere"], 1, "nowhere"),
        (["eval"], 2, "is needed without --all"),
        (["eval", "--all", "--save-predictions", "p"], 2, "--save-predictions: has no meaning with --all"),
        (["eval", "--model", "scenes-t", "--sheet", "s.png"], 2, "--sheet: has no meaning without --all"),
        (["eval", "--all", "--markdown", "page.md"], 1, "page.md"),
        (["predict", "a.jpg", "a dog", "--out", "a.txt"], 1, "a.txt needs the ending of a picture, such as .png"),
        (["eval", "--all", "--sheet", "sheet"], 1, "sheet needs the ending of a picture"),
        (["predict", "a.jpg", "a dog", "--device", "gpu"], 1, "device must be cpu, cuda, cuda:N or mps, got 'gpu'"),
        (["eval", "--model", "scenes-t", "--device", "cuda:99"], 1, "device 'cuda:99' is not here: torch "),
        (["bench", "op", "--device", "cuda:99"], 1, "device 'cuda:99' is not here: torch "),
    ],
)
def test_exit_codes_and_messages(arguments, code, message, tmp_path):
    """Through the real entry point: one line for what went wrong, no traceback."""
    program = "from laconvnet.cli import main; main()"
    environment = {
        "PYTHONPATH": str(Path(cli.__file__).parents[1]),
        "PATH": "",
        "COLUMNS": "200",
        "OMP_NUM_THREADS": "1",
    }
    result = subprocess.run(
        [sys.executable, "-c", program, *arguments], capture_output=True, text=True, cwd=tmp_path, env=environment
    )
    assert result.returncode == code and message in result.stderr, result.stderr
    assert "Traceback" not in result.stderr
