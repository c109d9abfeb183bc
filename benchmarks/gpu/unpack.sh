#!/usr/bin/env bash
# There, once all parts lie in one folder: unpack.sh FOLDER joins the pieces and puts vLLM and the wheels where programs find them.
set -euo pipefail
acc=$1
mkdir -p ~/joined ~/vsite ~/site ~/bin ~/model-8b
for name in $(ls "$acc/pieces" | sed 's/\.[0-9]*$//' | sort -u); do
  cat "$acc/pieces/$name".[0-9][0-9][0-9] >~/joined/"$name"
done
(xz -dc -T0 ~/joined/vllm.tar.xz | tar xf - -C ~/vsite) &
unpacking=$!
python3 -m pip install -q --no-index --no-deps --no-compile --no-cache-dir --upgrade --target ~/site ~/joined/*.whl
wait $unpacking
cp "$acc"/model-8b/* ~/model-8b/
printf '#!/bin/sh\nexec python3 -m vllm.entrypoints.cli.main "$@"\n' >~/bin/vllm
printf '#!/bin/sh\nexec python3 -m forebay "$@"\n' >~/bin/forebay
chmod +x ~/bin/vllm ~/bin/forebay
