# SPDX-License-Identifier: BSD-2-Clause
"""What the benchmarks of the problems share: a sandbox, commands, statistics and the report."""

import argparse
import functools
import json
import os
import shutil
import signal
import statistics
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


class Unavailable(Exception):
    """Something to compare with is not on this machine, or not in its kernel. No error."""


class Failure(Exception):
    """What should have worked did not."""


# ---- commands --------------------------------------------------------------------------------


def enter_sandbox():
    """Starts this program again on host "server" of a sandbox of its own; see scripts/sandbox.

    Always a new one, also within the sandbox of a test: nothing else is to be in the figures.
    """
    if "HOOKPOINT_BENCH" in os.environ:
        # The first process of a PID namespace is deaf to the signals that it doesn't handle.
        for number in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, lambda *_: sys.exit(1))
        os.environ["PATH"] += ":/usr/sbin:/sbin"
        return
    environment = dict(os.environ, HOOKPOINT_BENCH="yes")
    environment.pop("HOOKPOINT_SANDBOX", None)
    script = os.path.abspath(sys.argv[0])
    os.execve(f"{ROOT}/scripts/sandbox", ["sandbox", script, *sys.argv[1:]], environment)


def run(*command, via=(), stdin=None):
    """What COMMAND prints, started by the command VIA. Unavailable: it is not installed."""
    name = os.path.basename(command[0])
    if not shutil.which(command[0]):
        raise Unavailable(f"{name} is not installed")
    done = subprocess.run(
        [*via, *command], input=stdin, capture_output=True, text=True, check=False
    )
    if done.returncode:
        lines = done.stderr.strip().splitlines() or [f"exit status {done.returncode}"]
        told = next((line for line in lines if "rror" in line), lines[0])
        raise Failure(f"{name}: {told.removeprefix(f'{name}: ')}")
    return done.stdout


def run_peer(*command, via=()):
    """The same for a peer, which may fail because this kernel lacks what it needs: Unavailable."""
    try:
        return run(*command, via=via)
    except Failure as failure:
        raise Unavailable(str(failure)) from failure


@functools.lru_cache(maxsize=None)
def bpftool():
    """The path of a bpftool that works; some distributions have one on PATH that doesn't."""
    return run(f"{ROOT}/scripts/find-bpftool").strip()


class Progress:
    """One line on standard error, if somebody sits there."""

    def __init__(self):
        self.terminal = sys.stderr.isatty()

    def show(self, text):
        if self.terminal:
            print(f"\r\033[K{text[:78]}", end="", file=sys.stderr, flush=True)

    def clear(self):
        self.show("")


def in_turn(things, rounds):
    """(round, thing): each thing once a round, beginning with another one each time."""
    things = list(things)
    for number in range(rounds):
        start = number % max(len(things), 1)
        for thing in things[start:] + things[:start]:
            yield number, thing


# ---- the report ------------------------------------------------------------------------------


class Figure:
    """All values that were measured of one thing, or why there are none."""

    def __init__(self):
        self.values = []
        self.reason = None
        self.failed = False

    def give_up(self, why):
        """WHY is an Unavailable or a Failure; only that is an error of the benchmark."""
        self.reason = str(why)
        self.failed = isinstance(why, Failure)

    @property
    def median(self):
        return statistics.median(self.values) if self.values and not self.reason else None

    @property
    def quartiles(self):
        if len(self.values) == 1:
            return self.values * 2
        first, _, third = statistics.quantiles(self.values, n=4, method="inclusive")
        return [first, third]


class Target:
    """What a figure should be, as a multiple of another one that was measured beside it."""

    def __init__(self, text, figure, other, is_met):
        self.text = text
        self.ratio = None
        self.met = None
        if (figure.median or 0) > 0 and (other.median or 0) > 0:
            self.ratio = figure.median / other.median
            self.met = is_met(self.ratio)


