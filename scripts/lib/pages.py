# SPDX-License-Identifier: BSD-2-Clause
"""Types the console blocks of one page into a terminal, and compares what comes with what the page says.

A page is one session, from top to bottom. See scripts/test-docs --help for what a page may contain.
"""
import os
import re
import sys
import time

import pexpect

PROMPTS = ("$ ", "server# ", "guest# ")
GO_ON = "> "
PATIENCE_S = int(os.environ.get("HOOKPOINT_PATIENCE", 300))  # for one command
# What each shell prints where a command's output begins, and where it ends.
BEGIN, END = "\x01", "\x02"
SHELL = {"PS0": BEGIN, "PROMPT_COMMAND": "printf '\\002%s\\002' $?", "PS1": "$ ", "TERM": "dumb", "HISTFILE": "",
         "LC_ALL": "C.UTF-8"}

JOB_NOTICE = re.compile(r"\[\d+\][+-]? +(\d+$|(Done|Running|Killed|Terminated|Interrupt|Exit|Stopped)\b.*)")
# curl has two ways to say that its time is over; which one depends on who notices first.
CURL_TIMEOUT = re.compile(r"(?<=^curl: \(28\) Connection )timeout after (\d+) ms$")


class Wrong(Exception):
    """The page and the session differ."""


class Block:
    """One console block: commands, each with the lines that should follow."""

    def __init__(self, line, notes):
        self.line = line
        self.varies = notes["varies"]
        self.ids = notes["ids"]
        self.not_run = notes["not run"]
        self.commands = []  # [line number, prompt, typed lines, expected lines]

    def add(self, number, text):
        prompt = next((p for p in PROMPTS if text.startswith(p)), None)
        if prompt:
            self.commands.append((number, prompt, [text[len(prompt):]], []))
        elif not self.commands:
            if text.strip():
                raise Wrong(f"line {number}: the block does not begin with a prompt")
        elif text.startswith(GO_ON) and not self.commands[-1][3]:
            self.commands[-1][2].append(text[len(GO_ON):])
        else:
            self.commands[-1][3].append((number, text))


def words_of(note):
    """The words of a note, and its phrases in double quotes."""
    return [a or b for a, b in re.findall(r'"([^"]+)"|(\S+)', note)]


def read_page(path):
    """The console blocks of the page, in its order."""
    blocks, lines = [], open(path).read().split("\n")
    notes = {"varies": [], "ids": [], "not run": None}
    i = 0
    while i < len(lines):
        note = re.match(r" *\.\. (varies|ids|not run): (.+)", lines[i])
        if note:
            key, text = note.groups()
            while lines[i + 1].startswith("   "):
                i += 1
                text += " " + lines[i].strip()
            notes[key] = text if key == "not run" else notes[key] + words_of(text)
        elif lines[i].strip() == ".. code-block:: console":
            indent = lines[i].index("..") * " " + "    "
            block = Block(i + 1, notes)
            notes = {"varies": [], "ids": [], "not run": None}
            while i + 1 < len(lines) and (not lines[i + 1].strip() or lines[i + 1].startswith(indent)):
                i += 1
                block.add(i + 1, lines[i][len(indent):])
            if not block.commands:
                raise Wrong(f"line {block.line}: the block has no command, or is not indented by 4 blanks")
            blocks.append(block)
        elif lines[i][:1] == " " and lines[i].lstrip().startswith(PROMPTS):
            raise Wrong(f"line {i + 1}: a command that stands in no console block")
        elif lines[i].strip() and any(notes.values()):
            raise Wrong(f"line {i + 1}: a note stands above what is no console block")
        i += 1
    return blocks


def shape(sample):
    """A regular expression for what looks like SAMPLE: a number for a number, and so on."""
    if re.fullmatch(r"[\d.]+", sample):
        return r"[\d.]+"
    if re.fullmatch(r"[0-9a-f:x.]*[0-9:][0-9a-f:x.]*", sample):
        return "[0-9a-f:x.]+"
    if not re.search(r"\d", sample):
        return ".+" if " " in sample else r"\S+"
    return re.sub(r"\d+(\\\.\d+)?", r"[\\d.]+", re.escape(sample)).replace(r"\ ", " ")


def plain(text):
    return " ".join(text.split())


