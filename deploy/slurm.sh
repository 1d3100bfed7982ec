#!/bin/bash
# sbatch deploy/slurm.sh CONFIG RUN_DIR: one Ray cluster over all nodes of the job, and the search on it.
#SBATCH --job-name=evoact
#SBATCH --nodes=4
#SBATCH --ntasks-per-node=1
#SBATCH --exclusive
#SBATCH --time=24:00:00
#SBATCH --signal=B:TERM@120
set -euo pipefail

config=$1
run_dir=$2 # on a disk that all nodes see, or s3://...
head=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)
port=$((20000 + SLURM_JOB_ID % 20000)) # another one for each job, for several may share a node

# A token of this job's own: without one, whoever reaches the port runs code as you.
export RAY_AUTH_MODE=token
RAY_AUTH_TOKEN=$(python -c 'import secrets; print(secrets.token_hex(32))')
export RAY_AUTH_TOKEN
export OMP_NUM_THREADS=1

if [ -e "$run_dir/config.yaml" ]; then
    command=(evoact resume "$run_dir")
else
    command=(evoact search "$config" -o "$run_dir")
fi

# `exec` and the signal above let Slurm's end of time reach the search, which stops and can be resumed.
exec srun --kill-on-bad-exit=1 ray symmetric-run --address "$head:$port" --min-nodes "$SLURM_JOB_NUM_NODES" -- \
    "${command[@]}" --address "$head:$port"
