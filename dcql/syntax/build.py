"""Generate _standalone.py from grammar.lark: `python -m dcql.syntax.build`.

Running dcql needs neither lark nor a cache file; this is the only module that imports lark, and only developers run it.
"""

import io
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent
GRAMMAR = FOLDER / "grammar.lark"
STANDALONE = FOLDER / "_standalone.py"

Table = dict[str, Any]


def generate() -> str:
    """Return the text of _standalone.py: lark's runtime, then the tables of the grammar, the same on every call."""
    from lark import Lark
    from lark.grammar import Rule
    from lark.lexer import TerminalDef
    from lark.tools.standalone import gen_standalone

    parser = Lark(
        GRAMMAR.read_text(encoding="utf-8"),
        parser="lalr",
        lexer="contextual",
        # tree.py takes spans from the first and the last token of a rule, so none may vanish.
        keep_all_tokens=True,
        maybe_placeholders=True,
    )
    out = io.StringIO()
    gen_standalone(parser, out=out)  # type: ignore[no-untyped-call]
    runtime, rest = out.getvalue().split("DATA = (\n")
    loader = rest[rest.index("Shift = 0") :]
    data, rules = parser.memo_serialize([TerminalDef, Rule])
    data["parser"]["parser"] = renumbered(data["parser"]["parser"])
    lines = [*runtime.splitlines(), *literal("DATA", data, 4), *literal("MEMO", rules, 1), *loader.splitlines()]
    return "\n".join(line.rstrip() for line in lines) + "\n"


def renumbered(table: Table) -> Table:
    """Return a parse table with its states numbered in the order in which they are reached, by name of the symbol.

    lark numbers them in the order of sets, which differs from run to run.
    """
    symbols: dict[int, str] = table["tokens"]
    numbers = {symbol: i for i, symbol in enumerate(sorted(symbols.values()))}
    order = list(table["start_states"].values())
    rows = []
    for state in order:
        row = []
        for symbol, (action, target) in sorted(table["states"][state].items(), key=lambda entry: symbols[entry[0]]):
            if action == 0 and target not in order:
                order.append(target)
            row.append((numbers[symbols[symbol]], action, target))
        rows.append(row)
    place = {state: i for i, state in enumerate(order)}
    return {
        **table,
        "tokens": {number: symbol for symbol, number in numbers.items()},
        "states": {
            i: {symbol: (action, target if action else place[target]) for symbol, action, target in row}
            for i, row in enumerate(rows)
        },
        "start_states": {start: place[state] for start, state in table["start_states"].items()},
        "end_states": {start: place[state] for start, state in table["end_states"].items()},
    }


def literal(name: str, value: Any, levels: int) -> list[str]:
    """Return `name = value` as lines of Python, one line for each entry of the dicts `levels` deep."""
    return f"{name} = {_nested(value, levels)}".splitlines()


def _nested(value: Any, levels: int) -> str:
    if not (isinstance(value, dict) and levels):
        return repr(value)
    return "{\n" + "".join(f"{key!r}: {_nested(item, levels - 1)},\n" for key, item in value.items()) + "}"


def main() -> None:
    """Write _standalone.py."""
    STANDALONE.write_text(generate(), encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
