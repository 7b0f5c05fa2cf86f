"""The checkpoint folder: round trip, sharding, broken files, failures while writing."""

import errno
import json
import resource
import signal
from pathlib import Path

import huggingface_hub
import pytest
import torch
from safetensors.torch import load_file, save_file

from laconvnet import files
from laconvnet.language import Vocabulary
from laconvnet.models import Checkpoint, build_model, checkpoint, find_checkpoint, prepare_for_inference
from laconvnet.processing import Preprocess, Processor

VOCABULARY = Vocabulary(["red", "circle", "the"], num_buckets=2)
PROCESSOR = Processor(Preprocess(size=96, resize="letterbox", max_length=15), VOCABULARY)
TASKS = {"rec": {"weight": 1.0}}


def save(folder, model, *, processor=PROCESSOR, tasks=TASKS, card="", **options):
    Checkpoint(model, processor, tasks, card).save(folder, **options)


@pytest.fixture
def model():
    return build_model("n", vocabulary=VOCABULARY).eval()


@pytest.fixture
def folder(tmp_path, model):
    save(tmp_path / "ckpt", model, card="# Card\n")
    return tmp_path / "ckpt"


def test_round_trip(folder, model):
    checkpoint = Checkpoint.load(folder)
    loaded = checkpoint.network
    assert checkpoint.processor == PROCESSOR and checkpoint.tasks == TASKS and checkpoint.card == "# Card\n"
    assert loaded.config == model.config and not loaded.training
    for name, value in model.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], value), name
    images, tokens = torch.rand(1, 3, 64, 64), torch.tensor([[3, 4]])
    assert torch.equal(loaded(images, tokens)["rec"], model(images, tokens)["rec"])
    assert sorted(path.name for path in folder.iterdir()) == [
        "README.md", "config.json", "model.safetensors", "preprocess.json", "tasks.json", "vocabulary.json",
    ]  # fmt: skip


def test_answers_and_every_head_come_back(tmp_path):
    answers = ["yes", "no", "größer", "10"]
    tasks = {"rec": {}, "res": {}, "gres": {"no_target": True}, "vqa": {"answers": answers, "weight": 0.5}}
    heads = ("rec", "res", "no_target", "answer")
    model = build_model("n", heads, vocabulary=VOCABULARY, num_answers=4).eval()
    save(tmp_path / "c", model, tasks=tasks)
    checkpoint = Checkpoint.load(tmp_path / "c")
    loaded = checkpoint.network
    assert loaded.config.heads == heads
    assert checkpoint.tasks == tasks and list(checkpoint.tasks) == list(tasks)
    images, tokens = torch.rand(1, 3, 64, 64), torch.tensor([[3, 4]])
    with torch.no_grad():
        found, expected = loaded(images, tokens), model(images, tokens)
    assert set(found) == {"rec", "res", "no_target", "answer", "no_target_attention", "answer_attention"}
    for name, values in expected.items():
        torch.testing.assert_close(found[name], values)  # weights from a file may be aligned otherwise in memory
    config = json.loads((tmp_path / "c" / "config.json").read_text())
    (tmp_path / "c" / "config.json").write_text(json.dumps(config | {"num_answers": 2}))
    with pytest.raises(ValueError, match=r"heads\.answer\.perceptron"):
        Checkpoint.load(tmp_path / "c")


def test_large_weights_are_sharded(tmp_path, model):
    save(tmp_path / "c", model, max_shard_size="500KB")
    assert len(list((tmp_path / "c").glob("model-*.safetensors"))) > 2
    loaded = Checkpoint.load(tmp_path / "c").network
    assert all(
        torch.equal(a, b) for a, b in zip(loaded.state_dict().values(), model.state_dict().values(), strict=True)
    )


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_halves_the_file_and_loads_as_float32(tmp_path, model, dtype):
    for name, options in {"whole": {}, "half": {"dtype": dtype}}.items():
        save(tmp_path / name, model, **options)
    whole, half = ((tmp_path / name / "model.safetensors").stat().st_size for name in ("whole", "half"))
    assert 0.45 * whole < half < 0.55 * whole
    loaded = Checkpoint.load(tmp_path / "half").network
    for name, value in model.state_dict().items():
        found = loaded.state_dict()[name]
        assert found.dtype == value.dtype, name
        torch.testing.assert_close(found, value.to(dtype).to(value.dtype) if value.is_floating_point() else value)


