"""DataComp's baselines in the oracle, worked by hand."""

import io
import math
import struct
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pools import base
from pools.featured import FLAT, featured, write_featured, write_named

from oracle import baselines
from oracle.baselines import Models, Opened, Sample
from oracle.models import imagenet21k, models, wordnet_reader

# A caption is English for fastText if it holds an e, for gcld3 if it holds a g; three words have a synset.
PLAIN = Models(
    fasttext=lambda line: "en" if "e" in line else "de",
    gcld3=lambda line: "en" if "g" in line else "de",
    first_synset={"dog": 7, "run": 8, "Dog": 7}.get,
    imagenet21k=frozenset({7, 9}),
)


def sample(number: int, text: str | None = "the dog here", **changes: Any) -> Sample:
    scores = {"l14": np.float32(0.3), "b32": np.float32(0.3)}
    return replace(Sample(f"{number:032x}", text, 300, 300, scores, np.zeros(2, np.float16)), **changes)


def scored(values: list[float], arch: str = "l14") -> Opened:
    samples = [sample(i, scores={arch: np.float32(value)}) for i, value in enumerate(values)]
    return Opened(samples, {})


def captioned(texts: list[str | None]) -> Opened:
    return Opened([sample(i, text) for i, text in enumerate(texts)], {})


def kept(npy: bytes) -> list[int]:
    """Return the low halves of the uids in a subset's file."""
    return [int(low) for _, low in np.load(io.BytesIO(npy))]


# --- captions ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("", []),
        ("a b", [b"a", b"b"]),
        ("a b\n", [b"a", b"b", b"</s>"]),
        ("\n", [b"</s>"]),
        ("\n\na", [b"</s>", b"</s>", b"a"]),
        (" a  b ", [b"a", b"b"]),
        ("a\0b\tc\vd\fe\rf", [b"a", b"b", b"c", b"d", b"e", b"f"]),
        ("a\u3000b c", ["a\u3000b".encode(), b"c"]),
        ("a\u00a0b\x85c\x1cd", ["a\u00a0b\x85c\x1cd".encode()]),
        ("a\r\nb", [b"a", b"</s>", b"b"]),
    ],
)
def test_fasttext_tokens(text: str, tokens: list[bytes]) -> None:
    assert baselines.fasttext_tokens(text) == tokens


def test_basic_filter_counts_words_of_split_and_code_points() -> None:
    texts = ["e b cd", "e b c", "dogs here", "e\u3000b\u00a0cd", "e bcd\n", "a b cd", "eé\u0301 b c", None, ""]
    assert kept(baselines.basic_filter(captioned(texts), PLAIN)) == [0, 3, 6]


def test_image_based_captions_count_fasttext_tokens() -> None:
    texts = [
        "dogs here",
        "here\u3000dogs",
        "here\n\n",
        "heres\n",
        "heredogs",
        "he re",
        "dogs hier",
        "dogs, a lot",
        None,
    ]
    assert [baselines.image_based_caption(text, PLAIN) for text in texts] == [
        True, False, True, True, False, False, True, False, False
    ]  # fmt: skip


def test_basic_filter_sizes() -> None:
    sizes: list[tuple[int | None, int | None]] = [
        (200, 200), (199, 300), (200, 600), (200, 601), (601, 200), (0, 0), (0, 300), (None, 300), (300, None),
        (-300, 300), (2**62, 2**63 - 1), (2**61, 2**63 - 1),
    ]  # fmt: skip
    pool = Opened([sample(i, width=width, height=height) for i, (width, height) in enumerate(sizes)], {})
    assert kept(baselines.basic_filter(pool, PLAIN)) == [0, 2, 10]


def test_both_identifiers_see_blanks_for_newlines_and_the_caption_as_it_is() -> None:
    seen: list[str] = []

    def spy(line: str) -> str:
        seen.append(line)
        return "en"

    spied = replace(PLAIN, fasttext=spy, gcld3=spy)
    pool = captioned(["The\nDog\r\n", None])
    assert kept(baselines.text_based(pool, spied)) == [0]
    assert kept(baselines.laion2b(pool, spied)) == [0]
    assert seen == ["The Dog\r ", "The Dog\r "]


def test_text_based_takes_the_first_synset_of_words_as_written() -> None:
    texts = ["e dog", "e dog,", "e run", "e\u3000dog", "dog", "e Dog", "e DOG", None, "dog\ne"]
    assert kept(baselines.text_based(captioned(texts), PLAIN)) == [0, 3, 5, 8]
    verb = replace(PLAIN, imagenet21k=frozenset({8}))
    assert kept(baselines.text_based(captioned(texts), verb)) == [2]


