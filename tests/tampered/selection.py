"""Rows that tamper with the recipe of a submission, its lock, its uids and its manifest."""

from dataclasses import replace
from pathlib import Path

import numpy as np
from dcql.runtime.shards import digest_of
from submissions import read, reseal

from dcql.locks.lock_file import read_lock, write_lock
from dcql.subset import UID, Subset
from tampered.rows import change, edit, row

# --- the recipe -------------------------------------------------------------------------------------------------------


@row("E1311", "recipe: ", "manifest.json holds another text")
def recipe_changed(folder: Path) -> None:
    edit(folder / "recipe.dcql", "q(0.7)", "q(0.6)")


@row("E1311", "the recipe is not the one of its lock", "recipe: ")
def recipe_changed_in_the_manifest_too(folder: Path) -> None:
    edit(folder / "recipe.dcql", "q(0.7)", "q(0.6)")
    change(folder / "manifest.json", ("recipe.text", (folder / "recipe.dcql").read_text()))


@row("E1311", "the recipe cannot be compiled", "lies outside the recipe's folder")
def recipe_that_reads_files_of_the_machine(folder: Path) -> None:
    text = "SET s FROM '../../../etc/passwd' SHA256 '" + "0" * 64 + "';\nSELECT uid FROM pool WHERE sha256 IN s;\n"
    (folder / "recipe.dcql").write_text(text)


@row("E1311", "manifest.json -> recipe.lock", "f: 0.3 -> nothing")
def parameter_of_another_run(folder: Path) -> None:
    change(folder / "manifest.json", ("parameters", {"f": "0.3"}))


# --- the lock ---------------------------------------------------------------------------------------------------------


@row("E1310", "recipe.lock", "is not the digest of what it says")
def lock_edited_by_hand(folder: Path) -> None:
    edit(folder / "recipe.lock", 'fingerprint = "dcpool1:1', 'fingerprint = "dcpool1:0')


@row("E1312", "manifest.json does not agree with recipe.lock", "total: 6,433 -> 6,434")
def lock_counts_another_sample(folder: Path) -> None:
    lock = read_lock(folder / "recipe.lock")
    write_lock(replace(lock, total=lock.total + 1), folder / "recipe.lock")


@row("E1311", "states another result than the recipe gives", "first: subset: dcql1:000000000000 -> ")
def lock_of_another_subset(folder: Path) -> None:
    lock = replace(read_lock(folder / "recipe.lock"), subset="dcql1:" + "0" * 64)
    write_lock(lock, folder / "recipe.lock")


@row("E1311", "states another result than the recipe gives", "value")
def lock_with_another_threshold(folder: Path) -> None:
    lock = read_lock(folder / "recipe.lock")
    first = replace(lock.statistics[0], value=(0.25).hex())
    write_lock(replace(lock, statistics=(first, *lock.statistics[1:])), folder / "recipe.lock")


@row("E1311", "the recipe is not the one of its lock", "recipe: ")
def lock_of_another_recipe(folder: Path) -> None:
    lock = read_lock(folder / "recipe.lock")
    write_lock(replace(lock, key=replace(lock.key, recipe="sha256:" + "0" * 64)), folder / "recipe.lock")


# --- the uids ---------------------------------------------------------------------------------------------------------


@row("E1312", "subset.npy has another hash than the lock")
def uid_left_out(folder: Path) -> None:
    subset = Subset.load(folder / "subset.npy")
    Subset(subset.uids[1:]).save(folder / "subset.npy")


@row("E1311", "states another result than the recipe gives", "subset.npy is not what the recipe selects", "such as f")
def uid_added_and_every_hash_written_anew(folder: Path) -> None:
    foreign = np.array([(2**64 - 1, 2**64 - 1)], UID)
    forge_subset(folder, Subset.from_uids(np.concatenate([Subset.load(folder / "subset.npy").uids, foreign])))


@row("E1311", "another number of copies")
def uid_taken_twice_and_every_hash_written_anew(folder: Path) -> None:
    uids = Subset.load(folder / "subset.npy").uids
    forge_subset(folder, Subset.from_uids(np.concatenate([uids, uids[:1]])))


@row("E1310", "subset.npy", "bytes follow")
def uids_cut_off(folder: Path) -> None:
    path = folder / "subset.npy"
    path.write_bytes(path.read_bytes()[:-8])


def forge_subset(folder: Path, subset: Subset) -> None:
    """Put another subset into a submission, with every hash that states it."""
    subset.save(folder / "subset.npy")
    counts = {"distinct": subset.distinct, "total": subset.total}
    lock = replace(read_lock(folder / "recipe.lock"), subset=subset.hash, **counts)
    write_lock(lock, folder / "recipe.lock")
    change(folder / "manifest.json", ("hash", subset.hash), *counts.items())
    shards = read(folder / "shards.json")
    sha256 = tuple(one["sha256"] for one in shards["shards"])
    digest = digest_of(subset.hash, shards["policy"], sha256)
    told = [("subset", subset.hash), ("samples", subset.total), ("distinct", subset.distinct), ("digest", digest)]
    change(folder / "shards.json", *told, ("shards.0.samples", subset.total))
    change(folder / "run.json", ("key.subset", subset.hash), ("key.shards", digest))
    reseal(folder)


# --- the manifest -----------------------------------------------------------------------------------------------------


@row("E1312", "manifest.json does not agree with recipe.lock", "counts, clip_l14 >= q(0.7)", "9,000")
def manifest_with_another_count(folder: Path) -> None:
    change(folder / "manifest.json", ("counts.0.clauses.0.left", 9000))


@row("E1312", "thresholds.q1.ties: 0 -> 14")
def manifest_with_other_ties(folder: Path) -> None:
    change(folder / "manifest.json", ("thresholds.0.ties", 0))


@row("E1311", "states what the run does not give", "effect: version -> exact")
def manifest_of_another_effect(folder: Path) -> None:
    change(folder / "manifest.json", ("effect", "version"))


@row("E1310", "manifest.json", "cannot be read")
def manifest_cut_off(folder: Path) -> None:
    path = folder / "manifest.json"
    path.write_text(path.read_text()[:400])


@row("E1311", "the submission is over another pool", "`other`")
def another_pool(folder: Path) -> None:
    lock = read_lock(folder / "recipe.lock")
    fingerprint = "dcpool1:" + "0" * 64
    write_lock(replace(lock, pool_name="other", key=replace(lock.key, pool=fingerprint)), folder / "recipe.lock")
    change(folder / "manifest.json", ("pool.fingerprint", fingerprint), ("pool.name", "other"))
