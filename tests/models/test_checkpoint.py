"""The checkpoint folder: round trip, sharding, broken files, failures while writing."""

import errno
import json
import resource
import signal
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from laconvnet.language import Vocabulary
from laconvnet.models import Preprocess, build_model, checkpoint, find_checkpoint, load_checkpoint, save_checkpoint

VOCABULARY = Vocabulary(["red", "circle", "the"], num_buckets=2)
PREPROCESS = Preprocess(size=96, resize="letterbox", max_length=15)


@pytest.fixture
def model():
    return build_model("n", vocabulary=VOCABULARY).eval()


@pytest.fixture
def folder(tmp_path, model):
    save_checkpoint(tmp_path / "ckpt", model, vocabulary=VOCABULARY, preprocess=PREPROCESS, card="# Card\n")
    return tmp_path / "ckpt"


def test_round_trip(folder, model):
    loaded, vocabulary, preprocess = load_checkpoint(folder)
    assert (vocabulary, preprocess) == (VOCABULARY, PREPROCESS) and loaded.config == model.config
    for name, value in model.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], value), name
    images, tokens = torch.rand(1, 3, 64, 64), torch.tensor([[3, 4]])
    assert torch.equal(loaded(images, tokens)["rec"], model(images, tokens)["rec"])
    assert sorted(path.name for path in folder.iterdir()) == [
        "README.md", "config.json", "model.safetensors", "preprocess.json", "vocabulary.json",
    ]  # fmt: skip


def test_answers_and_every_head_come_back(tmp_path):
    answers = ("yes", "no", "größer", "10")
    tasks = ("rec", "res", "gres", "vqa")
    model = build_model("n", tasks, vocabulary=VOCABULARY, answers=answers, head={"no_target": True}).eval()
    save_checkpoint(tmp_path / "c", model, vocabulary=VOCABULARY, preprocess=PREPROCESS, card="")
    loaded, _, _ = load_checkpoint(tmp_path / "c")
    assert loaded.config.answers == answers and loaded.config.tasks == tasks
    images, tokens = torch.rand(1, 3, 64, 64), torch.tensor([[3, 4]])
    with torch.no_grad():
        found, expected = loaded(images, tokens), model(images, tokens)
    assert set(found) == {"rec", "res", "no_target", "answer", "no_target_attention", "answer_attention"}
    for name, values in expected.items():
        torch.testing.assert_close(found[name], values)  # weights from a file may be aligned otherwise in memory
    config = json.loads((tmp_path / "c" / "config.json").read_text())
    (tmp_path / "c" / "config.json").write_text(json.dumps(config | {"answers": ["yes", "no"]}))
    with pytest.raises(ValueError, match=r"heads\.answer\.perceptron"):
        load_checkpoint(tmp_path / "c")


def test_large_weights_are_sharded(tmp_path, model):
    save_checkpoint(
        tmp_path / "c", model, vocabulary=VOCABULARY, preprocess=PREPROCESS, card="", max_shard_size="500KB"
    )
    assert len(list((tmp_path / "c").glob("model-*.safetensors"))) > 2
    loaded, _, _ = load_checkpoint(tmp_path / "c")
    assert all(
        torch.equal(a, b) for a, b in zip(loaded.state_dict().values(), model.state_dict().values(), strict=True)
    )


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_halves_the_file_and_loads_as_float32(tmp_path, model, dtype):
    for name, options in {"whole": {}, "half": {"dtype": dtype}}.items():
        save_checkpoint(tmp_path / name, model, vocabulary=VOCABULARY, preprocess=PREPROCESS, card="", **options)
    whole, half = ((tmp_path / name / "model.safetensors").stat().st_size for name in ("whole", "half"))
    assert 0.45 * whole < half < 0.55 * whole
    loaded, _, _ = load_checkpoint(tmp_path / "half")
    for name, value in model.state_dict().items():
        found = loaded.state_dict()[name]
        assert found.dtype == value.dtype, name
        torch.testing.assert_close(found, value.to(dtype).to(value.dtype) if value.is_floating_point() else value)


