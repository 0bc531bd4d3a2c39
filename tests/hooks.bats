#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-2-Clause
#
# bats file_tags=host
#
# docs/hooks.rst against what it is about: this machine's kernel, its header, libbpf, bpftool, and our problems. The
# tests read the page's tables, so that a row that is added is tested, and one that is forgotten is missed.

load helpers

# What the tests share, as a module of Python: the page's tables, and what libbpf and the kernel say.
setup_file() {
	export DOCUMENT=$BATS_TEST_DIRNAME/../docs/hooks.rst
	export PYTHONPATH=$BATS_FILE_TMPDIR
	cat >"$BATS_FILE_TMPDIR/page.py" <<-'EOF'
	import ctypes, os, platform, re, subprocess, sys

	page = open(os.environ["DOCUMENT"]).read()

	def version(text):
	    return tuple(int(number) for number in re.findall(r"\d+", text)[:2])

	def fail_for(wrong):
	    """Ends the test: with what is wrong, if anything is."""
	    print(*wrong, sep="\n")
	    sys.exit(bool(wrong))

	def table(first_header):
	    """The rows below this header; of each cell its lines. A row begins where the first column isn't blank."""
	    bar, body = re.search(rf"^(=[= ]+)\n{first_header}  .*\n\1\n(.*?)\n\1\n", page, re.M | re.S).groups()
	    columns = [match.span() for match in re.finditer("=+", bar)]
	    rows = []
	    for line in body.split("\n"):
	        margins = [line[end:start] for (_, end), (start, _) in zip(columns, columns[1:])]
	        assert not "".join(margins).strip() and len(line) <= len(bar), f"not within its columns: {line}"
	        cells = [line[start:end].strip() for start, end in columns]
	        if cells[0]:
	            rows.append([[] for _ in columns])
	        for cell, part in zip(rows[-1], cells):
	            cell += [part] if part else []
	    assert len(rows) > 20, f"the table of {first_header} was not read whole"
	    return rows

	# What the tables say: (question, hook, type, sections, since); {type: since}; {attach type: since}.
	hooks = [(" ".join(ask), " ".join(hook), what[0], " ".join(what[1:]), version(since[0]))
	         for ask, hook, what, _, since in table("you ask")]
	types, attach_types = {}, {}
	for name, since, attach, _ in table("program type"):
	    types[name[0]] = version(since[0])
	    for attach_type, its_own in re.findall(r"\b(BPF_[A-Z0-9_]+)(?: (\d+\.\d+))?(?![\w)])", "\n".join(attach)):
	        earlier = attach_types.get(attach_type)
	        attach_types[attach_type] = version(its_own or since[0])
	        assert earlier in (None, attach_types[attach_type]), f"{attach_type} has two first kernels"

	# Sections in the page, with the libbpf that first knew them, if that is newer than 1.1.
	sections = [(kind, section, version(newer or "1.1")) for _, _, kind, cell, _ in hooks
	            for section, newer in re.findall(r"``(.+?)``(?: \(libbpf (\d+\.\d+)\))?", cell)]

	libbpf = ctypes.CDLL("libbpf.so.1")
	libbpf.libbpf_bpf_prog_type_str.restype = ctypes.c_char_p
	libbpf_version = libbpf.libbpf_major_version(), libbpf.libbpf_minor_version()
	libbpf.libbpf_set_print(None) # about a name that it doesn't know it says a lot

	def type_of(section):
	    """What libbpf makes of a section of this name; None if it knows none."""
	    kind, attach = ctypes.c_int(), ctypes.c_int()
	    if libbpf.libbpf_prog_type_by_name(section.encode(), ctypes.byref(kind), ctypes.byref(attach)):
	        return None
	    return libbpf.libbpf_bpf_prog_type_str(kind.value).decode()

	def header_names(enum):
	    """The names in one enum of the header, in its order."""
	    header = open("/usr/include/linux/bpf.h").read()
	    return re.findall(r"^\t(BPF_\w+)", re.search(rf"^enum {enum} {{(.*?)^}}", header, re.M | re.S)[1], re.M)

	def kernel_names(enum):
	    """The same of the running kernel, by its BTF."""
	    command = ["bpftool", "btf", "dump", "file", "/sys/kernel/btf/vmlinux"]
	    dump = subprocess.run(command, capture_output=True, text=True, check=True).stdout
	    return re.findall(r"^\t'(BPF_\w+)'", re.search(rf"^\[\d+\] ENUM '{enum}'.*\n((?:\t.*\n)+)", dump, re.M)[1], re.M)

	newest = version(re.search(r"up to Linux (\d+\.\d+)", page)[1]) # what the lists go up to
	kernel = version(platform.release())
	header_code = int(re.search(r"LINUX_VERSION_CODE (\d+)", open("/usr/include/linux/version.h").read())[1])
	header_version = header_code >> 16, header_code >> 8 & 255
	EOF
}

@test "hooks: the list has each program type of the kernel's header, in its order, and no other than newer ones" {
	python3 - <<-'EOF'
	from page import *
	listed = list(types)
	header = [name.removeprefix("BPF_PROG_TYPE_").lower() for name in header_names("bpf_prog_type")][1:]
	n = min(len(header), len(listed))
	fail_for([f"number {i + 1}: {header[i]} in the header, {listed[i]} in the list" for i in range(n)
	          if header[i] != listed[i]]
	         or [f"{name} is not in the list" for name in header[n:] if newest >= header_version]
	         or [f"{name} is of {types[name]}, and the header doesn't have it" for name in listed[n:]
	             if types[name] <= header_version])
	EOF
}