def test_eight_bits_make_it_a_quarter_and_round_within_each_row(tmp_path, model):
    with torch.no_grad():
        model.text.embedding.weight[3] = 0.0
        model.text.embedding.weight[4] *= 1e-6
    for name, dtype in {"whole": None, "small": torch.int8}.items():
        save(tmp_path / name, model, dtype=dtype)
    whole, small = ((tmp_path / name / "model.safetensors").stat().st_size for name in ("whole", "small"))
    assert small < 0.3 * whole
    loaded = Checkpoint.load(tmp_path / "small").network
    for name, value in model.state_dict().items():
        found = loaded.state_dict()[name]
        assert found.dtype == value.dtype and found.shape == value.shape, name
        if value.ndim > 1 and value[0].numel() >= 8:
            rows, error = value.flatten(1), (found - value).flatten(1)
            assert (error.abs() <= rows.abs().amax(1, keepdim=True) / 253).all(), name
        else:
            torch.testing.assert_close(found, value.half().to(value.dtype) if value.is_floating_point() else value)
    save(tmp_path / "again", loaded, dtype=torch.int8)
    again = Checkpoint.load(tmp_path / "again").network
    for one, other in zip(again.state_dict().values(), loaded.state_dict().values(), strict=True):
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize(
    ("scale", "message"),
    [
        (None, r"model\.safetensors: text\.embedding\.weight is torch\.int8 .* and has no scales of its rows"),
        (torch.ones(1), r"model\.safetensors: text\.embedding\.weight is .* has scales of shape \(1,\) of its rows"),
    ],
)
def test_eight_bits_without_the_scales_of_their_rows_are_refused(tmp_path, model, scale, message):
    save(tmp_path / "m", model, dtype=torch.int8)
    path = tmp_path / "m" / "model.safetensors"
    stored = load_file(path)
    del stored["text.embedding.weight.row_scale"]
    save_file(stored | ({} if scale is None else {"text.embedding.weight.row_scale": scale}), path)
    with pytest.raises(ValueError, match=message):
        Checkpoint.load(tmp_path / "m")


def test_scales_of_a_weight_that_is_not_there_are_unknown(tmp_path, model):
    save(tmp_path / "m", model, dtype=torch.int8)
    path = tmp_path / "m" / "model.safetensors"
    save_file(load_file(path) | {"nonsense.row_scale": torch.ones(1)}, path)
    with pytest.raises(ValueError, match=r"1 unknown \['nonsense\.row_scale'\]"):
        Checkpoint.load(tmp_path / "m")


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_eight_bits_refuse_what_is_not_finite(tmp_path, model, value):
    with torch.no_grad():
        model.text.embedding.weight[3, 0] = value
    with pytest.raises(ValueError, match=r"1 weights are not finite, .*int8 cannot hold, such as text\.embedding"):
        save(tmp_path / "c", model, dtype=torch.int8)
    assert list(tmp_path.iterdir()) == []


def test_weights_can_be_read_by_whoever_may_read_the_folder(folder):
    assert (folder / "model.safetensors").stat().st_mode & 0o777 == folder.stat().st_mode & 0o666


def test_weights_too_large_for_half_precision_are_refused(tmp_path, model):
    with torch.no_grad():
        model.heads["rec"].box.bias[0] = 1e6
    with pytest.raises(
        ValueError, match=r"1 weights hold numbers too large for torch\.float16, such as heads\.rec\.box"
    ):
        save(tmp_path / "c", model, dtype=torch.float16)
    assert list(tmp_path.iterdir()) == []


