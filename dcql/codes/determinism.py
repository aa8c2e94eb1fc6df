"""E04xx: what would give another subset at another run, on another machine, or in another order."""

from dcql.codes.code import Code

CODES: tuple[Code, ...] = (
    Code(
        code="E0401",
        title="function that is not allowed",
        meaning=(
            "The function's result depends on more than its arguments: on chance, time, the order of rows, the "
            "processor, or on which of several definitions an engine chose. A subset that depends on it could not be "
            "made again. The help names what to write instead."
        ),
        example="SELECT uid FROM pool WHERE random() < 0.1;",
        instead="SELECT uid FROM pool SAMPLE 10 PERCENT SEED 7;",
    ),
    Code(
        code="E0402",
        title="q without a population",
        meaning=(
            "Over `FROM pool` a bare q ranges over all samples. Over a stage, a recipe or a query it could range "
            "over these or over the whole pool; published recipes differ exactly here, so OF says which."
        ),
        example=(
            "WITH large AS (SELECT uid FROM pool WHERE width >= 200)\nSELECT uid FROM large WHERE clip_l14 >= q(0.7);"
        ),
        instead=(
            "WITH large AS (SELECT uid FROM pool WHERE width >= 200)\n"
            "SELECT uid FROM large WHERE clip_l14 >= q(0.7 OF large);"
        ),
    ),
    Code(
        code="E0403",
        title="LIMIT without ORDER BY",
        meaning=(
            "Samples have no order of their own, so `the first 1000` are another 1000 with other files or threads. "
            "ORDER BY gives one; ties are broken by a fixed hash of the uid."
        ),
        example="SELECT uid FROM pool LIMIT 1000;",
        instead="SELECT uid FROM pool ORDER BY clip_l14 DESC LIMIT 1000;",
    ),
    Code(
        code="E0404",
        title="DISTINCT ON without ORDER BY",
        meaning=(
            "DISTINCT ON keeps the first sample of each group, and only an ORDER BY says which one is first. An "
            "ORDER BY after a set operation orders its result, not the SELECT inside."
        ),
        example="SELECT DISTINCT ON (sha256) uid FROM pool;",
        instead="SELECT DISTINCT ON (sha256) uid FROM pool ORDER BY clip_l14 DESC;",
    ),
    Code(
        code="E0405",
        title="SAMPLE together with LIMIT",
        meaning=(
            "A query ends in a LIMIT or in a SAMPLE: with both, which of them comes first would be left open, and that "
            "decides the subset. A query in FROM says it."
        ),
        example="SELECT uid FROM pool ORDER BY clip_l14 DESC LIMIT 1000 SAMPLE 10 PERCENT SEED 7;",
        instead=("SELECT uid FROM (SELECT uid FROM pool ORDER BY clip_l14 DESC LIMIT 1000)\nSAMPLE 10 PERCENT SEED 7;"),
    ),
    Code(
        code="E0406",
        title="sampled twice with one seed",
        meaning=(
            "SAMPLE takes the samples whose hashes with the seed are lowest. Of those that one seed took, the same "
            "seed takes no chance sample: 50 PERCENT of 10 PERCENT would be all of them. This follows FROM and both "
            "sides of set operations, through stages and recipes."
        ),
        example=(
            "WITH tenth AS (SELECT uid FROM pool SAMPLE 10 PERCENT SEED 7)\n"
            "SELECT uid FROM tenth SAMPLE 50 PERCENT SEED 7;"
        ),
        instead=(
            "WITH tenth AS (SELECT uid FROM pool SAMPLE 10 PERCENT SEED 7)\n"
            "SELECT uid FROM tenth SAMPLE 50 PERCENT SEED 8;"
        ),
    ),
)
