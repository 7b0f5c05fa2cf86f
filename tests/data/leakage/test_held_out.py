"""Which picture to train on is held out, and by which rule."""

from __future__ import annotations

from laconvnet.data.leakage.held_out import RULES, HeldOutKey, Picture, find_leaks
from laconvnet.data.leakage.picture_hash import Fingerprint


def picture(name: str, key: str | None = None, *linked: str, split: str = "a:train") -> Picture:
    return Picture(split, f"images/{name}.png", f"/{name}", 1, key, linked)


def prints(**hashes: tuple[str, int]) -> dict[str, Fingerprint]:
    """File hash and the bits that are set in the hash of the picture."""
    return {
        f"/{name}": Fingerprint(sha, (2**bits - 1).to_bytes(32, "big").hex()) for name, (sha, bits) in hashes.items()
    }


def test_the_first_rule_that_applies_is_told() -> None:
    held = [picture("h", "coco/1", "vg/7", split="b:val")]
    given = [
        picture("same_key", "coco/1"),
        picture("linked_key", "vg/7"),
        picture("linked_back", "x/1", "coco/1"),
        picture("same_file"),
        picture("copy"),
        picture("other", "coco/2"),
    ]
    known = prints(
        h=("f", 0), same_key=("f", 0), linked_key=("1", 200), linked_back=("2", 200), same_file=("f", 200),
        copy=("3", 5), other=("4", 100),
    )  # fmt: skip
    leaks = find_leaks(given, held, [], known, near=5)
    assert {p.image[7:-4]: leak.rule for p, leak in leaks.items()} == {
        "same_key": "id",
        "linked_key": "linked_id",
        "linked_back": "linked_id",
        "same_file": "sha256",
        "copy": "near",
    }
    assert {leak.met for leak in leaks.values()} == {"b:val images/h.png"}
    assert {leak.rule for leak in leaks.values()} == set(RULES)
    assert leaks[given[4]].evidence["bits"] == 5 and leaks[given[2]].evidence == {"key": "coco/1"}


def test_a_copy_may_differ_by_as_many_bits_as_are_allowed() -> None:
    held, given = [picture("h", split="b:val")], [picture("copy")]
    known = prints(h=("f", 0), copy=("3", 5))
    assert find_leaks(given, held, [], known, near=4) == {} == find_leaks(given, held, [], known, near=0)
    assert list(find_leaks(given, held, [], known, near=5)) == given


def test_keys_without_pictures_hold_out_too() -> None:
    given = [picture("one", "coco/1"), picture("two", "vg/7"), picture("three")]
    excluded = [HeldOutKey("list.txt:1", "coco/1", ("vg/7",))]
    leaks = find_leaks(given, [], excluded, prints(one=("1", 0), two=("2", 0), three=("3", 0)), near=5)
    assert [(leak.rule, leak.met) for leak in leaks.values()] == [("id", "list.txt:1"), ("linked_id", "list.txt:1")]


def test_nothing_held_out_is_no_leak() -> None:
    assert find_leaks([picture("one", "coco/1")], [], [], prints(one=("1", 0)), near=5) == {}
