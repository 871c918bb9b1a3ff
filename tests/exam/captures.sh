# SPDX-License-Identifier: BSD-3-Clause
# Sourced: `list` has the project's own captures and, where they are, those of the corpora.
corpora=${SLUICE_CORPORA:-$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)/../shared/corpora}
list=("$(dirname "${BASH_SOURCE[0]}")"/../captures/*.pcap)
if [ -d "$corpora" ]; then
	mapfile -t more < <(find "$corpora"/*/pcap -type f | sort)
	list+=("${more[@]}")
fi
