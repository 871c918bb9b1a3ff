#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
#
# Records the project's own captures from real programs, between two network namespaces:
#
#    sl-client 10.99.0.1, fd99::1  ----- veth -----  sl-server 10.99.0.2, fd99::2
#    curl chromium dig ssh swaks nghttp              nginx dnsmasq sshd tinyproxy aiosmtpd aioquic
#    aioquic's client                                hypercorn
#
# Needs root and `scripts/deps record`. Not part of scripts/test: the captures are committed in tests/captures, and
# this script says how they came to be. Recording again gives other bytes (keys, times), the same stories.
# usage: tests/record/record.sh [CASE...]     default: all of them
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
out=$here/../captures
work=$(mktemp -d)
names="www.example.test"

client() { ip netns exec sl-client "$@"; }
server() { ip netns exec sl-server "$@"; }
background() { "$@" >>"$work/log" 2>&1 & }

clean() {
	for ns in sl-client sl-server; do # what runs in our own namespaces is ours
		for p in $(ip netns pids $ns 2>/dev/null); do kill "$p" 2>/dev/null || true; done
	done
	wait 2>/dev/null || true
	ip netns del sl-client 2>/dev/null || true
	ip netns del sl-server 2>/dev/null || true
	rm -rf "$work"
}
trap clean EXIT

network() {
	ip netns add sl-client
	ip netns add sl-server
	ip link add sl0 netns sl-client type veth peer name sl1 netns sl-server
	for s in client:sl0:1 server:sl1:2; do
		IFS=: read -r ns dev n <<<"$s"
		ip -n sl-$ns link set lo up
		ip -n sl-$ns addr add 10.99.0.$n/24 dev $dev
		ip -n sl-$ns addr add fd99::$n/64 dev $dev nodad
		ip -n sl-$ns link set $dev up
		# whole segments with true checksums, as on a wire (case `offload` turns them on again)
		ip netns exec sl-$ns ethtool -K $dev tx off tso off gso off gro off >/dev/null
	done
}

certificate() {
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 3650 -subj "/CN=$names" \
		-addext "subjectAltName=DNS:$names,DNS:mail.example.test,IP:10.99.0.2" \
		-keyout "$work/key.pem" -out "$work/cert.pem" 2>/dev/null
}

servers() {
	mkdir -p "$work/www"
	echo '<!doctype html><title>hello</title><img src="/pixel?x=1"><p>hello</p>' >"$work/www/index.html"
	head -c 20000 /dev/zero | tr '\0' 'x' >"$work/www/big"
	cat >"$work/nginx.conf" <<-EOF
		pid $work/nginx.pid; error_log $work/nginx.log; worker_processes 1;
		events {}
		http {
			access_log off; client_body_temp_path $work/b; proxy_temp_path $work/p; fastcgi_temp_path $work/f;
			uwsgi_temp_path $work/u; scgi_temp_path $work/s; root $work/www; gzip on; gzip_types text/html;
			server { listen 80; listen [::]:80; location /pixel { return 204; } location /post { return 200 "ok\n"; } location /old { return 301 /; } }
			server { listen 443 ssl http2; listen [::]:443 ssl http2; ssl_certificate $work/cert.pem; ssl_certificate_key $work/key.pem; ssl_protocols TLSv1.2 TLSv1.3; location /pixel { return 204; } }
		}
	EOF
	background server nginx -c "$work/nginx.conf" -g 'daemon off;'
	background server dnsmasq -k -p 53 --no-resolv --no-hosts --listen-address=10.99.0.2,fd99::2 --bind-interfaces \
		--address=/example.test/10.99.0.2 --address=/example.test/fd99::2 --txt-record=long.example.test,"$(head -c 250 /dev/zero | tr '\0' a)","$(head -c 250 /dev/zero | tr '\0' b)" \
		--cname=alias.example.test,www.example.test --host-record=www.example.test,10.99.0.2 --mx-host=example.test,mail.example.test,10
	ssh-keygen -q -t ed25519 -N '' -f "$work/host_key"
	ssh-keygen -q -t ed25519 -N '' -f "$work/id"
	cp "$work/id.pub" "$work/authorized_keys"
	chmod 755 "$work"
	mkdir -p /run/sshd
	background server /usr/sbin/sshd -D -e -p 22 -o HostKey="$work/host_key" -o AuthorizedKeysFile="$work/authorized_keys" \
		-o StrictModes=no -o UsePAM=no -o PidFile=none -o PermitRootLogin=yes -f /dev/null
	printf 'Port 8888\nListen 10.99.0.2\nTimeout 30\nMaxClients 10\nAllow 10.99.0.0/24\nConnectPort 443\n' >"$work/tinyproxy.conf"
	background server tinyproxy -d -c "$work/tinyproxy.conf"
	background server "$VENV/bin/python" "$here/smtp_server.py" "$work/cert.pem" "$work/key.pem"
	background server "$VENV/bin/python" "$here/h3_server.py" "$work/cert.pem" "$work/key.pem"
	sleep 2
}