@test "hooks: bpftool and libbpf call the program types as the list does" {
	bpftool feature probe kernel -j >"$BATS_TEST_TMPDIR/probed" 2>/dev/null
	python3 - "$BATS_TEST_TMPDIR/probed" <<-'EOF'
	import json
	from page import *
	probed = {name[len("have_"):-len("_prog_type")] for name in json.load(open(sys.argv[1]))["program_types"]}
	wrong = [f"bpftool probes for {name}, which is not in the list" for name in probed - set(types) if newest >= kernel]
	for number, name in enumerate(types, 1):
	    said = libbpf.libbpf_bpf_prog_type_str(number)
	    if said is None and name in probed:
	        wrong.append(f"libbpf doesn't know {name}, and bpftool does")
	    if said is not None and said.decode() != name:
	        wrong.append(f"number {number}: libbpf says {said.decode()}, the list {name}")
	assert len(probed) > 20
	fail_for(wrong)
	EOF
}

@test "hooks: program types that this kernel loads are as old as the list says" {
	bpftool feature probe kernel -j >"$BATS_TEST_TMPDIR/probed" 2>/dev/null
	python3 - "$BATS_TEST_TMPDIR/probed" <<-'EOF'
	import json
	from page import *
	probed = json.load(open(sys.argv[1]))["program_types"]
	fail_for([f"{name} is of {since} by the list, and loads here" for name, since in types.items()
	          if probed.get(f"have_{name}_prog_type") and since > kernel])
	EOF
}

@test "hooks: what this kernel has, by its BTF, is what the list says that it has" {
	[[ -e /sys/kernel/btf/vmlinux ]] || skip "this kernel says nothing of its types: it has no /sys/kernel/btf/vmlinux"
	python3 - <<-'EOF'
	from page import *
	has = kernel_names("bpf_attach_type") + kernel_names("bpf_prog_type")[1:]
	listed = {**attach_types, **{f"BPF_PROG_TYPE_{name.upper()}": since for name, since in types.items()}}
	fail_for([f"{name} is not in the list" for name in has if name not in listed and newest >= kernel]
	         + [f"{name} is of {since} by the list, and this kernel has it" for name, since in listed.items()
	            if name in has and since > kernel]
	         + [f"{name} is of {since} by the list, and this kernel doesn't have it" for name, since in listed.items()
	            if name not in has and since <= kernel])
	EOF
}

@test "hooks: the list has each attach type of the header, and no other than newer ones" {
	python3 - <<-'EOF'
	from page import *
	header = header_names("bpf_attach_type")
	fail_for([f"{name} is not in the list" for name in header if name not in attach_types and newest >= header_version]
	         + [f"{name} is of {since} by the list, and the header has it" for name, since in attach_types.items()
	            if name in header and since > header_version]
	         + [f"{name} is of {since} by the list, and not in the header" for name, since in attach_types.items()
	            if name not in header and since <= header_version])
	EOF
}

@test "hooks: libbpf makes of each section's name the type of its row" {
	python3 - <<-'EOF'
	from page import *
	# Above the table sections stand behind their types, in parentheses, and elsewhere by themselves.
	pictured = re.findall(r"(\w+) \(([a-z_]+/[^\s()]+)\)", page)
	wrong = [f"{section}: libbpf says {type_of(section)}, the picture {kind}" for kind, section in pictured
	         if type_of(section) != kind]
	elsewhere = set(re.findall(r"``([a-z_]+/[\w:]+)``", page)) - {section for _, section, _ in sections}
	wrong += [f"{section}: libbpf doesn't know it" for section in elsewhere if not type_of(section)]
	assert len(pictured) > 5
	for kind, section, first in sections:
	    said = type_of(section)
	    if said != (kind if libbpf_version >= first else None):
	        wrong.append(f"{section}: libbpf {libbpf_version} says {said}, its row {kind}, known from libbpf {first} on")
	wrong += [f"{ask} has no section" for ask, _, _, cell, _ in hooks if "``" not in cell]
	fail_for(wrong)
	EOF
}

@test "hooks: no hook is older than its program type, and each type with a hook is in the list" {
	python3 - <<-'EOF'
	from page import *
	fail_for([f"{ask} {kind} of {since}; the list has {types.get(kind)}" for ask, _, kind, _, since in hooks
	          if kind not in types or since < types[kind]])
	EOF
}

@test "hooks: the problems that the page names exist, and teach a program of their row's type" {
	python3 - "$root" <<-'EOF'
	import glob
	from page import *
	root, wrong, named = sys.argv[1], [], 0
	links = dict(re.findall(r"^\.\. _(\S+): (\S+)$", page, re.M))
	for name, target in links.items():
	    if not os.path.exists(f"{root}/docs/{target}"):
	        wrong.append(f"{name}: there is no {target}")
	for ask, hook, kind, _, _ in hooks:
	    for problem in re.findall(r"(\S+)_(?!\S)", hook):
	        files = glob.glob(f"{root}/problems/{problem}/*.[ch]")
	        sources = "".join(open(file).read() for file in files if ".skel." not in file)
	        taught = {type_of(section) for section in re.findall(r'SEC\("(.+?)"\)', sources)}
	        taught |= {name.lower() for name in re.findall(r"BPF_PROG_TYPE_(\w+)", sources)}
	        named += 1
	        if problem not in links or kind not in taught:
	            wrong.append(f"{ask} {problem} has no program of type {kind}, or no link")
	fail_for(wrong or ["no row names a problem"] * (not named))
	EOF
}

@test "hooks: each list of bpftool that the page names is one" {
	local list
	while read -r list; do
		# shellcheck disable=SC2086 # two words
		bpftool $list >/dev/null || fail "bpftool $list"
	done < <(grep -oP '^``bpftool \K\w+ (show|tree)(?=``)' "$DOCUMENT" | grep . || echo "none is named")
}
