"""The demo pool: what expand() writes, and that what is shipped is what the README describes."""

import hashlib
import json
import re
import shutil
import tarfile
import tomllib
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from dcql.demo.expand import DATA, FEATURES, SCHEMA, SCORES, SHIPPED, DemoPoolError, check, complete, expand

from dcql.catalog import store
from dcql.demo_pool import open_or_make

MANIFEST = json.loads((DATA / "MANIFEST.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return expand(tmp_path_factory.mktemp("demo") / "pool")


@pytest.fixture(scope="module")
def metadata(pool: Path) -> pa.Table:
    return pa.concat_tables(pq.read_table(path) for path in sorted((pool / "metadata").glob("*.parquet")))


@pytest.fixture(scope="module")
def truth() -> pa.Table:
    return pq.read_table(DATA / "truth.parquet")


def digests(folder: Path) -> dict[str, str]:
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def text_column(truth: pa.Table, name: str) -> np.ndarray:
    return np.array([value or "" for value in truth[name].to_pylist()])


def test_layout(pool: Path) -> None:
    parquet = sorted(path.stem for path in (pool / "metadata").glob("*.parquet"))
    assert parquet == sorted(path.stem for path in (pool / "metadata").glob("*.npz"))
    assert len(parquet) == 5
    assert all(re.fullmatch("[0-9a-f]{32}", stem) for stem in parquet)
    tars = sorted((pool / "shards").glob("*.tar"))
    assert [path.name for path in tars] == [f"{number:08d}.tar" for number in range(len(tars))]
    assert sorted(path.name for path in pool.iterdir()) == ["assets", "assets.toml", "metadata", "shards"]
    assert sorted(path.name for path in (pool / "assets").iterdir()) == ["centroids_l14.npy", "imagenet_l14.npy"]


def test_columns_are_those_of_datacomp_and_nothing_of_the_truth(pool: Path) -> None:
    for path in (pool / "metadata").glob("*.parquet"):
        schema = pq.read_schema(path)
        assert schema.equals(SCHEMA)
        assert schema.metadata is None
    assert SCHEMA.names == [
        "uid",
        "url",
        "text",
        "original_width",
        "original_height",
        "clip_b32_similarity_score",
        "clip_l14_similarity_score",
        "face_bboxes",
        "sha256",
    ]


def test_rows_and_uids_are_the_published_ones(metadata: pa.Table) -> None:
    uids = metadata["uid"].to_pylist()
    assert len(uids) == len(set(uids)) == MANIFEST["rows"] == 21_427
    assert all(re.fullmatch("[0-9a-f]{32}", uid) for uid in uids)
    together = bytes.fromhex("".join(sorted(uids)))
    assert hashlib.sha256(together).hexdigest() == MANIFEST["uids_sha256"]


def test_values_are_whole(metadata: pa.Table) -> None:
    assert all(metadata[name].null_count == 0 for name in SCHEMA.names)
    assert len(set(metadata["url"].to_pylist())) == metadata.num_rows
    assert set(map(tuple, metadata["face_bboxes"].to_pylist())) == {()}
    assert metadata["original_width"].to_numpy().min() == 8


@pytest.mark.parametrize("name", SCORES)
def test_scores_are_float16_widened(metadata: pa.Table, name: str) -> None:
    scores = metadata[name].to_numpy()
    assert scores.dtype == np.float32
    assert np.array_equal(scores, scores.astype(np.float16).astype(np.float32))
    assert np.abs(scores).max() <= 1
    assert 2_000 < len(np.unique(scores)) < 10_000


def test_embeddings_are_normalised_and_in_the_order_of_the_rows(pool: Path) -> None:
    for path in (pool / "metadata").glob("*.parquet"):
        table = pq.read_table(path)
        with np.load(path.with_suffix(".npz"), allow_pickle=False) as stored:
            assert tuple(stored.files) == FEATURES
            vectors = {name: stored[name] for name in FEATURES}
        for name, vector in vectors.items():
            assert vector.dtype == np.float16
            assert vector.shape == (table.num_rows, 32 if name.startswith("b32") else 64)
            norms = np.linalg.norm(vector.astype(np.float32), axis=1)
            assert np.abs(norms - 1).max() < 2e-3
        for model in ("b32", "l14"):
            image, text = (vectors[f"{model}_{side}"].astype(np.float32) for side in ("img", "txt"))
            score = table[f"clip_{model}_similarity_score"].to_numpy()
            assert np.abs((image * text).sum(axis=1) - score).max() < 5e-3


def test_tars_hold_every_sample_once(pool: Path, metadata: pa.Table) -> None:
    rows = {row["uid"]: row for row in metadata.drop(["face_bboxes"]).to_pylist()}
    seen: set[str] = set()
    for path in sorted((pool / "shards").glob("*.tar")):
        with tarfile.open(path) as tar:
            members = tar.getmembers()
            assert {(m.mtime, m.uid, m.gid, m.uname, m.gname, m.mode) for m in members} == {(0, 0, 0, "", "", 0o644)}
            successes = json.loads(path.with_name(f"{path.stem}_stats.json").read_text())["successes"]
            assert len(members) == 3 * successes
            for position in range(0, len(members), 3):
                image, text, description = members[position : position + 3]
                key = f"{path.stem}{position // 3:04d}"
                assert [m.name for m in (image, text, description)] == [
                    f"{key}.{extension}" for extension in ("webp", "txt", "json")
                ]
                content = json.loads(tar.extractfile(description).read())
                row = rows[content["uid"]]
                seen.add(content["uid"])
                if position % 30:
                    continue
                assert content["key"] == key
                assert content["caption"] == row["text"] == tar.extractfile(text).read().decode()
                assert {content[name] == row[name] for name in ("url", "sha256", "original_width")} == {True}
                assert hashlib.sha256(tar.extractfile(image).read()).hexdigest() == row["sha256"]
    assert seen == rows.keys()


def test_expanding_again_gives_the_same_bytes(pool: Path, tmp_path: Path) -> None:
    again = tmp_path / "again"
    again.mkdir()
    told: list[tuple[int, int]] = []
    expand(again, progress=lambda done, total: told.append((done, total)))
    assert digests(again) == digests(pool)
    assert told == [(done, len(told)) for done in range(1, len(told) + 1)]


def test_without_tars_the_metadata_is_the_same(pool: Path, tmp_path: Path) -> None:
    metadata = expand(tmp_path / "pool", tars=False)
    assert digests(metadata) == {name: digest for name, digest in digests(pool).items() if "shards/" not in name}


def test_a_used_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("kept")
    with pytest.raises(DemoPoolError, match="not an empty folder"):
        expand(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_a_damaged_file_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    for name in (*SHIPPED, "MANIFEST.json"):
        shutil.copy(DATA / name, data)
    damaged = data / "captions.parquet"
    content = bytearray(damaged.read_bytes())
    content[1000] ^= 1
    damaged.write_bytes(content)
    with pytest.raises(DemoPoolError, match=r"captions\.parquet is damaged"):
        expand(tmp_path / "out", data=data)
    damaged.unlink()
    with pytest.raises(DemoPoolError, match=r"captions\.parquet is missing"):
        expand(tmp_path / "out", data=data)
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


def test_a_failed_expansion_leaves_nothing(tmp_path: Path) -> None:
    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        expand(tmp_path / "pool", progress=stop)
    assert list(tmp_path.iterdir()) == []


def test_shipped_files_are_whole_and_small() -> None:
    check()
    assert {path.name for path in DATA.iterdir()} == {
        "MANIFEST.json",
        *(file["name"] for file in MANIFEST["files"]),
    }
    assert sum(file["bytes"] for file in MANIFEST["files"]) < 25_000_000


def test_truth_covers_the_pool_at_the_published_rates(metadata: pa.Table, truth: pa.Table) -> None:
    assert set(truth["uid"].to_pylist()) == set(metadata["uid"].to_pylist())
    duplicate, off_topic = text_column(truth, "duplicate"), text_column(truth, "off_topic")
    boilerplate, right = truth["boilerplate"].to_numpy(), truth["caption_right"].to_numpy()
    assert (duplicate == "exact").mean() == pytest.approx(0.10, abs=0.001)
    assert (duplicate == "reencoded").mean() == pytest.approx(0.10, abs=0.001)
    assert (off_topic != "").mean() == pytest.approx(0.25, abs=0.01)
    assert boilerplate.mean() == pytest.approx(0.08, abs=0.01)
    assert (~right)[(off_topic != "pattern") & ~boilerplate].mean() == pytest.approx(0.35, abs=0.02)
    assert truth["tiny"].to_numpy().mean() == pytest.approx(0.06, abs=0.005)
    assert truth["wide"].to_numpy().mean() == pytest.approx(0.04, abs=0.005)
    assert (text_column(truth, "language") == "en").mean() == pytest.approx(0.5 * 0.92, abs=0.02)


def test_truth_of_a_duplicate_is_that_of_its_original(metadata: pa.Table, truth: pa.Table) -> None:
    rows = {row["uid"]: row for row in metadata.drop(["face_bboxes"]).to_pylist()}
    kinds = set()
    for row in truth.to_pylist():
        if row["duplicate"] is not None:
            kinds.add(row["duplicate"])
            copy, original = rows[row["uid"]], rows[row["duplicate_of"]]
            assert copy["text"] == original["text"]
            assert (copy["sha256"] == original["sha256"]) == (row["duplicate"] == "exact")
    assert kinds == {"exact", "reencoded"}


def test_scores_tell_right_english_captions_from_wrong_ones(metadata: pa.Table, truth: pa.Table) -> None:
    assert metadata.num_rows == truth.num_rows
    position = {uid: i for i, uid in enumerate(metadata["uid"].to_pylist())}
    order = np.array([position[uid] for uid in truth["uid"].to_pylist()])
    english = (text_column(truth, "language") == "en") & (text_column(truth, "off_topic") == "")
    right = truth["caption_right"].to_numpy()
    for name, least in zip(SCORES, (0.70, 0.74), strict=True):
        score = metadata[name].to_numpy()[order]
        wrong = np.sort(score[english & ~right])
        below = np.searchsorted(wrong, score[english & right])
        assert below.mean() / len(wrong) > least


def test_held_out_drawings_are_not_in_the_pool(pool: Path, metadata: pa.Table) -> None:
    held_out = pq.read_table(DATA / "held_out.parquet")
    assert held_out.num_rows == len(set(held_out["name"].to_pylist())) == 1_607
    images = {hashlib.sha256(image).hexdigest() for image in held_out["webp"].to_pylist()}
    assert images.isdisjoint(metadata["sha256"].to_pylist())
    assert "google" not in pq.read_table(DATA / "truth.parquet")["vendor"].to_pylist()


def test_assets_are_named_with_their_digests(pool: Path) -> None:
    bound = tomllib.loads((pool / "assets.toml").read_text(encoding="utf-8"))
    assert list(bound) == ["centroids_l14", "imagenet_l14"]
    shipped = {file["name"]: file["sha256"] for file in MANIFEST["files"]}
    for name, asset in bound.items():
        assert asset.keys() == {"file", "sha256"}
        content = (pool / asset["file"]).read_bytes()
        assert hashlib.sha256(content).hexdigest() == asset["sha256"] == shipped[f"{name}.npy"]


def test_assets_are_centroids_and_embeddings_of_the_l14_space(pool: Path) -> None:
    centroids = np.load(pool / "assets" / "centroids_l14.npy", allow_pickle=False)
    assert (centroids.dtype, centroids.shape) == (np.float32, (200, 64))
    # Means of unit vectors lie within the unit ball; k-means in L2 does not put them back on the sphere.
    lengths = np.linalg.norm(centroids, axis=1)
    assert 0.5 < lengths.min() < lengths.max() < 1
    wanted = np.load(pool / "assets" / "imagenet_l14.npy", allow_pickle=False)
    # One rendering of each of two drawings of the 321 trusted concepts.
    assert (wanted.dtype, wanted.shape) == (np.float16, (642, 64))
    assert np.abs(np.linalg.norm(wanted.astype(np.float32), axis=1) - 1).max() < 2e-3


def test_no_embedding_of_the_wanted_images_is_one_of_the_pool(pool: Path) -> None:
    wanted = np.load(pool / "assets" / "imagenet_l14.npy", allow_pickle=False)
    with np.load(DATA / "embeddings.npz", allow_pickle=False) as stored:
        own = {row.tobytes() for row in stored["l14_img"]}
    assert own.isdisjoint(row.tobytes() for row in wanted)


def test_centroids_explain_the_images_of_the_pool(pool: Path) -> None:
    centroids = np.load(pool / "assets" / "centroids_l14.npy", allow_pickle=False)
    images = np.concatenate([np.load(path)["l14_img"] for path in (pool / "metadata").glob("*.npz")]).astype(np.float32)
    squares = (images**2).sum(axis=1)[:, None] - 2 * images @ centroids.T + (centroids**2).sum(axis=1)
    left = squares.min(axis=1).mean() / ((images - images.mean(axis=0)) ** 2).sum(axis=1).mean()
    assert left < 0.40
    # No centroid is spare.
    assert np.bincount(squares.argmin(axis=1), minlength=200).min() >= 10


def test_wanted_clusters_hold_fewer_off_topic_rows(pool: Path, truth: pa.Table) -> None:
    centroids, wanted = (
        np.load(pool / "assets" / f"{name}.npy").astype(np.float32) for name in ("centroids_l14", "imagenet_l14")
    )
    targets = np.unique((wanted @ centroids.T).argmax(axis=1))
    assert 100 < len(targets) < 190
    kept = {}
    for path in (pool / "metadata").glob("*.parquet"):
        nearest = (np.load(path.with_suffix(".npz"))["l14_img"].astype(np.float32) @ centroids.T).argmax(axis=1)
        kept |= dict(zip(pq.read_table(path)["uid"].to_pylist(), np.isin(nearest, targets), strict=True))
    passed = np.array([kept[uid] for uid in truth["uid"].to_pylist()])
    off_topic = text_column(truth, "off_topic")
    assert passed[off_topic == ""].mean() > 0.93
    assert passed[off_topic == "flag"].mean() < 0.65
    # The README says so: the test hardly finds patterns.
    assert passed[off_topic == "pattern"].mean() > 0.80


def without_assets(pool: Path) -> Path:
    """Make of an expansion what one was before there were assets."""
    (pool / "assets.toml").unlink()
    shutil.rmtree(pool / "assets")
    return pool


def test_an_old_expansion_is_completed(pool: Path, tmp_path: Path) -> None:
    old = without_assets(expand(tmp_path / "pool", tars=False))
    before = digests(old)
    complete(old)
    after = digests(old)
    assert {name: after[name] for name in before} == before
    assert after == {name: digest for name, digest in digests(pool).items() if "shards/" not in name}
    complete(old)
    assert digests(old) == after


def test_another_pool_is_not_completed(tmp_path: Path) -> None:
    (tmp_path / "metadata").mkdir()
    (tmp_path / "metadata" / "a.parquet").write_bytes(b"not read")
    with pytest.raises(DemoPoolError, match="is no demo pool of this version"):
        complete(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["metadata"]


def test_a_demo_pool_that_was_added_before_there_were_assets_gets_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DCQL_HOME", str(tmp_path / "home"))
    made = open_or_make("demo")
    folder = store.home() / "demo"
    complete_pool = digests(folder)
    without_assets(folder)
    assert open_or_make("demo") == made
    assert digests(folder) == complete_pool


def test_a_demo_pool_that_cannot_be_completed_still_opens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DCQL_HOME", str(tmp_path / "home"))
    made = open_or_make("demo")
    folder = without_assets(store.home() / "demo")
    (folder / "assets").write_text("in the way")
    assert open_or_make("demo") == made
    assert not (folder / "assets.toml").exists()
