# A program of Beam's own; its module pins what it is built of. $1: target.
set -eu
GOBIN="$1" go install -trimpath github.com/apache/beam/sdks/v2/go/cmd/prism@v2.77.0
