"""`dcql completion`: scripts that shells complete command lines with, and what they are told."""

from collections.abc import Iterator
from enum import StrEnum
from typing import Annotated, Any

import typer

from dcql.cli.shell import shown


class Shell(StrEnum):
    """A shell that completes command lines."""

    BASH = "bash"
    ZSH = "zsh"
    FISH = "fish"


# Each asks `dcql completion SHELL LINE`, and gets lines of kind, value and help with tabs between them.
_SCRIPTS = {
    Shell.BASH: r"""# In ~/.bashrc:  eval "$(dcql completion bash)"
_dcql() {
    local IFS=$'\n' kind value help current=${COMP_WORDS[COMP_CWORD]}
    [[ $current == '=' ]] && current=
    COMPREPLY=()
    while IFS=$'\t' read -r kind value help; do
        case $kind in
            plain)
                [[ $value == *[^[:alnum:]_./=:@%+,-]* ]] && printf -v value %q "$value"
                COMPREPLY+=("$value")
                ;;
            file)
                compopt -o filenames 2>/dev/null
                COMPREPLY+=($(compgen -f -- "$current"))
                ;;
        esac
    done < <("${COMP_WORDS[0]}" completion bash "${COMP_LINE:0:COMP_POINT}" 2>/dev/null)
    if ((${#COMPREPLY[@]} == 1)) && [[ ${COMPREPLY[0]} == *[/=] ]]; then
        compopt -o nospace 2>/dev/null
    fi
}
complete -F _dcql dcql
""",
    Shell.ZSH: r"""#compdef dcql
# In ~/.zshrc, after compinit:  eval "$(dcql completion zsh)"
_dcql() {
    local kind value help
    local -a whole begun
    while IFS=$'\t' read -r kind value help; do
        case $kind in
            plain)
                if [[ $value == *[/=] ]]; then
                    begun+=("$value")
                else
                    whole+=("${value//:/\\:}${help:+:$help}")
                fi
                ;;
            file) _files ;;
        esac
    done < <("${words[1]}" completion zsh "${(j: :)words[1,CURRENT]}" 2>/dev/null)
    ((${#begun})) && compadd -S '' -- "${begun[@]}"
    ((${#whole})) && _describe -V dcql whole
}
if [[ $zsh_eval_context[-1] == loadautofunc ]]; then
    _dcql "$@"
else
    compdef _dcql dcql
fi
""",
    Shell.FISH: r"""# dcql completion fish > ~/.config/fish/completions/dcql.fish
function __dcql_complete
    for row in (dcql completion fish (commandline -cp | string collect) 2>/dev/null)
        set -l parts (string split \t -- $row)
        switch $parts[1]
            case plain
                printf '%s\t%s\n' $parts[2] "$parts[3]"
            case file
                __fish_complete_path (commandline -ct)
        end
    end
end
complete -c dcql -f -a '(__dcql_complete)'
""",
}


def completion(
    shell: Annotated[Shell, typer.Argument(help="Whose script to print.", show_choices=True)],
    line: Annotated[
        str | None, typer.Argument(metavar="[LINE]", help="Print what may follow this begun line; scripts ask so.")
    ] = None,
) -> None:
    """Print the script with which a shell completes commands, options, recipes, pools and PARAMs.

    Its first lines say where it belongs.
    """
    if line is None:
        print(_SCRIPTS[shell], end="")
        return
    for kind, value, help_ in answers(line, shell):
        print(f"{kind}\t{value}\t{help_}")


def answers(line: str, shell: Shell) -> Iterator[tuple[str, str, str]]:
    """Yield what may stand where a line of `dcql ..` breaks off: its kind, the word, and a help text, maybe empty.

    The kinds are `plain` for a word, and `file` for any file, which the shell knows. A word with control characters is
    left out.
    """
    from typer._completion_classes import BashComplete
    from typer.main import get_command

    from dcql.cli.app import app

    words, begun = _split(line)
    command: Any = get_command(app)
    # What typer's own scripts ask; bash says `=` and what follows it apart from the option before.
    found = BashComplete(command, {"obj": words}, "dcql", "_DCQL_COMPLETE").get_completions(words[1:], begun)
    if not found and not begun.startswith("-"):
        yield "file", "", ""  # a path, or a value of which nobody knows more
    option, equals, _ = begun.partition("=")
    before = f"{option}=" if equals and begun.startswith("--") and shell is not Shell.BASH else ""
    for item in found:
        if str(item.value).isprintable():
            help_ = " ".join((item.help or "").split())
            yield "plain", before + str(item.value), shown(help_)


def _split(line: str) -> tuple[list[str], str]:
    """Split a line that breaks off into its whole words and the one that is begun; quotes may be open."""
    words: list[str] = []
    word: str | None = None
    quote = ""
    characters = iter(line)
    for character in characters:
        if quote:
            if character == quote:
                quote = ""
            else:
                word = (word or "") + character
        elif character in "'\"":
            quote, word = character, word or ""
        elif character == "\\":
            word = (word or "") + next(characters, "")
        elif character.isspace():
            if word is not None:
                words.append(word)
            word = None
        else:
            word = (word or "") + character
    return words, word or ""
