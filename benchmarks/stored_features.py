"""Fill a store with the features of datacomp_1b for a pool of benchmarks/pool.py, through dcql's own functions.

    python benchmarks/stored_features.py POOL FOLDER

POOL is added in $DCQL_HOME from FOLDER, which gets assets and, beside each file, an .npz that is never read but for its
directory. The values are made up: of each caption a language, English for 43 in 100, and of each image one of 100
clusters, by chance with a fixed seed. To ask the models would take minutes, and reading what they said takes as long.
Prints as JSON where the values lie, by the folder of a file's work, and the ids that imagenet_centroids is made of.
"""

import hashlib
import json
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa

from dcql.catalog.pool import open_pool
from dcql.compiler import compile_once
from dcql.engine.features import files
from dcql.engine.features.assets import ASSETS_FILE, Assets
from dcql.engine.features.columns import stored_feature
from dcql.engine.features.inputs import Inputs
from dcql.engine.udfs.answers import Answers

CLUSTERS = 100
LANGUAGES = ("en", "de", "fr", "es", "ru", "zh", "ja", "pt")
SHARES = (0.43, 0.12, 0.1, 0.1, 0.08, 0.07, 0.05, 0.05)


def make_assets(folder: Path, names: list[str], rng: np.random.Generator) -> None:
    """Write the assets that a recipe names, and an .npz beside each file."""
    (folder / "assets").mkdir()
    lines = []
    for name, rows in (("centroids_l14", CLUSTERS), ("imagenet_l14", 4 * CLUSTERS)):
        path = folder / "assets" / f"{name}.npy"
        np.save(path, rng.standard_normal((rows, 768)).astype(np.float32))
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        lines += [f"[{name}]", f'file = "assets/{name}.npy"', f'sha256 = "{digest}"', ""]
    (folder / ASSETS_FILE).write_text("\n".join(lines), encoding="utf-8")
    for name in names:
        np.savez((folder / name).with_suffix(".npz"), l14_img=np.zeros((1, 768), np.float16))


def main() -> None:
    pool_name, folder = sys.argv[1:]
    pool = open_pool(pool_name)
    rng = np.random.default_rng(0)
    make_assets(Path(folder), [file.name for file in pool.files], rng)
    program = compile_once("datacomp_1b", pool.schema).program
    assets = Assets(pool, fit=lambda asset: np.empty(0, np.float32), fitted_on=lambda asset: "")
    inputs = Inputs(pool)
    places: dict[str, dict[str, str]] = {file.content: {"file": file.path} for file in pool.files}
    for spec in program.every_feature:
        stored = stored_feature(spec, assets)
        for file in pool.files:
            if spec.name == "lang":
                chosen = pa.array(rng.choice(len(LANGUAGES), file.rows, p=SHARES).astype(np.int32))
                values = pa.array(LANGUAGES).take(chosen)
            else:
                values = pa.array(rng.integers(0, CLUSTERS, file.rows))
            every = np.arange(file.rows)
            path = files.merge(stored, inputs.key(file, spec), file.rows, spec, every, Answers(values))
            places[file.content][spec.name] = str(path)
    (target,) = [one.asset for one in program.asset_sets]
    print(json.dumps({"files": places, "clusters": np.unique(assets.array(target)).tolist()}))


if __name__ == "__main__":
    main()
