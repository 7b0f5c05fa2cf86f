"""Try variants of a training configuration, one after the other, and compare them in one table.

    python tools/try_recipes.py tools/trials/photographs.yaml --out runs/trials_photographs [--only NAME ...]

The file names a configuration, settings that all variants share, and the variants, each a list of changed settings:

    config: ../../configs/recipes/flickr30k_t.yaml
    common: [max_minutes=8, eval_every=0.1]
    metrics: [accuracy@0.5, mean_iou]
    variants:
      as it is: []
      words are learned: [freeze_embedding=false]

Every variant is a run of its own below --out. One that has ended is not run again, and one that was interrupted goes
on, so the same command finishes what is missing. The table, in Markdown, has the values at the end and the curve of the
first metric; it is printed and written to `table.md` in the folder.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
from pathlib import Path

import yaml

from laconvnet.tables import markdown, percent


def main() -> None:
    """Read the arguments, run what is missing and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("trials", type=Path, help="YAML file of variants")
    parser.add_argument("--out", type=Path, required=True, help="folder of the runs")
    parser.add_argument(
        "--only", nargs="+", metavar="NAME", help="run only these variants; the table has all that ended"
    )
    arguments = parser.parse_args()
    trials = yaml.safe_load(arguments.trials.read_text(encoding="utf-8"))
    if unknown := [name for name in arguments.only or () if name not in trials["variants"]]:
        parser.error(f"--only names {unknown}; {arguments.trials} has {list(trials['variants'])}")
    folders = {name: arguments.out / re.sub(r"\W+", "_", name) for name in trials["variants"]}
    for name in arguments.only or folders:
        run(arguments.trials.parent / trials["config"], trials["common"] + trials["variants"][name], folders[name])
    text = compare(folders, trials["metrics"])
    (arguments.out / "table.md").write_text(text + "\n", encoding="utf-8")
    print(text)


def run(config: Path, settings: list[str], folder: Path) -> None:
    """Train a variant, unless it has ended."""
    if (folder / "results.json").is_file():
        return
    resume = ["--resume"] if (folder / "last" / "state.pt").is_file() else []
    command = [sys.executable, "-m", "laconvnet", "train", str(config), *settings, f"output={folder}", *resume]
    print(" ".join(command), file=sys.stderr)
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "output.txt").open("a", encoding="utf-8") as output:
        code = subprocess.run(command, stdout=output, stderr=output).returncode
    if code:
        print(f"{folder} ended with code {code}; see its output.txt", file=sys.stderr)


def compare(folders: dict[str, Path], metrics: list[str]) -> str:
    """A row for each variant that has ended."""
    rows = []
    for name, folder in folders.items():
        if not (folder / "results.json").is_file():
            continue
        results = json.loads((folder / "results.json").read_text(encoding="utf-8"))
        batch = yaml.safe_load((folder / "train.yaml").read_text(encoding="utf-8"))["data"]["batch_size"]
        lines = [json.loads(line) for line in (folder / "log.jsonl").read_text(encoding="utf-8").splitlines()]
        curve = [percent(line["metrics"][metrics[0]]) for line in lines if line["kind"] == "eval"]
        rows.append(
            {
                "variant": name,
                "samples seen": results["step"] * batch,
                **{metric: percent(results["metrics"][metric]) for metric in metrics},
                f"{metrics[0]} on the way": ", ".join(curve),
            }
        )
    return markdown(rows)


if __name__ == "__main__":
    main()
