#!/usr/bin/env bash
# A visit to a machine with GPUs that is lent for minutes and reaches no registry; README.md beside this tells how.
#
#   visit.sh begin SECONDS WAIT   unpack what lies in ~/acc, start the lanes for so many seconds, wait, bring back
#   visit.sh look WAIT            start the lanes again where they died, wait, bring back
#
# Lanes run in a session of their own and write below ~/lanes alone: $OUT, where each call's results are fetched from, is
# emptied before every call. It gets one archive, renewed while the call waits, so that a call that is cut off brings
# back what there was half a minute before.
set -uo pipefail
t0=$(date +%s)
acc=${ACC:-$HOME/acc} lanes=${LANES_DIR:-$HOME/lanes} tree=${TREE:-$HOME/tree} python=${PYTHON:-python3}
OUT=${OUT:-$HOME/out}
LANES=${LANES:-'chat:880,by-hand;batch:720,killers/parallel'}
GPUS=${GPUS:-0,1} CORES=${CORES:-'0-15;16-31'} MORE=${MORE:---hardware h200 --release 0.25.1 --model $HOME/model-8b}
mkdir -p "$lanes" "$OUT"
export PATH=$HOME/bin:$PATH HF_HUB_OFFLINE=1 VLLM_NO_USAGE_STATS=1 VLLM_USE_FLASHINFER_SAMPLER=0 PYTHONUNBUFFERED=1
SITES=${SITES-$HOME/site:$HOME/vsite}
export PYTHONPATH=$tree:$tree/src${SITES:+:$SITES}
export NCCL_NVLS_ENABLE=0 TORCH_SYMM_MEM_DISABLE_MULTICAST=1 NVSHMEM_DISABLE_NVLS=1 VLLM_ALLREDUCE_USE_SYMM_MEM=0

left() { echo $(($(cat "$lanes/ends") - $(date +%s))); }

unpacked() {
  [ -f "$lanes/unpacked" ] && return
  [ ! -d "$acc/pieces" ] || bash "$acc/unpack.sh" "$acc" || { echo "UNPACK FAILED"; exit 1; }
  mkdir -p "$tree" && tar xzf "$acc/tree.tgz" -C "$tree" || { echo "NO TREE"; exit 1; }
  # Journals of a machine that was lost are gone on with; its deadlines are over.
  [ ! -f "$acc/lanes.tgz" ] || tar xzf "$acc/lanes.tgz" -C "$lanes" --exclude=./ends --exclude=./done \
    --exclude=./pid --exclude=./unpacked --exclude='*/until' --exclude='*/state'
  (cd "$tree" && "$python" -m benchmarks.gpu.imports) || { echo "IMPORTS FAILED"; exit 1; }
  {
    date -u; cat "$acc/commit"; nvidia-smi; nvidia-smi topo -m; lscpu | head -20; free -g
    "$python" -c 'import importlib.metadata as known, torch
print("vllm", known.version("vllm"), "torch", torch.__version__, torch.cuda.get_device_name(), torch.cuda.device_count())'
  } >"$lanes/hardware.txt" 2>&1
  touch "$lanes/unpacked"
  echo "unpacked after $(($(date +%s) - t0)) s, $(nproc) cores, $(nvidia-smi -L 2>/dev/null | wc -l) GPUs"
}

started() {
  { [ -f "$lanes/pid" ] && kill -0 "$(cat "$lanes/pid")" 2>/dev/null; } && return
  [ -f "$lanes/done" ] || [ "$(left)" -lt 60 ] && return
  cd "$tree" || exit 1
  setsid bash -c "echo \$\$ >'$lanes/pid'; '$python' -m benchmarks.gpu.ladder --out '$lanes' --gpus '$GPUS' --cores '$CORES' \
    --lanes '$LANES' --seconds $(left) $MORE >>'$lanes/all.txt' 2>&1; touch '$lanes/done'" </dev/null >/dev/null 2>&1 &
  setsid bash -c "while [ ! -f '$lanes/done' ] && [ \$(date +%s) -lt \$((\$(cat '$lanes/ends') + 60)) ]; do
    echo \"\$(date +%T) \$(nvidia-smi --query-gpu=utilization.gpu,memory.used,power.draw --format=csv,noheader | tr '\n' ';') \$(cut -d' ' -f1 /proc/loadavg)\"
    sleep 10; done >>'$lanes/watch.txt' 2>/dev/null" </dev/null >/dev/null 2>&1 &
  echo "begun for $(left) s"
}

bring() {
  tar czf "$OUT/.lanes.tgz" -C "$lanes" --exclude=.vllm-cache --exclude='*.safetensors' --exclude=snapshots --exclude=run . \
    2>/dev/null
  mv "$OUT/.lanes.tgz" "$OUT/lanes.tgz"
}

told() {
  echo "== $(date +%T) left $(left) s, done: $([ -f "$lanes/done" ] && echo yes || echo no)"
  cat "$lanes/all.txt"
  for part in "$lanes"/*/said.txt; do
    echo "-- $(basename "$(dirname "$part")")"
    tail -n 14 "$part" | cut -c1-220
    head -30 "$(dirname "$part")/table.txt" 2>/dev/null | cut -c1-200
  done
  tail -n 3 "$lanes/watch.txt"
}

case $1 in
  begin) echo $((t0 + $2)) >"$lanes/ends"; wait_s=$3; unpacked ;;
  look) wait_s=$2 ;;
  *) echo "visit.sh begin SECONDS WAIT | look WAIT"; exit 64 ;;
esac
started
n=0
while [ ! -f "$lanes/done" ] && [ $(($(date +%s) - t0)) -lt "$wait_s" ] && [ "$(left)" -gt -20 ]; do
  sleep 1
  n=$((n + 1))
  [ $((n % 30)) -ne 0 ] || bring
done
told
bring
ls -la "$OUT"
