"""The command line as a whole: its commands, and how they fail."""

import pytest

from laconvnet import __version__, cli

COMMANDS = [
    "train", "eval", "predict", "import-official", "doctor", "demo",
    "data convert", "data mix", "data generate", "data validate", "data stats", "data show",
    "config list", "config show", "config copy", "bench op", "bench model", "bench train", "bench data",
]  # fmt: skip


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(run, command):
    assert "Usage" in run(*command.split(), "--help")


def test_the_list_of_commands_is_the_documented_one():
    listed = {command.name for command in cli.app.registered_commands}
    for group in cli.app.registered_groups:
        commands = group.typer_instance.registered_commands
        listed |= {f"{group.name} {command.name or command.callback.__name__}" for command in commands}
    assert listed == set(COMMANDS)


def test_the_version_is_printed(run):
    assert run("--version") == f"{__version__}\n"


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["predict", "--model", "nowhere", "x.jpg", "red"], 1, "error: x.jpg does not exist; give a picture, a folder"),
        (["predict", "x.jpg", "red", "--device", "gpu"], 1, "device must be cpu, cuda, cuda:N or mps, got 'gpu'"),
        (["predict", "x.jpg", "red", "--batch-size", "0"], 2, "Invalid value for '--batch-size'"),
        (["predict", "x.jpg", "red", "--min-score", "2"], 2, "Invalid value for '--min-score'"),
        (["eval", "--model", "nowhere", "--data", "d"], 1, "error: nowhere is not a folder"),
        (["eval"], 2, "Missing option '--model'"),
        (["eval", "--model", "scenes-t", "--data", "d"], 1, "no such file; a dataset folder holds dataset.json"),
        (["eval", "--model", "m", "--data", "d", "--option", "mask_rule"], 2, "--option needs NAME=VALUE, each name"),
        (
            ["eval", "--model", "scenes-t", "--data", "d", "--device", "cuda:99"],
            1,
            "device 'cuda:99' is not here: torch ",
        ),
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
        (["bench", "op", "--device", "cuda:99"], 1, "device 'cuda:99' is not here: torch "),
    ],
)
def test_a_failure_is_one_line_and_a_code(fail, tmp_path, arguments, code, message):
    said = fail(*arguments, code=code)
    assert message in said and "Traceback" not in said
    assert code == 2 or (said.startswith("error: ") and len(said.splitlines()) == 1)
    assert not list(tmp_path.iterdir())


def test_debug_shows_where_a_failure_came_from(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["laconvnet", "--debug", "predict", "x.jpg", "red"])
    monkeypatch.setattr("warnings.formatwarning", None)  # put back what the entry point sets
    with pytest.raises(FileNotFoundError, match=r"x\.jpg does not exist"):
        cli.main()


def test_what_nobody_expects_shows_where_it_came_from(monkeypatch):
    monkeypatch.setattr("sys.argv", ["laconvnet", "doctor"])
    monkeypatch.setattr("warnings.formatwarning", None)  # put back what the entry point sets
    monkeypatch.setattr("laconvnet.doctor.diagnose", lambda: {}["nothing"])
    with pytest.raises(KeyError):
        cli.main()
