#!/usr/bin/env bash
# Everything about speed that needs an NVIDIA GPU, the most valuable first; each step takes less than ten minutes.
#
#   benchmarks/gpu.sh [FOLDER] [STEP...]      steps: test op model train profile; all unless given
#
# Results go to FOLDER (benchmarks/results/<GPU> unless given). A step that fails does not stop the next.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

command -v nvidia-smi > /dev/null || { echo "no NVIDIA GPU here: nvidia-smi is missing" >&2; exit 1; }
[ -x .venv/bin/python ] && python=.venv/bin/python || python=python3
name=$(nvidia-smi --query-gpu=name --format=csv,noheader | head -1 | tr -cs 'A-Za-z0-9\n' '-' | tr 'A-Z' 'a-z')
folder=${1:-benchmarks/results/${name%-}}
shift || true
steps=${*:-test op model train profile}
mkdir -p "$folder"
failed=0

run() {
    echo "== $*"
    timeout 590 "$@" 2>&1 | tee -a "$folder/gpu.log"
    local code=${PIPESTATUS[0]}
    [ "$code" = 0 ] || { echo "== ended with code $code"; failed=1; }
}

bench() { run "$python" -m laconvnet bench "$@" --device cuda --out "$folder"; }

for step in $steps; do
    case $step in
        test) run "$python" -m pytest -q -m gpu ;;
        op) bench op --batch 64 --dtype bfloat16,float32 --compile ;;
        model)
            bench model s --batch 1,64 --dtype float32,bfloat16 --backend default,reference --compile --against vilt,resnet50
            run "$python" -m laconvnet bench model b --batch 1,64 --dtype bfloat16 --backend default,reference --device cuda --out "$folder/b"
            ;;
        train) bench train s --batch 64 --dtype float32,bfloat16 --backend default,reference ;;
        profile)
            for batch in 1 64; do
                run "$python" benchmarks/profile_network.py --device cuda --dtype bfloat16 --batch "$batch"
            done
            ;;
        *) echo "unknown step '$step'; allowed: test op model train profile" >&2; exit 2 ;;
    esac
done
exit $failed
