"""Measures the dashboard in a pseudo-terminal; `dashboard.sh` calls it. Only Python's own library is needed."""

import argparse
import codecs
import fcntl
import json
import os
import pty
import re
import select
import shutil
import statistics
import struct
import sys
import tempfile
import termios
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
RECIPE = "recipes/first-light.toml"
LIMITS = {"first_paint_ms": 100, "share": 0.01}
SEQUENCE = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|[^\[])|\x1b\[?[0-?]*$")


class Screen:
    """What a terminal shows, as far as the program's sequences go."""

    def __init__(self, columns, lines):
        self.size, self.rest, self.at = (columns, lines), "", (0, 0)
        self.cells = [[" "] * columns for _ in range(lines)]

    def feed(self, text):
        text, self.rest, i = self.rest + text, "", 0
        while i < len(text):
            if text[i] == "\x1b":
                found = SEQUENCE.match(text, i)
                if not found or (found.end() == len(text) and not found.group()[-1:].isalpha()):
                    self.rest = text[i:]
                    return
                self.obey(found.group())
                i = found.end()
                continue
            x, y = self.at
            if text[i] == "\r":
                self.at = (0, y)
            elif text[i] == "\n":
                self.at = (x, min(y + 1, self.size[1] - 1))
            elif text[i] >= " ":
                if x < self.size[0]:
                    self.cells[y][x] = text[i]
                self.at = (x + 1, y)
            i += 1

    def obey(self, sequence):
        if sequence in ("\x1b[2J", "\x1b[?1049h", "\x1b[?1049l"):
            self.cells = [[" "] * self.size[0] for _ in range(self.size[1])]
        elif sequence.endswith("H"):
            line, _, column = sequence[2:-1].partition(";")
            self.at = (int(column or 1) - 1, min(int(line or 1), self.size[1]) - 1)

    def text(self):
        return "\n".join("".join(line).rstrip() for line in self.cells)


class Program:
    """The program in a terminal of its own."""

    def __init__(self, command, folder, columns=80, lines=24):
        self.began = time.monotonic()
        self.pid, self.master = pty.fork()
        if self.pid == 0:
            os.chdir(folder)
            os.environ.update(TERM="xterm-256color", NO_COLOR="1")
            os.environ.pop("CI", None)
            fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
            os.execv(command[0], command)
        self.screen, self.decoder = Screen(columns, lines), codecs.getincrementaldecoder("utf-8")("replace")

    def read(self, wait):
        if not select.select([self.master], [], [], wait)[0]:
            return True
        try:
            read = os.read(self.master, 1 << 16)
        except OSError:
            return False
        self.screen.feed(self.decoder.decode(read))
        return bool(read)

    def until(self, text):
        """Seconds since the start when the screen shows a text."""
        while text not in self.screen.text():
            if not self.read(60):
                sys.exit(f"no `{text}` on the screen:\n{self.screen.text()}")
        return time.monotonic() - self.began

    def keys(self, keys):
        os.write(self.master, keys.encode())

    def threads(self):
        """Seconds of processor time by name of the thread, of those that live."""
        seconds = {}
        for task in Path(f"/proc/{self.pid}/task").iterdir():
            name = (task / "comm").read_text().strip()
            seconds[name] = seconds.get(name, 0) + int((task / "schedstat").read_text().split()[0]) / 1e9
        return seconds

    def ended(self):
        """Seconds of processor time of all that it did."""
        while self.read(1):
            pass
        _, status, usage = os.wait4(self.pid, 0)
        os.close(self.master)
        if status != 0:
            sys.exit(f"exit status {os.waitstatus_to_exitcode(status)}:\n{self.screen.text()}")
        self.peak_mib = usage.ru_maxrss / 1024
        return usage.ru_utime + usage.ru_stime


def project(folder):
    (folder / "recipes").mkdir(parents=True)
    shutil.copy(ROOT / RECIPE, folder / RECIPE)
    shutil.copytree(ROOT / "data", folder / "data")
    (folder / "regimen.toml").touch()


def cost(options, folder):
    """The same training with and without a dashboard, alternately, each from the same finished inputs."""
    sets = [word for value in [f"base.steps={options.steps}", *options.set] for word in ("--set", value)]
    base = [options.regimen, "run", RECIPE, "--no-report", "--threads", str(options.threads), *sets]
    program = Program([*base, "--until", "tokens"], folder)
    program.ended()
    plain, shown, shares = [], [], []
    for turn in range(options.runs):
        for tui in ((False, True) if turn % 2 == 0 else (True, False)):
            shutil.rmtree(folder / ".regimen/artifacts/pretrain", ignore_errors=True)
            program = Program([*base, "--until", "base", *(["--tui"] if tui else [])], folder)
            if tui:
                program.until("done  ")
                threads = program.threads()
                ours = sum(seconds for name, seconds in threads.items() if name in ("dashboard", "event log"))
                if options.screenshot:
                    print(program.screen.text(), file=sys.stderr)
                program.keys("q")
                shown.append(program.ended())
                shares.append(ours / (shown[-1] - ours))
            else:
                plain.append(program.ended())
    return {
        "name": "dashboard/cost",
        "steps": options.steps,
        "cpu_seconds_plain": round(statistics.median(plain), 3),
        "cpu_seconds_tui": round(statistics.median(shown), 3),
        "threads_share": round(statistics.median(shares), 5),
        "runs": options.runs,
    }


def first_paint(options, folder, name, lines):
    """From exec to the first whole frame, and to the end of the log."""
    frames, ends, peaks = [], [], []
    for _ in range(options.paints):
        program = Program([options.regimen, "watch", "base"], folder)
        # The last line of a frame is written last.
        frames.append(program.until("? help"))
        ends.append(program.until(f"steps {lines}/"))
        if options.screenshot:
            print(program.screen.text(), file=sys.stderr)
        program.keys("q")
        program.ended()
        peaks.append(program.peak_mib)
    row = {"name": name, "lines": lines, "first_paint_ms": round(1000 * statistics.median(frames), 1)}
    whole = {"whole_log_s": round(statistics.median(ends), 2), "peak_mib": round(max(peaks), 1)}
    return row | {"worst_ms": round(1000 * max(frames), 1)} | whole


def long_log(folder, lines):
    """Give the newest run of `base` a log of so many steps."""
    run = max((folder / ".regimen/runs").glob("base-*"), key=lambda run: run.stat().st_mtime)
    with open(run / "events.jsonl", "w") as out:
        for step in range(1, lines + 1):
            values = {"grad_norm": 1.25 + step % 7, "loss": 2 + 40 / (step + 9), "lr": 0.001, "tokens": 4096.0 * step}
            values["tokens_per_second"] = 91234.567 + step % 100
            out.write(json.dumps({"t": 1.8e9 + step / 10, "k": "metrics", "step": step, "values": values}))
            out.write("\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--regimen", required=True, help="the program")
    parser.add_argument("--steps", type=int, default=300, help="steps of the training (default 300)")
    parser.add_argument("--runs", type=int, default=3, help="trainings with and without (default 3)")
    parser.add_argument("--paints", type=int, default=9, help="first paints (default 9)")
    parser.add_argument("--lines", type=int, default=1_000_000, help="lines of the long log (default 1000000)")
    parser.add_argument("--threads", type=int, default=2, help="threads (default 2)")
    parser.add_argument("--set", action="append", default=[], help="override a field of the recipe")
    parser.add_argument("--screenshot", action="store_true", help="print screens on stderr")
    options = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory(prefix="regimen-dashboard-") as folder:
        folder = Path(folder) / "project"
        project(folder)
        rows.append(cost(options, folder))
        print(json.dumps(rows[-1]), flush=True)
        rows.append(first_paint(options, folder, "dashboard/first-paint", options.steps))
        print(json.dumps(rows[-1]), flush=True)
        long_log(folder, options.lines)
        rows.append(first_paint(options, folder, "dashboard/first-paint-long", options.lines))
        print(json.dumps(rows[-1]), flush=True)
    missed = [row["name"] for row in rows if row.get("first_paint_ms", 0) > LIMITS["first_paint_ms"]]
    missed += [row["name"] for row in rows if row.get("threads_share", 0) > LIMITS["share"]]
    print(json.dumps({"name": "dashboard", "limits": LIMITS, "missed": missed}), flush=True)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
