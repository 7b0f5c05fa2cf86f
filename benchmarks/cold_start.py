"""What a command costs before it has an answer: CPU seconds of `laconvnet predict`, against `import torch` alone.

    python benchmarks/cold_start.py photo.jpg "a boy in red" [--model photos-t] [--rounds 9]

Processes take turns, with one thread each; user and system time count, which other programs of a shared machine disturb
less than the clock on the wall. The first round, which fills the caches of the disk, does not count.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import subprocess
import sys
from pathlib import Path


def main() -> None:
    """Read the arguments and print CPU seconds and the ratio, median and quartiles."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("picture", type=Path)
    parser.add_argument("sentence")
    parser.add_argument("--model", default="photos-t", help="name or folder of the weights")
    parser.add_argument("--rounds", type=int, default=9)
    arguments = parser.parse_args()
    entry = "from laconvnet.cli import main; main()"
    predict = [entry, "predict", str(arguments.picture), arguments.sentence, "--model", arguments.model]
    rounds = [(cpu_seconds("import torch"), cpu_seconds(*predict)) for _ in range(arguments.rounds + 1)][1:]
    for name, values in (
        ("import torch", [torch for torch, _ in rounds]),
        ("laconvnet predict", [command for _, command in rounds]),
        ("ratio", [command / torch for torch, command in rounds]),
    ):
        low, median, high = statistics.quantiles(values, n=4)
        print(f"{name:18} {median:.2f} [{low:.2f}, {high:.2f}]")


def cpu_seconds(*program: str) -> float:
    """Run a program and its arguments in a Python of its own: user and system time that it took."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    subprocess.run([sys.executable, "-c", *program], check=True, env=environment, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


if __name__ == "__main__":
    main()
