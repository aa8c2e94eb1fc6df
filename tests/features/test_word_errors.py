"""The messages of the models of language and words; a file of errors/ is one, with <tmp> for the test's folder."""

import struct
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dcql.engine.udfs import language, wordnet, words
from dcql.errors import RunError

ERRORS = Path(__file__).parent / "errors"
NOTHING: dict[str, Any] = {"weights": None, "assets": {}, "options": {}}


def no_fasttext(tmp: Path, patch: pytest.MonkeyPatch) -> None:
    patch.setitem(sys.modules, "fasttext", None)
    language.load_fasttext_lid(**NOTHING)


def no_cld3(tmp: Path, patch: pytest.MonkeyPatch) -> None:
    patch.setitem(sys.modules, "gcld3", None)
    language.load_cld3(**NOTHING)


def no_fasttext_weights(tmp: Path, patch: pytest.MonkeyPatch) -> None:
    patch.setattr(language, "find_spec", lambda name: None)
    language.load_fasttext_lid(**NOTHING)


def damaged_package(tmp: Path, patch: pytest.MonkeyPatch) -> None:
    (tmp / "lid.176.ftz").write_bytes(b"cut off")
    patch.setattr(language, "packaged_weights", lambda name: tmp / name)
    language.load_fasttext_lid(**NOTHING)


def no_weights(tmp: Path, patch: pytest.MonkeyPatch) -> None:
    language.load_fasttext_lid(weights=tmp / "lid.bin", assets={}, options={})


def text_as_weights(tmp: Path, patch: pytest.MonkeyPatch) -> None:
    (tmp / "lid.bin").write_text("no model of fastText, but long enough to be read as one")
    language.load_fasttext_lid(weights=tmp / "lid.bin", assets={}, options={})


def word_vectors(tmp: Path, patch: pytest.MonkeyPatch) -> None:
    shipped = language.packaged_weights("lid.176.ftz")
    assert shipped is not None
    content = bytearray(shipped.read_bytes())
    # The header: magic, version, then dim, ws, epoch, minCount, neg, wordNgrams, loss, model; 1 is cbow, 3 supervised.
    assert struct.unpack_from("<i", content, 36) == (3,)
    struct.pack_into("<i", content, 36, 1)
    (tmp / "lid.bin").write_bytes(content)
    language.load_fasttext_lid(weights=tmp / "lid.bin", assets={}, options={})


def no_table(tmp: Path, patch: pytest.MonkeyPatch) -> None:
    wordnet.load(tmp / "wordnet30.parquet")


def another_table(tmp: Path, patch: pytest.MonkeyPatch) -> None:
    (tmp / "wordnet31.parquet").write_bytes(b"PAR1")
    assets = {"synsets": np.arange(3)}
    words.load_any_synset(weights=tmp / "wordnet31.parquet", assets=assets, options={})


def matrix_of_synsets(tmp: Path, patch: pytest.MonkeyPatch) -> None:
    words.load_any_synset(weights=None, assets={"synsets": np.zeros((2, 3), np.float32)}, options={})


def synsets_as_text(tmp: Path, patch: pytest.MonkeyPatch) -> None:
    words.load_any_synset(weights=None, assets={"synsets": ("n02084071",)}, options={})


def matrix_of_words(tmp: Path, patch: pytest.MonkeyPatch) -> None:
    words.load_word_list(weights=None, assets={"words": np.zeros((2, 3), np.float32)}, options={})


def no_words(tmp: Path, patch: pytest.MonkeyPatch) -> None:
    words.load_word_list(**NOTHING)


CASES: dict[str, Callable[[Path, pytest.MonkeyPatch], None]] = {
    "E0640_cld3": no_cld3,
    "E0640_fasttext": no_fasttext,
    "E0640_fasttext_weights": no_fasttext_weights,
    "E0643_another_table": another_table,
    "E0643_damaged_package": damaged_package,
    "E0643_no_table": no_table,
    "E0643_no_fasttext_weights": no_weights,
    "E0643_text_as_weights": text_as_weights,
    "E0643_word_vectors": word_vectors,
    "E0650_matrix_of_synsets": matrix_of_synsets,
    "E0650_matrix_of_words": matrix_of_words,
    "E0650_no_words": no_words,
    "E0650_synsets_as_text": synsets_as_text,
}


@pytest.mark.parametrize("name", CASES)
def test_message(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, update: bool) -> None:
    with pytest.raises(RunError) as caught:
        CASES[name](tmp_path, monkeypatch)
    assert caught.value.diagnostics[0].code == name[:5]
    said = str(caught.value).replace(str(tmp_path), "<tmp>") + "\n"
    expected = ERRORS / f"{name}.txt"
    if update:
        expected.write_text(said, encoding="utf-8", newline="\n")
    assert said == expected.read_text(encoding="utf-8")
