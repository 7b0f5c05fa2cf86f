#!/usr/bin/env bash
# Everything that waits for an NVIDIA GPU, the most valuable first: are the kernels right, how fast are they, and the
# weights that CPUs cannot make. No step takes more than ten minutes, and every step can be repeated: a training goes on
# where it stopped, a measurement that succeeded is not made again.
#
#   tools/gpu_queue.sh [STEP...]     all of these in this order unless given:
#                                    verify bench-op bench-model bench-train scenes photographs release bench-model-b
#   tools/gpu_queue.sh pack FOLDER   cut a dataset folder into pieces of 60 MB, pieces/NAME.tar.000 and so on
#   tools/gpu_queue.sh unpack        put all pieces together again, below data/
#
# PYTHON=python3.12   the interpreter; that of .venv, if there is one, or python3 unless given
# RUNS=folder         where trainings are kept between calls, runs/ unless given
# OUT=folder          where weights to take home go, weights/ unless given, in files of at most 15 MB
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

python=${PYTHON:-$([ -x .venv/bin/python ] && echo .venv/bin/python || echo python3)}
runs=${RUNS:-runs} out=${OUT:-weights}
failed=0

need_gpu() { command -v nvidia-smi > /dev/null || { echo "no NVIDIA GPU here: nvidia-smi is missing" >&2; exit 1; }; }

run() {
    echo "== $*"
    "$@" || { echo "== ended with code $?" >&2; failed=1; }
}

# A run of NAME for at most nine and a half minutes; it saves its state when the time is up.
learn() {
    local name=$1
    [ -f "$runs/$name/results.json" ] && { echo "== $name has ended"; return; }
    local resume=()
    [ -f "$runs/$name/last/state.pt" ] && resume=(--resume)
    run timeout --signal=INT --kill-after=25 565 \
        "$python" -m laconvnet train "configs/recipes/$name.yaml" "output=$runs/$name" "${resume[@]}"
}

# A step of benchmarks/gpu.sh.
bench() {
    local step=$1 folder=$out/bench
    [ -f "$folder/$step.done" ] && { echo "== $step has been measured"; return; }
    echo "== benchmarks/gpu.sh $folder $step"
    if PYTHON="$python" benchmarks/gpu.sh "$folder" "$step"; then touch "$folder/$step.done"; else failed=1; fi
}

release() {
    local name=$1 weights=$2
    [ -f "$runs/$name/results.json" ] || { echo "== $name has not ended: nothing to release"; return; }
    run "$python" tools/release_weights.py "$runs/$name" "$out/$weights" --limits "tools/limits/${weights%-*}.md" \
        --dtype int8 --max-shard-size 15MB
}

case ${1:-} in
    pack)
        folder=${2:?pack needs a dataset folder}
        name=$(basename "$folder")
        mkdir -p pieces
        rm -f "pieces/$name.tar."*
        tar --create --dereference --directory "$(dirname "$folder")" "$name" | split --bytes=60MB --numeric-suffixes \
            --suffix-length=3 - "pieces/$name.tar." || { rm -f "pieces/$name.tar."*; exit 1; }
        ls -l pieces
        exit ;;
    unpack)
        mkdir -p data
        for first in pieces/*.tar.000; do
            cat "${first%000}"* | tar --extract --directory data
        done
        exit ;;
esac

need_gpu
for step in ${*:-verify bench-op bench-model bench-train scenes photographs release bench-model-b}; do
    case $step in
        verify) run timeout 590 "$python" -m pytest -q -m gpu ;;
        bench-op | bench-model | bench-train | bench-model-b) bench "${step#bench-}" ;;
        scenes) learn scenes_s ;;
        photographs) learn flickr30k_s ;;
        release)
            release scenes_s scenes-s
            release flickr30k_s photos-s ;;
        *)
            echo "unknown step '$step'; allowed: verify bench-op bench-model bench-train bench-model-b scenes photographs" \
                "release pack unpack" >&2
            exit 2 ;;
    esac
done
exit $failed
