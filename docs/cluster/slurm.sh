#!/bin/bash
#SBATCH --job-name=dcql
#SBATCH --nodes=4
#SBATCH --ntasks-per-node=1
#SBATCH --exclusive
#SBATCH --mem=0
#SBATCH --time=04:00:00
#SBATCH --output=dcql-%j.log
#
# Runs one command of dcql on all nodes of a SLURM job, with a Ray cluster of its own:
#
#     export DCQL_HOME=/shared/dcql                    # a folder that every node sees
#     sbatch docs/cluster/slurm.sh pool add large /shared/pools/large
#     sbatch --gpus-per-node=4 docs/cluster/slurm.sh feature compute my_clip --pool large
#     sbatch --nodes=16 docs/cluster/slurm.sh run datacomp_1b --pool large --out /shared/runs/datacomp_1b
#
# Where the job ends before its time, submit it again: what was finished is not done twice.
#
#     DCQL_VENV     a virtual environment with dcql[ray], on a disk that every node sees; not needed where `dcql` and
#                   `ray` are on the PATH
#     DCQL_CPUS     the cores of each node that Ray may use; all that SLURM gives without it
#     DCQL_WAIT     seconds until every node has to be there; 300 without it
set -euo pipefail

sruns=()

say() {
    echo "slurm.sh: $*" >&2
}

# Prints the names of the job's nodes, one a line; this script runs on the first one.
nodes() {
    scontrol show hostnames "$SLURM_JOB_NODELIST"
}

# Prints an address of this node that the others reach: the first one that is not of the loopback.
address_here() {
    hostname -I | awk '{ for (i = 1; i <= NF; i++) if ($i !~ /^127\./ && $i !~ /:/) { print $i; exit } }'
}

cores() {
    echo "${DCQL_CPUS:-${SLURM_CPUS_ON_NODE:-$(nproc)}}"
}

# Jobs may share a node, so each takes a port of its own, below those that Ray's workers take.
port() {
    echo "$((7000 + SLURM_JOB_ID % 3000))"
}

# Starts what follows on some nodes, in the background: spread 3 --exclude=n1 ray start ..
spread() {
    local count=$1 which=$2
    shift 2
    srun --nodes="$count" --ntasks="$count" --ntasks-per-node=1 --cpus-per-task="$(cores)" --overlap "$which" "$@" &
    sruns+=("$!")
}

start() {
    local address=$1 count=$2 first=$3
    # A folder of its own for each job; the paths of Ray's sockets may not be long.
    local ray=(ray start --block --num-cpus="$(cores)")
    spread 1 --nodelist="$first" "${ray[@]}" --head --node-ip-address="${address%:*}" --port="${address#*:}" \
        --temp-dir="/tmp/ray-$SLURM_JOB_ID" --include-dashboard=false --disable-usage-stats
    until ray health-check --address "$address" >/dev/null 2>&1; do
        pause "the head of the Ray cluster did not start"
    done
    if ((count > 1)); then
        spread "$((count - 1))" --exclude="$first" "${ray[@]}" --address="$address"
    fi
    until (($(alive "$address") == count)); do
        pause "not all of the $count nodes joined the Ray cluster"
    done
    say "a Ray cluster of $count nodes at $address"
}

# Prints how many nodes a Ray cluster has.
alive() {
    python3 -c '
import sys, ray
ray.init(address=sys.argv[1], log_to_driver=False, logging_level="ERROR")
print(sum(node["Alive"] for node in ray.nodes()))
' "$1" 2>/dev/null || echo 0
}

# Waits a moment; ends the job with a message where that took too long, or a node gave up.
pause() {
    local started
    for started in "${sruns[@]}"; do
        if ! kill -0 "$started" 2>/dev/null; then
            say "$1: srun ended; its messages are above"
            exit 1
        fi
    done
    if ((SECONDS > ${DCQL_WAIT:-300})); then
        say "$1 within ${DCQL_WAIT:-300} seconds"
        exit 1
    fi
    sleep 1
}

stop() {
    local started
    for started in $(jobs -p); do
        kill "$started" 2>/dev/null || true
    done
    wait
}

main() {
    if (($# == 0)); then
        say "say what to run, as in: sbatch $0 run clip30 --pool small --out runs/clip30"
        exit 2
    fi
    if [[ -z "${DCQL_HOME:-}" ]]; then
        say "set DCQL_HOME to a folder that every node sees"
        exit 2
    fi
    if [[ -n "${DCQL_VENV:-}" ]]; then
        # shellcheck source=/dev/null
        source "$DCQL_VENV/bin/activate"
    fi
    local names address
    mapfile -t names < <(nodes)
    address="$(address_here):$(port)"
    trap stop EXIT
    # SLURM sends TERM when the time is over.
    trap 'exit 143' TERM
    start "$address" "${#names[@]}" "${names[0]}"
    # In the background, so that a signal does not have to wait for it.
    dcql "$@" --engine ray --address "$address" &
    wait "$!"
}

if [[ "${BASH_SOURCE[0]}" == "$0" ]]; then
    main "$@"
fi