def test_a_shipped_name_is_found_unless_a_checkpoint_of_that_name_is_there(folder, monkeypatch, tmp_path):
    monkeypatch.setattr(checkpoint, "shipped_checkpoints", lambda: {"small": folder})
    monkeypatch.chdir(tmp_path)
    assert find_checkpoint("small") == folder
    (tmp_path / "small").mkdir()  # some other folder
    assert find_checkpoint("small") == folder and Checkpoint.load("small").processor == PROCESSOR
    (tmp_path / "small" / "config.json").write_text("{}")
    assert find_checkpoint("small") == Path("small")
    with pytest.raises(FileNotFoundError, match="or one of the shipped ones: small"):
        find_checkpoint("large")


@pytest.mark.parametrize(
    "name", ["config.json", "tasks.json", "model.safetensors", "vocabulary.json", "preprocess.json"]
)
def test_a_missing_file_is_named(folder, name):
    (folder / name).unlink()
    with pytest.raises(FileNotFoundError, match=name):
        Checkpoint.load(folder)


def test_broken_files_are_named(folder):
    (folder / "model.safetensors").write_bytes((folder / "model.safetensors").read_bytes()[:1000])
    with pytest.raises(ValueError, match=r"model\.safetensors is no safetensors file, or was cut short"):
        Checkpoint.load(folder)
    (folder / "config.json").write_text("{")
    with pytest.raises(ValueError, match=r"config\.json is no JSON"):
        Checkpoint.load(folder)


@pytest.mark.parametrize("content", ['{"size": 96}', '{"size": 90, "resize": "letterbox", "max_length": null}', "[]"])
def test_broken_preprocessing_is_named(folder, content):
    (folder / "preprocess.json").write_text(content)
    with pytest.raises(ValueError, match=r"preprocess\.json: "):
        Checkpoint.load(folder)


