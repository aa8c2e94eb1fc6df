"""L0xx: what a recipe says that it likely does not mean, or need not say; L1xx: comments that allow lints."""

from dcql.codes.code import Code

CODES: tuple[Code, ...] = (
    Code(
        code="L001",
        title="threshold that leaves out its own samples",
        meaning=(
            "`x > q(p)` drops the samples whose score is the threshold itself, of which there are always some. "
            "DataComp keeps them, and its published numbers are of `x >= q(p)`. With `--pool`, the lint says how "
            "many samples the recipe loses. It has no fix, for the subset would be another one."
        ),
        example="SELECT uid FROM pool WHERE clip_l14 > q(0.7);",
        instead="SELECT uid FROM pool WHERE clip_l14 >= q(0.7);",
    ),
    Code(
        code="L002",
        title="threshold over the survivors",
        meaning=(
            "`q(p OF stage)` ranks what a filter left. Published recipes rank the whole pool and filter beside it, "
            "and keep other samples: the best 30 % of the pool that are English are not the best 30 % of the "
            "English. Where the survivors are meant, a comment says so."
        ),
        example=(
            "WITH english AS (SELECT uid FROM pool WHERE lang = 'en')\n"
            "SELECT uid FROM english WHERE clip_l14 >= q(0.7 OF english);"
        ),
        instead=(
            "WITH english AS (SELECT uid FROM pool WHERE lang = 'en')\n"
            "SELECT uid FROM english WHERE clip_l14 >= q(0.7 OF pool);"
        ),
    ),
    Code(
        code="L003",
        title="condition that is never FALSE",
        meaning=(
            "The condition keeps every sample, or every sample for which its value is not NULL, on any pool. What a "
            "PARAM decides is not counted, for it is made to be changed. Where the condition is TRUE even for NULL, "
            "the fix removes it."
        ),
        example="SELECT uid FROM pool WHERE lang = 'en' AND code_points(caption) >= 0;",
        instead="SELECT uid FROM pool WHERE lang = 'en' AND caption IS NOT NULL;",
    ),
    Code(
        code="L004",
        title="condition that is never TRUE",
        meaning=(
            "No sample of any pool passes: two conditions exclude each other, bounds stand the wrong way around, or "
            "something is compared with NULL, which is NULL and not TRUE."
        ),
        example="SELECT uid FROM pool WHERE caption = NULL;",
        instead="SELECT uid FROM pool WHERE caption IS NULL;",
    ),
    Code(
        code="L005",
        title="condition that follows from another",
        meaning=(
            "Wherever the other condition is TRUE, this one is: beside it with AND, or in a stage above, it drops "
            "nothing; beside it with OR it adds nothing. One of them may be a slip. The fix removes the condition, "
            "unless a feature stands in it: then other samples could be asked of a model."
        ),
        example="SELECT uid FROM pool WHERE clip_l14 >= 0.2 AND width >= 200 AND clip_l14 >= 0.3;",
        instead="SELECT uid FROM pool WHERE width >= 200 AND clip_l14 >= 0.3;",
    ),
    Code(
        code="L006",
        title="name that is not used",
        meaning=(
            "The query needs neither the name, nor anything else that needs it: a condition may have been "
            "forgotten. A PARAM that nothing uses makes `--set` change nothing. It has no fix, for what is missing "
            "may be the use."
        ),
        example=("PARAM keep DEFAULT 0.3;\nSELECT uid FROM pool WHERE clip_l14 >= q(0.7);"),
        instead=("PARAM keep DEFAULT 0.3;\nSELECT uid FROM pool WHERE clip_l14 >= q(1 - keep);"),
    ),
    Code(
        code="L007",
        title="threshold that many samples share",
        meaning=(
            "More than 0.1 % of what an order statistic ranks has the very value that it gives. These samples pass "
            "together or not at all, so that the share that is kept is not the one asked for. Looked for with "
            "`--pool`."
        ),
        example="SELECT uid FROM pool WHERE python_words(caption) >= q(0.7);",
        instead="SELECT uid FROM pool ORDER BY python_words(caption) DESC LIMIT 30 PERCENT;",
    ),
    Code(
        code="L008",
        title="copies that are lost",
        meaning=(
            "UNION, INTERSECT and EXCEPT leave one copy of each sample, and a side of this one may have more: the "
            "weight that the copies gave to samples is gone."
        ),
        example=(
            "WITH twice AS (SELECT uid FROM pool UNION ALL SELECT uid FROM pool WHERE clip_l14 >= 0.3)\n"
            "SELECT uid FROM twice INTERSECT SELECT uid FROM pool WHERE lang = 'en';"
        ),
        instead=(
            "WITH twice AS (SELECT uid FROM pool UNION ALL SELECT uid FROM pool WHERE clip_l14 >= 0.3)\n"
            "SELECT uid FROM twice WHERE lang = 'en';"
        ),
    ),
    Code(
        code="L009",
        title="ORDER BY that decides nothing",
        meaning=(
            "A subset has no order. ORDER BY says what LIMIT and DISTINCT ON keep; without them it does nothing, "
            "and the fix removes it."
        ),
        example="SELECT uid FROM pool WHERE lang = 'en' ORDER BY clip_l14 DESC;",
        instead="SELECT uid FROM pool WHERE lang = 'en' ORDER BY clip_l14 DESC LIMIT 30 PERCENT;",
    ),
    Code(
        code="L010",
        title="NULL dropped by a negation",
        meaning=(
            "Where a value is NULL, `lang <> 'de'`, `NOT ..` and `NOT IN` are NULL too, and the sample is dropped: "
            "not known to be German is not the same as not German. Looked for with `--pool`, and told where the "
            "pool has such samples and the recipe would keep them otherwise."
        ),
        example="SELECT uid FROM pool WHERE caption <> 'untitled';",
        instead="SELECT uid FROM pool WHERE caption IS NOT NULL AND caption <> 'untitled';",
    ),
    Code(
        code="L101",
        title="allow that silences nothing",
        meaning=(
            "Where `-- dcql: allow L001` holds, there is no such lint. What it was for was corrected, or the "
            "comment stands elsewhere: beside words it holds for its line, on a line of its own for what comes "
            "next, above the first statement for the file. Lints that need a pool are not judged. The fix removes a "
            "comment that allows nothing else and gives no reason."
        ),
        example=("-- dcql: allow L001\nSELECT uid FROM pool WHERE clip_l14 >= q(0.7);"),
        instead="SELECT uid FROM pool WHERE clip_l14 >= q(0.7);",
    ),
    Code(
        code="L102",
        title="comment that allows no lint",
        meaning=(
            "A comment that begins with `dcql:` is `dcql: allow`, and codes of lints with commas between. An error "
            "cannot be allowed, and neither can a lint about such comments."
        ),
        example=("-- dcql: allow L01\nSELECT uid FROM pool;"),
        instead=("-- dcql: allow L001: as it was published\nSELECT uid FROM pool WHERE clip_l14 > q(0.7);"),
    ),
)
