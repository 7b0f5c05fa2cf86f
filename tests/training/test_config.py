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
