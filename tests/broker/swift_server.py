# SPDX-License-Identifier: BSD-3-Clause
"""OpenStack Swift's S3 face (s3api), the S3 server that checks signatures where there is no Go for versitygw.

Debian's packages are unpacked into $SLUICE_SERVERS/swift, never installed: nothing of the system changes, no service
starts. What differs from S3: SSE headers and If-None-Match are answered with 501. servers.py imports this; as a program it
is the server: an account, a container and an object server with a proxy before them, which end together.
usage: swift_server.py FOLDER PORT REGION USER SECRET PORTS-OF-OTHERS..."""
import os
import pathlib
import subprocess
import sys

PACKAGE = "python3-swift"
DEBIAN = "/usr/bin/python3"  # whose modules the packages are
PIPELINE = "catch_errors gatekeeper healthcheck cache listing_formats bulk s3api tempauth slo dlo versioned_writes proxy-server"
STORES = ("account", "container", "object")


def packages():
    """the package and what it needs that is not there yet"""
    plan = subprocess.run(["apt-get", "install", "-s", "--no-install-recommends", "--reinstall", PACKAGE], capture_output=True, text=True)
    return [l.split()[1] for l in plan.stdout.splitlines() if l.startswith("Inst ")]


def install():
    import servers
    with servers.fresh("swift") as f:
        if f:
            servers.tool("apt-get", "Swift")
            servers.tool("dpkg", "Swift")
            names = packages()
            if not names and not os.geteuid():
                subprocess.run(["apt-get", "update", "-qq"], capture_output=True)
                names = packages()
            if not names:
                raise servers.Missing("Swift: apt knows no %s: apt-get update" % PACKAGE)
            servers.said(f / "apt.log", "Swift", "apt-get", "download", "-q", *names, cwd=f)
            for deb in f.glob("*.deb"):
                servers.said(f / "dpkg.log", "Swift", "dpkg", "-x", deb, f / "root")
                deb.unlink()
    return servers.folder() / "swift"


def environment():
    root = install() / "root/usr/lib"
    libraries = [str(p) for p in root.glob("*-linux-gnu")]
    return {"PYTHONPATH": str(root / "python3/dist-packages"), "LD_LIBRARY_PATH": ":".join(libraries), "PYTHONWARNINGS": "ignore"}


def command(s3):
    import servers
    if not hasattr(s3, "others"):
        s3.others = [servers.port() for _ in STORES]
    return [DEBIAN, __file__, s3.folder, str(s3.port), s3.region, s3.key, s3.secret, *map(str, s3.others)]


def configure(folder, port, region, user, secret, others):
    """each server's file and each store's ring"""
    from swift.common.ring import RingBuilder
    (folder / "swift.conf").write_text("[swift-hash]\nswift_hash_path_prefix = a\nswift_hash_path_suffix = b\n")
    common = "[DEFAULT]\nbind_ip = 127.0.0.1\nbind_port = %s\nworkers = 0\nswift_dir = %s\nuser = " + (os.environ.get("USER") or "root") + "\n"
    for store, p in zip(STORES, others):
        (folder / "data/disk").mkdir(parents=True, exist_ok=True)
        (folder / (store + ".conf")).write_text(
            common % (p, folder) + "devices = %s/data\nmount_check = false\ndisable_fallocate = true\n"
            "[pipeline:main]\npipeline = %s-server\n[app:%s-server]\nuse = egg:swift#%s\n" % (folder, store, store, store))
        ring = RingBuilder(4, 1, 1)
        ring.add_dev({"region": 1, "zone": 1, "ip": "127.0.0.1", "port": int(p), "device": "disk", "weight": 1.0,
                      "replication_ip": "127.0.0.1", "replication_port": int(p), "meta": ""})
        ring.rebalance()
        ring.get_ring().save(str(folder / (store + ".ring.gz")))
    filters = "".join("[filter:%s]\nuse = egg:swift#%s\n" % (f, f) for f in PIPELINE.split()[:-1] if f not in ("s3api", "tempauth", "cache"))
    account, name = user.split(":")
    tls = "cert_file = %s/srv.pem\nkey_file = %s/srv.key\n" % (folder, folder) if (folder / "srv.pem").exists() else ""
    (folder / "proxy.conf").write_text(
        common % (port, folder) + tls + "[pipeline:main]\npipeline = %s\n[app:proxy-server]\nuse = egg:swift#proxy\n"
        "account_autocreate = true\nallow_account_management = true\n%s[filter:cache]\nuse = egg:swift#memcache\n"
        "memcache_servers = 127.0.0.1:1\nerror_suppression_limit = 0\n"
        "[filter:s3api]\nuse = egg:swift#s3api\nlocation = %s\n[filter:tempauth]\nuse = egg:swift#tempauth\nuser_%s_%s = %s .admin\n"
        % (PIPELINE, filters, region, account, name, secret))


def serve(folder, kind):
    from swift.common import storage_policy, utils, wsgi
    for module in (utils, storage_policy):  # it has no other way to say where this is
        module.SWIFT_CONF_FILE = str(folder / "swift.conf")
    section = "proxy-server" if kind == "proxy" else kind + "-server"
    sys.exit(wsgi.run_wsgi(str(folder / (kind + ".conf")), section))


def main(where, port, region, user, secret, *others):
    import ctypes
    import signal
    folder = pathlib.Path(where)
    configure(folder, port, region, user, secret, others)
    children = []
    for kind in (*STORES, "proxy"):
        pid = os.fork()
        if not pid:
            ctypes.CDLL(None).prctl(1, signal.SIGKILL, 0, 0, 0)
            serve(folder, kind)
        children.append(pid)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    os.wait()  # one of them ended: so do the others
    sys.exit(1)


if __name__ == "__main__":
    main(*sys.argv[1:])
