"""E11xx: training."""

from dcql.codes.code import Code

CODES: tuple[Code, ...] = (
    # What a training is asked to do: E1101, E1102, E1109, E1110, E1113.
    Code(
        code="E1101",
        title="no such scale",
        meaning=(
            "A scale fixes model, batch, samples, optimizer and schedule, so that subsets alone differ. DataComp has "
            "debug, small, medium, large and xlarge; `demo` takes minutes on a processor."
        ),
        example="dcql train runs/clip30 --scale tiny",
        instead="dcql train runs/clip30 --scale demo",
    ),
    Code(
        code="E1102",
        title="a batch that cannot be divided",
        meaning=(
            "A scale's batch is over all processes and fixed, since a contrastive loss depends on it. It is cut into "
            "equal slices for the processes of torchrun, and each slice into the parts of --accum."
        ),
        example="torchrun --nproc-per-node 3 -m dcql train runs/clip30 --scale small       # a batch of 4096",
        instead="torchrun --nproc-per-node 4 -m dcql train runs/clip30 --scale small",
    ),
    # The folder: E1103 to E1106, E1108.
    Code(
        code="E1103",
        title="a folder of another training",
        meaning=(
            "A training folder belongs to one run hash: shards, scale, seed, sampling and precision. What is in this "
            "one is not that training's, or no training's at all."
        ),
        example=(
            "dcql train runs/clip30 --scale demo --out trained\n"
            "dcql train runs/clip30 --scale demo --seed 1 --out trained"
        ),
        instead="dcql train runs/clip30 --scale demo --seed 1        # runs/clip30/train/demo-seed1",
    ),
    Code(
        code="E1104",
        title="a folder in which another process trains",
        meaning="One command at a time trains in a folder. With torchrun, its processes are one command.",
        example="dcql train runs/clip30 --scale demo &\ndcql train runs/clip30 --scale demo",
        instead="dcql train runs/clip30 --scale demo",
    ),
    Code(
        code="E1105",
        title="weights or a checkpoint that cannot be used",
        meaning=(
            "The file is damaged, or is not what the folder's run.json and weights.json say: it has another run hash, "
            "or other weights than were trained."
        ),
        example="cp other/checkpoints/step-0000000120.safetensors runs/clip30/train/demo-seed0/checkpoints/",
        instead="dcql train runs/clip30 --scale demo --out other",
    ),
    Code(
        code="E1106",
        title="a training that is not done",
        meaning="Weights are there when a training has seen all samples of its scale. A checkpoint is no result.",
        example="dcql eval runs/clip30            # while it trains, or after it was stopped",
        instead="dcql train runs/clip30 --scale demo\ndcql eval runs/clip30",
    ),
    # The samples and the arithmetic: E1107, E1111, E1112.
    Code(
        code="E1107",
        title="too many samples that cannot be decoded",
        meaning=(
            "A sample whose image or caption cannot be decoded is replaced by the next one of the shards, and "
            "counted in weights.json. Beyond 1 % of a training's positions that is no longer the subset's training."
        ),
        example="shards made from a download that was cut off",
        instead="dcql reshard runs/clip30 --shards pool/shards",
    ),
    Code(
        code="E1108",
        title="a training that cannot be written",
        meaning=(
            "The disk is full, or the folder may not be written to. A checkpoint is written beside the one before, "
            "which stays until the new one is whole: there must be room for two, of three times the model each."
        ),
        example="dcql train runs/clip30 --scale large --out /dev/shm/clip30",
        instead="dcql train runs/clip30 --scale large --out /scratch/clip30",
    ),
    Code(
        code="E1109",
        title="packages that the scale was not made for",
        meaning=(
            "What a caption's tokens are is part of a scale. The installed open_clip brings another vocabulary than "
            "the one whose digest the scale states."
        ),
        example="pip install open_clip_torch          # some other release",
        instead="pip install -c constraints.txt 'dcql[runtime]'",
    ),
    Code(
        code="E1110",
        title="a device or precision that is not to be had",
        meaning=(
            "The device is not there, or does not compute in this precision. Scales of DataComp train in float16 where "
            "it is safe (amp), which is for GPUs."
        ),
        example="dcql train runs/clip30 --scale debug --device cpu",
        instead="dcql train runs/clip30 --scale debug --device cpu --precision amp_bf16",
    ),
    Code(
        code="E1111",
        title="a loss that is not a number",
        meaning=(
            "Somewhere a number became infinite, most often in float16. Training stops at once, and no checkpoint is "
            "written from such a state."
        ),
        example="dcql train runs/clip30 --scale xlarge --precision amp",
        instead="dcql train runs/clip30 --scale xlarge --precision amp_bf16",
    ),
    Code(
        code="E1112",
        title="a batch that the GPU's memory does not hold",
        meaning=(
            "A scale's batch is fixed. With --accum each process takes its slice in parts, one after another, and "
            "learns the same from it."
        ),
        example="dcql train runs/clip30 --scale small                 # 4096 pairs on one GPU",
        instead="dcql train runs/clip30 --scale small --accum 4",
    ),
    Code(
        code="E1113",
        title="a command that open_clip has no words for",
        meaning=(
            "open_clip's own training knows its own models, reads tars that were copied, and draws shards as DataComp "
            "does. The scale or the shards are not such."
        ),
        example="dcql train runs/clip30 --scale demo --print-open-clip-command",
        instead="dcql train runs/clip30 --scale small --print-open-clip-command",
    ),
    Code(
        code="E1114",
        title="shards of another subset",
        meaning=(
            "Shards carry the hash of the subset that they were made of. A training of a run takes only shards of that "
            "run's subset, so that its result is that subset's."
        ),
        example="dcql train runs/clip30 --scale demo --shards runs/no_filter/shards",
        instead="dcql train runs/no_filter --scale demo",
    ),
    Code(
        code="E1115",
        title="a process that reads samples ended",
        meaning=(
            "Samples are read and decoded in processes of their own. One of them was killed or crashed, most often for "
            "want of memory. The training goes on from its last checkpoint when the command is given again."
        ),
        example="the system kills a process for its memory",
        instead="dcql train runs/clip30 --scale small --workers 1",
    ),
)
