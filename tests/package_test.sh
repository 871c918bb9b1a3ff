#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# The Debian package: made, unpacked, and what is in it looked at and run from there. usage: package_test.sh SLUICE
set -uo pipefail
command -v dpkg-deb >/dev/null && command -v dpkg-shlibdeps >/dev/null || { echo "skipped: no dpkg-dev"; exit 77; }
build=$(dirname "$(realpath "$1")")
cd "$(dirname "$0")/.."
at=$(mktemp -d)
trap 'rm -rf "$at"' EXIT
bad=0
expect() {
	local what=$1
	shift
	if "$@" >"$at/said" 2>&1; then echo "ok    $what"; else echo "FAIL  $what"; head -5 "$at/said"; bad=1; fi
}
expect "it is made" scripts/package "$build" "$at"
deb=$(ls "$at"/sluice_*.deb)
root=$at/root
expect "it unpacks" dpkg -x "$deb" "$root"
expect "it installs where dpkg is told to" sh -c "mkdir -p '$at/admin/var/lib/dpkg/info' '$at/admin/var/lib/dpkg/updates' &&
	touch '$at/admin/var/lib/dpkg/status' && dpkg --root='$at/admin' --force-all --unpack '$deb' && test -x '$at/admin/usr/bin/sluice'"
expect "the program runs" "$root/usr/bin/sluice" --version
expect "its configuration is one" sh -c "'$root/usr/bin/sluice' check '$root/etc/sluice/sluice.json' | grep -q '0 errors'"
for f in "$root"/usr/share/doc/sluice/examples/*.json; do # of a part that the build is without it says so
	expect "sample $(basename "$f")" sh -c "'$root/usr/bin/sluice' check '$f' 2>&1 | grep -qE '0 errors|this program was built without'"
done
expect "configuration files are kept over upgrades" sh -c "dpkg-deb -I '$deb' conffiles | grep -c /etc/sluice | grep -qx 2"
expect "nobody but root and its user reads them" sh -c "dpkg-deb -c '$deb' | grep 'etc/sluice/.*json' | grep -vqE '^-rw-r----- root/root' && exit 1 || exit 0"
for l in eal ethdev net-af-packet net-tap net-memif net-ena mempool-ring; do
	expect "it depends on librte-$l" sh -c "dpkg-deb -f '$deb' Depends | grep -q 'librte-$l[0-9]'"
done
if command -v systemd-analyze >/dev/null; then
	sed "s|/usr/bin/sluice |$root/usr/bin/sluice |" "$root/lib/systemd/system/sluice.service" >"$at/sluice.service"
	expect "its unit is one" sh -c "systemd-analyze verify '$at/sluice.service' 2>&1 | tee /dev/stderr | grep -q sluice.service && exit 1 || exit 0"
	expect "its unit is hardened: exposure below 4" sh -c "systemd-analyze security --offline=true --threshold=40 '$at/sluice.service'"
fi
if command -v lintian >/dev/null; then
	expect "lintian finds no error" lintian --fail-on error --allow-root --suppress-tags bogus-mail-host "$deb"
fi
exit $bad