class Comparison:
    """What of a session was learned: the values that the page's ids stand for."""

    def __init__(self):
        self.values = {}

    def declare(self, ids):
        for sample in ids:
            self.values.setdefault(sample, None)

    def typed(self, text):
        """TEXT with the session's own ids in it."""
        for sample, value in self.values.items():
            if value:
                text = re.sub(rf"(?<!\w){re.escape(sample)}(?!\w)", value, text)
        return text

    @staticmethod
    def group(number, sample):
        """An expression for an id that is not known yet."""
        return f"(?P<id{number}>{shape(sample)})"

    def parts(self, text, varies):
        """TEXT cut at what may vary: pairs of a piece and an expression for it, which is None for what must be so. An id
        that is not known yet is a group."""
        samples = {plain(v): shape(plain(v)) for v in varies}
        for number, (sample, value) in enumerate(self.values.items()):
            samples[sample] = re.escape(value) if value else self.group(number, sample)
        longest_first = "|".join(re.escape(s) for s in sorted(samples, key=len, reverse=True))
        pieces = re.split(rf"(?<!\w)({longest_first})(?!\w)", plain(text)) if samples else [plain(text)]
        return [(piece, samples[piece] if place % 2 else None) for place, piece in enumerate(pieces)]

    def pattern(self, text, varies):
        """A regular expression for the expected line TEXT."""
        if text.strip() == "...":
            return "(?:.*\n)*?"
        return "".join(expression or re.escape(piece) for piece, expression in self.parts(text, varies)) + "\n"

    def patterns(self, expected, varies):
        seen, result = set(), []
        for _, text in expected:
            pattern = self.pattern(text, varies)
            for number, sample in enumerate(self.values):
                # The second time a group's name stands in an expression it refers to the first.
                group, again = self.group(number, sample), f"(?P=id{number})"
                first, *rest = pattern.split(group)
                if rest:
                    pattern = first + (again if number in seen else group) + again.join(rest)
                    seen.add(number)
            result.append(pattern)
        return result

    def match(self, expected, varies, got):
        """None if GOT, the lines that came, is what is EXPECTED; otherwise the first line that differs."""
        expected = [(n, t) for n, t in expected if t.strip()]
        patterns, text = self.patterns(expected, varies), "".join(line + "\n" for line in got)
        found = re.fullmatch("".join(patterns), text)
        if found:
            for number, sample in enumerate(list(self.values)):
                if f"id{number}" in found.groupdict():
                    self.values[sample] = found.group(f"id{number}")
            return None
        for count, (number, line) in enumerate(expected):
            if not re.match("".join(patterns[:count + 1]), text):
                before = re.match("".join(patterns[:count]), text)
                rest = text[before.end():].split("\n")[0] if before else ""
                return number, line.strip(), rest
        return (expected[-1][0] if expected else 0), "(nothing more)", text.split("\n")[len(expected):][0]


class Session:
    """A terminal with a shell."""

    def __init__(self, directory):
        self.child = pexpect.spawn("bash", ["--noprofile", "--norc", "-i"], cwd=directory, encoding="utf-8",
                                   codec_errors="replace", dimensions=(50, 120), timeout=PATIENCE_S,
                                   env={**os.environ, **SHELL})
        self.prompt = None
        self.wait_prompt()

    def wait_prompt(self):
        """Until a shell asks for a command. What it said before is returned."""
        prompts = "|".join(re.escape(p) for p in PROMPTS)
        # Bash may tell of its jobs between the two, and a process in the background say something behind them.
        ends = [rf"{END}\d+{END}(?:\s*\[\d+\][^\n]*\n)*({prompts})", rf"(?:^|(?<=\n))({prompts})$"]
        which = self.child.expect(ends + [pexpect.EOF, pexpect.TIMEOUT])
        if which > 1:
            why = "the terminal has ended" if which == 2 else f"no prompt for {PATIENCE_S} s"
            raise Wrong(f"{why}, after: {self.tail()}")
        said, self.prompt = self.child.before, self.child.match.group(1)
        if which == 1:  # a shell that has not got our environment
            self.child.sendline(r"""export PS0=$'\001' PROMPT_COMMAND='printf "\002%s\002" $?'""")
            self.child.expect(rf"{END}\d+{END}({prompts})$")
        return said

    def tail(self):
        return plain(self.child.before or "")[-200:]

    def type(self, lines, expected, compare):
        """Types a command, and Ctrl-C where the page has it. Returns the lines that came."""
        for line in lines:
            self.child.sendline(line.replace("\t", "\x16\t"))
        text = ""
        for place, (_, line) in enumerate(expected):
            if line.strip() == "^C":
                text += self.interrupt(text, expected[:place], compare)
        text += self.wait_prompt()
        text = text[text.rfind(BEGIN) + 1:] if BEGIN in text else text
        return clean(text, lines)

    def interrupt(self, text, expected, compare):
        """Ctrl-C, as soon as what should come before has come."""
        came = ""
        until = time.monotonic() + PATIENCE_S
        while time.monotonic() < until:
            try:
                came += self.child.read_nonblocking(65536, 0.2)
            except pexpect.TIMEOUT:
                pass
            said = text + came
            said = said[:said.rfind("\n") + 1]  # whole lines
            if BEGIN in said and compare(expected, clean(said[said.rfind(BEGIN) + 1:], [])) is None:
                self.child.send("\x03")
                return came
        raise Wrong(f"what should come before ^C did not come in {PATIENCE_S} s; this did: {plain(came)[-300:]}")


