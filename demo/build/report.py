"""Print the figures of demo/README.md from the shipped files: python demo/build/report.py [--models] [--assets].

With --models (torch and pillow needed) the scores are computed again from the weights, and the scorers are
tried on the held-out drawings. With --assets (requirements.txt needed) it prints what the image-based filter keeps.
"""

import sys
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
from dcql.demo.truth import column, profile, uids

DATA = Path(__file__).parent.parent / "data"
SCORES = ("clip_b32_similarity_score", "clip_l14_similarity_score")

Mask = npt.NDArray[np.bool_]


def auc(right: npt.NDArray[np.float32], wrong: npt.NDArray[np.float32]) -> float:
    """Chance that a score of `right` is above one of `wrong`, ties counted half."""
    ordered = np.sort(wrong)
    below, up_to = np.searchsorted(ordered, right, "left"), np.searchsorted(ordered, right, "right")
    return float((below + up_to).mean() / 2 / len(wrong))


def composition(truth: pa.Table, clean: Mask, english: Mask) -> None:
    """Print what the pool is made of, as shares of all rows."""
    boilerplate = truth["boilerplate"].to_numpy()
    shares = {
        "English captions": english,
        "caption right": truth["caption_right"].to_numpy(),
        "caption of another concept, or an advert": ~truth["caption_right"].to_numpy() & ~boilerplate,
        "boilerplate": boilerplate,
        "off topic: flag": column(truth, "off_topic") == "flag",
        "off topic: pattern": column(truth, "off_topic") == "pattern",
        "tiny": truth["tiny"].to_numpy(),
        "wide": truth["wide"].to_numpy(),
        "exact duplicate": column(truth, "duplicate") == "exact",
        "re-encoded duplicate": column(truth, "duplicate") == "reencoded",
        "trusted concept": truth["trusted_concept"].to_numpy(),
        "clean, any language": clean,
        "clean English": clean & english,
        "clean English, duplicates apart": clean & english & (column(truth, "duplicate") == ""),
    }
    print(f"{truth.num_rows} rows")
    for name, mask in shares.items():
        print(f"  {name:42s} {mask.sum():6d}  {mask.mean():.3f}")
    languages = column(truth, "language")
    counts = {language: int((languages == language).sum()) for language in sorted(set(languages) - {""})}
    print("  rows by language of the caption:", counts)


def quality(truth: pa.Table, score: npt.NDArray[np.float32], clean: Mask, english: Mask) -> None:
    """Print how well one score tells right captions from wrong ones, and what its top 30 % holds."""
    right = truth["caption_right"].to_numpy()
    on_topic = column(truth, "off_topic") == ""
    boilerplate = truth["boilerplate"].to_numpy()
    trusted = truth["trusted_concept"].to_numpy()
    among = on_topic & ~boilerplate
    for name, mask in (
        ("English", among & english),
        ("English, trusted concepts", among & english & trusted),
        ("English, other concepts", among & english & ~trusted),
        ("other languages", among & ~english),
    ):
        print(f"  AUC right against wrong, {name:28s} {auc(score[mask & right], score[mask & ~right]):.3f}")
    described = score[among & english & right]
    print(f"  AUC right English against boilerplate {auc(described, score[boilerplate]):.3f}")
    others = score[~english & ~boilerplate]
    print(f"  AUC English against other languages   {auc(score[english], others):.3f}")
    cut = np.sort(score)[-int(0.3 * len(score)) - 1]  # DataComp's rank for the fraction 0.3
    kept = score >= cut
    print(f"  top 30 %: {kept.sum()} rows; distinct scores in the pool: {len(np.unique(score))}")
    for name, mask in (
        ("all rows", np.ones_like(kept)),
        ("top 30 %", kept),
        ("English (by truth)", english),
        ("top 30 % and English (by truth)", kept & english),
    ):
        print(
            f"    {name:32s} {mask.sum():6d} rows: clean English {(clean & english)[mask].mean():.3f}, "
            f"caption not right {(~right)[mask].mean():.3f}, off topic {(~on_topic)[mask].mean():.3f}"
        )


