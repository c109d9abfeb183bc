#!/bin/bash
# The deployment script of the source document, with its values: one script, three environments.
set -e

ENVIRONMENT=${1:-production}
MODEL_PATH=${MODEL_PATH:-/models/Qwen3-VL-235B-A22B-Instruct}
PORT=8200
TENSOR_PARALLEL=${TENSOR_PARALLEL:-4}
MAX_MODEL_LEN=262144

case "$ENVIRONMENT" in
    production)
        GPU_MEM=0.90
        MAX_SEQS=96
        DTYPE=bfloat16
        KV_DTYPE=fp8
        LOG_LEVEL=WARNING
        EXTRA_ARGS="--disable-log-stats --async-scheduling --swap-space 8"
        ;;
    staging)
        GPU_MEM=0.85
        MAX_SEQS=64
        DTYPE=bfloat16
        KV_DTYPE=fp8
        LOG_LEVEL=INFO
        EXTRA_ARGS="--async-scheduling"
        ;;
    development)
        GPU_MEM=0.80
        MAX_SEQS=32
        DTYPE=float16
        KV_DTYPE=auto
        LOG_LEVEL=DEBUG
        EXTRA_ARGS="--enforce-eager"
        ;;
    *)
        echo "unknown environment: $ENVIRONMENT"
        exit 1
        ;;
esac

export CUDA_VISIBLE_DEVICES=0,1,2,3

echo "starting vllm serve for $ENVIRONMENT"
nohup vllm serve "$MODEL_PATH" \
    --host 0.0.0.0 \
    --port $PORT \
    --tensor-parallel-size "${TENSOR_PARALLEL}" \
    --gpu-memory-utilization $GPU_MEM \
    --max-num-seqs $MAX_SEQS \
    --max-model-len $MAX_MODEL_LEN \
    --max-num-batched-tokens 262144 \
    --dtype $DTYPE \
    --kv-cache-dtype $KV_DTYPE \
    --log-level $LOG_LEVEL \
    --trust-remote-code \
    --enable-chunked-prefill \
    $EXTRA_ARGS > /var/log/vllm/$ENVIRONMENT.log 2>&1 &

for attempt in $(seq 1 60); do
    curl -sf "http://localhost:$PORT/health" && exit 0
    sleep 1
done
echo "the service did not start"
exit 1
