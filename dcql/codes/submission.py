"""E13xx: submissions and the leaderboard."""

from dcql.codes.code import Code

CODES: tuple[Code, ...] = (
    # Packing: E1301 to E1304.
    Code(
        code="E1301",
        title="run cannot be submitted",
        meaning="A submission holds a run and everything that was made of it: shards, weights, results. The run folder "
        "lacks one of them, holds several trainings of which none was named, or what lies there belongs to another "
        "subset.",
        example="`dcql submit runs/mine -o mine` before `dcql eval runs/mine`",
        instead="`dcql reshard`, `dcql train` and `dcql eval` first; `--scale` and `--seed` name one of several",
    ),
    Code(
        code="E1302",
        title="wrong author file",
        meaning="entry.toml says who submits what: name, authors, track, scale, date, and the evaluation that it "
        "stands for. A field is missing, is not filled in, or is not what the field may be. An address starts with "
        "https:// or http://, and a name is one line of visible characters.",
        example='`track = "filter"` in entry.toml',
        instead='`track = "filtering"`, or `track = "byod"`',
    ),
    Code(
        code="E1303",
        title="not a submission folder",
        meaning="`dcql submit` writes a new folder, or writes one over that it wrote before. What is there is "
        "something else, and would be lost.",
        example="`dcql submit runs/mine -o ~`",
        instead="`dcql submit runs/mine -o submissions/mine`",
    ),
    Code(
        code="E1304",
        title="file of the recipe cannot be submitted",
        meaning="A submission keeps the files that a recipe names where the recipe names them. One of them has the "
        "name of a file of the submission itself.",
        example="`SET s FROM 'run.json' SHA256 '..';`",
        instead="`SET s FROM 'sets/run.json' SHA256 '..';`",
    ),
    # Checking: E1310 to E1317.
    Code(
        code="E1310",
        title="unreadable submission",
        meaning="A file of the submission is missing, cut off, of a later version, lacks a field or holds what is not "
        "data (NaN); or the folder holds what is no file of a submission: a link, a device, a file that nothing names.",
        example="run.json that ends in the middle",
        instead="`dcql submit RUN -o DIR`, which writes the folder whole",
    ),
    Code(
        code="E1311",
        title="subset does not follow from the recipe",
        meaning="The recipe was run again over the pool, and gave something else than the submission states; or the "
        "recipe and the files that it names are not those of its lock. The message names what differs first.",
        example="a recipe that was edited after `dcql submit`",
        instead="`dcql run`, `dcql lock` and everything after them anew, with the recipe that is meant",
    ),
    Code(
        code="E1312",
        title="broken chain",
        meaning="Each link of a submission states the hash of the one before: subset, shards, run, weights, "
        "evaluation, entry. Two of them do not fit: what was evaluated was not trained on what was selected, or a "
        "file was changed after it was written.",
        example="eval_results.jsonl of other weights",
        instead="`dcql submit RUN -o DIR`, with a run folder in which nothing was copied from another",
    ),
    Code(
        code="E1313",
        title="against the rules of the track",
        meaning="In the filtering track a submission takes samples of the scale's own pool and leaves their captions "
        "as they are. In both tracks it trains with the scale's own model, schedule and number of samples. The message "
        "names what is not so.",
        example="`batch 1024` in run.json at scale `small`",
        instead="`dcql train RUN --scale small`, which leaves nothing to choose but the seed",
    ),
    Code(
        code="E1314",
        title="incomplete results",
        meaning="An average says something about all tasks of a scale or nothing. A task of the scale is missing.",
        example="eval_results.jsonl with 37 of 38 tasks",
        instead="`dcql eval RUN`, which goes on with the tasks that are missing",
    ),
    Code(
        code="E1315",
        title="results contradict themselves",
        meaning="A number of the results is not what it can be: a task twice, another number of images than the task "
        "has, a metric outside of 0 to 1 or of its own interval, an average that is not the mean of its tasks.",
        example='`"average": 0.9` over tasks whose mean is 0.3',
        instead="eval_results.jsonl and eval.json as `dcql eval` wrote them",
    ),
    # The leaderboard: E1320 and E1321.
    Code(
        code="E1320",
        title="no leaderboard",
        meaning="The folder of submissions is not there, or the site cannot be written where it was asked for.",
        example="`dcql leaderboard build submission -o site`, where the folder is called submissions",
        instead="`dcql leaderboard build submissions -o site`",
    ),
    Code(
        code="E1321",
        title="one key, two values",
        meaning="Two submissions state the same key and another value: the same lock and two subsets, the same run "
        "and two weights, the same weights and two results. One of them is wrong, or what made them is not "
        "deterministic. Both stay on the board, marked.",
        example="two submissions with one run hash, and weights of two SHA-256",
        instead="a look at their environments, and one of the two trained again",
    ),
)