def clean(text, typed):
    """The lines of TEXT as they are compared."""
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]|\0", "", text.replace(BEGIN, "").replace("^C", "\n^C\n"))
    lines = [plain(line.split("\r")[-1]) for line in re.sub(r"\r+\n", "\n", text).split("\n")]
    lines = [CURL_TIMEOUT.sub(r"timed out after \1 milliseconds", line) for line in lines
             if line and not JOB_NOTICE.fullmatch(line)]
    return lines[:-1] if typed == ["exit"] and lines[-1:] == ["exit"] else lines


def prove(comparison, block, expected, got):
    """Changes each number of EXPECTED that no note calls varying: the comparison must see it. Returns how many."""
    numbers = 0
    for place, (number, text) in enumerate(expected):
        pieces = comparison.parts(text, block.varies)
        for at, (piece, expression) in enumerate(pieces):
            for found in re.finditer(r"\d+", piece) if not expression else ():
                changed = piece[:found.start()] + str(int(found.group()) + 1) + piece[found.end():]
                line = "".join(p for p, _ in pieces[:at]) + changed + "".join(p for p, _ in pieces[at + 1:])
                if not comparison.match(expected[:place] + [(number, line)] + expected[place + 1:], block.varies, got):
                    raise Wrong(f"line {number}: {found.group()} could be another number, and nobody would notice")
                numbers += 1
    return numbers


def type_command(session, comparison, block, command):
    """Types one command of the block. Returns how many numbers its output has."""
    number, prompt, typed, expected = command
    if session.prompt != prompt:
        raise Wrong(f"line {number}: the page says {prompt!r}, the session is at {session.prompt!r}")
    if os.environ.get("HOOKPOINT_SHOW"):
        print(f"    {prompt}{typed[0]}", flush=True)

    def compare(lines, came):
        return comparison.match(lines, block.varies, came)

    try:
        got = session.type([comparison.typed(line) for line in typed], expected, compare)
    except Wrong as why:
        raise Wrong(f"line {number}: {typed[0]}: {why}") from None
    differs = compare(expected, got)
    if differs:
        where, line, came = differs
        everything = "".join(f"\n      {line}" for line in got)
        raise Wrong(f"line {where or number}: after: {typed[0]}\n    the page: {line}\n    it came:  {came}\n"
                    f"    in all:{everything}")
    return prove(comparison, block, expected, got)


def run(path, directory):
    blocks = read_page(os.path.join(directory, path))
    comparison, session = Comparison(), None
    commands = numbers = skipped = 0
    began = time.monotonic()
    for block in blocks:
        comparison.declare(block.ids)
        if block.not_run:
            print(f"  not run {path}:{block.line}: {block.not_run}")
            skipped += 1
            continue
        session = session or Session(directory)
        for command in block.commands:
            numbers += type_command(session, comparison, block, command)
            commands += 1
    if blocks:
        print(f"  ok      {path}: {len(blocks) - skipped} blocks, {commands} commands, {numbers} numbers, "
              f"{time.monotonic() - began:.0f} s", flush=True)


if __name__ == "__main__":
    page, checkout = sys.argv[1:]
    try:
        run(page, checkout)
    except Wrong as why:
        print(f"  FAILED  {page}: {why}", flush=True)
