#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""usage: tests/messages.py [--compare]

Prints each error message in the sources of the tools and scripts, one a line, with $ where something varies; or
compares them with docs/reference/errors.rst: exit status 1 if one is not there, or there and in no source, or if
scripts/explain does not know it.
"""
import ast
import glob
import os
import re
import runpy
import sys

ROOT = os.path.join(os.path.dirname(os.path.realpath(__file__)), "..")
PINS, BPFFS = "/sys/fs/bpf/hookpoint", "/sys/fs/bpf"

# Functions of C that say something: which argument is the format, what is put before and after it.
C_CALLS = {
    "hp_error": (0, "", ""),
    "hp_usage": (0, "", ""),
    "hp_fail": (1, "cannot ", ": $"),
    "bad": (0, "", ""),  # load-by-hand's
    "held": (0, "", ""),
    "refused": (0, "cannot ", ": $"),
    "fprintf": (1, "", ""),
}
# Some are of one file only.
C_FILES = {
    "problems/count-ttl/count-ttl.c": {"fail": (1, "cannot ", ": $")},
    "common/asm.c": {"fail": (2, "", "")},
    "common/asm-text.c": {"snprintf": (2, "", "")},
}
# Programs of the tests and benchmarks, whose messages are for who works on them.
NOT_OURS = re.compile(r"/(test-[^/]*|compare|drop-all|start-oddly|needs)\.c$|^problems/.*/[^.]*$")

STRINGS = re.compile(r'"((?:[^"\\]|\\.)*)"|\b(HP_PIN_ROOT|HP_BPFFS)\b')
CONVERSION = re.compile(r"%[-+ #0-9.*]*(?:hh|h|ll|l|z)?[a-zA-Z]")


def arguments_of(text, at):
    """The arguments of the call whose parenthesis is at AT, as texts."""
    arguments, depth, start = [], 0, at + 1
    for match in re.compile(r'"(?:[^"\\]|\\.)*"|\'(?:[^\'\\]|\\.)*\'|[()\[\]{},]').finditer(text, at):
        token = match.group()
        if token in "([{":
            depth += 1
        elif token in ")]}":
            depth -= 1
        if depth == 0 or (token == "," and depth == 1):
            arguments.append(text[start : match.start()])
            start = match.end()
        if depth == 0:
            return arguments
    return arguments


def strings_in(expression):
    """The strings of an expression, neighbours joined: one, or for A ? "x" : "y" two."""
    found, end = [], None
    for match in STRINGS.finditer(expression):
        text = {"HP_PIN_ROOT": PINS, "HP_BPFFS": BPFFS}.get(match.group(2))
        text = ast.literal_eval(f'"{match.group(1)}"') if text is None else text
        if end is not None and not expression[end : match.start()].strip():
            found[-1] += text
        else:
            found.append(text)
        end = match.end()
    return found


def from_c(path, text):
    calls = {**C_CALLS, **C_FILES.get(path, {})}
    text = re.sub(r"/\*.*?\*/", lambda m: " " * len(m.group()), text, flags=re.S)
    for match in re.finditer(rf"\b({'|'.join(calls)})\(", text):
        index, before, after = calls[match.group(1)]
        arguments = arguments_of(text, match.end() - 1)
        if len(arguments) <= index or (match.group(1) == "fprintf" and arguments[0] != "stderr"):
            continue
        for string in strings_in(arguments[index]):
            if not string.startswith("usage: "):
                yield before + CONVERSION.sub("$", string) + after
    # What is put behind a colon.
    if path in ("common/attach.c", "common/log.c", "common/ports.c"):
        for match in re.finditer(r"(?:remedy|\*why) = ([^;]*);", text):
            yield from strings_in(match.group(1))
        for match in re.finditer(r"\b(?:explain_rights|snprintf)\(", text):
            arguments = arguments_of(text, match.end() - 1)
            for string in strings_in(arguments[0 if "explain" in match.group() else 2]):
                yield CONVERSION.sub("$", string)


SHELL_SAYS = re.compile(
    r"""\b(?:die\ (?:[0-9]+\ )?|(fail)\ \$\ |why=|(?:echo|printf)\ (?=.*>&2)|say\ (?=.*(?:lacks|failed|return\ 1)))
    (?:"((?:[^"\\]|\\.)*)"|'([^']*)')""",
    re.X,
)
EXPANSION = re.compile(r"\$\{(?:[^{}\n]|\$\{[^{}\n]*\})*\}|\$\([^()\n]*\)|\$[A-Za-z_]\w*|\$[0-9@*#!?]|%[sd]")


