"""Which records go into which batch."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from laconvnet.data import ImageBatchSampler


@dataclass
class Examples:
    """A dataset of which only the groups are asked for."""

    images: list[int]

    @property
    def groups(self) -> list[list[int]]:
        return [[i for i, image in enumerate(self.images) if image == wanted] for wanted in dict.fromkeys(self.images)]


def dataset(images: list[int]) -> Examples:
    return Examples(images)


def flat(batches: list[list[int]]) -> list[int]:
    return [index for batch in batches for index in batch]


sentences = st.lists(st.integers(1, 7), min_size=1, max_size=12)
processes = st.tuples(st.integers(1, 9), st.integers(1, 4))


def images_of(counts: list[int]) -> list[int]:
    return [image for image, count in enumerate(counts) for _ in range(count)]


@settings(deadline=None)
@given(sentences, processes, st.none() | st.integers(1, 4), st.integers(0, 5), st.integers(0, 3))
def test_training_sees_every_record_once_in_equally_many_batches(
    counts: list[int], setting: tuple[int, int], per_image: int | None, seed: int, epoch: int
) -> None:
    batch_size, world = setting
    data = dataset(images_of(counts))
    if len(data.images) < world:
        return
    epochs = []
    for rank in range(world):
        sampler = ImageBatchSampler(
            data, batch_size, sentences_per_image=per_image, seed=seed, rank=rank, world_size=world
        )
        sampler.set_epoch(epoch)
        epochs.append(list(sampler))
        assert len(sampler) == len(epochs[-1])
        assert all(epochs[-1])
    assert Counter(flat(flat(epochs))) == Counter(range(len(data.images)))  # type: ignore[arg-type]
    assert len({len(batches) for batches in epochs}) == 1
    assert all(len(batch) <= batch_size + (world > 1) for batches in epochs for batch in batches)
    assert all(len(batch) == batch_size for batches in epochs for batch in batches[:-1])


@settings(deadline=None)
@given(sentences, processes)
def test_evaluation_sees_every_record_once_and_splits_no_image(counts: list[int], setting: tuple[int, int]) -> None:
    batch_size, world = setting
    images = images_of(counts)
    data = dataset(images)
    ranks = []
    for rank in range(world):
        sampler = ImageBatchSampler(data, batch_size, shuffle=False, rank=rank, world_size=world)
        ranks.append(list(sampler))
        assert len(sampler) == len(ranks[-1])
    batches = [batch for rank in ranks for batch in rank]
    assert sorted(flat(batches)) == list(range(len(images)))
    assert all(1 <= len(batch) <= batch_size for batch in batches)
    for image, count in enumerate(counts):
        holders = sum(any(images[index] == image for index in batch) for batch in batches)
        assert holders == -(-count // batch_size)


def test_evaluation_on_one_process_keeps_the_order_of_the_file() -> None:
    data = dataset([0, 0, 1, 1, 1, 2])
    assert list(ImageBatchSampler(data, 4, shuffle=False)) == [[0, 1], [2, 3, 4, 5]]


def test_scattered_sentences_of_an_image_are_gathered() -> None:
    data = dataset([0, 1, 0, 1])
    assert list(ImageBatchSampler(data, 2, shuffle=False)) == [[0, 2], [1, 3]]
    order = flat(list(ImageBatchSampler(data, 4, seed=3)))
    assert order[0] % 2 == order[1] % 2 and order[2] % 2 == order[3] % 2


def test_a_visit_takes_at_most_so_many_sentences_of_an_image() -> None:
    images = images_of([6] * 30)
    sampler = ImageBatchSampler(dataset(images), 180, sentences_per_image=2, seed=1)
    order = [images[index] for index in next(iter(sampler))]
    visits = list(zip(order[::2], order[1::2], strict=True))
    assert all(first == second for first, second in visits)
    # Visits of one image are spread over the epoch, not lined up.
    assert sum(first == second for first, second in pairwise(order)) < 90 + 20


def test_the_sentences_of_a_visit_are_drawn_anew_each_epoch() -> None:
    sampler = ImageBatchSampler(dataset([0] * 6), 2, sentences_per_image=2, seed=1)
    pairs = set()
    for epoch in range(40):
        sampler.set_epoch(epoch)
        pairs |= {tuple(sorted(batch)) for batch in sampler}
    assert len(pairs) == 15  # every pair of six sentences


def test_processes_together_make_the_batches_of_one() -> None:
    data = dataset(images_of([5] * 16))
    whole = list(ImageBatchSampler(data, 20, seed=4))
    parts = [list(ImageBatchSampler(data, 10, seed=4, rank=rank, world_size=2)) for rank in range(2)]
    assert whole == [first + second for first, second in zip(*parts, strict=True)]


def test_the_order_depends_on_seed_and_epoch_alone() -> None:
    data = dataset(images_of([4] * 20))
    first, second = (ImageBatchSampler(data, 8, seed=5, sentences_per_image=2) for _ in range(2))
    first.set_epoch(3)
    list(first)
    second.set_epoch(3)
    assert list(first) == list(second)
    second.set_epoch(4)
    assert list(first) != list(second)
    other = ImageBatchSampler(data, 8, seed=6, sentences_per_image=2)
    other.set_epoch(3)
    assert list(first) != list(other)


@pytest.mark.parametrize("shuffle", [True, False])
def test_an_epoch_can_be_resumed_in_its_middle(shuffle: bool) -> None:
    sampler = ImageBatchSampler(dataset(images_of([3] * 10)), 4, shuffle=shuffle, seed=2)
    sampler.set_epoch(1)
    whole = list(sampler)
    sampler.set_epoch(1, start=3)
    assert list(sampler) == whole[3:]
    assert len(sampler) == len(whole)


def test_drop_last_leaves_only_full_rounds() -> None:
    data = dataset(images_of([1] * 23))
    ranks = [list(ImageBatchSampler(data, 5, seed=1, rank=rank, world_size=2, drop_last=True)) for rank in range(2)]
    assert [[len(batch) for batch in batches] for batches in ranks] == [[5, 5], [5, 5]]
    assert len(set(flat(flat(ranks)))) == 20  # type: ignore[arg-type]


def test_a_rest_smaller_than_the_processes_joins_the_last_round() -> None:
    data = dataset(images_of([1] * 11))
    sizes = [[len(batch) for batch in ImageBatchSampler(data, 5, rank=rank, world_size=2)] for rank in range(2)]
    assert sizes == [[6], [5]]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"batch_size": 0}, "batch_size must be at least 1, got 0"),
        ({"sentences_per_image": 0}, "sentences_per_image must be at least 1 or None, got 0"),
        ({"rank": 2, "world_size": 2}, "rank 2 of 2"),
        ({"seed": -1}, "-1"),
        ({"shuffle": False, "drop_last": True}, "for training"),
        ({"shuffle": False, "sentences_per_image": 1}, "for training"),
        ({"drop_last": True, "batch_size": 4}, "3 records are fewer than 1 x batch_size 4"),
        ({"world_size": 4}, "3 records cannot be shared among 4 processes"),
    ],
)
def test_impossible_settings_are_refused(arguments: dict[str, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ImageBatchSampler(dataset([0, 0, 1]), **{"batch_size": 2, **arguments})  # type: ignore[arg-type]


def shared(counts: list[int], weights: list[float]) -> tuple[Examples, list[tuple[range, float]]]:
    """Parts of so many records, two of each image, and how often each is visited."""
    images, shares, first = [], [], 0
    for part, (count, weight) in enumerate(zip(counts, weights, strict=True)):
        images += [1000 * part + number // 2 for number in range(count)]
        shares.append((range(first, first + count), weight))
        first += count
    return dataset(images), shares


@pytest.mark.parametrize("per_image", [None, 1])
def test_shares_are_exact_in_every_epoch(per_image: int | None) -> None:
    data, shares = shared([10, 12, 8, 6, 7], [2, 0.5, 1.5, 1, 0.25])
    sampler = ImageBatchSampler(data, 8, shares=shares, sentences_per_image=per_image, seed=1)
    halves, extras = [], []
    for epoch in range(5):
        sampler.set_epoch(epoch)
        batches = list(sampler)
        seen = Counter(flat(batches))
        assert all(seen[index] == 2 for index in range(10))
        halves.append({index for index in range(10, 22) if seen[index]})
        assert len(halves[-1]) == 6 and all(seen[index] == 1 for index in halves[-1])
        extras.append({index for index in range(22, 30) if seen[index] == 2})
        assert len(extras[-1]) == 4 and all(seen[index] in (1, 2) for index in range(22, 30))
        assert all(seen[index] == 1 for index in range(30, 36))
        assert sum(seen[index] for index in range(36, 43)) == round(0.25 * 7)
        total = 20 + 6 + 12 + 6 + 2
        assert [len(batch) for batch in batches] == [8] * (total // 8) + [total % 8]
        assert len(sampler) == len(batches)
    assert len(set(map(frozenset, halves))) > 1 and len(set(map(frozenset, extras))) > 1


def test_over_the_epochs_every_record_of_a_small_share_comes() -> None:
    data, shares = shared([20, 10], [0.1, 1])
    sampler = ImageBatchSampler(data, 4, shares=shares)
    seen: Counter[int] = Counter()
    for epoch in range(200):
        sampler.set_epoch(epoch)
        seen.update(flat(list(sampler)))
    assert all(5 <= seen[index] <= 45 for index in range(20)) and sum(seen[index] for index in range(20)) == 400


@pytest.mark.parametrize("world", [2, 3])
def test_processes_share_what_one_would_visit(world: int) -> None:
    data, shares = shared([10, 12, 8], [2, 0.5, 1.5])  # 38 visits
    whole = ImageBatchSampler(data, 6 * world, shares=shares, seed=3)
    ranks = [ImageBatchSampler(data, 6, shares=shares, seed=3, rank=rank, world_size=world) for rank in range(world)]
    for epoch in range(3):
        for sampler in (whole, *ranks):
            sampler.set_epoch(epoch)
        parts = [list(sampler) for sampler in ranks]
        assert len({len(batches) for batches in parts}) == 1
        assert flat(flat([list(round_) for round_ in zip(*parts, strict=True)])) == flat(list(whole))  # type: ignore[arg-type]


def test_an_epoch_of_shares_can_be_resumed_in_its_middle() -> None:
    data, shares = shared([10, 12, 8], [2, 0.5, 1.5])
    sampler = ImageBatchSampler(data, 5, shares=shares, sentences_per_image=1, seed=2)
    sampler.set_epoch(4)
    whole = list(sampler)
    fresh = ImageBatchSampler(data, 5, shares=shares, sentences_per_image=1, seed=2)
    fresh.set_epoch(4, start=3)
    assert list(fresh) == whole[3:] and len(fresh) == len(whole) == 8


def test_sentences_of_an_image_stay_together_on_every_visit() -> None:
    data, shares = shared([12], [2])
    order = flat(list(ImageBatchSampler(data, 24, shares=shares, seed=5)))
    assert all(first // 2 == second // 2 for first, second in zip(order[::2], order[1::2], strict=True))


def test_shares_of_one_change_nothing() -> None:
    data, shares = shared([10, 12], [1, 1])
    plain, weighed = [Counter(flat(list(ImageBatchSampler(data, 5, shares=given, seed=2)))) for given in ([], shares)]
    assert plain == weighed


def test_shares_are_for_training() -> None:
    data, shares = shared([4], [2])
    with pytest.raises(ValueError, match="for training"):
        ImageBatchSampler(data, 2, shares=shares, shuffle=False)
    with pytest.raises(ValueError, match="0 records cannot be shared among 1 processes"):
        ImageBatchSampler(data, 2, shares=[(range(4), 0.1)])