# capture NAME [INTERFACE [NAMESPACE]] COMMAND...: what the command does, as seen on the server's interface
capture() {
	local name=$1 dev=$2 ns=$3; shift 3
	ip netns exec "$ns" tcpdump -q -i "$dev" -s 0 -U -w "$work/$name.pcap" 2>/dev/null &
	local p=$!
	sleep 1
	"$@" >>"$work/log" 2>&1 || echo "case $name: the client said $?" >&2
	sleep 1
	kill -INT $p; wait $p || true
	mv "$work/$name.pcap" "$out/$name.pcap"
	echo "$name: $(stat -c %s "$out/$name.pcap") bytes"
}
onwire() { local name=$1; shift; capture "$name" sl1 sl-server "$@"; }

CURL="curl -sS --max-time 10 --cacert CERT --resolve $names:443:10.99.0.2 --resolve $names:80:10.99.0.2"
curl_() { client ${CURL/CERT/$work/cert.pem} "$@" -o /dev/null; }
key() { openssl x509 -in "$work/cert.pem" -pubkey -noout | openssl pkey -pubin -outform der | openssl dgst -sha256 -binary | base64; }
browse() {
	client chromium --headless=new --no-sandbox --disable-gpu --no-first-run --disable-background-networking \
		--disable-component-update --disable-sync --user-data-dir="$work/profile$RANDOM" --virtual-time-budget=3000 \
		--host-resolver-rules="MAP www.example.test 10.99.0.2, MAP * ~NOTFOUND" \
		--ignore-certificate-errors-spki-list="$(key)" "$@" --dump-dom
}

