"""Shipped configurations: found by name, described and copied."""

from __future__ import annotations

from pathlib import Path

import pytest

from laconvnet.training import config_store, load_config
from laconvnet.training.config_store import config_folder, config_names, copy_config, description, find_config

ROOT = Path(__file__).parents[2]


def test_in_a_clone_they_are_those_of_the_clone() -> None:
    assert config_folder() == ROOT / "configs"
    files = {path.relative_to(ROOT / "configs") for path in (ROOT / "configs").rglob("*.yaml")}
    assert {Path(f"{name}.yaml") for name in config_names()} == {path for path in files if path.name[0] != "_"}


def test_an_installed_package_has_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "site-packages" / "laconvnet"
    (package / "training").mkdir(parents=True)
    monkeypatch.setattr(config_store, "__file__", str(package / "training" / "config_store.py"))
    with pytest.raises(FileNotFoundError, match="this installation has no configurations"):
        config_folder()
    (package / "configs").mkdir()
    assert config_folder() == package / "configs"


@pytest.mark.parametrize(
    "name",
    ["recipes/near_rec", "near_rec", "near_rec.yaml", "configs/recipes/near_rec.yaml", Path("recipes/near_rec")],
)
def test_a_name_or_its_last_parts_find_a_configuration(
    name: Path | str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert find_config(name) == ROOT / "configs" / "recipes" / "near_rec.yaml"


def test_a_path_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("near_rec").mkdir()  # a folder is no file of settings
    assert find_config("near_rec") != Path("near_rec")
    Path("near_rec.yaml").touch()
    assert find_config("near_rec.yaml") == Path("near_rec.yaml")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("refcoco", "refcoco may be one of several configurations: paper/rec/refcoco, paper/res/refcoco"),
        ("neer_rec", r"neer_rec: there is no such file, .* did you mean recipes/near_rec"),
        ("configs/near_rec_cpu.yaml", "did you mean recipes/near_rec"),
        ("rec/refcoc", "did you mean paper/rec/refcoco"),
        ("qqqq", "laconvnet config list names those that ship"),
        ("_recipe", "there is no such file"),
        ("", "there is no such file"),
    ],
)
def test_an_unknown_name_is_answered_with_the_nearest(
    name: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FileNotFoundError, match=message):
        find_config(name)


@pytest.mark.parametrize("name", config_names())
def test_the_first_line_says_in_a_sentence_what_a_configuration_is_for(name: str) -> None:
    text = description(config_folder() / f"{name}.yaml")
    assert 20 < len(text) <= 120 and text[0].isupper() and text.endswith(".")


def test_a_file_without_a_comment_has_no_description(tmp_path: Path) -> None:
    for content in ("", "preset: n\n# later\n"):
        (tmp_path / "x.yaml").write_text(content)
        assert description(tmp_path / "x.yaml") == ""


@pytest.mark.parametrize("name", ["recipes/scenes_t/3_answers", "paper/rec/refcoco", "recipes/near_rec"])
def test_a_copy_has_its_bases_and_the_same_settings(name: str, tmp_path: Path) -> None:
    copies = copy_config(name, tmp_path / "mine")
    assert sorted(path for path in (tmp_path / "mine").rglob("*") if path.is_file()) == sorted(copies)
    assert load_config(copies[0]) == load_config(name)


def test_a_copy_never_replaces_another_file(tmp_path: Path) -> None:
    first = copy_config("paper/rec/refcoco", tmp_path)
    assert first == [tmp_path / "rec" / "refcoco.yaml", tmp_path / "_recipe.yaml"]
    assert copy_config("paper/rec/referit", tmp_path)[1] == first[1]  # the same base serves both
    first[1].write_text("# mine\n")
    with pytest.raises(FileExistsError, match=r"_recipe.yaml exists and is another file; nothing was copied"):
        copy_config("paper/res/refcoco", tmp_path)
    assert first[1].read_text() == "# mine\n" and not (tmp_path / "res").exists()
