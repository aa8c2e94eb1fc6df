"""E158x: recipe repositories, their merges and their CI."""

from dcql.codes.code import Code

CODES: tuple[Code, ...] = (
    Code(
        code="E1581",
        title="lock was merged, and not written anew",
        meaning="Two branches changed a recipe, and git merged their locks: neither is that of the merged recipe. The "
        "file says in what they differ, and holds no run until it is written anew.",
        example="git merge other; dcql lock --check mine.dcql",
        instead="dcql lock mine.dcql",
    ),
    Code(
        code="E1582",
        title="no git repository",
        meaning="`dcql ci` looks at what changed in a git repository, and the folder is in none, or the program `git` "
        "is not there.",
        example="cd /tmp; dcql ci run",
        instead="cd my-recipes; dcql ci run",
    ),
    Code(
        code="E1583",
        title="no such base",
        meaning="What a branch changes is told against another commit, and git knows none of that name. CI often "
        "fetches the last commit alone.",
        example="dcql ci run --base main, after a checkout of one commit",
        instead="git fetch origin main; dcql ci run --base origin/main",
    ),
    Code(
        code="E1584",
        title="recipe is a symbolic link",
        meaning="A link of a repository could lead to any file of the machine that checks it, and what is wrong with a "
        "recipe is shown with its text. So recipes are files of their own.",
        example="ln -s ../mine.dcql recipes/mine.dcql; dcql ci run",
        instead="cp mine.dcql recipes/mine.dcql; dcql ci run",
    ),
    Code(
        code="E1585",
        title="subset depends on how it was computed",
        meaning="A recipe was run under conditions that must not matter, and another subset came out. It has a model "
        "of its own, which must give each sample one answer: whatever else it is asked, when, and in which process.",
        example="a model that answers with `hash(text)`, which Python seeds anew in each process",
        instead="a model that answers with `hashlib.sha256(text.encode()).digest()[0]`",
    ),
    Code(
        code="E1586",
        title="cannot set up the repository",
        meaning="`dcql ci setup` writes lines to .gitattributes and the merge driver to git's settings of this "
        "clone, and one of them could not be written.",
        example="dcql ci setup, in a repository of another user",
        instead="dcql ci setup, as a user who may write there",
    ),
)
