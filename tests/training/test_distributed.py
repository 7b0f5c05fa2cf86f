"""Two processes train as one process with twice the batch does, and evaluate every sample once."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import torch
from toy_world import load_state, toy_config

from laconvnet.training import train

RANK = """
import sys
from functools import partial
from pathlib import Path
import toy_world
from laconvnet.training import train, trainer
if __name__ == "__main__":
    world, output = map(Path, sys.argv[1:])
    trainer.build_parts = partial(toy_world.toy_parts, norm=False, dropout=0.0)
    data = {"flip": 0.0, "batch_size": 2, "eval_batch_size": 1}
    for epochs in (1, 2):
        train(toy_world.toy_config(world, output, epochs=epochs, data=data), resume=epochs == 2)
"""


def run_two(world: Path, output: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    shared = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), *filter(None, sys.path)]),
        "WORLD_SIZE": "2",
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
        "OMP_NUM_THREADS": "1",
        "ACCELERATE_USE_CPU": "true",
    }
    ranks = [
        subprocess.Popen(
            [sys.executable, "-c", RANK, str(world), str(output)],
            env={**shared, "RANK": str(rank), "LOCAL_RANK": str(rank)},
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]
    for rank in ranks:
        _, errors = rank.communicate(timeout=120)
        assert rank.returncode == 0, errors


def test_two_processes_equal_one(world: Path, tmp_path: Path, use_toy: Callable[..., None]) -> None:
    run_two(world, tmp_path / "two")

    use_toy(norm=False, dropout=0.0)
    data = {"flip": 0.0, "batch_size": 4}
    train(toy_config(world, tmp_path / "one", epochs=1, data=data))
    train(toy_config(world, tmp_path / "one", epochs=2, data=data), resume=True)
    one, two = load_state(tmp_path / "one"), load_state(tmp_path / "two")
    assert one["step"] == two["step"] == 6 and len(two["rng"]) == 2
    for name, tensor in one["model"].items():
        torch.testing.assert_close(two["model"][name], tensor, rtol=1e-3, atol=1e-5)
    results = [json.loads((tmp_path / name / "results.json").read_text()) for name in ("one", "two")]
    assert results[0]["n"] == results[1]["n"] == 4
    for name, value in results[0]["metrics"].items():
        assert abs(results[1]["metrics"][name] - value) < 1e-3
    logs = [(tmp_path / name / "log.jsonl").read_text().splitlines() for name in ("one", "two")]
    assert len(logs[0]) == len(logs[1])