def test_eight_bits_make_it_a_quarter_and_round_within_each_row(tmp_path, model):
    with torch.no_grad():
        model.text.embedding.weight[3] = 0.0
        model.text.embedding.weight[4] *= 1e-6
    for name, dtype in {"whole": None, "small": torch.int8}.items():
        save_checkpoint(tmp_path / name, model, vocabulary=VOCABULARY, preprocess=PREPROCESS, card="", dtype=dtype)
    whole, small = ((tmp_path / name / "model.safetensors").stat().st_size for name in ("whole", "small"))
    assert small < 0.3 * whole
    loaded, _, _ = load_checkpoint(tmp_path / "small")
    for name, value in model.state_dict().items():
        found = loaded.state_dict()[name]
        assert found.dtype == value.dtype and found.shape == value.shape, name
        if value.ndim > 1 and value[0].numel() >= 8:
            rows, error = value.flatten(1), (found - value).flatten(1)
            assert (error.abs() <= rows.abs().amax(1, keepdim=True) / 253).all(), name
        else:
            torch.testing.assert_close(found, value.half().to(value.dtype) if value.is_floating_point() else value)
    save_checkpoint(tmp_path / "again", loaded, vocabulary=VOCABULARY, preprocess=PREPROCESS, card="", dtype=torch.int8)
    again, _, _ = load_checkpoint(tmp_path / "again")
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
    save_checkpoint(tmp_path / "m", model, vocabulary=VOCABULARY, preprocess=PREPROCESS, card="", dtype=torch.int8)
    path = tmp_path / "m" / "model.safetensors"
    stored = load_file(path)
    del stored["text.embedding.weight.row_scale"]
    save_file(stored | ({} if scale is None else {"text.embedding.weight.row_scale": scale}), path)
    with pytest.raises(ValueError, match=message):
        load_checkpoint(tmp_path / "m")


def test_scales_of_a_weight_that_is_not_there_are_unknown(tmp_path, model):
    save_checkpoint(tmp_path / "m", model, vocabulary=VOCABULARY, preprocess=PREPROCESS, card="", dtype=torch.int8)
    path = tmp_path / "m" / "model.safetensors"
    save_file(load_file(path) | {"nonsense.row_scale": torch.ones(1)}, path)
    with pytest.raises(ValueError, match=r"1 unknown \['nonsense\.row_scale'\]"):
        load_checkpoint(tmp_path / "m")


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_eight_bits_refuse_what_is_not_finite(tmp_path, model, value):
    with torch.no_grad():
        model.text.embedding.weight[3, 0] = value
    with pytest.raises(ValueError, match=r"1 weights are not finite, .*int8 cannot hold, such as text\.embedding"):
        save_checkpoint(tmp_path / "c", model, vocabulary=VOCABULARY, preprocess=PREPROCESS, card="", dtype=torch.int8)
    assert list(tmp_path.iterdir()) == []


def test_weights_can_be_read_by_whoever_may_read_the_folder(folder):
    assert (folder / "model.safetensors").stat().st_mode & 0o777 == folder.stat().st_mode & 0o666


def test_weights_too_large_for_half_precision_are_refused(tmp_path, model):
    with torch.no_grad():
        model.heads["rec"].box.bias[0] = 1e6
    with pytest.raises(
        ValueError, match=r"1 weights hold numbers too large for torch\.float16, such as heads\.rec\.box"
    ):
        save_checkpoint(
            tmp_path / "c", model, vocabulary=VOCABULARY, preprocess=PREPROCESS, card="", dtype=torch.float16
        )
    assert list(tmp_path.iterdir()) == []


