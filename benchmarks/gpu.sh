#!/usr/bin/env bash
# Everything about speed that needs an NVIDIA GPU, the most valuable first; each step takes less than ten minutes.
#
#   benchmarks/gpu.sh [FOLDER] [STEP...]      steps: test op model train model-b profile profile-64; all unless given
#
# PYTHON=python3.12   the interpreter; that of .venv, if there is one, or python3 unless given
# Results go to FOLDER (benchmarks/results/<GPU> unless given). A step that fails does not stop the next.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

command -v nvidia-smi > /dev/null || { echo "no NVIDIA GPU here: nvidia-smi is missing" >&2; exit 1; }
python=${PYTHON:-$([ -x .venv/bin/python ] && echo .venv/bin/python || echo python3)}
name=$(nvidia-smi --query-gpu=name --format=csv,noheader | head -1 | tr -cs 'A-Za-z0-9\n' '-' | tr 'A-Z' 'a-z')
folder=${1:-benchmarks/results/${name%-}}
shift || true
steps=${*:-test op model train model-b profile profile-64}
mkdir -p "$folder"
failed=0

run() {
    echo "== $*"
    timeout 590 "$@" 2>&1 | tee -a "$folder/gpu.log"
    local code=${PIPESTATUS[0]}
    [ "$code" = 0 ] || { echo "== ended with code $code"; failed=1; }
}

bench() { run "$python" -m laconvnet bench "$@" --device cuda --out "$folder"; }

profile() { run "$python" benchmarks/profile_network.py --device cuda --dtype bfloat16 --batch "$1"; }

for step in $steps; do
    case $step in
        test) run "$python" -m pytest -q -m gpu ;;
        op) bench op --batch 64 --dtype bfloat16,float32 --compile ;;
        model) bench model s --batch 1,64 --dtype float32,bfloat16 --backend default,reference --compile --against vilt,resnet50 ;;
        model-b)
            run "$python" -m laconvnet bench model b --batch 1,64 --dtype bfloat16 --backend default,reference --device cuda --out "$folder/b"
            ;;
        train) bench train s --batch 64 --dtype float32,bfloat16 --backend default,reference ;;
        profile) profile 1 ;;
        profile-64) profile 64 ;;
        *) echo "unknown step '$step'; allowed: test op model train model-b profile profile-64" >&2; exit 2 ;;
    esac
done
exit $failed
