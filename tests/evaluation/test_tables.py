"""Results as Markdown."""

import pytest

from laconvnet.report.tables import overview, parts, put_between_markers


def result(value, by=None):
    names = {"accuracy@0.25": 0.9, "accuracy@0.5": value, "accuracy@0.75": 0.1, "mean_iou": 0.4}
    return {
        "n": 1200,
        "pictures": 40,
        "metrics": names,
        "intervals": {name: [at - 0.02, at + 0.03] for name, at in names.items()},
        "shuffled": {name: 0.25 for name in names},
        "blind": {"whole image": {"accuracy@0.5": 0.05}, "any object": {"accuracy@0.5": 0.28}},
        "by": {} if by is None else by,
    }


def test_the_overview_shows_the_best_baseline_and_the_control():
    (row,) = overview({"rec": result(0.5)}).splitlines()[2:]
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    assert cells == [
        "`rec`, accuracy@0.5",
        "1,200 / 40",
        "28.0 % (any object)",
        "**50.0 % [48.0, 53.0]**",
        "25.0 %",
        "accuracy@0.25 90.0 %, accuracy@0.75 10.0 %, mean_iou 40.0 %",
    ]


def test_parts_of_several_tasks_share_their_rows():
    rec = result(0.5, {"hops": {"0": result(0.7), "1": result(0.4)}})
    vqa = {"by": {"hops": {"1": {"n": 30, "metrics": {"accuracy": 0.6}, "intervals": {"accuracy": [0.5, 0.7]}}}}}
    lines = parts({"rec": rec, "vqa": vqa}, "hops").splitlines()
    assert lines[0] == "| hops | `rec`, accuracy@0.5 | `vqa`, accuracy |"
    assert lines[2] == "| 0 | 70.0 % [68.0, 73.0] of 1,200 | – |"
    assert lines[3] == "| 1 | 40.0 % [38.0, 43.0] of 1,200 | 60.0 % [50.0, 70.0] of 30 |"


BEGIN, END = "<!-- laconvnet eval --all: begin -->", "<!-- end -->"


def test_text_is_put_between_the_markers_any_number_of_times(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(f"# Title\n\n{BEGIN}\nold\n{END}\n\nafter\n")
    for _ in range(2):
        put_between_markers(page, "new – ü\n")
    assert page.read_text() == f"# Title\n\n{BEGIN}\n\nnew – ü\n\n{END}\n\nafter\n"


@pytest.mark.parametrize("text", ["", f"{BEGIN}\n", f"{END}\n{BEGIN}\n", f"{BEGIN}\n{END}\n{BEGIN}\n{END}\n"])
def test_a_page_without_markers_is_left_alone(tmp_path, text):
    page = tmp_path / "page.md"
    page.write_text(text)
    with pytest.raises(ValueError, match=r"page\.md needs the line <!-- laconvnet eval --all: begin --> and after it"):
        put_between_markers(page, "new")
    assert page.read_text() == text and list(tmp_path.iterdir()) == [page]
