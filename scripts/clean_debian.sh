#!/bin/sh
# Runs a command in a Debian that has nothing but some packages, in a copy of this checkout, and brings dist/ back.
#
#     scripts/clean_debian.sh trixie "python3-venv make" make test_wheel
#
# It needs mmdebstrap, and root where users may not have namespaces of their own. Nothing of that Debian is left. What
# pip is told by its variables (PIP_FIND_LINKS, PIP_EXTRA_INDEX_URL) and this machine's certificates hold there, too.
set -eu
suite=$1
packages=$2
shift 2
command -v mmdebstrap >/dev/null || { echo "clean_debian.sh: needs mmdebstrap" >&2; exit 1; }

cd "$(dirname "$0")/.."
passed=$(mktemp -d)
trap 'rm -rf "$passed"' EXIT
mkdir -p dist
git ls-files --cached --others --exclude-standard | tar -cf "$passed/checkout.tar" --ignore-failed-read -T - dist
printf '#!/bin/sh\nset -e\ncd /checkout\n%s\n' "$*" >"$passed/command"

set -- --variant=minbase --include="$(echo "$packages" ca-certificates | tr ' ' ,)"
set -- "$@" --customize-hook='mkdir -p "$1/checkout"' --customize-hook="tar-in $passed/checkout.tar /checkout"
set -- "$@" --customize-hook="upload $passed/command /command"
if [ -d "${PIP_FIND_LINKS:-}" ]; then
    set -- "$@" --customize-hook='mkdir -p "$1/$PIP_FIND_LINKS"' --customize-hook="sync-in $PIP_FIND_LINKS $PIP_FIND_LINKS"
fi
if [ -f /etc/ssl/certs/ca-certificates.crt ]; then
    set -- "$@" --customize-hook='upload /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt'
fi
mmdebstrap -q "$@" --customize-hook='chroot "$1" sh /command' --customize-hook='sync-out /checkout/dist dist' "$suite" /dev/null