case_http() { onwire http curl_ "http://$names/" "http://$names/old?to=%2Fnew" --next -sS -H 'Transfer-Encoding: chunked' -d 'a=1&b=2' "http://$names/post" --resolve "$names:80:10.99.0.2"; }
case_tls12() { onwire tls12 curl_ --tls-max 1.2 "https://$names/"; }
case_tls13() { onwire tls13 curl_ --tlsv1.3 "https://$names/"; }
case_http6() { onwire http6 client curl -sS --max-time 10 "http://[fd99::2]/big?v6" -o /dev/null; }
case_browser() { onwire browser browse --disable-quic "https://$names/"; }
case_browser_quic() { onwire browser_quic browse --enable-quic --origin-to-force-quic-on="$names:4433" "https://$names:4433/"; }
case_http3() { onwire http3 client "$VENV/bin/python" "$here/h3_client.py" "$work/cert.pem" 10.99.0.2 4433 $names; }
# HTTP/2 in the clear: by prior knowledge, by upgrade, several streams at once with a body
case_http2() {
	[ -x "$VENV/bin/hypercorn" ] || "$VENV/bin/pip" -q install 'hypercorn==0.18.0'
	background server sh -c "cd '$here' && exec '$VENV/bin/hypercorn' -b 10.99.0.2:8080 h2c_app:app"
	sleep 2
	onwire http2 sh -c "c='ip netns exec sl-client'; cd '$work/www'
		\$c curl -sS --max-time 10 --http2-prior-knowledge -A agent/1 'http://10.99.0.2:8080/first?a=1' 'http://10.99.0.2:8080/none' -o /dev/null -o /dev/null
		\$c curl -sS --max-time 10 --http2 'http://10.99.0.2:8080/upgrade' 'http://10.99.0.2:8080/second' -o /dev/null -o /dev/null
		\$c nghttp -n -H 'x-forwarded-for: 192.0.2.1' -d index.html http://10.99.0.2:8080/post http://10.99.0.2:8080/big"
}
case_dns() {
	onwire dns sh -c "for q in 'www.example.test A' 'www.example.test AAAA' 'alias.example.test A' 'example.test MX' 'nowhere.invalid A' '+tcp long.example.test TXT' '+tcp www.example.test A'; do
		ip netns exec sl-client dig +tries=1 +time=2 @10.99.0.2 \$q; done"
}
case_ssh() { onwire ssh client ssh -i "$work/id" -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o BatchMode=yes root@10.99.0.2 true; }
case_starttls() { onwire starttls client swaks --server 10.99.0.2:25 --to a@example.test --from b@example.test --tls --tls-sni mail.example.test --timeout 5; }
case_socks() {
	background server ssh -N -g -D 10.99.0.2:1080 -i "$work/id" -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o BatchMode=yes root@10.99.0.2
	sleep 1
	onwire socks client curl -sS --max-time 10 --cacert "$work/cert.pem" --socks5 10.99.0.2:1080 --resolve "$names:443:10.99.0.2" "https://$names/" -o /dev/null
}
case_connect() { onwire connect client curl -sS --max-time 10 --cacert "$work/cert.pem" -x http://10.99.0.2:8888 --connect-to "::10.99.0.2:443" "https://$names/" -o /dev/null; }
case_fragments() { onwire fragments sh -c "ip netns exec sl-client ping -c 1 -s 4000 10.99.0.2; ip netns exec sl-client ping -c 1 -s 4000 fd99::2"; }
case_offload() {
	for s in client:sl0 server:sl1; do ip netns exec sl-${s%:*} ethtool -K ${s#*:} tx on tso on gso on >/dev/null; done
	onwire offload curl_ "http://$names/big"
	for s in client:sl0 server:sl1; do ip netns exec sl-${s%:*} ethtool -K ${s#*:} tx off tso off gso off >/dev/null; done
}

# all in one, for scripts/demo
tour() {
	client dig +tries=1 +time=2 @10.99.0.2 www.example.test A
	client dig +tcp +tries=1 +time=2 @10.99.0.2 alias.example.test AAAA
	curl_ "http://$names/" "http://$names/old?to=%2Fnew"
	curl_ "https://$names/"
	client "$VENV/bin/python" "$here/h3_client.py" "$work/cert.pem" 10.99.0.2 4433 $names
	client swaks --server 10.99.0.2:25 --to a@example.test --from b@example.test --tls --tls-sni mail.example.test --timeout 5 --quit-after RCPT
	client curl -sS --max-time 10 --cacert "$work/cert.pem" -x http://10.99.0.2:8888 --connect-to "::10.99.0.2:443" "https://$names/" -o /dev/null
	client ssh -i "$work/id" -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o BatchMode=yes root@10.99.0.2 true
	client ping -c 1 -s 4000 10.99.0.2
}
case_tour() { onwire tour tour; }

: "${VENV:=$work/venv}"
[ "$(id -u)" = 0 ] || { echo "record.sh: needs root (network namespaces)"; exit 3; }
"$here/venv.sh" "$VENV"
mkdir -p "$out"
network
certificate
servers
for c in "${@:-http tls12 tls13 http6 browser browser_quic http3 http2 dns ssh starttls socks connect fragments offload tour}"; do
	for one in $c; do "case_$one"; done
done