def models(pool: pa.Table) -> None:
    """Score the pool again from the shipped weights, and classify the held-out drawings."""
    from dcql.demo import model

    images = pq.read_table(DATA / "images.parquet")["webp"].to_pylist()
    captions = pq.read_table(DATA / "captions.parquet")["text"].to_pylist()
    held_out = pq.read_table(DATA / "held_out.parquet")
    pixels = np.stack([model.pixels(image) for image in images])
    drawings = np.stack([model.pixels(image) for image in held_out["webp"].to_pylist()])
    for name, column_name in zip(("b32", "l14"), SCORES, strict=True):
        table = model.SETTINGS[name].table
        scorer = model.load(name)
        seen, read = model.encode(scorer, pixels, model.word_ids(captions, table))
        again = model.similarity(seen[pool["image"].to_numpy()], read[pool["caption"].to_numpy()])
        stored = pool[column_name].to_numpy()
        difference = np.abs(again.astype(np.float32) - stored.astype(np.float32))
        steps = difference / np.spacing(np.maximum(np.abs(again), np.abs(stored))).astype(np.float32)
        shown, names = model.encode(scorer, drawings, model.word_ids(held_out["name"].to_pylist(), table))
        rank = ((shown @ names.T) > np.einsum("nd,nd->n", shown, names)[:, None]).sum(axis=1)
        print(f"{name}: recomputed scores differ by at most {steps.max():.0f} float16 steps")
        top_1, top_5 = (rank < 1).mean(), (rank < 5).mean()
        print(f"{name}: zero-shot on held-out drawings, top-1 {top_1:.3f}, top-5 {top_5:.3f}")


def image_based(pool: pa.Table, truth: pa.Table) -> None:
    """Print what DataComp's image-based filter keeps with the shipped assets, and what it is made of."""
    from assets import passes

    texts = pq.read_table(DATA / "captions.parquet")["text"].to_pylist()
    caption = passes(texts)[pool["caption"].to_numpy()]
    with np.load(DATA / "embeddings.npz", allow_pickle=False) as stored:
        shown = stored["l14_img"][pool["image"].to_numpy()].astype(np.float32)
    centroids = np.load(DATA / "centroids_l14.npy", allow_pickle=False)
    wanted = np.load(DATA / "imagenet_l14.npy", allow_pickle=False).astype(np.float32)
    targets = np.unique((wanted @ centroids.T).argmax(axis=1))
    cluster = np.isin((shown @ centroids.T).argmax(axis=1), targets)
    score = pool["clip_l14_similarity_score"].to_numpy().astype(np.float32)
    clip = score >= np.sort(score)[-int(0.3 * len(score)) - 1]
    print(f"image-based: {len(targets)} of {len(centroids)} clusters are wanted")
    for name, mask in (
        ("no filter", np.ones_like(clip)),
        ("caption filter", caption),
        ("clip_l14 top 30 %", clip),
        ("caption filter and clip", caption & clip),
        ("cluster alone", cluster),
        ("image_based", caption & cluster),
        ("image_based and clip", caption & cluster & clip),
    ):
        # The truth is in the order of the pool.
        found = profile(uids(truth)[mask])
        print(f"  {name}: {found.rows} rows, {found.rows / len(mask):.3f}")
        for kind, share in found.among_kept.items():
            print(f"    {kind:18s} {share:.3f} of the kept, {found.of_class[kind]:.3f} of the class kept")


def main() -> None:
    """Print everything."""
    truth = pq.read_table(DATA / "truth.parquet")
    pool = pq.read_table(DATA / "pool.parquet")
    english = column(truth, "language") == "en"
    clean = (
        truth["caption_right"].to_numpy()
        & (column(truth, "off_topic") == "")
        & ~truth["tiny"].to_numpy()
        & ~truth["wide"].to_numpy()
    )
    composition(truth, clean, english)
    for name in SCORES:
        print(name)
        quality(truth, pool[name].to_numpy().astype(np.float32), clean, english)
    if "--models" in sys.argv[1:]:
        models(pool)
    if "--assets" in sys.argv[1:]:
        image_based(pool, truth)


if __name__ == "__main__":
    main()
