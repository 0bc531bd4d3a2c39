// SPDX-License-Identifier: BSD-2-Clause
/*
 * Attaching to perf events: tracepoints, functions of the kernel, functions of programs. libbpf
 * does this for the programs of an object only.
 */
#include <errno.h>
#include <fcntl.h>
#include <gelf.h>
#include <libelf.h>
#include <linux/mount.h>
#include <linux/perf_event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <bpf/bpf.h>

#include "hookpoint.h"

/* The number in the file PATH under DIR, which FORMAT reads. */
static int read_number(int dir, const char *path, const char *format, __u32 *number)
{
	char text[64];
	int fd = openat(dir, path, O_RDONLY | O_CLOEXEC);
	ssize_t length;

	if (fd < 0)
		return -errno;
	length = read(fd, text, sizeof(text) - 1);
	close(fd);
	if (length < 0)
		return -errno;
	text[length] = '\0';
	return sscanf(text, format, number) == 1 ? 0 : -EPROTO;
}

/*
 * Opens EVENT, of which nothing is counted and nothing sampled: it is there to run the program. An
 * event of all processes wants a CPU, but a program runs on all of them.
 */
static int open_event(struct perf_event_attr *event, pid_t pid)
{
	int fd;

	event->size = sizeof(*event);
	fd = syscall(SYS_perf_event_open, event, pid, pid < 0 ? 0 : -1, -1, PERF_FLAG_FD_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

/* Binds the program to EVENT, and takes that over: in *FD is a link, or else the event. */
static int bind_to_event(int prog_fd, int event, int *fd)
{
	int link = bpf_link_create(prog_fd, event, BPF_PERF_EVENT, NULL);

	/* -EINVAL: before 5.15 there are no such links; or the program is of another type. */
	if (link == -EINVAL && ioctl(event, PERF_EVENT_IOC_SET_BPF, prog_fd) == 0) {
		*fd = event;
		return 0;
	}
	close(event); /* a link holds it */
	if (link < 0)
		return link;
	*fd = link;
	return 0;
}

static int attach_to_event(int prog_fd, struct perf_event_attr *event, pid_t pid, int *fd)
{
	int opened = open_event(event, pid);

	return opened < 0 ? opened : bind_to_event(prog_fd, opened, fd);
}

/* ---- tracepoints ----------------------------------------------------------------------------- */

/* A mount of tracefs that is in no directory, and is gone when the descriptor is closed. */
static int mount_tracefs(void)
{
	int context = syscall(SYS_fsopen, "tracefs", FSOPEN_CLOEXEC), fd = -1;

	if (context < 0)
		return -ENXIO;
	if (syscall(SYS_fsconfig, context, FSCONFIG_CMD_CREATE, NULL, NULL, 0) == 0)
		fd = syscall(SYS_fsmount, context, FSMOUNT_CLOEXEC, 0);
	close(context);
	return fd < 0 ? -ENXIO : fd;
}

/* Opens the directory "events" of tracefs, wherever that is, or isn't. */
static int open_events(void)
{
	static const char *const places[] = {
		"/sys/kernel/tracing/events",
		"/sys/kernel/debug/tracing/events",
	};
	int root, fd;

	for (size_t i = 0; i < sizeof(places) / sizeof(*places); i++) {
		fd = open(places[i], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (fd >= 0)
			return fd;
		if (errno == EACCES)
			return -EACCES;
	}
	root = mount_tracefs();
	if (root < 0)
		return root;
	fd = openat(root, "events", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		fd = -ENXIO;
	close(root);
	return fd;
}

int hp_attach_tracepoint(int prog_fd, const char *category, const char *event, int *fd)
{
	struct perf_event_attr attr = { .type = PERF_TYPE_TRACEPOINT };
	char path[256];
	int events, err;
	__u32 id;

	if (snprintf(path, sizeof(path), "%s/%s/id", category, event) >= (int)sizeof(path))
		return -ENOENT;
	events = open_events();
	if (events < 0)
		return events;
	err = read_number(events, path, "%u", &id);
	close(events);
	if (err)
		return err;
	attr.config = id;
	return attach_to_event(prog_fd, &attr, -1, fd);
}

/* ---- functions ------------------------------------------------------------------------------- */

#define SOURCES "/sys/bus/event_source/devices/"

/* Sets what kprobes and uprobes have in common. -ENOENT: the kernel has no such probes. */
static int describe_probe(const char *source, enum hp_probe_at at, struct perf_event_attr *attr)
{
	char path[64];
	__u32 type, bit;
	int err;

	snprintf(path, sizeof(path), SOURCES "%s/type", source);
	err = read_number(AT_FDCWD, path, "%u", &type);
	if (err)
		return err;
	attr->type = type;
	if (at == HP_PROBE_ENTRY)
		return 0;
	snprintf(path, sizeof(path), SOURCES "%s/format/retprobe", source);
	err = read_number(AT_FDCWD, path, "config:%u", &bit);
	if (!err)
		attr->config = 1ULL << bit;
	return err;
}

int hp_attach_kprobe(int prog_fd, enum hp_probe_at at, const char *function, __u64 offset, int *fd)
{
	struct perf_event_attr attr = {};
	int err = describe_probe("kprobe", at, &attr);

	if (err)
		return err;
	attr.kprobe_func = (unsigned long)function;
	attr.probe_offset = offset;
	return attach_to_event(prog_fd, &attr, -1, fd);
}

/* Where in the file the byte is that SYMBOL, of a section of ELF, stands for. */
static int offset_of_symbol(Elf *elf, const GElf_Sym *symbol, __u64 *offset)
{
	Elf_Scn *section = elf_getscn(elf, symbol->st_shndx);
	GElf_Shdr header;

	if (!section || !gelf_getshdr(section, &header))
		return -ENOENT;
	*offset = symbol->st_value - header.sh_addr + header.sh_offset;
	return 0;
}

/* Looks for the function NAME in the table of symbols SECTION. */
static int search_symbols(Elf *elf, Elf_Scn *section, const GElf_Shdr *header, const char *name,
			  __u64 *offset)
{
	Elf_Data *data = elf_getdata(section, NULL);
	GElf_Sym symbol;

	if (!data || !header->sh_entsize)
		return -ENOENT;
	for (size_t i = 0; i < header->sh_size / header->sh_entsize; i++) {
		const char *called;

		if (!gelf_getsym(data, i, &symbol) || symbol.st_shndx == SHN_UNDEF ||
		    GELF_ST_TYPE(symbol.st_info) != STT_FUNC)
			continue;
		called = elf_strptr(elf, header->sh_link, symbol.st_name);
		if (called && !strcmp(called, name))
			return offset_of_symbol(elf, &symbol, offset);
	}
	return -ENOENT;
}

static int find_symbol(Elf *elf, const char *name, __u64 *offset)
{
	Elf_Scn *section = NULL;
	GElf_Shdr header;

	if (elf_kind(elf) != ELF_K_ELF)
		return -ENOEXEC;
	while ((section = elf_nextscn(elf, section))) {
		if (!gelf_getshdr(section, &header))
			continue;
		if (header.sh_type != SHT_SYMTAB && header.sh_type != SHT_DYNSYM)
			continue;
		if (search_symbols(elf, section, &header, name, offset) == 0)
			return 0;
	}
	return -ENOENT;
}

/* Where the function NAME begins in the file BINARY. */
static int find_in_binary(const char *binary, const char *name, __u64 *offset)
{
	int fd = open(binary, O_RDONLY | O_CLOEXEC), err;
	Elf *elf;

	if (fd < 0)
		return -errno;
	elf_version(EV_CURRENT);
	elf = elf_begin(fd, ELF_C_READ_MMAP, NULL);
	err = elf ? find_symbol(elf, name, offset) : -ENOEXEC;
	elf_end(elf);
	close(fd);
	return err;
}

int hp_attach_uprobe(int prog_fd, enum hp_probe_at at, const char *binary, const char *symbol,
		     __u64 offset, pid_t pid, int *fd)
{
	struct perf_event_attr attr = {};
	__u64 start = 0;
	int err = describe_probe("uprobe", at, &attr);

	if (err)
		return err;
	if (symbol)
		err = find_in_binary(binary, symbol, &start);
	if (err)
		return err;
	attr.uprobe_path = (unsigned long)binary;
	attr.probe_offset = start + offset;
	return attach_to_event(prog_fd, &attr, pid, fd);
}
