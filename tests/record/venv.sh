#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# A Python with the clients and servers that Debian does not have: aioquic (QUIC, HTTP/3), aiosmtpd. usage: venv.sh FOLDER
set -euo pipefail
[ -d "$1" ] || python3 -m venv "$1"
"$1/bin/python" -c 'import aioquic, aiosmtpd' 2>/dev/null ||
	"$1/bin/pip" -q install 'aioquic==1.7.2' 'aiosmtpd==1.4.6' || { echo "no aioquic: PyPI is out of reach"; exit 77; }
