"""Write the page of all codes: `python -m dcql.codes > docs/errors.md`."""

import sys

from dcql.codes import CODES, PHASES, RETIRED

INTRODUCTION = """\
# Errors and lints

Every error of dcql has a code, and so has every [lint](lints.md); a code never changes its meaning. `dcql explain-error
E0402` prints one of these entries; this page is made from the same tables by `make errors`.
"""


def document() -> str:
    """Return the page of all codes, as Markdown."""
    blocks = [INTRODUCTION]
    for start, phase in PHASES.items():
        rows = sorted((code for code in CODES.values() if code.code.startswith(start)), key=lambda code: code.code)
        if not rows:
            continue
        blocks.append(f"## {start}xx: {phase}\n")
        for row in rows:
            language = "sql" if row.example.endswith(";") else "text"
            blocks.append(f"### {row.code}: {row.title}\n\n{row.meaning}\n")
            blocks.append(f"```{language}\n{row.example}\n```\n")
            blocks.append(f"Instead:\n\n```{language}\n{row.instead}\n```\n")
    lines = [f"- {code}: see {RETIRED[code]}" for code in sorted(RETIRED)]
    blocks.append("\n".join(["## Codes that are not given any more", "", *lines, ""]))
    return "\n".join(blocks)


if __name__ == "__main__":
    sys.stdout.write(document())