def test_a_disk_that_is_really_full_is_said_so(tmp_path, model):
    """The operating system refuses to make a file of more than 100 kB, in the middle of writing the weights."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
        with pytest.raises(OSError, match="could not be written"):
            save(tmp_path / "c", model)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, ignored)
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_setting_is_named(folder):
    config = json.loads((folder / "config.json").read_text())
    config["backbone"]["width"] = 3
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(
        ValueError, match=r"config\.json: unknown setting 'backbone\.width'; known here: backbone\.kind, "
    ):
        Checkpoint.load(folder)


def test_weights_of_another_head_are_refused(folder):
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"heads": ["res"]}))
    with pytest.raises(
        ValueError, match=r"does not fit config\.json: \d+ weights missing .*heads\.res.* unknown .*rec"
    ):
        Checkpoint.load(folder)


def test_a_folder_of_the_older_form_is_refused_by_name(folder):
    config = json.loads((folder / "config.json").read_text())
    del config["heads"]
    (folder / "config.json").write_text(json.dumps(config | {"tasks": ["rec"], "answers": []}))
    (folder / "tasks.json").unlink()
    with pytest.raises(ValueError, match=r"config\.json is of an older form, in which the network named its tasks;"):
        Checkpoint.load(folder)


@pytest.mark.parametrize("content", ["{}", "[]", '["rec"]', '{"rec": 1}', "null"])
def test_tasks_of_another_form_are_named(folder, content):
    (folder / "tasks.json").write_text(content)
    with pytest.raises(ValueError, match=r"tasks\.json must map the name of at least one task to its settings, got "):
        Checkpoint.load(folder)


def test_a_card_may_be_missing(folder):
    (folder / "README.md").unlink()
    assert Checkpoint.load(folder).card == ""


def test_the_configuration_says_everything_in_plain_json(folder, model):
    config = json.loads((folder / "config.json").read_text())
    assert config["heads"] == ["rec"] and config["num_answers"] == 0 and config["preset"] == "n"
    assert config["backbone"]["kind"] == "laconvnet" and config["backbone"]["block"]["kind"] == "laconv"
    assert config["backbone"]["block"]["num_heads"] == 4
    assert json.loads((folder / "tasks.json").read_text()) == TASKS


def test_a_block_of_another_kind_comes_back(tmp_path):
    model = build_model("n", vocabulary=VOCABULARY, backbone={"block": "sentence"}).eval()
    save(tmp_path / "c", model)
    loaded = Checkpoint.load(tmp_path / "c").network
    assert loaded.config.backbone.block.kind == "sentence"
    images, tokens = torch.rand(1, 3, 64, 64), torch.tensor([[3, 4]])
    assert torch.equal(loaded(images, tokens)["rec"], model(images, tokens)["rec"])


def test_what_asks_for_a_gradient_is_that_of_a_fresh_network(folder, model):
    loaded = Checkpoint.load(folder).network
    asks = {name: parameter.requires_grad for name, parameter in loaded.named_parameters()}
    assert asks == {name: parameter.requires_grad for name, parameter in model.named_parameters()}
    assert {tensor.device.type for tensor in [*loaded.parameters(), *loaded.buffers()]} == {"cpu"}


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize("dtype", [None, torch.bfloat16])
def test_weights_that_are_not_finite_are_refused_on_reading(tmp_path, model, value, dtype):
    with torch.no_grad():
        model.heads["rec"].box.bias[1] = value
    save(tmp_path / "c", model, dtype=dtype)
    message = r"model\.safetensors: 1 weights hold numbers that are not finite, such as heads\.rec\.box\.bias"
    with pytest.raises(ValueError, match=message):
        Checkpoint.load(tmp_path / "c")


def test_only_a_network_as_it_was_built_can_be_saved(tmp_path, model):
    with pytest.raises(TypeError, match="a checkpoint holds a LaConvNet, got Sequential"):
        save(tmp_path / "c", torch.nn.Sequential(model))
    with pytest.raises(ValueError, match="this network was made ready for predicting; save the one it was made from"):
        save(tmp_path / "c", prepare_for_inference(model))
    assert list(tmp_path.iterdir()) == []


def test_a_vocabulary_of_another_size_is_refused(folder, model):
    Vocabulary(["red"]).save(folder / "vocabulary.json")
    with pytest.raises(ValueError, match=r"vocabulary\.json has 3 ids, config\.json has vocabulary_size 6"):
        Checkpoint.load(folder)
    with pytest.raises(ValueError, match="the vocabulary has 3 ids, the network has vocabulary_size 6"):
        save(folder, model, processor=Processor(PROCESSOR.preprocess, Vocabulary(["red"])))


def test_a_path_is_never_looked_up_elsewhere(tmp_path):
    with pytest.raises(FileNotFoundError, match="org/model is not a folder"):
        Checkpoint.load("org/model")


@pytest.mark.parametrize("failing", ["save_torch_state_dict", "os.replace"])
def test_a_full_disk_leaves_the_previous_checkpoint(folder, model, monkeypatch, failing):
    before = {path.name: path.read_bytes() for path in folder.iterdir()}

    def full(*_args, **_options):
        raise OSError(errno.ENOSPC, "No space left on device")

    with torch.no_grad():
        next(model.parameters()).add_(1.0)
    target = files.os if failing == "os.replace" else huggingface_hub
    monkeypatch.setattr(target, failing.rpartition(".")[2], full)
    with pytest.raises(OSError, match="No space left"):
        save(folder, model)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert [path.name for path in folder.parent.iterdir()] == ["ckpt"]
    assert Checkpoint.load(folder).card == "# Card\n"


def test_a_second_save_replaces_the_folder(folder, model):
    (folder / "left over.txt").write_text("of an earlier one")
    save(folder, model, tasks={"res": {}}, card="new")
    checkpoint = Checkpoint.load(folder)
    assert (checkpoint.card, checkpoint.tasks) == ("new", {"res": {}})
    assert not (folder / "left over.txt").exists() and [path.name for path in folder.parent.iterdir()] == ["ckpt"]
