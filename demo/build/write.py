"""Stage 7: pack the bytes that the repository ships, and their manifest."""

import hashlib
import json
from collections.abc import Hashable, Sequence
from pathlib import Path
from typing import Any

import faults
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
from dcql.demo import model
from dcql.demo.expand import uid_of, url_of
from drawings import Collection, Concept
from plan import Row

NOTE = "Rows, images, captions and scores of the demo pool; expand.py turns them into a DataComp pool."


def _number(values: Sequence[Hashable]) -> tuple[list[Any], npt.NDArray[np.int32]]:
    """Number distinct values by first appearance: the values, and the number of each position."""
    numbers = {value: number for number, value in enumerate(dict.fromkeys(values))}
    return list(numbers), np.array([numbers[value] for value in values], dtype=np.int32)


def _write(path: Path, columns: dict[str, pa.Array], dictionary: list[str] | bool) -> None:
    pq.write_table(pa.table(columns), path, compression="zstd", compression_level=19, use_dictionary=dictionary)


def write(
    folder: Path,
    collection: Collection,
    rows: list[Row],
    trusted: list[Concept],
    scorers: dict[str, Any],
    held_out: list[bytes],
) -> None:
    """Write every shipped file to `folder`, apart from the assets and MANIFEST.json."""
    images, image_of_row = _number([row.image for row in rows])
    captions, caption_of_row = _number([row.text for row in rows])
    rng = np.random.default_rng([faults.SEED, 6])
    urls = rng.choice(10**8, len(rows), replace=False)
    shards = np.concatenate([np.full(len(part), i) for i, part in enumerate(np.array_split(urls, faults.SHARDS))])

    decoded = np.stack([model.pixels(image) for image in images])
    embeddings, scores = {}, {}
    for name, scorer in scorers.items():
        model.save(scorer, folder / f"model_{name}.npz")
        # What is shipped scores the pool: the weights after their rounding to float16.
        stored = model.load(name, folder)
        ids = model.word_ids(captions, model.SETTINGS[name].table)
        seen, read = model.encode(stored, decoded, ids)
        scores[f"clip_{name}_similarity_score"] = pa.array(model.similarity(seen[image_of_row], read[caption_of_row]))
        embeddings[f"{name}_img"], embeddings[f"{name}_txt"] = (
            seen.astype(np.float16),
            read.astype(np.float16),
        )
    np.savez(folder / "embeddings.npz", **embeddings)

    sizes = {row.image: (row.width, row.height) for row in rows}
    _write(
        folder / "images.parquet",
        {
            "webp": pa.array(images, pa.binary()),
            "width": pa.array([sizes[image][0] for image in images], pa.int16()),
            "height": pa.array([sizes[image][1] for image in images], pa.int16()),
        },
        ["width", "height"],
    )
    _write(folder / "captions.parquet", {"text": pa.array(captions)}, False)
    _write(
        folder / "pool.parquet",
        {
            "shard": pa.array(shards, pa.int8()),
            "image": pa.array(image_of_row),
            "caption": pa.array(caption_of_row),
            "url": pa.array(urls, pa.int32()),
            **scores,
        },
        False,
    )

    uids = [uid_of(url_of(url), row.text) for url, row in zip(urls.tolist(), rows, strict=True)]
    uid_of_number = {row.number: uid for row, uid in zip(rows, uids, strict=True)}
    codes = {concept.code for concept in trusted}
    shown = [row.concept for row in rows]
    _write(
        folder / "truth.parquet",
        {
            "uid": pa.array(uids),
            "concept": pa.array([concept.code if concept else None for concept in shown]),
            "vendor": pa.array([row.vendor or None for row in rows]),
            "language": pa.array([row.language or None for row in rows]),
            "caption_right": pa.array([row.caption_right for row in rows]),
            "boilerplate": pa.array([row.boilerplate for row in rows]),
            "off_topic": pa.array([row.off_topic or None for row in rows]),
            "tiny": pa.array([row.tiny for row in rows]),
            "wide": pa.array([row.wide for row in rows]),
            "duplicate": pa.array([row.duplicate or None for row in rows]),
            "duplicate_of": pa.array(
                [uid_of_number[row.duplicate_of] if row.duplicate_of is not None else None for row in rows]
            ),
            "trusted_concept": pa.array([c is not None and c.code in codes for c in shown]),
        },
        ["concept", "vendor", "language", "off_topic", "duplicate"],
    )
    _write(
        folder / "held_out.parquet",
        {
            "concept": pa.array([concept.code for concept in collection.concepts]),
            "name": pa.array([concept.name for concept in collection.concepts]),
            "category": pa.array([concept.category for concept in collection.concepts]),
            "subcategory": pa.array([concept.subcategory for concept in collection.concepts]),
            "webp": pa.array(held_out, pa.binary()),
        },
        ["category", "subcategory"],
    )
    lines = [f"{concept.code}\t{concept.name}\n" for concept in trusted]
    (folder / "trusted.txt").write_text("".join(lines), encoding="utf-8")


def manifest(folder: Path) -> None:
    """Write MANIFEST.json for what is in `folder`."""
    uids = pq.read_table(folder / "truth.parquet", columns=["uid"])["uid"].to_pylist()
    files = sorted(path for path in folder.iterdir() if path.name != "MANIFEST.json")
    manifest = {
        "note": NOTE,
        "rows": len(uids),
        "uids_sha256": hashlib.sha256(bytes.fromhex("".join(sorted(uids)))).hexdigest(),
        "files": [
            {
                "name": path.name,
                "bytes": path.stat().st_size,
                "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
            }
            for path in files
        ],
    }
    (folder / "MANIFEST.json").write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")
