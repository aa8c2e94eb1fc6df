"""The summary of CI, read by a Markdown parser of others: what strangers wrote is code, whatever they wrote."""

from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

from ci.conftest import Scratch
from hypothesis import example, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from dcql.catalog.pool import open_pool
from dcql.ci.changed import find_repository
from dcql.ci.examine import Base, Examined, How, Step, examine
from dcql.ci.markdown import MOST, block, code, summary
from dcql.cli import locks
from dcql.errors import Diagnostic, printable

HOSTILE = (
    "<img src=x onerror=alert(1)>",
    "</code></pre><script>alert(1)</script>",
    "@everyone look at https://evil.example and www.evil.example",
    "[a link](https://evil.example) ![an image](https://evil.example/a.png)",
    "a ` tick, `` two, and ``` three",
    "| a | table | of | its | own |",
    "\\| an escaped one \\",
    "` | `",
    "`",
    "&lt;b&gt; &#64;someone",
    "#1 fixes owner/repository#2 and a@b.example",
    "line\n\n# heading\n- list\r\n\x1b[31mred",
    "\u202egnp.elif",
    " spaces at both ends ",
    "$`x`$ and $$y$$ and *stars* _under_ ~~gone~~",
    ":smile: --- ...",
    "",
)
texts = st.one_of(st.sampled_from(HOSTILE), st.text(), st.text(alphabet="`|\\<>@ &#;a*\n"))


class Read(HTMLParser):
    """Gathers the tags of a page, and its text inside code and outside."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[str] = []
        self.inside: list[str] = []
        self.outside = ""
        self._open = 0
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.tags.append(tag)
        if tag == "code":
            self._open += 1
            self.inside.append("")

    def handle_endtag(self, tag: str) -> None:
        self._open -= tag == "code"

    def handle_data(self, data: str) -> None:
        if self._open:
            self.inside[-1] += data
        else:
            self.outside += data


def read(markdown: str) -> Read:
    return Read(MarkdownIt("commonmark", {"html": True}).enable("table").render(markdown))


@given(texts)
@example("a" * 1000)
def test_a_line_of_code_in_a_table(text: str) -> None:
    found = read(f"| a | b |\n|---|---|\n| {code(text)} | end |\n\n")
    assert found.tags.count("td") == 2
    assert set(found.tags) <= {"table", "thead", "tbody", "tr", "th", "td", "code"}
    assert found.outside.split() == ["a", "b", "end"]
    written = printable(text)
    assert found.inside == [written if len(written) <= 200 else f"{written[:199]}…"]


@given(texts)
def test_a_block_of_code(text: str) -> None:
    found = read(f"before\n\n{block(text)}\nafter\n")
    assert found.tags == ["p", "pre", "code", "p"]
    assert found.outside.split() == ["before", "after"]
    assert found.inside == ["".join(f"{printable(line)}\n" for line in text.split("\n"))]


def test_a_hostile_recipe(scratch: Scratch) -> None:
    """Its text, a name of a file and what is wrong: all of it stands in code."""
    quoted = " OR ".join(f"text = '{text}'" for text in HOSTILE if printable(text) == text and "'" not in text)
    old = "SELECT uid FROM pool WHERE width > 1;\n"
    scratch.write("a @someone `<b>`.dcql", old)
    scratch.write("wrong.dcql", old)
    scratch.commit()
    scratch.write("a @someone `<b>`.dcql", f"SELECT uid FROM pool WHERE {quoted};\n")
    scratch.write("wrong.dcql", "SELECT uid FROM pool WHERE text = '@someone ```' AND <script> > 1;\n")
    found = [examined(scratch, path) for path in ("a @someone `<b>`.dcql", "wrong.dcql")]
    page = summary(found, "main")
    told = read(page)
    allowed = "h2 h3 p strong table thead tbody tr th td code pre ul li em"
    assert set(told.tags) <= set(allowed.split())
    for mark in ("@", "<", ">", "`", "evil", "[", "#", "\\"):
        assert mark not in told.outside, mark
    assert any("<img src=x onerror=alert(1)>" in inside for inside in told.inside)
    assert any("a @someone `<b>`.dcql" in inside for inside in told.inside)


def test_what_a_good_change_says(scratch: Scratch) -> None:
    scratch.write("mine.dcql", "SELECT uid FROM pool WHERE clip_l14 >= q(0.3) AND width > 1;\n")
    locks.lock(["mine.dcql"], "small")
    scratch.commit()
    scratch.write("mine.dcql", "SELECT uid FROM pool WHERE clip_l14 >= q(0.6) AND width > 1;\n")
    locks.lock(["mine.dcql"], "small")
    found = examined(scratch, "mine.dcql")
    assert found.ok
    assert found.run is not None
    assert found.compared is not None
    assert found.compared.difference is not None
    kept, gone = found.run.result.subset.distinct, len(found.compared.difference.only_a)
    told = read(summary([found], "main"))
    assert "1 recipe: all hold, compared with ." in told.outside
    assert {"clip_l14 >= q(0.6)", "width > 1", "main:mine.dcql"} <= set(told.inside)
    assert f"{kept:,}" in told.outside
    assert f"{gone:,} removed: " in told.outside
    assert "clause changed: clip_l14 >= q(0.3) -> clip_l14 >= q(0.6)" in told.inside


def test_a_summary_fits_a_comment() -> None:
    long = Diagnostic("E0101", "wrong", None, "é" * 30_000)
    every = [Examined(f"{i}.dcql", (Step("format", (long,)), Step("diff", left_out=True))) for i in range(10)]
    found = summary(every, None)
    assert len(found.encode()) <= MOST
    assert "left out" in read(found).outside
    one = [replace(every[0], steps=(Step("format"), Step("diff", left_out=True)))]
    assert "left out" not in summary(one, None)


def test_nothing_changed() -> None:
    assert read(summary([], "main")).outside.split() == ["Recipes", "No", "recipe", "changed,", "compared", "with", "."]


def examined(scratch: Scratch, path: str) -> Examined:
    repository = find_repository(Path())
    how = How(lambda named: open_pool("small"), perturb=False)
    return examine(repository, path, Base(repository.base("main"), "main"), how)