def from_shell(_path, text):
    for match in SHELL_SAYS.finditer(EXPANSION.sub("$", text)):
        text = (match.group(2) or match.group(3) or "").replace("\\n", " ")
        if text != "the guest $":  # put together of two
            yield ("the guest " if match.group(1) else "") + text


def from_python(_path, text):
    for node in ast.walk(ast.parse(text)):
        if not (isinstance(node, ast.Call) and node.args):
            continue
        name = getattr(node.func, "attr", getattr(node.func, "id", ""))
        if name not in ("exit", "Failure", "Unavailable", "fail"):
            continue
        parts = node.args[0]
        parts = parts.values if isinstance(parts, ast.JoinedStr) else [parts]
        parts = [p.value if isinstance(p, ast.Constant) else "$" for p in parts]
        if all(isinstance(part, str) for part in parts):
            yield "".join(parts)


def messages():
    """Pairs: the file, the message."""
    paths = [*glob.glob("common/*.c"), *glob.glob("problems/*/*"), *glob.glob("scripts/**", recursive=True)]
    for path in sorted(filter(os.path.isfile, paths)):
        with open(path, "rb") as file:
            head = file.read(100).split(b"\n")[0]
        if path.endswith(".c"):
            read = from_c
        elif head.startswith(b"#!") and b"python3" in head or path.endswith(".py"):
            read = from_python
        elif head.startswith(b"#!") and b"bash" in head and not path.endswith(".bats") or path.endswith(".bash"):
            read = from_shell
        else:
            continue
        if NOT_OURS.search(path):
            continue
        with open(path) as file:
            for message in read(path, file.read()):
                # NAME: is what a line begins with, and no part of the message.
                message = re.sub(r"^(?:[a-z-]+|\$): (?=\w|\$|')", "", message)
                message = re.sub(r" \(see `\S+ help`\)$", "", message)
                message = re.sub(r"scripts/[a-z-]+ --help", "scripts/$ --help", message)
                message = re.sub(r"(: \$)+$", ": $", re.sub(r"\s+", " ", message).strip())
                # What is only put together of others says nothing itself.
                if len(re.findall("[a-z]", message)) > 5 and not re.fullmatch(r"cannot \$: \$+", message):
                    yield path, message


def shape(message):
    """A message, with $ for what varies, and for words in capitals, which stand for that on the page."""
    message = re.sub(r"[A-Z][A-Z0-9_]+|\$", "$", message)
    return re.sub(r":\s*\$", ": $", re.sub(r"\$+", "$", message))


def compare():
    explain = runpy.run_path("scripts/explain")
    known = [section for page in explain["PAGES"] for section in explain["sections"](page)]
    said = list(dict.fromkeys(messages()))
    listed = [message for s in known if s.page == "docs/reference/errors.rst" for message in s.messages]
    shapes = {shape(message) for message in listed}
    missing = [pair for pair in said if shape(pair[1]) not in shapes]
    for path, message in missing:
        print(f"{path}: not in docs/reference/errors.rst: {message}")
    shapes = {shape(message) for _, message in said}
    stale = [message for message in listed if shape(message) not in shapes]
    for message in stale:
        print(f"docs/reference/errors.rst: no source says: {message}")
    twice = sorted({message for message in listed if listed.count(message) > 1})
    for message in twice:
        print(f"docs/reference/errors.rst: twice: {message}")
    # As they are printed, with something for what varies.
    printed = [f"tool: {shape(message).replace('$', 'x1')}" for _, message in said]
    printed += [m.replace("...", "x1") for s in known for m in s.messages if s.page != "docs/reference/errors.rst"]
    dumb = [line for line in printed if not any(section.score(line) for section in known)]
    for line in dumb:
        print(f"scripts/explain does not know: {line}")
    print(f"{len(listed)} messages are listed")
    return bool(missing or stale or twice or dumb or not listed)


if __name__ == "__main__":
    sys.dont_write_bytecode = True
    os.chdir(ROOT)
    if sys.argv[1:] == ["--compare"]:
        sys.exit(compare())
    for path, message in dict.fromkeys(messages()):
        print(f"{path}\t{message}")
