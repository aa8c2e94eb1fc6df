"""The site: what is on it, what is not, and that whatever a submission says is text."""

import json
import os
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path

import pytest
import submissions
from submissions import read, write_json

from dcql.cli import main
from dcql.errors import DcqlError, render
from dcql.leaderboard.boards import boards
from dcql.leaderboard.build import build_site
from dcql.leaderboard.gather import gather
from dcql.pages.text import edits
from dcql.submission.layout import OWN
from dcql.syntax.highlight import pieces

ERRORS = Path(__file__).parent / "errors"
# What a page may load or run: nothing else has a src, a href of another kind, or code.
LOADED = {"../../style.css", "../../board.js", "style.css", "board.js"}
LINKED = re.compile(r"(https?://|\.\./|entries/|#|[a-z_]+\.(toml|dcql|lock|json|jsonl)$)")


class Page(HTMLParser):
    """What a page has: its elements, the addresses that it loads and links to, and its text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def pages(site: Path) -> dict[str, Page]:
    """Return the pages of a site by their paths."""
    return {path.relative_to(site).as_posix(): Page(path.read_text()) for path in sorted(site.rglob("*.html"))}


@pytest.fixture(scope="session")
def site(submitted: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the site of the submissions."""
    out = tmp_path_factory.mktemp("site") / "site"
    build_site(submitted, out)
    return out


def test_rows_are_ranked(submitted: Path) -> None:
    accepted, rejected = gather(submitted)
    assert rejected == ()
    found = {board.id: board for board in boards(accepted)}
    assert [row.name for row in found["filtering-demo"].rows] == [
        "DataComp-1B",
        "CLIP score, top 30 %",
        '<script>document.title = "owned"</script> & "quoted" \'name\'',
        "No filtering",
    ]
    assert [row.rank for row in found["filtering-demo"].rows] == [1, 2, 3, 4]
    assert [column.title for column in found["filtering-demo"].columns] == ["Top-1", "Top-5", "Average"]
    assert found["byod-demo"].entries == 1


def test_baselines_are_quoted_with_their_source(site: Path) -> None:
    told = json.loads((site / "leaderboard.json").read_text())
    medium = next(board for board in told["boards"] if (board["track"], board["scale"]) == ("filtering", "medium"))
    best = medium["rows"][0]
    assert best["name"] == "Image-based ∩ CLIP score (L/14, 30\u00a0%)"
    assert best["rank"] is None
    assert best["figures"] == [0.297, None]
    assert best["size"] == 14_000_000
    assert best["quoted"][0]["url"].startswith("https://")
    assert "quoted" in (site / "index.html").read_text()


def test_the_same_submissions_give_the_same_bytes(submitted: Path, site: Path, tmp_path: Path) -> None:
    # In another order of the file system, from another place, over a site that was there.
    shutil.copytree(submitted, tmp_path / "elsewhere")
    build_site(tmp_path / "elsewhere", tmp_path / "again")
    build_site(tmp_path / "elsewhere", tmp_path / "again")
    files = {path.relative_to(site) for path in site.rglob("*") if path.is_file()}
    assert files == {p.relative_to(tmp_path / "again") for p in (tmp_path / "again").rglob("*") if p.is_file()}
    for path in files:
        assert (site / path).read_bytes() == (tmp_path / "again" / path).read_bytes(), path


def test_nothing_that_a_submission_says_is_markup(site: Path) -> None:
    for name, page in pages(site).items():
        for tag, attributes in page.elements:
            assert tag not in ("img", "iframe", "object", "embed", "form", "style", "base"), (name, tag)
            assert not [one for one in attributes if one.startswith("on") or one in ("style", "srcdoc")], name
            for attribute in ("src", "data"):
                assert attributes.get(attribute, "board.js") in LOADED, (name, tag)
            if tag == "link":
                assert attributes["href"] in LOADED
            if tag == "script":
                assert attributes.get("src") in LOADED
            if tag == "a":
                assert re.match(
                    r"(https?://|\.\./|entries/|#|[a-z_]+\.(toml|dcql|lock|json|jsonl)$)", str(attributes["href"])
                )
    index = (site / "index.html").read_text()
    assert "<script>document" not in index
    assert "&lt;script&gt;document" in index
    assert "<img" not in index


