"""What a run tells while it runs: a bar or plain lines, log.jsonl, and TensorBoard on request."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import TracebackType
from typing import Any

from tqdm import tqdm

from laconvnet.files import replace_file, to_json


class TrainingLog:
    """Writes a run's numbers; does nothing in any process but the main one."""

    def __init__(
        self,
        folder: Path,
        *,
        total_steps: int,
        step: int = 0,
        tensorboard: bool = False,
        enabled: bool = True,
    ) -> None:
        """Open the log.

        Args:
            folder: the run's folder; lines are appended to its log.jsonl.
            total_steps: length of the progress bar.
            step: steps already made; lines of later steps, left by a run that was cut off, are dropped.
            tensorboard: also write for TensorBoard, to folder/tensorboard.
            enabled: whether this is the process that writes.

        Raises:
            ImportError: when TensorBoard is asked for and not installed.
        """
        self.enabled = enabled
        self._path = folder / "log.jsonl"
        self._total = total_steps
        self._writer: Any = _tensorboard(folder / "tensorboard", step) if enabled and tensorboard else None
        self._is_terminal = sys.stderr.isatty()
        self._bar: tqdm[Any] = tqdm(
            total=total_steps,
            initial=step,
            unit="step",
            disable=not (enabled and self._is_terminal),
            bar_format="{n}/{total} |{bar}| {postfix}",
        )
        if enabled:
            folder.mkdir(parents=True, exist_ok=True)
            self._drop_after(step)

    def __enter__(self) -> TrainingLog:
        """Return the log."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the bar and the writers."""
        self._bar.close()
        if self._writer is not None:
            self._writer.close()

    def advance(self) -> None:
        """Move the bar by one step."""
        self._bar.update()

    def train(self, *, seconds_left: float, **values: Any) -> None:
        """Write the numbers of the steps since the last line.

        Args:
            seconds_left: estimate of the time until training ends.
            **values: step, epoch, seconds, loss and its parts, lr, grad_norm, samples_per_second.
        """
        if not self.enabled:
            return
        self._write({"kind": "train", **values})
        text = (
            f"epoch {values['epoch']:.2f}  loss {values['loss']:.4f}  lr {values['lr']:.2e}  "
            f"{values['samples_per_second']:.1f} samples/s  {_clock(seconds_left)} left"
        )
        self._bar.set_postfix_str(text)
        if not self._is_terminal:
            print(f"step {values['step']}/{self._total}  {text}", file=sys.stderr, flush=True)

    def evaluation(self, *, metrics: dict[str, float], main_metric: str, **values: Any) -> None:
        """Write the result of an evaluation.

        Args:
            metrics: values by name.
            main_metric: the one to show.
            **values: step, epoch, seconds.
        """
        if not self.enabled:
            return
        self._write({"kind": "eval", **values, "metrics": metrics})
        position = f"step {values['step']}/{self._total}  epoch {values['epoch']:.2f}"
        self.say(f"{position}  {main_metric} {metrics[main_metric]:.4f}")

    def say(self, line: str) -> None:
        """Print a line above the bar.

        Args:
            line: what to print.
        """
        if self.enabled:
            tqdm.write(line, file=sys.stderr)
            sys.stderr.flush()

    def _write(self, row: dict[str, Any]) -> None:
        with self._path.open("a", encoding="utf-8") as lines:
            lines.write(to_json(row) + "\n")
        if self._writer is not None:
            numbers = {**row, **row.get("metrics", {})}
            for name, value in numbers.items():
                if isinstance(value, int | float) and name != "step":
                    self._writer.add_scalar(f"{row['kind']}/{name}", value, row["step"])

    def _drop_after(self, step: int) -> None:
        if not self._path.exists():
            return
        kept = []
        for line in self._path.read_text(encoding="utf-8").splitlines():
            try:
                row = json.loads(line)
            except json.JSONDecodeError:
                continue  # a line cut off by the end of its process
            if row["step"] <= step:
                kept.append(line + "\n")
        replace_file(self._path, lambda partial: partial.write_text("".join(kept), encoding="utf-8"))


def _tensorboard(folder: Path, step: int) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise ImportError("tensorboard: true needs the extra plots: pip install 'laconvnet[plots]'") from error
    return SummaryWriter(str(folder), purge_step=step + 1)


def _clock(seconds: float) -> str:
    hours, rest = divmod(int(max(seconds, 0.0)), 3600)
    return f"{hours}:{rest // 60:02d}:{rest % 60:02d}"
