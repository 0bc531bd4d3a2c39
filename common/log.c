// SPDX-License-Identifier: BSD-2-Clause
/* Messages to people: one line each, on standard error. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <linux/capability.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "internal.h"
#include "map-internal.h"

static bool verbose;
static const char *needed_capabilities = "cap_bpf,cap_net_admin,cap_perfmon";

void hp_set_verbose(bool on)
{
	verbose = on;
}

void hp_log_verifier(struct bpf_object *obj)
{
	struct bpf_program *program;

	bpf_object__for_each_program(program, obj)
		bpf_program__set_log_level(program, verbose);
}

static int print_libbpf(enum libbpf_print_level level, const char *format, va_list args)
{
	/*
	 * libbpf keeps the verifier's log to itself until a program is refused, then prints it so.
	 */
	if (verbose || (level == LIBBPF_WARN && strstr(format, "PROG LOAD LOG")))
		return vfprintf(stderr, format, args);
	return 0;
}

void hp_log_program(const char *log, bool refused)
{
	if (log && (refused || verbose))
		fprintf(stderr, "-- BEGIN PROG LOAD LOG --\n%s-- END PROG LOAD LOG --\n", log);
}

void hp_log_libbpf(void)
{
	libbpf_set_print(print_libbpf);
}

static void say(const char *format, va_list args)
{
	char text[PATH_MAX + 1024];

	/* In one write(): lines of loaders that run at the same time shall not mix. */
	vsnprintf(text, sizeof(text), format, args);
	fprintf(stderr, "%s: %s\n", program_invocation_short_name, text);
}

void hp_error(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	say(format, args);
	va_end(args);
}

void hp_info(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	say(format, args);
	va_end(args);
}

int hp_flush_output(void)
{
	errno = 0;
	if (!fflush(stdout) && !ferror(stdout))
		return HP_EXIT_DONE;
	/* It may be long ago that errno said why; whatever it was, it is likely to be so still. */
	if (!errno && write(STDOUT_FILENO, "\n", 1) == 1)
		hp_error("cannot write all to standard output");
	else
		hp_error("cannot write to standard output: %s", strerror(errno));
	return HP_EXIT_REFUSED;
}

int hp_fail(int err, const char *format, ...)
{
	char what[256], why[PATH_MAX + 256];
	va_list args;

	err = hp_map_error(err); /* the kernel's own errno has no text */

	va_start(args, format);
	vsnprintf(what, sizeof(what), format, args);
	va_end(args);

	hp_explain(err, why, sizeof(why));
	hp_error("cannot %s: %s%s%s", what, strerror(-err), *why ? ": " : "", why);
	return HP_EXIT_REFUSED;
}

void hp_set_capabilities(const char *names)
{
	needed_capabilities = names;
}

/* The process's effective capabilities: bit N is capability N. */
static unsigned long long effective_capabilities(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {};

	syscall(SYS_capget, &header, data);
	return (unsigned long long)data[1].effective << 32 | data[0].effective;
}

/* The names of the capabilities that the tool takes and this process lacks: "" for none. */
static void missing_capabilities(char *names, size_t size)
{
	static const struct {
		int bit;
		const char *name;
		bool of_sys_admin; /* came with CAP_SYS_ADMIN before 5.8, and still does */
	} known[] = {
		{ CAP_BPF, "cap_bpf", true },
		{ CAP_DAC_READ_SEARCH, "cap_dac_read_search", false },
		{ CAP_NET_ADMIN, "cap_net_admin", false },
		{ CAP_NET_RAW, "cap_net_raw", false },
		{ CAP_PERFMON, "cap_perfmon", true },
	};
	unsigned long long have = effective_capabilities();
	size_t length = 0;

	*names = '\0';
	for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++) {
		if (have & 1ULL << known[i].bit || !strstr(needed_capabilities, known[i].name))
			continue;
		if (known[i].of_sys_admin && have & 1ULL << CAP_SYS_ADMIN)
			continue;
		length += snprintf(names + length, size - length, "%s%s", length ? "," : "",
				   known[i].name);
	}
}

bool hp_lacks_capabilities(void)
{
	char names[128];

	missing_capabilities(names, sizeof(names));
	return *names;
}

/* In another user namespace than the first, whose inode is fixed, root has no rights to BPF. */
static bool in_user_namespace(void)
{
	char name[32];

	hp_read_note("/proc/self/ns", "user", name, sizeof(name));
	return *name && strcmp(name, "user:[4026531837]");
}

/* Names the capabilities that are missing; says OTHERWISE if none is. */
static void explain_rights(const char *otherwise, char *text, size_t size)
{
	char self[PATH_MAX] = "FILE", missing[128];
	ssize_t length;

	missing_capabilities(missing, sizeof(missing));
	if (in_user_namespace()) {
		snprintf(text, size,
			 "this process is in a user namespace, where capabilities give "
			 "no rights to BPF: run it outside");
		return;
	}
	if (!*missing) {
		snprintf(text, size, "%s", otherwise);
		return;
	}
	length = readlink("/proc/self/exe", self, sizeof(self) - 1);
	if (length > 0)
		self[length] = '\0';
	snprintf(text, size, "missing %s: run it with sudo, or once: sudo setcap %s+ep %s", missing,
		 needed_capabilities, self);
}

/* At 3, which Debian added and has, perf events are for CAP_SYS_ADMIN alone. */
static bool perf_events_are_closed(void)
{
	FILE *file = fopen("/proc/sys/kernel/perf_event_paranoid", "re");
	int level = 0;

	if (!file)
		return false;
	if (fscanf(file, "%d", &level) != 1)
		level = 0;
	fclose(file);
	return level > 2 && !(effective_capabilities() & 1ULL << CAP_SYS_ADMIN);
}

/* A cause is true for all that has this errno: pins, maps, programs, probes, interfaces. */
void hp_explain(int err, char *text, size_t size)
{
	const char *remedy = "";

	switch (-err) {
	case EPERM:
		explain_rights(
			"the capabilities are there, so something else forbids it: see `dmesg` "
			"for kernel lockdown or a security module",
			text, size);
		return;
	case EACCES:
		explain_rights(
			perf_events_are_closed()
				? "perf events take CAP_SYS_ADMIN where kernel.perf_event_paranoid "
				  "is 3, as on Debian (run it with sudo), and the pins in " HP_BPFFS
				  " have owners and modes"
				: "this user has no access: see the owners and modes of the pins "
				  "in " HP_BPFFS ", and of tracefs",
			text, size);
		return;
	case EBUSY:
		remedy = "somebody else is using it: who holds a hook, says `bpftool net`";
		break;
	case ESRCH:
		remedy = "there is no such type, or a process or network namespace is gone, or "
			 "nothing leads there from here";
		break;
	case ENODEV:
		remedy = "the interface or device isn't there, or not any more";
		break;
	case ENOMEM:
		remedy = "the kernel had not enough memory";
		break;
	case E2BIG:
		remedy = "a map is full, or a program is too large for the kernel";
		break;
	}
	snprintf(text, size, "%s", remedy);
}