def test_links_lead_somewhere(site: Path) -> None:
    for name, page in pages(site).items():
        ids = {attributes.get("id") for _, attributes in page.elements}
        for tag, attributes in page.elements:
            href = attributes.get("href")
            if tag not in ("a", "link") or href is None or "://" in href:
                continue
            path, _, anchor = href.partition("#")
            if path:
                target = (site / name).parent / path
                assert target.resolve().is_file(), (name, href)
            elif anchor:
                assert anchor in ids, (name, href)


def test_names_of_files_are_safe(site: Path) -> None:
    for path in (site / "entries").iterdir():
        assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*-[0-9a-f]{12}", path.name), path.name
        assert {one.name for one in path.iterdir()} <= {*OWN, "index.html"}


def test_an_entry_page_tells_all_of_it(submitted: Path, site: Path) -> None:
    accepted, _ = gather(submitted)
    one = next(entry for entry in accepted if entry.place == "group/image")
    text = (site / "entries" / one.slug / "index.html").read_text()
    for said in (
        one.lock.subset,
        one.shards.digest,
        one.run.run_hash,
        one.weights.weights_sha256,
        one.evaluation.eval_hash,
        one.entry.digest,
        "image_cluster IN imagenet_centroids",
        "2,784",
        "Held-out drawings by name",
        "no uids at hand",
        "a processor",
    ):
        assert said in text, said
    # Against CLIP's 6,433 samples: all of its own are among them.
    row = re.search(r"CLIP score, top 30 %</a>.*?</tr>", text, re.DOTALL)
    assert row is not None
    assert re.findall(r'data-value="([\d.]+)"', row[0]) == ["2784", "0", "3649", "0.432769"]


def test_recipes_are_compared_line_by_line(submitted: Path, site: Path) -> None:
    accepted, _ = gather(submitted)
    one = next(entry for entry in accepted if entry.place == "clip")
    text = (site / "entries" / one.slug / "index.html").read_text()
    assert "<ins>+ SELECT uid FROM pool WHERE clip_l14 &gt;= q(0.7)</ins>" in text
    assert "<del>- SELECT uid FROM pool</del>" in text
    found = [(edit.sign, edit.text) for edit in edits("a\nb\nc\n", "a\nx\nc\n")]
    assert found == [(" ", "a"), ("-", "b"), ("+", "x"), (" ", "c")]
    assert edits("a\n" * 1000, "b\n") == ()


# --- what does not hold -----------------------------------------------------------------------------------------------


def test_what_does_not_hold_is_rejected_and_stops_nothing(folder: Path, tmp_path: Path) -> None:
    (folder / "clip" / "run.json").write_text("{")
    (folder / "none" / "manifest.json").unlink()
    (folder / "group" / "image" / "recipe.lock").unlink()
    (folder / "group" / "image" / "recipe.lock").symlink_to("/etc/passwd")
    (folder / "empty").mkdir()
    (folder / "junk").mkdir()
    (folder / "junk" / "entry.toml").write_bytes(b"\xff\xff")
    (folder / "readme.md").write_text("not a submission")
    built = build_site(folder, tmp_path / "site")
    assert [one.place for one in built.entries] == ["hostile", "own-data"]
    assert [one.place for one in built.rejected] == ["clip", "group/image", "junk", "none"]
    text = (tmp_path / "site" / "index.html").read_text()
    assert "4 rejected" in text
    assert "root:" not in "".join(path.read_text() for path in (tmp_path / "site").rglob("*") if path.is_file())


def test_the_same_entry_twice_is_on_the_board_once(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder / "clip", folder / "zcopy")
    built = build_site(folder, tmp_path / "site")
    assert [one.place for one in built.rejected] == ["zcopy"]
    assert "the same entry as `clip`" in built.rejected[0].reason


