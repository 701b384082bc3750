# $1: recipe, $2: target.
set -eu
cp "$1/package.json" "$2/"
npm install --prefix "$2" --omit=dev --ignore-scripts --no-audit --no-fund --no-package-lock --loglevel=error