def at_most(limit, name, figure, other):
    return Target(f"<= {limit} x {name}", figure, other, lambda ratio: ratio <= limit)


def at_least(limit, name, figure, other):
    return Target(f">= {limit} x {name}", figure, other, lambda ratio: ratio >= limit)


def within(tolerance, name, figure, other):
    text = f"within {tolerance:.0%} of {name}"
    return Target(text, figure, other, lambda ratio: abs(ratio - 1) <= tolerance)


class Report:
    """Prints figures as they come: tables for people or, AS_JSON, one object a line."""

    def __init__(self, name, as_json):
        self.name = name
        self.as_json = as_json
        self.section = ""
        self.failed = False

    def begin(self, section, *explanation):
        self.section = section
        if not self.as_json:
            print("", f"== {self.name}: {section} ==", *explanation, sep="\n")

    def group(self, title, unit, figures, targets=None, digits=2):
        """Prints FIGURES (name -> Figure) with their TARGETS (name -> [Target])."""
        targets = targets or {}
        if self.as_json:
            for name, figure in figures.items():
                self._print_json(f"{title}: {name}", unit, figure, targets.get(name, []))
        else:
            self._print_table(title, unit, figures, targets, digits)
        sys.stdout.flush()
        self.failed |= any(figure.failed for figure in figures.values())

    def give_up(self, failure):
        """Says that the section that was begun could not be measured at all."""
        figure = Figure()
        figure.give_up(failure)
        self.begin(self.section)
        self.group("all of it", "-", {"all": figure})

    def _print_json(self, case, unit, figure, targets):
        line = {
            "schema": 1,
            "bench": self.name,
            "case": f"{self.section}: {case}",
            "value": figure.median,
            "unit": unit,
        }
        if figure.reason:
            line["not_measured"] = figure.reason
        else:
            line["quartiles"] = figure.quartiles
            line["repetitions"] = len(figure.values)
        if targets:
            line["targets"] = [vars(target) for target in targets]
        print(json.dumps(line))

    @staticmethod
    def _print_table(title, unit, figures, targets, digits):
        def number(value):
            return f"{value:,.{digits}f}".replace(",", " ")

        head = f"{title:<33}{unit:>9}  {'quartiles':<16}  {'target':<27} {'is':>5}  met"
        print("", head, "-" * len(head), sep="\n")
        for name, figure in figures.items():
            if figure.reason:
                print(f"  {name:<31} not measured: {figure.reason}")
                continue
            spread = " - ".join(number(value) for value in figure.quartiles)
            line = f"  {name:<31}{number(figure.median):>9}  {spread:<16}  "
            for target in targets.get(name, [None]):
                print((line + describe(target)).rstrip())
                line = " " * len(line)


def describe(target):
    if not target:
        return ""
    if target.ratio is None:
        return f"{target.text:<27} not comparable"
    return f"{target.text:<27} {target.ratio:>5.3f}  {'yes' if target.met else 'NO'}"


# ---- the command line ------------------------------------------------------------------------


def read_options(description):
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("-j", "--json", action="store_true", help="one JSON object a line")
    parser.add_argument(
        "-q", "--quick", action="store_true", help="few repetitions: only to see that it works"
    )
    return parser.parse_args()


def check_built(*paths):
    for path in paths:
        if not os.path.exists(path):
            sys.exit(f"bench: {os.path.relpath(path, ROOT)} is not built: run make bench")


def main(name, description, sections):
    """Measures SECTIONS: title -> function, which gets the report, whether to be quick, progress.

    Returns the exit status of the process.
    """
    options = read_options(description)
    enter_sandbox()
    report, progress = Report(name, options.json), Progress()
    for title, measure in sections.items():
        report.section = title
        try:
            measure(report, options.quick, progress)
        except (Failure, Unavailable) as why:
            progress.clear()
            report.give_up(why)
        except KeyboardInterrupt:
            progress.clear()
            return 130
    return 2 if report.failed else 0
