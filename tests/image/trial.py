"""What script/image-trial does: `build` obeys the Dockerfile's first stage in a directory, `run` its last one, and runs there
what compose.yaml runs."""

import fcntl
import json
import os
import secrets
import signal
import socket
import stat
import struct
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

from container import Image
from dockerfile import ROOT, Compose, copy_in, stages, variables
from steps import check, fail, run, say

# The first stage.


def build(work, program=None):
    first = stages()[0]
    source = work / dict(first)["WORKDIR"].lstrip("/")
    source.mkdir(parents=True)
    if program:
        run(ROOT / "script/image-root", program, source / "image")
        return say(f"the root was put together around {program}; the build stage was not tried")
    # Kept between trials; a build in Docker begins without.
    target = ROOT / "target/image"
    target.mkdir(parents=True, exist_ok=True)
    (source / "target").symlink_to(target)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("CARGO_TARGET")}
    for word, rest in first:
        if word == "ENV":
            environment |= variables(rest)
        elif word == "COPY":
            *sources, to = rest.split()
            for path in sources:
                copy_in(path, source / to)
        elif word == "RUN" and "apt-get " in rest:
            say(f"this machine's packages do instead of: {rest}")
        elif word == "RUN":
            say(f"RUN {rest}")
            run("sh", "-c", rest, cwd=source, env=environment)
        elif word not in ("FROM", "WORKDIR"):
            fail(f"not understood: {word} {rest}")
    # Whoever owns the tree may want to remove it.
    run("chown", "-R", "--reference", ROOT, target)


# The last stage.


def look_at(image):
    modes = {path: mode for path, (mode, *_) in image.holds.items() if not stat.S_ISDIR(mode)}
    programs = [path for path, mode in modes.items() if mode & 0o111 and ".so" not in Path(path).name]
    for path in sorted(modes):
        say(f"     {path}")
    check(programs == image.entry[:1], "the image holds one program, and no shell")
    check(all(stat.S_ISREG(mode) for mode in modes.values()), "it holds plain files")
    check(not any(mode & 0o7022 for mode, *_ in image.holds.values()), "none of them runs as somebody else, or is writable")
    check(not image.writable(), f"user {image.user} can write nowhere")


# What compose.yaml says beside that.


def compose():
    names = ["POSTGRES", "OWNER_DATABASE", "API_DATABASE", "WORKER_DATABASE"]
    values = {f"{name}_PASSWORD": secrets.token_hex(16) for name in names}
    values |= {"MENDLINE_PUBLIC_URL": "https://mendline.example.org", "MENDLINE_VAPID_SUBJECT": "mailto:ops@example.org"}
    found = Compose(values)
    rights = [line.strip() for line in found.below("x-mendline: &mendline")]
    for right in ("read_only: true", "cap_drop: [ALL]", 'security_opt: ["no-new-privileges:true"]'):
        check(right in rights, f"compose.yaml: {right}")
    return found


def make_keys(work, program, values):
    run(program, "admin", "keys", "new", "--dir", work / "keys", stdout=subprocess.DEVNULL)
    for name, file in (("TOKEN", "token.pem"), ("SECRET", "secret"), ("VAPID", "vapid.pem")):
        values[f"MENDLINE_{name}_KEY"] = (work / "keys" / file).read_text()


def loopback():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        up_and_running, set_flags = 0x41, 0x8914
        fcntl.ioctl(any_socket, set_flags, struct.pack("16sH22x", b"lo", up_and_running))


def postgres(work, programs, settings):
    """A server as the official image makes one, reached by password over TCP alone."""
    home = work / "postgres"
    home.mkdir()
    os.chown(home, 65534, 65534)
    nobody = {"user": 65534, "group": 65534, "extra_groups": [], "cwd": home, "stdout": subprocess.DEVNULL}
    run(programs / "initdb", "--pgdata", home / "data", "--username=postgres", "--encoding=UTF8", "--locale=C",
        "--auth-local=trust", "--auth-host=scram-sha-256", "--no-sync", **nobody)  # fmt: skip
    options = {"unix_socket_directories": home, "listen_addresses": "127.0.0.1", "fsync": "off"}
    words = [word for name, value in options.items() for word in ("-c", f"{name}={value}")]
    log = open(work / "postgres.log", "w")
    subprocess.Popen([programs / "postgres", "-D", home / "data", *words], **(nobody | {"stdout": log}), stderr=log)
    local = os.environ | {"PATH": f"{programs}:{os.environ['PATH']}", "PGHOST": str(home), "POSTGRES_USER": "postgres"}
    until(lambda: subprocess.run([programs / "pg_isready", "-q"], env=local).returncode == 0, "Postgres")
    run(programs / "createdb", "--username=postgres", settings["POSTGRES_DB"], env=local)
    return local | settings


