"""E12xx: evaluation."""

from dcql.codes.code import Code

CODES: tuple[Code, ...] = (
    Code(
        code="E1201",
        title="no such task",
        meaning=(
            "Tasks are named by key or name as in the list that is evaluated: DataComp's 40, or those of the demo "
            "pool. The list has no such task."
        ),
        example="dcql eval runs/mine --tasks imagenet",
        instead="dcql eval runs/mine --tasks imagenet1k",
    ),
    Code(
        code="E1202",
        title="evaluation sets that cannot be read",
        meaning=(
            "A file of a set, or the folder or URL of all of them, cannot be read: permissions, the network, or a "
            "package of fsspec's that is not installed. That is not the same as a set that is not there, which is "
            "missing in the results."
        ),
        example="dcql eval runs/mine --data s3://bucket/sets     # without the package s3fs",
        instead="pip install s3fs",
    ),
    Code(
        code="E1203",
        title="set that is not in the layout",
        meaning=(
            "A set lies in wds_KEY_test/ as clip-benchmark has it: classnames.txt, dataset_type.txt and "
            "zeroshot_classification_templates.txt beside test/nshards.txt and test/0.tar, test/1.tar and so on. A "
            "file of it is missing or holds something else, or there are more or fewer tars than nshards.txt says."
        ),
        example="test/nshards.txt says 2, and test/1.tar is missing",
        instead="download the set again",
    ),
    Code(
        code="E1204",
        title="damaged tar",
        meaning=(
            "A tar of a set is cut off or is no tar from some byte on. What it holds is unknown, so nothing is scored."
        ),
        example="a download that was broken off",
        instead="download the tar again",
    ),
    Code(
        code="E1205",
        title="sample that cannot be used",
        meaning=(
            "A sample of a set has no image, one that cannot be decoded, no label, a label beyond the classes, or "
            "other numbers about it than its task has. Leaving it out would give another score under the same name. "
            "With --allow-incomplete, images that cannot be decoded are left out and counted, and the task is in no "
            "average."
        ),
        example="a sample of class 10 in a set of 10 classes, which are 0 to 9",
        instead="download the set again",
    ),
    Code(
        code="E1206",
        title="embeddings that are not finite",
        meaning=(
            "The model gave NaN or infinity for a text or an image. Its training has diverged; every score of it would "
            "be meaningless."
        ),
        example="weights of a run whose loss became NaN",
        instead="train again",
    ),
    Code(
        code="E1207",
        title="set of another size",
        meaning=(
            "A task has a fixed number of samples, and its set has more or fewer. With --allow-incomplete it is "
            "evaluated all the same: the result says so, and is in no average."
        ),
        example="`cifar10` with 9,000 images; it has 10,000",
        instead="dcql eval runs/mine --allow-incomplete",
    ),
    Code(
        code="E1208",
        title="results that cannot be read",
        meaning=(
            "eval_results.jsonl holds a JSON object a line, as an earlier evaluation wrote it. This one was changed or "
            "damaged. It can always be made again."
        ),
        example="eval_results.jsonl was edited",
        instead="rm runs/mine/train/small-seed0/eval/eval_results.jsonl",
    ),
    Code(
        code="E1209",
        title="results that cannot be written",
        meaning=(
            "The disk is full, the folder cannot be written, or another process evaluates into it. What was written "
            "before is whole."
        ),
        example="two processes run dcql eval runs/mine at once",
        instead="wait until the first one ends",
    ),
    Code(
        code="E1210",
        title="no trained weights",
        meaning=(
            "An evaluation is of weights that `dcql train` wrote: RUN/train/SCALE-seedN/weights.json names them. There "
            "are none, they cannot be read, or there are several and none was named."
        ),
        example="dcql eval runs/mine     # which was never trained",
        instead="dcql train runs/mine --scale demo",
    ),
    Code(
        code="E1211",
        title="no such device",
        meaning="The device to evaluate on is not there.",
        example="dcql eval runs/mine --device cuda     # on a machine without one",
        instead="dcql eval runs/mine --device cpu",
    ),
    Code(
        code="E1212",
        title="no evaluation sets",
        meaning=(
            "None of the tasks has a set at the place that was named, and none has a result. The sets of DataComp's "
            "tasks are not part of dcql: they are some 100 GB, and are brought by whoever evaluates."
        ),
        example="dcql eval runs/mine     # with nothing in $DCQL_HOME/eval",
        instead="dcql eval runs/mine --data /data/evaluation",
    ),
    Code(
        code="E1213",
        title="another set than the task's",
        meaning=(
            "The sets of the demo pool's tasks are known by their digest. What lies in their place holds other images, "
            "labels, names or templates."
        ),
        example="a line of $DCQL_HOME/eval/wds_demo-held_out_test/classnames.txt was changed",
        instead="rm -r ~/.dcql/eval/wds_demo-held_out_test",
    ),
)