def test_one_run_with_two_weights_is_a_conflict(folder: Path, tmp_path: Path) -> None:
    other = folder / "again"
    shutil.copytree(folder / "clip", other)
    write_json(other / "weights.json", {**read(other / "weights.json"), "weights_sha256": submissions.sha("others")})
    submissions.reseal(other, quality=0.51)
    entry = other / "entry.toml"
    entry.write_text(entry.read_text().replace("CLIP score", "CLIP score again"))
    built = build_site(folder, tmp_path / "site")
    assert built.rejected == ()
    [conflict] = built.conflicts
    assert (conflict.of, conflict.what, conflict.explained) == ("run", "weights", False)
    assert {one.place for one in conflict.entries} == {"again", "clip"}
    text = (tmp_path / "site" / "index.html").read_text()
    assert "1 conflict" in text
    assert text.index("1 conflict") < text.index("<table")


def test_one_evaluation_with_two_results_is_a_conflict(folder: Path, tmp_path: Path) -> None:
    other = folder / "again"
    shutil.copytree(folder / "clip", other)
    submissions.reseal(other, quality=0.52)
    built = build_site(folder, tmp_path / "site")
    assert {(conflict.of, conflict.what) for conflict in built.conflicts} == {("evaluation", "results")}


def test_a_site_is_written_over_a_site_alone(folder: Path, tmp_path: Path, update: bool) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "thesis.tex").write_text("all of it")
    check_error("E1320_not_a_site", folder, tmp_path / "home", tmp_path, update)
    assert (tmp_path / "home" / "thesis.tex").exists()


def test_there_have_to_be_submissions(tmp_path: Path, update: bool) -> None:
    check_error("E1320_no_submissions", tmp_path / "none", tmp_path / "site", tmp_path, update)


def check_error(name: str, folder: Path, out: Path, tmp_path: Path, update: bool) -> None:
    """Compare the error of a build with its file."""
    with pytest.raises(DcqlError) as caught:
        build_site(folder, out)
    drawn = render(caught.value.diagnostics).replace(str(tmp_path), "~") + "\n"
    compare(name, drawn, update)


def compare(name: str, drawn: str, update: bool) -> None:
    expected = ERRORS / f"{name}.txt"
    if update:
        expected.parent.mkdir(exist_ok=True)
        expected.write_text(drawn, encoding="utf-8")
    assert drawn == expected.read_text(encoding="utf-8")


def test_the_same_entry_twice_is_told_as_an_error(folder: Path, update: bool) -> None:
    shutil.copytree(folder / "clip", folder / "zcopy")
    _, rejected = gather(folder)
    drawn = re.sub(r"[0-9a-f]{64}", "<digest>", render(rejected[0].faults)) + "\n"
    compare("E1321_same_entry", drawn, update)


def test_links_out_of_the_folder_are_not_followed(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder / "clip", tmp_path / "outside")
    os.symlink(tmp_path / "outside", folder / "inside")
    accepted, rejected = gather(folder)
    assert "inside" not in {one.place for one in (*accepted, *rejected)}


def test_the_command_tells_what_it_built(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "clip" / "run.json").unlink()
    with pytest.raises(SystemExit) as ended:
        main(["leaderboard", "build", str(folder), "-o", str(tmp_path / "site")])
    assert ended.value.code == 0
    told = capsys.readouterr().out
    assert told.startswith("4 entries on 2 boards, 1 rejected\nrejected clip: E1310: `run.json` cannot be read")


# --- recipes in colour ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "SELECT uid FROM pool WHERE clip_l14 >= q(0.7) -- the best\n  AND text LIKE 'a''b%';",
        "select uid from pool where first = 1 and model IS NOT NULL",
        "'never closed\n SELECT \x00 \u202e <b>",
        "",
        ";" * 100_000,
        '"quoted" `back` $var {{x}} /* block */ := ** ???',
    ],
)
def test_pieces_are_the_text_again(text: str) -> None:
    assert "".join(piece.text for piece in pieces(text)) == text


def test_keywords_are_those_of_the_grammar() -> None:
    import dcql.syntax
    from dcql.syntax.vocabulary import KEYWORDS

    grammar = (Path(dcql.syntax.__file__).parent / "grammar.lark").read_text()
    words = set(re.findall(r"^([A-Z][A-Z0-9]*)(?:\.\d)?:\s+/[A-Z0-9]+\\b", grammar, re.MULTILINE))
    assert words | {"JOIN"} == KEYWORDS
