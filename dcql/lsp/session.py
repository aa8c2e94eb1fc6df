"""What the server does with each message: looks at the text, and asks `dcql.editing`."""

import asyncio
from collections.abc import Sequence
from typing import Any

from lsprotocol import types
from pygls.lsp.server import LanguageServer

from dcql.catalog.types import Column
from dcql.editing.completing import completions
from dcql.editing.diagnosing import diagnose
from dcql.editing.document import Document
from dcql.editing.fixing import all_fixes, formatting, repairs
from dcql.editing.hovering import code_told, column_told, rate_told, told
from dcql.editing.naming import places, refusal
from dcql.editing.places import At, at, definition
from dcql.editing.predicates import predicate_at, question
from dcql.errors import DcqlError, Diagnostic, RecipeError
from dcql.lsp.bound import BoundPool
from dcql.lsp.counts import Counts
from dcql.lsp.texts import Texts
from dcql.lsp.words import completion, outline, range_of, span_range, uri_of
from dcql.source import Span

# After the last change, before a text is checked.
QUIET_SECONDS = 0.2
# How long a hover waits for what is counted; what takes longer is there at the next one.
PATIENCE_SECONDS = 2.0
SECTION = "dcql"


class Session:
    """The state of a server: the pool, the texts that are open, what is being checked and counted."""

    def __init__(self, server: LanguageServer, pool: str | None, explained: str) -> None:
        self.server = server
        self.texts = Texts(server, explained)
        self.pool = BoundPool(pool)
        self.counts = Counts()
        self._ready = asyncio.Event()
        self._checks: dict[str, asyncio.Task[None]] = {}

    # --- the pool -----------------------------------------------------------------------------------------------------

    async def initialize(self, params: types.InitializeParams) -> None:
        """Take the pool that the editor names; it wins over that of the command line."""
        if (named := _pool_of(params.initialization_options)) is not None:
            self.pool = BoundPool(named)

    async def initialized(self, params: types.InitializedParams) -> None:
        """Open the pool: texts are checked from then on."""
        await self._bind(self.pool)

    async def change_configuration(self, params: types.DidChangeConfigurationParams) -> None:
        """Take another pool, and check all texts against it."""
        settings = params.settings
        if isinstance(settings, dict) and SECTION in settings:
            settings = settings[SECTION]
        elif self._can_ask():
            asked = types.ConfigurationParams([types.ConfigurationItem(section=SECTION)])
            settings = next(iter(await self.server.workspace_configuration_async(asked)), None)
        named = _pool_of(settings)
        if named != self.pool.named and isinstance(settings, dict) and "pool" in settings:
            await self._bind(BoundPool(named))

    async def _bind(self, pool: BoundPool) -> None:
        self._ready.clear()
        self.counts.forget()
        await pool.open()
        self.pool = pool
        if pool.fault is not None:
            said = ": ".join(filter(None, (pool.fault.message, pool.fault.label)))
            shown = f"dcql: {said}. Recipes are checked against DataComp's columns instead."
            self.server.window_show_message(types.ShowMessageParams(types.MessageType.Error, shown))
        self._ready.set()
        self._check_all()

    def _can_ask(self) -> bool:
        workspace = self.server.client_capabilities.workspace
        return bool(workspace and workspace.configuration)

    # --- texts --------------------------------------------------------------------------------------------------------

    async def open(self, params: types.DidOpenTextDocumentParams) -> None:
        """Check a text that was opened."""
        self.texts.open(params.text_document.uri)
        self._check(params.text_document.uri, 0)

    async def change(self, params: types.DidChangeTextDocumentParams) -> None:
        """Check a text that was changed, once there is a moment without a change."""
        self._check(params.text_document.uri, QUIET_SECONDS)

    async def save(self, params: types.DidSaveTextDocumentParams) -> None:
        """Check all texts: others may import this one."""
        self.counts.forget()
        self._check_all()

    async def watched(self, params: types.DidChangeWatchedFilesParams) -> None:
        """Check all texts: they may name a file that changed."""
        self.counts.forget()
        self._check_all()

    async def close(self, params: types.DidCloseTextDocumentParams) -> None:
        """Forget a text."""
        if (task := self._checks.pop(params.text_document.uri, None)) is not None:
            task.cancel()
        self.texts.close(params.text_document.uri)

    async def shutdown(self, *params: Any) -> None:
        """End everything that runs beside the server."""
        for task in self._checks.values():
            task.cancel()
        await self.counts.stop()

    def _check_all(self) -> None:
        for uri in self.texts.opened:
            self._check(uri, 0)

    def _check(self, uri: str, seconds: float) -> None:
        if (task := self._checks.get(uri)) is not None:
            task.cancel()
        self._checks[uri] = asyncio.create_task(self._check_later(uri, seconds))
        self._checks[uri].add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        """Tell of a check that failed: nobody waits for it."""
        if not task.cancelled() and (error := task.exception()) is not None:
            said = f"dcql: {type(error).__name__}: {error}"
            self.server.window_log_message(types.LogMessageParams(types.MessageType.Error, said))

    async def _check_later(self, uri: str, seconds: float) -> None:
        await asyncio.sleep(seconds)
        await self._ready.wait()
        document = self.texts.document(uri)
        found = await asyncio.to_thread(_diagnosed, document, self.pool)
        if uri in self.texts.opened and self.texts.document(uri) is document:
            self.texts.tell(uri, found)

    # --- questions ----------------------------------------------------------------------------------------------------

    async def hover(self, params: types.HoverParams) -> types.Hover | None:
        """Tell about the word at a place, and what the condition around it keeps."""
        document, offset, found = await self._at(params)
        uri, schema = params.text_document.uri, self.pool.schema
        first = await asyncio.to_thread(told, document, found, schema) if found is not None else ""
        counted = await asyncio.gather(self._column(found), self._kept(uri, document, offset))
        wrong = (code_told(one.code) for one in self._about(uri, document, offset, offset))
        text = "\n\n---\n\n".join(filter(None, (first, *counted, *wrong)))
        if not text:
            return None
        span = found.span if found is not None else None
        return types.Hover(
            types.MarkupContent(types.MarkupKind.Markdown, text),
            span_range(self.texts.positions(document), span) if span is not None else None,
        )

    async def _column(self, found: At | None) -> str:
        """Return what the pool's column at a place holds, "" where that is not known."""
        if found is None or not isinstance(found.meaning, Column) or self.pool.named is None:
            return ""
        summary = await self.pool.summary(found.meaning, PATIENCE_SECONDS)
        return column_told(summary, self.pool.named) if summary is not None else ""

    async def _kept(self, uri: str, document: Document, offset: int) -> str:
        """Return what the condition around a place keeps of the pool, "" without a pool, or with faults in it."""
        predicate = await asyncio.to_thread(predicate_at, document, offset)
        named = self.pool.named
        if predicate is None or named is None or self.pool.pool is None:
            return ""
        if self._about(uri, document, predicate.span.start, predicate.span.end):
            return ""
        asked = question(document, predicate)
        rate = await self.counts.ask(asked, named, document.path, PATIENCE_SECONDS)
        return rate_told(predicate, asked.of, named, rate)

    async def complete(self, params: types.CompletionParams) -> types.CompletionList:
        """Tell what may be written at a place."""
        document, offset = self._place(params)
        found = await asyncio.to_thread(completions, document, offset, self.pool.schema)
        positions = self.texts.positions(document)
        items = [completion(one, place, positions) for place, one in enumerate(found)]
        return types.CompletionList(is_incomplete=False, items=items)

    async def define(self, params: types.DefinitionParams) -> types.Location | None:
        """Tell where the word at a place is defined."""
        document, _, found = await self._at(params)
        target = definition(found) if found is not None else None
        if target is None:
            return None
        path, span = target
        uri = params.text_document.uri if path is None or path == document.path else uri_of(path)
        if span is None:
            return types.Location(uri, types.Range(types.Position(0, 0), types.Position(0, 0)))
        # A document that was read from the disk has its own lines.
        return types.Location(uri, span_range(self.texts.positions(Document(span.source)), span))

    async def refer(self, params: types.ReferenceParams) -> list[types.Location]:
        """Tell where the name at a place stands."""
        document, spans = await self._spans(params)
        positions = self.texts.positions(document)
        return [types.Location(params.text_document.uri, span_range(positions, span)) for span in spans]

    async def highlight(self, params: types.DocumentHighlightParams) -> list[types.DocumentHighlight]:
        """Tell where the name at a place stands, for the editor to mark."""
        document, spans = await self._spans(params)
        positions = self.texts.positions(document)
        return [types.DocumentHighlight(span_range(positions, span)) for span in spans]

    async def prepare_rename(self, params: types.PrepareRenameParams) -> types.Range | None:
        """Tell whether the word at a place is a name that the recipe gives."""
        document, _, found = await self._at(params)
        spans = await asyncio.to_thread(places, document, found, self.pool.schema)
        return span_range(self.texts.positions(document), found.span) if spans and found is not None else None

    async def rename(self, params: types.RenameParams) -> types.WorkspaceEdit | None:
        """Give the name at a place another one."""
        from pygls.exceptions import JsonRpcInvalidParams

        document, _, found = await self._at(params)
        spans = await asyncio.to_thread(places, document, found, self.pool.schema)
        if not spans or found is None:
            return None
        why = refusal(document, found, params.new_name, self.pool.schema)
        if why:
            raise JsonRpcInvalidParams(why)
        return self._edit(params.text_document.uri, document, [(span, params.new_name) for span in spans])

    async def symbols(self, params: types.DocumentSymbolParams) -> list[types.DocumentSymbol]:
        """Tell the names that a recipe gives."""
        document = self.texts.document(params.text_document.uri)
        return outline(document.symbols, self.texts.positions(document))

    async def format(self, params: types.DocumentFormattingParams) -> list[types.TextEdit] | None:
        """Give a recipe its canonical form; one that has faults stays as it is."""
        document = self.texts.document(params.text_document.uri)
        try:
            edits = await asyncio.to_thread(formatting, document)
        except RecipeError:
            return None
        positions = self.texts.positions(document)
        return [types.TextEdit(range_of(positions, start, end), text) for start, end, text in edits]

    async def act(self, params: types.CodeActionParams) -> list[types.CodeAction]:
        """Tell what can be written in place of what is wrong in a range."""
        uri = params.text_document.uri
        document = self.texts.document(uri)
        positions = self.texts.positions(document)
        start = positions.offset(params.range.start.line, params.range.start.character)
        end = positions.offset(params.range.end.line, params.range.end.character)
        actions = []
        for one in self._about(uri, document, start, end):
            for repair in repairs(one):
                action = types.CodeAction(
                    title=repair.title,
                    kind=types.CodeActionKind.QuickFix,
                    diagnostics=[told for told in params.context.diagnostics if told.code == one.code],
                    is_preferred=repair.safe or None,
                    edit=self._edit(uri, document, repair.edits),
                )
                actions.append(action)
        if _asked(params.context.only, types.CodeActionKind.SourceFixAll):
            edits = await asyncio.to_thread(all_fixes, document, self.pool.schema)
            if edits:
                spans = [(document.source.span(start, end), text) for start, end, text in edits]
                title = "apply every fix that keeps what the recipe means"
                kind = types.CodeActionKind.SourceFixAll
                actions.append(types.CodeAction(title=title, kind=kind, edit=self._edit(uri, document, spans)))
        return actions

    def _about(self, uri: str, document: Document, start: int, end: int) -> list[Diagnostic]:
        """Return what was found wrong between two offsets of a text, as it is now."""
        return [
            one
            for one in self.texts.found.get(uri, ())
            if one.span is not None
            and one.span.source is document.source
            and one.span.start <= end
            and start <= one.span.end
        ]

    def _edit(self, uri: str, document: Document, edits: Any) -> types.WorkspaceEdit:
        positions = self.texts.positions(document)
        return types.WorkspaceEdit({uri: [types.TextEdit(span_range(positions, span), text) for span, text in edits]})

    def _place(self, params: Any) -> tuple[Document, int]:
        document = self.texts.document(params.text_document.uri)
        place = params.position
        return document, self.texts.positions(document).offset(place.line, place.character)

    async def _at(self, params: Any) -> tuple[Document, int, At | None]:
        document, offset = self._place(params)
        return document, offset, await asyncio.to_thread(at, document, offset, self.pool.schema)

    async def _spans(self, params: Any) -> tuple[Document, tuple[Span, ...]]:
        document, _, found = await self._at(params)
        return document, await asyncio.to_thread(places, document, found, self.pool.schema)


def _diagnosed(document: Document, pool: BoundPool) -> tuple[Diagnostic, ...]:
    """Return what is wrong with a text; a bug of dcql is told as one, and ends nothing."""
    try:
        return diagnose(document, pool.schema)
    except DcqlError as error:
        return error.diagnostics
    except Exception as error:
        said = f"{type(error).__name__}: {error}".splitlines()[0]
        return (Diagnostic("E0901", "internal error", None, said, ("this is a bug in dcql: please report it",)),)


def _asked(only: Sequence[str | types.CodeActionKind] | None, kind: types.CodeActionKind) -> bool:
    """Return whether an editor wants actions of a kind, or of all kinds."""
    return not only or any(kind.value == one or kind.value.startswith(f"{one}.") for one in only)


def _pool_of(settings: Any) -> str | None:
    """Return the pool of an editor's settings: `{"pool": ..}`, where it is not empty."""
    named = settings.get("pool") if isinstance(settings, dict) else getattr(settings, "pool", None)
    return named if isinstance(named, str) and named else None
