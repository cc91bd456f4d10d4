"""A project of its own for each test: the recipe and the documents of the repository, and the program to compare with."""

import json
import os
import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BIN = os.environ["REGIMEN_BIN"]


def project(folder):
    """A project with recipes/curate.toml and its documents; gives back the path of the recipe."""
    folder = Path(folder)
    for source in ["factbook", "rust-std", "sotu", "sqlite"]:
        shutil.copytree(ROOT / "data" / source, folder / "data" / source)
    (folder / "regimen.toml").touch()
    return Path(shutil.copy(ROOT / "recipes/curate.toml", folder / "curate.toml"))


def regimen(*arguments):
    """Run the program; gives back what it prints as JSON."""
    command = [BIN, "--json", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, f"{command}: {done.stderr}"
    return json.loads(done.stdout)


def payload(printed):
    """The payload hash of the last stage of a run."""
    return printed["stages"][-1]["payload"]


def run_tests(tests):
    """Run test functions one after the other, each told as it passes."""
    for test in tests:
        test()
        print(f"ok  {test.__name__}: {test.__doc__}", flush=True)
