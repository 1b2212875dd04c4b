#!/usr/bin/env bash
# The fast tests under another torch: tests/with_torch.sh 2.11.0 [pytest arguments], in a fresh environment that is
# removed afterwards. What the constraints say of torch, and of what torch itself brings, is left to pip.
set -euo pipefail
version=${1:?"which torch? for example 2.11.0"}
shift
cd "$(dirname "$0")/.."
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
grep -v -i -E '^(torch|numpy|sympy|networkx|fsspec|filelock|jinja2|typing_extensions)==' constraints.txt >"$folder/constraints.txt"
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet -c "$folder/constraints.txt" "torch==$version" -e '.[test]'
"$folder/venv/bin/pytest" -m "not slow" "$@"
