"""The texts that are open in the editor, and what was last found wrong with each."""

from pathlib import Path

from lsprotocol import types
from pygls.lsp.server import LanguageServer
from pygls.uris import to_fs_path

from dcql.editing.diagnosing import by_file
from dcql.editing.document import Document
from dcql.editing.positions import Positions
from dcql.errors import Diagnostic
from dcql.lsp.words import diagnostic, uri_of
from dcql.source import Source


class Texts:
    """Open texts by their address, and diagnostics by the text that they were found from."""

    def __init__(self, server: LanguageServer, explained: str) -> None:
        self._server = server
        self._explained = explained
        self._documents: dict[str, tuple[str, Document]] = {}
        self.found: dict[str, tuple[Diagnostic, ...]] = {}
        self._by_file: dict[str, dict[str, tuple[Diagnostic, ...]]] = {}

    @property
    def encoding(self) -> str:
        """The units in which columns are counted."""
        agreed = self._server.workspace.position_encoding
        return str(types.PositionEncodingKind(agreed).value) if agreed else "utf-16"

    @property
    def opened(self) -> tuple[str, ...]:
        """The addresses of the texts that are open."""
        return tuple(self._documents)

    def open(self, uri: str) -> None:
        """Take a text as open."""
        self._documents[uri] = ("", Document(Source(_name(uri), ""), _path(uri)))

    def close(self, uri: str) -> None:
        """Forget a text and what was found in it."""
        self._documents.pop(uri, None)
        self.tell(uri, ())
        self.found.pop(uri, None)

    def document(self, uri: str) -> Document:
        """Return a text as it is now."""
        text = self._server.workspace.get_text_document(uri).source
        known = self._documents.get(uri)
        if known is not None and known[0] == text:
            return known[1]
        document = Document(Source(_name(uri), text), _path(uri))
        if uri in self._documents:
            self._documents[uri] = (text, document)
        return document

    def positions(self, document: Document) -> Positions:
        """Return the lines of a text as the editor counts them."""
        return Positions(document.source.text, self.encoding)

    def tell(self, uri: str, found: tuple[Diagnostic, ...]) -> None:
        """Publish what was found from a text, each where it is: an imported recipe's in its own file."""
        document = self._documents.get(uri, ("", Document(Source(_name(uri), ""), _path(uri))))[1]
        self.found[uri] = found
        before = set(self._by_file.pop(uri, {}))
        told = {uri_of(path) if path != document.path and path else uri: ones for path, ones in _split(document, found)}
        self._by_file[uri] = told
        for one in sorted(before | set(told) | {uri}):
            self._publish(one)
        if not found:
            self._by_file.pop(uri)

    def _publish(self, uri: str) -> None:
        """Publish everything that is known of a file, from itself and from those that import it."""
        opened = self._documents.get(uri)
        ones: dict[Diagnostic, None] = {}
        for owner, told in self._by_file.items():
            for one in told.get(uri, ()):
                # What was read from the disk may be older than the text in the editor, which is told of by itself.
                if owner == uri or opened is None or one.span is None or one.span.source.text == opened[0]:
                    ones[one] = None
        unique = {}
        for one in ones:
            told_one = diagnostic(one, self.encoding, self._explained)
            unique[(one.code, one.message, str(told_one.range))] = told_one
        self._server.text_document_publish_diagnostics(types.PublishDiagnosticsParams(uri, list(unique.values())))


def _split(document: Document, found: tuple[Diagnostic, ...]) -> list[tuple[Path | None, tuple[Diagnostic, ...]]]:
    return list(by_file(document, found).items())


def _path(uri: str) -> Path | None:
    """Return the file of an address, None for a text that lies in no file."""
    path = to_fs_path(uri)
    return Path(path) if path else None


def _name(uri: str) -> str:
    path = _path(uri)
    return path.name if path is not None else "recipe"