def until(holds, what):
    for _ in range(150):
        if holds():
            return
        time.sleep(0.2)
    fail(f"waited in vain for {what}")


def answered(url):
    try:
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(url, timeout=5) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code


def serve(image, work, found):
    """From the first start of the compose file to the last."""
    shared = found.environment("x-mendline: &mendline", "environment: &environment")
    owner = shared | found.environment("services:", "migrate:", "environment:")
    migrate = image.entry + found.words("command:", "services:", "migrate:")
    status, said = image.ask(migrate, owner)
    check((status, "ran 2026" in said) == (0, True), f"{' '.join(migrate)}: {len(said.splitlines())} migrations")
    status, said = image.ask(migrate, owner)
    check((status, said.splitlines()[-1]) == (0, "the schema is current"), "the same again: the schema is current")
    check(image.ask(image.health, shared)[0] != 0, "nobody serves: the health check says so")

    command = found.words("command:", "services:", "mendline:")
    check(command == image.command, f"compose.yaml starts what the image starts by itself: {' '.join(command)}")
    with open(work / "log", "w") as log:
        server = image.start(image.entry + command, shared, log)
    until(lambda: server.poll() is not None or image.ask(image.health, shared)[0] == 0, "the health check")
    if server.poll() is not None:
        fail((work / "log").read_text())
    say(f"ok   {' '.join(image.health)}")
    look_at_process(server.pid, image)
    ports = image.said["EXPOSE"].split()
    for port, path in zip("00011", ["/healthz", "/readyz", "/v1/config", "/metrics", "/readyz"]):
        url = f"http://127.0.0.1:{ports[int(port)]}{path}"
        check(answered(url) == 200, f"GET {url}")
    status, said = image.ask(image.entry + ["doctor", "--json"], shared)
    lines = json.loads(said)["lines"]
    roots = [line for line in lines if line["area"] == "TLS roots"]
    check(roots and roots[0]["level"] == "ok", f"root certificates: {roots}")
    check(not [line for line in lines if line["level"] == "failure"], "doctor finds nothing that does not work")

    server.send_signal(getattr(signal, image.said["STOPSIGNAL"]))
    grace = int(found.words("stop_grace_period:", "services:", "mendline:")[0].rstrip("s"))
    check(server.wait(timeout=grace) == 0, f"{image.said['STOPSIGNAL']} ends it well")


def look_at_process(pid, image):
    status = dict(line.split(":\t", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines() if ":\t" in line)
    check(set(status["Uid"].split()) == {str(image.user)}, f"it runs as user {image.user}")
    check(set(status["Gid"].split()) == {str(image.group)} and not status["Groups"].strip(), f"in group {image.group} alone")
    sets = ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"]
    check(not any(int(status[name], 16) for name in sets), "without a capability, and none to be had")
    check(status["NoNewPrivs"] == "1", "no way to new rights")
    check(status["NSpid"].split()[-1] == "1", "as process 1")
    opened = [os.readlink(path) for path in Path(f"/proc/{pid}/fd").iterdir() if int(path.name) > 2]
    check(not [path for path in opened if path.startswith("/")], f"of its {len(opened)} open files none is on a disk")


def trial(work, programs):
    loopback()
    found = compose()
    image = Image(work)
    look_at(image)
    before = image.listing()
    make_keys(work, image.root / image.entry[0].lstrip("/"), found.values)
    local = postgres(work, programs, found.environment("services:", "postgres:", "environment:"))
    roles = "\n".join(line.strip() for line in found.below("configs:", "roles:", "content: |"))
    run("bash", "-euc", found.interpolated(roles), env=local, stdout=subprocess.DEVNULL)
    say("ok   compose.yaml: the roles")
    healthy = found.words("test:", "services:", "postgres:", "healthcheck:")
    check(healthy[0] == "CMD" and run(programs / healthy[1], *healthy[2:], stdout=subprocess.DEVNULL), " ".join(healthy))
    serve(image, work, found)
    check(image.listing() == before, "nothing was written")
    say("the image runs as the Dockerfile and compose.yaml say")


if __name__ == "__main__":
    if sys.argv[1] == "build":
        build(Path(sys.argv[2]), *map(Path, sys.argv[3:4]))
    else:
        trial(Path(sys.argv[2]), Path(sys.argv[3]))
