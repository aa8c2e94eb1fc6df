"""E14xx: looking at subsets."""

from dcql.codes.code import Code

CODES: tuple[Code, ...] = (
    # Comparing: E1411 to E1429.
    Code(
        code="E1411",
        title="no such revision",
        meaning="`REV:path` names a recipe of a git revision, which is read from the repository of the working folder. "
        "There is no such commit, no repository, or no git; or the name begins with `-`, as no revision does.",
        example="`dcql diff HEAD~100:recipes/mine.dcql recipes/mine.dcql` in a repository of ten commits",
        instead="`dcql diff HEAD~1:recipes/mine.dcql recipes/mine.dcql`; `./a:b.dcql` is a file called `a:b.dcql`",
    ),
    Code(
        code="E1412",
        title="no such file in a revision",
        meaning="The revision is there, and has no file of this path. As in git, a path starts at the top of the "
        "repository, and at the working folder where it begins with `./`.",
        example="`dcql diff HEAD~1:mine.dcql mine.dcql` in the folder `recipes` of a repository",
        instead="`dcql diff HEAD~1:./mine.dcql mine.dcql`",
    ),
    Code(
        code="E1413",
        title="lock that cannot be compared",
        meaning="A lock holds the hash of a subset, not its samples: these are computed again from the recipe beside "
        "it. Something that decides them is no longer what the lock records: the recipe, what it names, the library, "
        "the pool, or the rules of another version of the semantics. Two such locks are compared by what they record.",
        example="`dcql diff mine.lock other.dcql` after mine.dcql was edited",
        instead="`dcql diff HEAD:mine.dcql other.dcql`, the recipe as it was when it was locked",
    ),
    Code(
        code="E1414",
        title="no recipe to explain a difference",
        meaning="`--causes` says why samples differ by the clauses of a recipe. Neither of the two is one, or can be "
        "traced to one.",
        example="`dcql diff a.npy b.npy --causes`",
        instead="`dcql diff a.npy b.npy`, or a recipe for one of them: `dcql diff a.npy b.dcql`",
    ),
)
