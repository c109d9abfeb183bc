#!/usr/bin/env bash
# Packs a visit into parts of at most PART_MIB MiB: pack.sh FOLDER TOKENIZER [COMMIT]. README.md beside this tells the rest.
#
# The machine has Python 3.12 and a torch, and nothing can be fetched there. vLLM travels without what Hopper does not use:
# FlashAttention 2, the kernels of other cards, header files. Downloads are kept in FOLDER/kept.
set -euo pipefail
folder=$(mkdir -p "$1/kept/wheels" && cd "$1" && pwd) tokenizer=$(cd "$2" && pwd) commit=${3:-HEAD}
here=$(cd "$(dirname "$0")" && pwd)
vllm=${VLLM:-0.25.1} part_mib=${PART_MIB:-50} piece_mib=8
fetch=(python3 -m pip download -q --no-deps --only-binary=:all: --python-version 3.12 --implementation cp --abi cp312 --abi abi3 --abi none)
for p in 2_34 2_31 2_28 2_27 2_26 2_24 2_17 2_12 2_5; do fetch+=(--platform "manylinux_${p}_x86_64"); done
fetch+=(--platform manylinux2014_x86_64 --platform manylinux1_x86_64)

cd "$folder/kept"
if [ ! -f vllm.tar.xz ]; then
  "${fetch[@]}" -d . "vllm==$vllm"
  rm -rf tree && mkdir tree && (cd tree && unzip -q ../vllm-"$vllm"-*.whl)
  rm -rf tree/vllm/vllm_flash_attn/_vllm_fa2_C.abi3.so tree/vllm/vllm-rs tree/vllm/third_party/fmha_sm100 \
    tree/vllm/third_party/deep_gemm/include
  find tree -name '*.hpp' -delete
  tar cf - -C tree . | xz -T0 -1 >vllm.tar.xz.part && mv vllm.tar.xz.part vllm.tar.xz
  rm -rf tree vllm-"$vllm"-*.whl
fi
[ -f wheels/.whole ] || { "${fetch[@]}" -d wheels -r "$here/wheels.txt" && touch wheels/.whole; }

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/tree" "$work/pieces"
cd "$(git -C "$here" rev-parse --show-toplevel)"
git archive "$commit" src benchmarks pyproject.toml ':!benchmarks/results' | tar x -C "$work/tree"
version=$(grep -m1 '^version' pyproject.toml | cut -d'"' -f2)
mkdir "$work/tree/src/forebay-$version.dist-info"
printf 'Metadata-Version: 2.1\nName: forebay\nVersion: %s\n' "$version" >"$work/tree/src/forebay-$version.dist-info/METADATA"
for file in "$folder"/kept/vllm.tar.xz "$folder"/kept/wheels/*.whl; do
  split -b "${piece_mib}M" -d -a 3 "$file" "$work/pieces/$(basename "$file")."
done

# What every visit carries is made first, so that its size is counted like a piece's.
rest=$work/rest
mkdir -p "$rest/model-8b"
tar czf "$rest/tree.tgz" -C "$work/tree" .
git rev-parse "$commit" >"$rest/commit"
cp "$here"/visit.sh "$here"/unpack.sh "$rest/"
cp benchmarks/results/gpu-2026-11-22/model-8b/config.json "$tokenizer"/* "$rest/model-8b/"

rm -rf "$folder"/part*
n=1 size=0
mkdir -p "$folder/part1/pieces"
room() { # BYTES: begin another part where the present one does not hold so many more
  if [ $((size + $1)) -gt $((part_mib << 20)) ]; then
    n=$((n + 1)) size=0
    mkdir -p "$folder/part$n/pieces"
  fi
  size=$((size + $1))
}
for piece in "$work"/pieces/*; do
  room "$(stat -c %s "$piece")"
  mv "$piece" "$folder/part$n/pieces/"
done
room "$(du -sb "$rest" | cut -f1)"
mv "$rest"/* "$folder/part$n/"
du -sb "$folder"/part*
