"""The image's root as a container runtime hands it over, and how a process is started in it. What a runtime adds is added here:
/proc, a few devices, files about names."""

import ctypes
import os
import stat
import subprocess
from pathlib import Path

from dockerfile import copy_in, exec_form, stages, variables
from steps import fail, run, say

LIBC = ctypes.CDLL(None, use_errno=True)
CLONE_NEWPID, PR_CAPBSET_DROP, PR_SET_NO_NEW_PRIVS = 0x20000000, 24, 38
# What is given to a container that is read-only, and no other of its devices.
DEVICES = ["null", "zero", "full", "random", "urandom"]


class Image:
    """The root, read-only, and what is said of how to start in it."""

    def __init__(self, work):
        self.root, self.environment, self.said = work / "root", {}, {}
        self.root.mkdir()
        run("mount", "-t", "tmpfs", "-o", "mode=755", "image", self.root)
        self.own = os.open("/proc/self/ns/pid", os.O_RDONLY)
        for word, rest in stages()[-1]:
            if word == "ENV":
                self.environment |= variables(rest)
            elif word == "COPY":
                self.copy(work, rest.split())
            elif word == "FROM" and rest != "scratch":
                fail(f"only an image that begins with nothing can be tried: FROM {rest}")
            elif word not in ("FROM", "USER", "EXPOSE", "HEALTHCHECK", "STOPSIGNAL", "ENTRYPOINT", "CMD"):
                fail(f"not understood: {word} {rest}")
            self.said[word] = rest
            say(f"Dockerfile: {word} {rest}")
        self.user, self.group = map(int, self.said["USER"].split(":"))
        self.entry, self.command = exec_form(self.said["ENTRYPOINT"]), exec_form(self.said["CMD"])
        self.health = exec_form(self.said["HEALTHCHECK"].split(" CMD ", 1)[1])
        self.holds = self.listing()
        self.furnish()

    def copy(self, work, words):
        *sources, to = words
        into = self.root / to.lstrip("/")
        into.mkdir(parents=True, exist_ok=True)
        if sources[0] == "--from=build":
            return run("cp", "-R", f"{work}{sources[1]}/.", into)
        for path in sources:
            copy_in(path, into)

    def furnish(self):
        (self.root / "proc").mkdir()
        (self.root / "dev").mkdir()
        for name in DEVICES:
            (self.root / "dev" / name).touch()
            run("mount", "--bind", f"/dev/{name}", self.root / "dev" / name)
        (self.root / "etc/hosts").write_text("127.0.0.1 localhost postgres\n")
        (self.root / "etc/resolv.conf").write_text("")
        run("mount", "-t", "proc", "proc", self.root / "proc")
        run("mount", "-o", "remount,ro", self.root)

    def listing(self):
        """Every file with what would tell that it was touched."""
        found = {}
        for folder, folders, files in os.walk(self.root):
            folders[:] = [name for name in folders if name not in ("proc", "dev")]
            for name in folders + files:
                path = Path(folder) / name
                seen = path.lstat()
                found["/" + str(path.relative_to(self.root))] = (seen.st_mode, seen.st_uid, seen.st_size, seen.st_mtime_ns)
        return found

    def confine(self):
        """What a runtime does between fork and exec: the root, no capabilities, the user, no way back."""
        os.chroot(self.root)
        os.chdir("/")
        for capability in range(64):
            LIBC.prctl(PR_CAPBSET_DROP, ctypes.c_ulong(capability), *[ctypes.c_ulong(0)] * 3)
        os.setgroups([])
        os.setresgid(*[self.group] * 3)
        os.setresuid(*[self.user] * 3)
        LIBC.prctl(PR_SET_NO_NEW_PRIVS, ctypes.c_ulong(1), *[ctypes.c_ulong(0)] * 3)

    def start(self, words, environment, output):
        """A container: process 1 of its own."""
        plain = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/", "HOSTNAME": "mendline"}
        LIBC.unshare(CLONE_NEWPID)
        try:
            return subprocess.Popen(
                words, env=plain | self.environment | environment, preexec_fn=self.confine, cwd="/",
                stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, text=True,
            )  # fmt: skip
        finally:
            LIBC.setns(self.own, CLONE_NEWPID)

    def ask(self, words, environment):
        """Runs to the end: status and what was said."""
        process = self.start(words, environment, subprocess.PIPE)
        said = process.communicate(timeout=120)[0]
        return process.returncode, said

    def writable(self):
        """Folders in which the user can make a file."""
        folders = ["/", "/dev"] + [path for path, (mode, *_) in self.holds.items() if stat.S_ISDIR(mode)]
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            self.confine()
            os.write(writing, "\n".join(filter(made, folders)).encode())
            os._exit(0)
        os.close(writing)
        os.waitpid(child, 0)
        return os.read(reading, 65536).decode().split()


def made(folder):
    try:
        os.close(os.open(f"{folder}/trial", os.O_CREAT | os.O_WRONLY))
    except OSError:
        return False
    return True
