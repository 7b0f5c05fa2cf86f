"""Settings: read, overridden, written, and refused with the nearest name."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import BaseModel

from laconvnet.settings import setting_names
from laconvnet.training import ConfigError, TrainConfig, load_config

MINIMAL = "preset: n\noutput: runs/x\ndata:\n  root: some/folder\n"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "run.yaml"
    path.write_text(MINIMAL)
    return path


def test_defaults_are_the_published_recipe(file: Path) -> None:
    config = load_config(file)
    assert (config.optimizer.lr, config.optimizer.betas, config.optimizer.eps) == (1e-4, (0.9, 0.98), 1e-9)
    assert (config.optimizer.clip_grad_norm, config.ema.decay, config.epochs) == (0.15, 0.9997, 40)
    assert (config.schedule.kind, config.schedule.warmup, config.schedule.min_lr) == ("cosine", 3, 1e-6)
    assert config.data.shuffle_sentences is False


def test_overrides_are_yaml_values(file: Path) -> None:
    config = load_config(
        file,
        [
            "optimizer.lr=3e-4",
            "data.crop=[0.5, 1]",
            "model={backbone: {groups: [1, 1, 1, 1, 1]}}",
            "model.neck.depth=2",
            "mixed_precision=no",
            "ema.decay=null",
            "data.shuffle_sentences=val",
            "data.train_split=2014-01-01",
        ],
    )
    assert config.optimizer.lr == 3e-4 and config.data.crop == (0.5, 1.0)
    assert config.model == {"backbone": {"groups": [1] * 5}, "neck": {"depth": 2}}
    assert config.mixed_precision == "no" and config.ema.decay is None
    assert config.data.shuffle_sentences == "val" and config.data.train_split == "2014-01-01"


def test_written_settings_read_back_equal(file: Path, tmp_path: Path) -> None:
    config = load_config(file, ["optimizer.eps=1e-9", "schedule.milestones=[20, 22]", "schedule.kind=steps"])
    copy = tmp_path / "train.yaml"
    copy.write_text(config.to_yaml())
    assert load_config(copy) == config


@pytest.mark.parametrize(
    ("override", "message"),
    [
        (
            "optimiser.lr=1",
            r"override 'optimiser.lr=1': unknown setting 'optimiser'; did you mean 'optimizer'",
        ),
        (
            "optimizer.learning_rate=1",
            r"unknown setting 'optimizer.learning_rate'; known here: optimizer.name, ",
        ),
        ("data.batchsize=1", r"unknown setting 'data.batchsize'; did you mean 'data.batch_size'\?"),
        ("lr=1", r"unknown setting 'lr'; did you mean 'optimizer.lr'\?"),
        ("data.size=100", r"override 'data.size=100': data.size is 100, allowed: a multiple of 32"),
        ("data.resize=crop", r"data.resize is 'crop', allowed: 'letterbox' or 'stretch'"),
        ("epochs=2.5", r"epochs is 2.5, allowed: a valid integer"),
        ("epochs=true", r"epochs is True, allowed: a valid integer"),
        ("optimizer.lr=.nan", r"optimizer.lr is"),
        ("epochs", r"override 'epochs': expected section.name=value"),
        ("epochs.x=1", r"override 'epochs.x=1'"),
        ("preset.x.y=1", r"'preset' is a value, not a section"),
        ("data={", r"override 'data=\{': not valid YAML"),
        ("schedule.kind=steps", r"schedule.milestones must name at least one epoch"),
        ("output=null", r"output is None, allowed: "),
    ],
)
def test_wrong_overrides_are_explained(file: Path, override: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load_config(file, [override])


def test_a_compiled_network_is_not_told_what_to_compute_again(file: Path) -> None:
    assert load_config(file, ["grad_checkpointing=true"]).grad_checkpointing
    with pytest.raises(ConfigError, match="grad_checkpointing and compile are both set"):
        load_config(file, ["grad_checkpointing=true", "compile=true"])


def test_a_wrong_file_is_named_with_every_mistake(tmp_path: Path) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text("preset: n\ndata:\n  root: x\n  flipp: 1\nepochs: many\n")
    with pytest.raises(ConfigError) as caught:
        load_config(path)
    lines = str(caught.value).splitlines()
    assert all(line.startswith(f"{path}: ") for line in lines)
    assert any("unknown setting 'data.flipp'; did you mean 'data.flip'?" in line for line in lines)
    assert any("epochs is 'many', allowed: a valid integer" in line for line in lines)
    assert any("the setting 'output' is missing" in line for line in lines)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("- 1\n", "expected settings"),
        ("", "expected settings"),
        ("preset: n\npreset: t\n", "'preset' stands twice"),
    ],
)
def test_a_file_that_is_no_mapping_is_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=message):
        load_config(path)


FIRST = """
preset: n
output: runs/first
data: {sources: [{root: a}, {root: b}], size: 64, flip: 0.5}
optimizer: {lr: 1.0e-3, eps: 1.0e-8}
schedule: {kind: cosine, warmup: 2, min_lr: 1.0e-5}
"""


@pytest.fixture
def chain(tmp_path: Path) -> list[Path]:
    """Three files in two folders, each of which builds on the one after it."""
    files = [tmp_path / "top.yaml", tmp_path / "bases" / "second.yaml", tmp_path / "bases" / "first.yaml"]
    files[1].parent.mkdir()
    files[0].write_text("base: bases/second.yaml\noutput: runs/top\noptimizer: {lr: 3.0e-3}\n")
    files[1].write_text(
        "base: first.yaml\noutput: runs/second\noptimizer: {lr: 2.0e-3, weight_decay: 0.1}\n"
        "data: {sources: [{root: c}]}\nschedule: {kind: constant, warmup: 1}\n"
    )
    files[2].write_text(FIRST)
    return files


def test_a_file_states_what_differs_from_its_base(chain: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(chain[1].parent)  # a base is looked for beside the file that names it, wherever that is read from
    config = load_config(chain[0])
    assert config.output == Path("runs/top") and config.preset == "n"
    assert (config.optimizer.lr, config.optimizer.weight_decay, config.optimizer.eps) == (3e-3, 0.1, 1e-8)
    assert [source.root for source in config.data.folders] == [Path("c")]  # a list takes the place of the other
    assert (config.data.size, config.data.flip) == (64, 0.5)
    assert (config.schedule.kind, config.schedule.warmup, config.schedule.min_lr) == ("constant", 1, 1e-5)


@pytest.mark.parametrize("override", ["model.backbone.block.kind=sentence", "model.backbone.block=sentence"])
def test_a_block_of_another_kind_replaces_the_settings_of_the_first(file: Path, override: str) -> None:
    first = ["model.backbone.block.attention_dropout=0.2", override]
    assert load_config(file, first).network.backbone.block.model_dump() == {"kind": "sentence"}
    kinds = ["schedule.milestones=[2]", "schedule.kind=steps"]
    assert load_config(file, kinds).schedule.milestones == (2,), "kind of a schedule is a setting like others"


def test_overrides_come_last_and_in_order(chain: list[Path]) -> None:
    config = load_config(chain[0], ["optimizer.lr=4e-3", "data={root: d}", "data.size=96", "data.size=128"])
    assert config.optimizer.lr == 4e-3 and config.optimizer.eps == 1e-8
    assert (config.data.root, config.data.size, config.data.flip) == (Path("d"), 128, 0)


def test_a_written_run_has_no_base(chain: list[Path], tmp_path: Path) -> None:
    config = load_config(chain[0])
    copy = tmp_path / "train.yaml"
    copy.write_text(config.to_yaml())
    assert "base:" not in copy.read_text() and load_config(copy) == config


@pytest.mark.parametrize(
    ("number", "line", "message"),
    [
        (2, "epochs: many\n", "epochs is 'many', allowed: a valid integer"),
        (1, "epochs: many\n", "epochs is 'many'"),
        (0, "epochs: many\n", "epochs is 'many'"),
        (2, "ema: {decai: 0.9}\n", "unknown setting 'ema.decai'; did you mean 'ema.decay'?"),
        (0, "ema: {decay: 1.5}\n", "ema.decay is 1.5"),
        (2, "1: x\n", "unknown setting '1'"),
        (1, "optimizer.lr: 1\n", "'optimizer.lr' is written so in an override only; here optimizer: {lr: ...}"),
        (2, "tasks: {rec: {assignment: far}}\n", "tasks.rec.assignment is 'far'"),
        (2, "model: {neck: {depht: 2}}\n", "model.neck.depht"),
    ],
)
def test_errors_name_the_file_of_the_chain(chain: list[Path], number: int, line: str, message: str) -> None:
    chain[number].write_text(chain[number].read_text() + line)
    with pytest.raises(ConfigError) as caught:
        load_config(chain[0])
    assert str(caught.value).startswith(f"{chain[number]}: ") and message in str(caught.value)


def test_every_mistake_is_told_with_its_own_place(chain: list[Path]) -> None:
    chain[2].write_text(FIRST + "epochs: many\nema: {decay: 2}\nseed: x\n")
    chain[1].write_text(chain[1].read_text().replace("root: c", "rot: c"))
    chain[0].write_text(chain[0].read_text() + "ema: {decay: 3}\n")
    with pytest.raises(ConfigError) as caught:
        load_config(chain[0], ["optimizer={lr: 1}", "optimizer.lr=fast", "data.size=100", "seed=1"])
    lines = str(caught.value).splitlines()
    for place, name in (
        (chain[2], "epochs"),
        (chain[1], "unknown setting 'data.sources[0].rot'"),
        (chain[1], "the setting 'data.sources[0].root' is missing"),
        (chain[0], "ema.decay is 3"),
        ("override 'optimizer.lr=fast'", "optimizer.lr"),
        ("override 'data.size=100'", "data.size"),
    ):
        assert sum(line.startswith(f"{place}: {name}") for line in lines) == 1, (place, name, lines)
    assert len(lines) == 6  # seed was put right


def test_of_overrides_of_a_section_the_latest_is_named(file: Path) -> None:
    with pytest.raises(ConfigError, match=r"^override 'data=\{root: x, sise: 1\}': unknown setting 'data.sise'"):
        load_config(file, ["data.size=64", "data={root: x, sise: 1}"])
    with pytest.raises(ConfigError, match=r"^override 'data.scenes.train=3': data: data needs one of root"):
        load_config(file, ["data.size=64", "data.scenes.train=3"])


@pytest.mark.parametrize("base", ["3", "[a.yaml]", "null", "''"])
def test_a_base_is_a_path(file: Path, base: str) -> None:
    file.write_text(f"base: {base}\n{MINIMAL}")
    with pytest.raises(ConfigError, match=r"run.yaml: base is .*, allowed: the path of a file"):
        load_config(file)


def test_a_missing_base_is_named_with_the_file_that_names_it(chain: list[Path]) -> None:
    chain[2].unlink()
    with pytest.raises(ConfigError) as caught:
        load_config(chain[0])
    assert str(caught.value) == f"{chain[1]}: base is 'first.yaml', and there is no file {chain[2]}"


def test_bases_in_a_circle_are_named(chain: list[Path]) -> None:
    chain[2].write_text(f"base: ../top.yaml\n{FIRST}")
    with pytest.raises(ConfigError) as caught:
        load_config(chain[0])
    top, second, first = chain
    assert str(caught.value).startswith(f"{first}: base is '../top.yaml', which leads in a circle: ")
    assert str(caught.value).endswith(f"{top} -> {second} -> {first} -> {top}")
    top.write_text("base: ./top.yaml\n")
    with pytest.raises(ConfigError, match=r"top.yaml: base is './top.yaml', which leads in a circle"):
        load_config(top)


def test_a_base_that_is_no_mapping_is_named(chain: list[Path]) -> None:
    chain[2].write_text("- preset\n")
    with pytest.raises(ConfigError, match=r"first.yaml: expected settings"):
        load_config(chain[0])


def test_a_base_is_not_overridden(file: Path) -> None:
    with pytest.raises(ConfigError, match=r"override 'base=x.yaml': base stands in a file"):
        load_config(file, ["base=x.yaml"])


def test_a_shipped_configuration_is_read_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert load_config("near_rec").output == Path("runs/near_rec")
    (tmp_path / "near_rec").write_text(MINIMAL)
    assert load_config("near_rec").output == Path("runs/x")  # a file comes first


def test_settings_cannot_be_changed(file: Path) -> None:
    with pytest.raises(ValueError, match="frozen"):
        load_config(file).epochs = 3  # type: ignore[misc]


def test_every_setting_is_described() -> None:
    def undescribed(section: type[BaseModel]) -> list[str]:
        missing = []
        for name, field in section.model_fields.items():
            if not (field.description or "").endswith("."):
                missing.append(name)
            if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
                missing += undescribed(field.annotation)
        return missing

    assert undescribed(TrainConfig) == []
    assert "data.sentences_per_image" in (names := setting_names(TrainConfig)) and "data" not in names