def test_laion2b() -> None:
    down = np.nextafter(np.float32(0.28), np.float32(0))
    rows: list[tuple[str | None, float]] = [
        ("dog", 0.28), ("dog", float(down)), ("cat", 0.3), (None, 0.3), ("dog", math.nan), ("g", 1.0)
    ]  # fmt: skip
    samples = [sample(i, text, scores={"b32": np.float32(score)}) for i, (text, score) in enumerate(rows)]
    assert kept(baselines.laion2b(Opened(samples, {}), PLAIN)) == [0, 5]


# --- scores -----------------------------------------------------------------------------------------------------------


def test_a_fraction_keeps_one_more_than_its_share_and_ties() -> None:
    thousand = [i / 1024 for i in range(1000)]
    assert kept(baselines.clip_score(scored(thousand), "l14", fraction=0.3)) == list(range(699, 1000))
    assert kept(baselines.clip_score(scored(thousand[:100]), "l14", fraction=0.29)) == list(range(71, 100))
    assert 29 == 100 * 29 // 100 != int(100 * 0.29)
    assert kept(baselines.clip_score(scored([0.5, 0.25, 0.25, 0.25, 0.125]), "l14", fraction=0.2)) == [0, 1, 2, 3]
    with pytest.raises(IndexError):
        baselines.clip_score(scored(thousand), "l14", fraction=1.0)


def test_nan_counts_in_the_fraction_and_never_passes() -> None:
    nan = math.nan
    pool = scored([0.5, nan, 0.25, nan, 0.125, nan, nan, nan, nan, nan])
    assert kept(baselines.clip_score(pool, "l14", fraction=0.1)) == [0, 2]
    assert kept(baselines.clip_score(pool, "l14", fraction=0.3)) == []
    assert kept(baselines.clip_score(pool, "l14", threshold=-1)) == [0, 2, 4]
    assert kept(baselines.clip_score(scored([-0.0, 0.0, -1.0, math.inf]), "l14", threshold=0.0)) == [0, 1, 3]


def test_a_threshold_is_a_float32_and_is_kept() -> None:
    exact = np.float32(0.3)
    down = np.nextafter(exact, np.float32(0))
    assert kept(baselines.clip_score(scored([float(exact), float(down), 0.25]), "l14", threshold=0.3)) == [0]
    assert kept(baselines.clip_score(scored([0.25, 0.2499], "b32"), "b32", threshold=0.25)) == [0]


# --- clusters ---------------------------------------------------------------------------------------------------------


def test_cluster_is_the_first_largest_inner_product() -> None:
    centres = np.array([[1, 0], [0, 1], [0, 4], [0, 4]], np.float32)
    assert baselines.cluster(np.array([1, 0], np.float16), centres) == 0
    assert baselines.cluster(np.array([0, 1], np.float16), centres) == 2  # nearest in L2 and by cosine: 1
    assert baselines.cluster(np.array([0.5, 0.25], np.float16), centres) == 2
    assert baselines.cluster(np.array([4, 1], np.float16), centres) == 0  # a tie of 0, 2 and 3
    assert baselines.cluster(np.array([math.nan, 1], np.float16), centres) is None


def test_image_based_and_its_intersection() -> None:
    assets = {
        "centroids_l14": np.array([[1, 0], [0, 1]], np.float32),
        "imagenet_l14": np.array([[0.5, 0], [math.nan, 0]], np.float16),
    }
    right, wrong = np.array([1, 0.5], np.float16), np.array([0, 1], np.float16)
    nothing = np.array([math.nan, 1], np.float16)
    rows: list[tuple[str | None, Any, float]] = [
        ("the dogs", right, 0.1), ("the dogs", wrong, 0.9), ("the dogs", nothing, 0.8), ("die Dogs", right, 0.3),
        ("dogs", right, 0.7), (None, right, 0.6), ("here it is", right, 0.3), ("here we are", right, 0.2),
    ]  # fmt: skip
    samples = [
        sample(i, text, image=image, scores={"l14": np.float32(score)}) for i, (text, image, score) in enumerate(rows)
    ]
    pool = Opened(samples, assets)
    assert kept(baselines.image_based(pool, PLAIN)) == [0, 3, 6, 7]
    # The fifth of all eight scores is the threshold; a fifth of the four samples above would be another.
    assert kept(baselines.image_based_intersect_clip_score(pool, PLAIN, "l14", fraction=0.5)) == [3, 6]
    assert kept(baselines.image_based_intersect_clip_score(pool, PLAIN, "l14", threshold=0.2)) == [3, 6, 7]


