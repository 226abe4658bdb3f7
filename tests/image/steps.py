"""What every part of the trial does: says what holds, and ends where something does not."""

import subprocess
import sys


def say(text):
    print(f"image-trial: {text}", flush=True)


def fail(text):
    sys.exit(f"image-trial: {text}")


def check(holds, what):
    say(f"{'ok  ' if holds else 'NOT '} {what}")
    if not holds:
        sys.exit(1)


def run(*words, **more):
    return subprocess.run([str(word) for word in words], check=True, **more)