def test_a_shipped_name_is_found_unless_a_checkpoint_of_that_name_is_there(folder, monkeypatch, tmp_path):
    monkeypatch.setattr(checkpoint, "shipped_checkpoints", lambda: {"small": folder})
    monkeypatch.chdir(tmp_path)
    assert find_checkpoint("small") == folder
    (tmp_path / "small").mkdir()  # some other folder
    assert find_checkpoint("small") == folder and load_checkpoint("small")[1] == VOCABULARY
    (tmp_path / "small" / "config.json").write_text("{}")
    assert find_checkpoint("small") == Path("small")
    with pytest.raises(FileNotFoundError, match="or one of the shipped ones: small"):
        find_checkpoint("large")


@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "vocabulary.json", "preprocess.json"])
def test_a_missing_file_is_named(folder, name):
    (folder / name).unlink()
    with pytest.raises(FileNotFoundError, match=name):
        load_checkpoint(folder)


def test_broken_files_are_named(folder):
    (folder / "model.safetensors").write_bytes((folder / "model.safetensors").read_bytes()[:1000])
    with pytest.raises(ValueError, match=r"model\.safetensors is no safetensors file, or was cut short"):
        load_checkpoint(folder)
    (folder / "config.json").write_text("{")
    with pytest.raises(ValueError, match=r"config\.json is no JSON"):
        load_checkpoint(folder)


@pytest.mark.parametrize("content", ['{"size": 96}', '{"size": 90, "resize": "letterbox", "max_length": null}', "[]"])
def test_broken_preprocessing_is_named(folder, content):
    (folder / "preprocess.json").write_text(content)
    with pytest.raises(ValueError, match=r"preprocess\.json: "):
        load_checkpoint(folder)


def test_a_disk_that_is_really_full_is_said_so(tmp_path, model):
    """The operating system refuses to make a file of more than 100 kB, in the middle of writing the weights."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
        with pytest.raises(OSError, match="could not be written"):
            save_checkpoint(tmp_path / "c", model, vocabulary=VOCABULARY, preprocess=PREPROCESS, card="")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, ignored)
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_setting_is_named(folder):
    config = json.loads((folder / "config.json").read_text())
    config["backbone"]["width"] = 3
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(ValueError, match=r"config\.json: backbone\.width"):
        load_checkpoint(folder)


def test_weights_of_another_task_are_refused(folder):
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"tasks": ["res"]}))
    with pytest.raises(ValueError, match=r"does not fit config\.json \(tasks res\): \d+ weights missing .*heads\.res"):
        load_checkpoint(folder)


def test_a_vocabulary_of_another_size_is_refused(folder, model):
    Vocabulary(["red"]).save(folder / "vocabulary.json")
    with pytest.raises(ValueError, match=r"has 3 ids, config.json says vocabulary_size 6"):
        load_checkpoint(folder)
    with pytest.raises(ValueError, match="3 ids and the network 6 word vectors"):
        save_checkpoint(folder, model, vocabulary=Vocabulary(["red"]), preprocess=PREPROCESS, card="")


def test_a_path_is_never_looked_up_elsewhere(tmp_path):
    with pytest.raises(FileNotFoundError, match="org/model is not a folder"):
        load_checkpoint("org/model")


@pytest.mark.parametrize("failing", ["save_torch_state_dict", "os.replace"])
def test_a_full_disk_leaves_the_previous_checkpoint(folder, model, monkeypatch, failing):
    before = {path.name: path.read_bytes() for path in folder.iterdir()}

    def full(*_args, **_options):
        raise OSError(errno.ENOSPC, "No space left on device")

    with torch.no_grad():
        next(model.parameters()).add_(1.0)
    target = checkpoint.os if failing == "os.replace" else checkpoint
    monkeypatch.setattr(target, failing.rpartition(".")[2], full)
    with pytest.raises(OSError, match="No space left"):
        save_checkpoint(folder, model, vocabulary=VOCABULARY, preprocess=PREPROCESS, card="")
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert [path.name for path in folder.parent.iterdir()] == ["ckpt"]