# --- files ------------------------------------------------------------------------------------------------------------


def test_the_file_is_sorted_unsigned_and_pads_short_uids() -> None:
    uids = ["f" * 32, "8" + "0" * 31, "7" + "f" * 31, "1f", "0" * 15 + "1" + "0" * 16]
    data = baselines.npy([sample(0, uid=uid) for uid in uids])
    pairs = [(0, 0x1F), (1, 0), (2**63 - 1, 2**64 - 1), (2**63, 0), (2**64 - 1, 2**64 - 1)]
    assert data.startswith(b"\x93NUMPY\x01\x00")
    assert data.endswith(struct.pack("<10Q", *[half for pair in pairs for half in pair]))
    assert np.load(io.BytesIO(baselines.npy([]))).shape == (0,)
    assert np.load(io.BytesIO(data)).dtype == np.dtype("u8,u8")


def test_a_folder_is_read_as_it_was_written(tmp_path: Path) -> None:
    for name in ("tiny_files", "exact_cut", "odd_captions"):
        made = write_named(name, tmp_path / name)
        assert (tmp_path / name / "metadata").exists() == (name not in FLAT)
        opened = baselines.open_pool(tmp_path / name)
        rows = made.rows.columns
        place = {uid: row for row, uid in enumerate(rows["uid"])}
        assert sorted(place) == sorted(one.uid for one in opened.samples)
        for one in opened.samples:
            row = place[one.uid]
            assert (one.text, one.width) == (rows["text"][row], rows["original_width"][row])
            assert one.image is not None
            assert one.image.tobytes() == made.embeddings["l14_img"][row].tobytes()
        for asset, array in made.assets.items():
            assert opened.assets[asset].tobytes() == array.tobytes()


def test_wrong_files_are_refused(tmp_path: Path) -> None:
    write_featured(featured(base(10, 1), 2), tmp_path)
    first = sorted((tmp_path / "metadata").glob("*.npz"))[0]
    whole = first.read_bytes()
    np.savez(first, l14_img=np.zeros((4, 16), np.float16))
    with pytest.raises(ValueError, match="shorter"):
        baselines.open_pool(tmp_path)
    first.write_bytes(whole)
    assert len(baselines.open_pool(tmp_path).samples) == 10
    np.save(tmp_path / "assets" / "imagenet_l14.npy", np.zeros((1, 16), np.float32))
    with pytest.raises(ValueError, match="not the file"):
        baselines.open_pool(tmp_path)


# --- the real models --------------------------------------------------------------------------------------------------


def test_identifiers() -> None:
    assert models().fasttext("a photo of a dog on the beach") == "en"
    assert models().fasttext("собака на пляже у моря") == "ru"
    assert models().fasttext("") == "en"  # of nothing it knows nothing, and this label comes first
    assert models().gcld3("the dog and the house") == "en"
    assert models().gcld3("a dog") == "ha"
    assert models().gcld3("") == "ja"


def test_imagenet21k_is_the_published_list() -> None:
    assert len(imagenet21k()) == 21843
    assert 2084071 in imagenet21k()  # dog


@pytest.mark.parametrize(
    ("word", "synset"),
    [
        ("dog", ("n", 2084071)),
        ("DOGS", ("n", 2084071)),
        ("mice", ("n", 2330245)),
        ("\u212a", ("n", 13714756)),  # the Kelvin sign, in lower case the letter k
        ("hot_dog", ("n", 10187710)),
        ("dogss", ("n", 2084071)),  # endings come off again until something is found
        ("athletic", ("a", 2907656)),
        ("installed", ("v", 1569566)),
        ("dog,", None),
        ("dog's", None),
        ("hot dog", None),
    ],
)
def test_first_synset(word: str, synset: tuple[str, int] | None) -> None:
    synsets = wordnet_reader().synsets(word)
    assert ((synsets[0].pos(), synsets[0].offset()) if synsets else None) == synset
    assert models().first_synset(word) == (synset[1] if synset else None)


@pytest.mark.parametrize("word", ["athletic", "installed"])
def test_offsets_of_other_parts_of_speech_collide_with_nouns(word: str) -> None:
    assert wordnet_reader().synsets(word)[0].pos() != "n"
    assert models().first_synset(word) in imagenet21k()
