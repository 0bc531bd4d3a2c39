/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * libhookpoint: what every loader needs and libbpf leaves to its user.
 *
 * Unless a comment says otherwise, a function returns 0 or a negative errno; an output argument is
 * untouched on failure; the caller owns what an output argument was given. Nothing here exits the
 * process. The only global state is what hp_main() was told: whether to be verbose, which
 * capabilities messages name, whether a signal came. "First kernel" is 5.9 for everything that has
 * to do with links, otherwise 5.3.
 */
#ifndef HOOKPOINT_H
#define HOOKPOINT_H

#include <argp.h>
#include <jansson.h>
#include <limits.h>
#include <linux/types.h>
#include <net/if.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <bpf/libbpf.h>

#define HP_VERSION "0.1.0"

/*
 * Each function is marked. HP_STABLE: as long as HP_API_VERSION is the same, a program that uses it
 * compiles without a change and means the same; structures that it takes may grow at their end,
 * where zero means what was before, so initialise them by the names of their members.
 * HP_EXPERIMENTAL: it may change or go with any release. CHANGELOG.rst tells of every change that a
 * program can notice, of both kinds. There is no promise for binaries: the library is linked in.
 */
#define HP_API_VERSION 1
#define HP_STABLE
#define HP_EXPERIMENTAL

/* ---- log ------------------------------------------------------------------------------------- */

/* The exit status of every tool: see `NAME help`. */
enum hp_exit {
	HP_EXIT_DONE = 0,    /* done, or already so */
	HP_EXIT_USAGE = 1,   /* unknown word or option, bad value, no such interface */
	HP_EXIT_REFUSED = 2, /* the kernel or the system refused */
	HP_EXIT_HELD = 3,    /* somebody else's program holds the place */
	HP_EXIT_NOTHING = 4, /* nothing of ours is loaded there */
	HP_EXIT_LACKING = 5, /* this kernel lacks a feature */
};

/* Says more: libbpf's own messages, and the log that hp_log_verifier() asks for. Default: off. */
HP_STABLE void hp_set_verbose(bool on);

/*
 * Installs libbpf's print callback. Of libbpf's own messages only the verifier's log of a program
 * that was refused is shown; with hp_set_verbose(true) all are.
 */
HP_STABLE void hp_log_libbpf(void);

/*
 * If verbose, has the verifier tell of each program in OBJ, also of those that it accepts. Call it
 * between opening and loading.
 */
HP_STABLE void hp_log_verifier(struct bpf_object *obj);

/*
 * Shows the LOG of a program that hp_prog_load() has loaded, as hp_log_libbpf() does with those of
 * libbpf: if it was refused, or if verbose. NULL: nothing.
 */
HP_EXPERIMENTAL void hp_log_program(const char *log, bool refused);

/*
 * To the kernel a name may be made of nearly any bytes; JSON and terminals want characters. TEXT,
 * of SIZE, gets '?' in the place of what needs quoting, or can't be. Returns TEXT.
 */
HP_EXPERIMENTAL const char *hp_printable(const char *name, char *text, size_t size);

/* One line on standard error, with the program's name in front and the newline at the end. */
HP_STABLE void hp_error(const char *format, ...) __attribute__((format(printf, 1, 2)));
HP_STABLE void hp_info(const char *format, ...) __attribute__((format(printf, 1, 2)));

/*
 * Writes what is left of standard output. Returns an exit status, having said what went wrong, also
 * with what was written before. hp_main() ends with it.
 */
HP_EXPERIMENTAL int hp_flush_output(void);

/*
 * Says in one line on standard error that something failed: "NAME: cannot " FORMAT ": " the errno,
 * its cause and its remedy. ERR is a negative errno. Returns HP_EXIT_REFUSED, to be handed on.
 */
HP_STABLE int hp_fail(int err, const char *format, ...) __attribute__((format(printf, 2, 3)));

/*
 * The cause of ERR (a negative errno) and what to do about it, written to TEXT of SIZE bytes; an
 * empty string where there is nothing to add to strerror().
 */
HP_STABLE void hp_explain(int err, char *text, size_t size);

/* ---- XDP, tc and cgroups --------------------------------------------------------------------- */

/* How a program is attached. */
enum hp_mode {
	HP_AUTO,      /* XDP: native, or generic where the driver refuses */
	HP_NATIVE,    /* XDP, in the driver */
	HP_GENERIC,   /* XDP, behind the driver */
	HP_OFFLOADED, /* XDP, in the network card: reported, never asked for */
	HP_TCX,	      /* tc, by a link. First kernel: 6.6 */
	HP_CLSACT,    /* tc, as a filter of the qdisc clsact. First kernel: 4.5 */
	HP_CGROUP,    /* a cgroup's hook, by a link. First kernel: 5.7 */
	/* By what a process holds open. */
	HP_SOCKET,     /* a socket's filter. First kernel: 3.19 */
	HP_TRACEPOINT, /* tracepoints. First kernel: 4.7 */
	HP_KPROBE,     /* kprobes. First kernel: 4.1 */
	HP_FENTRY,     /* fentry and fexit. First kernel: 5.5 */
};

HP_STABLE const char *hp_mode_name(enum hp_mode mode);

/* Which way the packets go that a program at tc sees. */
enum hp_direction {
	HP_EGRESS,
	HP_INGRESS,
};

HP_STABLE const char *hp_direction_name(enum hp_direction direction);

/* Reads "egress" or "ingress" for a parser of options. EINVAL, having said what is wrong. */
HP_STABLE error_t hp_tc_parse_direction(const char *arg, enum hp_direction *direction);

/* What an interface's XDP hook holds. */
struct hp_xdp_state {
	__u32 prog_id; /* 0: nothing */
	enum hp_mode mode;
};

/* Reads "auto", "native" or "generic" for a parser of options. EINVAL, having said what is wrong.
 */
HP_STABLE error_t hp_xdp_parse_mode(const char *arg, enum hp_mode *mode);

/*
 * Asks the kernel what is attached to an interface of this network namespace. One that isn't there
 * has nothing attached. Errors of a netlink socket.
 */
HP_STABLE int hp_xdp_query(int ifindex, struct hp_xdp_state *state);

/*
 * Attaches a program through a bpf_link. *LINK_FD is the caller's to close; the program stays
 * attached as long as a descriptor or a pin of the link exists. *GOT is the mode as the kernel
 * reports it afterwards. -EBUSY: another program is attached. -EOPNOTSUPP, -EINVAL, -ERANGE: the
 * driver can't run XDP, or not with these settings (MTU, offloads, queues). First kernel: 5.9. AUTO
 * falls back to generic, and says so with hp_info().
 */
HP_STABLE int hp_xdp_attach(int prog_fd, int ifindex, enum hp_mode mode, int *link_fd,
			    enum hp_mode *got);

/* ---- pins ------------------------------------------------------------------------------------ */

#define HP_BPFFS    "/sys/fs/bpf"
#define HP_PIN_ROOT HP_BPFFS "/hookpoint"

typedef char hp_path[512];

/* -ENODEV: no BPF file system is mounted at HP_BPFFS. -EACCES: not for this user. */
HP_STABLE int hp_bpffs_check(void);

/*
 * Takes the lock of all that tool TOOL pins, waiting for other loaders; makes its directory where
 * it is missing. *FD: close it to let go. Errors of mkdir(2), open(2), and of hp_bpffs_check().
 */
HP_STABLE int hp_pin_lock(const char *tool, int *fd);

/* Opens the pin of NAME: a descriptor in *FD. Errors of bpf_obj_get(); -ENOENT: no such pin. */
HP_STABLE int hp_pin_open(const char *dir, const char *name, int *fd);

/* Pins FD, a program's or a map's, in DIR for hp_pin_open() to find. Errors of bpf_obj_pin(). */
HP_EXPERIMENTAL int hp_pin_fd(const char *dir, const char *name, int fd);

/* Removes DIR with all that is pinned in it. What is not there: 0. */
HP_STABLE int hp_pin_remove(const char *dir);

/* ---- attachments ----------------------------------------------------------------------------- */

/* What is known of an attachment from its pins and from the kernel. */
enum hp_condition {
	HP_ATTACHED,  /* to an interface of this network namespace, to a cgroup, or by a process */
	HP_ELSEWHERE, /* to an interface of another network namespace */
	HP_STALE,     /* the interface, cgroup or process is gone, the pins are left */
	HP_PARTIAL,   /* pins are left, and nothing is attached */
	HP_UNREACHABLE, /* by a filter, in a network namespace that is gone or can't be entered */
	HP_UNREADABLE,	/* its pins can't be opened, or make no sense: see hp_recover()
			 */
};

/* Is there a `run` that will detach it when it ends? */
enum hp_runner {
	HP_RUNNER_NONE,	 /* no, `load` attached it */
	HP_RUNNER_ALIVE, /* yes */
	HP_RUNNER_DEAD,	 /* there was, and it was killed */
};

/* "attached", "stale"; "alive", "dead": as in `status -j`. */
HP_EXPERIMENTAL const char *hp_condition_name(enum hp_condition condition);
HP_EXPERIMENTAL const char *hp_runner_name(enum hp_runner runner);

struct hp_attachment {
	const char *tool; /* as long as the call that it is given to */
	hp_path dir;
	enum hp_condition condition;
	/*
	 * The interface as it is called now, or was when it was attached to; or the cgroup's path;
	 * or "process" and its number in its own PID namespace.
	 */
	hp_path place;
	char netns[32]; /* as in readlink /proc/self/ns/net, when it was attached; cgroup: empty */
	__u32 ifindex;	/* 0 unless attached, here or elsewhere, to an interface */
	__u64 cgroup;	/* its id: the number of its inode; 0 unless attached to a cgroup */
	__u32 prog_id;	/* 0 unless attached, here or elsewhere */
	enum hp_mode mode;	     /* only if HP_ATTACHED */
	enum hp_direction direction; /* only of HP_TCX and HP_CLSACT */
	enum hp_runner runner;
};

/*
 * Pins in DIR, which it makes, what an attachment consists of, but for the attachment itself: the
 * loaded programs and the maps of OBJ under their names (with '.' as '_'), and symbolic links that
 * tell people and the library what they are for: "interface", "ifindex" and "netns", or "cgroup",
 * from REQUEST; and "program", which leads to the pin of PROGRAM, the one that is to run. SIBLING:
 * the directory of another attachment of the same version whose programs and maps are to be shared,
 * or NULL. -EEXIST: DIR exists.
 */
struct hp_request;
HP_STABLE int hp_attachment_pin(const char *dir, const struct hp_request *request,
				const struct bpf_object *obj, const struct bpf_program *program,
				const char *sibling);

/*
 * Runs what is pinned in BESIDE (see hp_attachment_beside()) in the place of what is pinned in DIR:
 * all of it changes with one system call, and then the pins follow. A loader that is killed in
 * between leaves an attachment that runs the old or the new program, and the rest to
 * hp_attachment_recover(). -EPERM, -EINVAL or -EBUSY: DIR's program isn't what is attached. First
 * kernel: 5.16, for renameat2(RENAME_EXCHANGE) on bpffs.
 */
HP_STABLE int hp_attachment_replace(const char *dir);

/* Where hp_attachment_pin() is to pin what is to replace what is in DIR. */
HP_STABLE void hp_attachment_beside(hp_path beside, const char *dir);

/* Finishes what a hp_attachment_replace() that was killed began in DIR. Nothing to finish: 0. */
HP_STABLE int hp_attachment_recover(const char *dir);

/*
 * Makes the calling process the runner of the attachment in DIR as long as *FD is open.
 * -EWOULDBLOCK: another one is.
 */
HP_STABLE int hp_attachment_claim(const char *dir, int *fd);

/* From now on the attachment in DIR has no runner: it is to outlive that process. */
HP_STABLE int hp_attachment_release(const char *dir);

/*
 * Is what DIR holds the same version as the loaded OBJ: programs with the same instructions (the
 * kernel's tags), and maps of the same names and sizes? 1: yes, 0: no, or a negative errno.
 */
HP_STABLE int hp_attachment_matches(const char *dir, const struct bpf_object *obj);

/*
 * Detaches at once, calls FORGET (NULL: nothing) with DIR and the interface's index (a cgroup: 0),
 * then removes the pins. What is already detached: 0.
 */
typedef void (*hp_forget)(const char *dir, __u32 ifindex);
HP_STABLE int hp_attachment_detach(const char *dir, hp_forget forget);

/*
 * Calls EACH with every attachment of TOOL, whose lock the caller has (hp_pin_lock()), in the order
 * of their names, having finished what a loader that was killed had begun. EACH returns 0 to go on,
 * and anything else ends the walk and is returned. EACH may remove the attachment it was given.
 */
typedef int (*hp_each_attachment)(const struct hp_attachment *attachment, void *arg);
HP_STABLE int hp_attachment_each(const char *tool, hp_each_attachment each, void *arg);

/*
 * The same, and takes the lock for as long as EACH looks at attachments of one tool. TOOL: NULL for
 * all tools that ever pinned something here, this one's or another version's: then what can't be
 * read is handed to EACH as HP_UNREADABLE, and the first error of a tool that this user may not
 * lock is returned after the others. Errors of hp_pin_lock(), of reading pins, and EACH's.
 */
HP_EXPERIMENTAL int hp_recover(const char *tool, hp_each_attachment each, void *arg);

/* What is pinned of an attachment. */
struct hp_pin {
	const char *name; /* of its file; all of it as long as the call lasts */
	enum { HP_PIN_PROGRAM, HP_PIN_MAP, HP_PIN_LINK } kind;
	__u32 id;	  /* the kernel's, among those of its kind */
	const char *type; /* as in `bpftool prog`, `map` or `link`; "unknown": newer than libbpf */
};

/* Calls EACH with all that is pinned in DIR, in the order of their names, as above. */
typedef int (*hp_each_pin)(const struct hp_pin *pin, void *arg);
HP_EXPERIMENTAL int hp_attachment_pins(const char *dir, hp_each_pin each, void *arg);

/* ---- events ---------------------------------------------------------------------------------- */

/* What a tool's program puts into a ring buffer, for the command `events`. */
struct hp_event_source {
	const char *map; /* the name of the ring buffer */
	/* The interface that a record is about. */
	__u32 (*ifindex)(const void *record);
	/* Prints one record to standard output: a line of text, or of JSON. */
	void (*print)(const void *record, size_t size, bool json);
	/* How many events of an attachment there were, ever, that did not get into the buffer. */
	int (*missed)(const struct hp_attachment *attachment, __u64 *count);
};

/*
 * Calls its function with every record of a buffer between the kernel and one reader. MAP_FD is a
 * ring buffer, or where the kernel has none, a perf event array, whose records arrive in order for
 * each CPU only, with up to 7 bytes behind them. A record is the consumer's, and as long as the
 * call lasts; EACH returns 0 to go on, and a negative errno ends the poll, which returns it; the
 * next poll goes on with the record after that one.
 * *CONSUMER: hp_consumer_close(). -EINVAL: it is another type of map. Errors of
 * ring_buffer__new() and perf_buffer__new(). First kernel: 5.8, with a perf event array 4.4.
 */
struct hp_consumer;
typedef int (*hp_each_record)(const void *record, size_t size, void *arg);
HP_EXPERIMENTAL int hp_consumer_open(int map_fd, hp_each_record each, void *arg,
				     struct hp_consumer **consumer);

/* Waits at most TIMEOUT_MS for records. A signal, too, ends the wait: 0. Errors of epoll_wait(2).
 */
HP_EXPERIMENTAL int hp_consumer_poll(struct hp_consumer *consumer, int timeout_ms);

/* How many records found no room in a perf buffer. Of a ring buffer, only the program knows: 0. */
HP_EXPERIMENTAL __u64 hp_consumer_lost(const struct hp_consumer *consumer);

HP_EXPERIMENTAL void hp_consumer_close(struct hp_consumer *consumer);

/*
 * A time of CLOCK_MONOTONIC, as bpf_ktime_get_ns() has it, as ns since 1970: right as long as
 * nobody sets the clock.
 */
HP_EXPERIMENTAL __s64 hp_real_time(__u64 monotonic_ns);

/* The same as text, in UTC: "2026-11-21T06:31:02.123456Z". */
typedef char hp_time_text[32];
HP_STABLE void hp_time_of(__u64 monotonic_ns, hp_time_text text);

/* The interface's name in printable characters, or "#7" where it has gone; TEXT: IF_NAMESIZE bytes.
 */
HP_STABLE void hp_interface_name(int ifindex, char *text);

/* ---- rtnetlink ------------------------------------------------------------------------------- */

struct mnl_socket;
struct nlmsghdr;

/*
 * Opens an rtnetlink socket that gets the messages of GROUPS (bits, RTMGRP_*; 0: only answers).
 * mnl_socket_close() when done. Errors of socket(2) and bind(2).
 */
HP_STABLE int hp_netlink_open(unsigned int groups, struct mnl_socket **socket);

/*
 * Sends a dump REQUEST, whose flags and sequence number it sets, and calls EACH with every message
 * of the answer; EACH returns 0 to go on or a negative errno. -EINTR: what was dumped changed in
 * the meantime, so that EACH may have missed some. Errors of the request as the kernel gives them.
 */
typedef int (*hp_each_message)(const struct nlmsghdr *message, void *arg);
HP_STABLE int hp_netlink_dump(struct mnl_socket *socket, struct nlmsghdr *request,
			      hp_each_message each, void *arg);

/* ---- maps ------------------------------------------------------------------------------------ */

/*
 * Whoever has a map's descriptor can read and write it with libbpf's bpf_map_*() alone. But the
 * kernel can't know how large the buffers are that it is given, the errnos differ from type to type
 * and from kernel to kernel, and what one kernel does in one step another can't do at all. That is
 * what these functions add.
 *
 * Each of them that is given a buffer is given its size, and touches none of another size. All have
 * these errnos in common:
 *   -EINVAL      a buffer has another size than the map's keys or values
 *   -EOPNOTSUPP  maps of this type can't do that
 *   -ENOENT      there is no entry with this key; a queue or stack is empty; not in an array. (To
 *                remove what is not there is 0 in a devmap, xskmap or cpumap.)
 *   -EEXIST      there is one already
 *   -E2BIG       the map is full; not in an array: the index is too large
 *   -EPERM       the map is frozen, its descriptor is for reading (or writing) only, or the process
 *                lacks a capability: CAP_BPF, or before 5.8 CAP_SYS_ADMIN
 *   -ENOMEM, -EBADF
 */
struct hp_map {
	int fd;
	enum bpf_map_type type;
	char name[BPF_OBJ_NAME_LEN];
	__u32 id;
	__u32 flags; /* BPF_F_*, as it was made */
	__u32 max_entries;
	size_t key_bytes; /* 0: it has no keys, as a queue: give NULL and 0 for one */
	/*
	 * What user space reads and writes as one value. Of a per-CPU map that is as many copies as
	 * there are possible CPUs, each filled up to a multiple of 8 bytes; of a map of maps, or of
	 * other things that have descriptors, a descriptor to write and an id to read.
	 */
	size_t value_bytes;
	__u32 copies; /* the number of possible CPUs, or 1 */
};

/*
 * The type that is called NAME: "hash", "percpu_array", "lpm_trie" ..., as bpftool and libbpf call
 * it. The other way round it is libbpf_bpf_map_type_str(). A type that is newer than libbpf
 * ("arena") is looked up in the kernel's BTF. -EINVAL: neither knows NAME.
 */
HP_EXPERIMENTAL int hp_map_type(const char *name, enum bpf_map_type *type);

/*
 * Makes a map: of the TYPE with that name, called NAME, of max_entries ENTRIES. The kernel keeps 15
 * characters of a name, and takes letters, digits, '_' and '.'; all else becomes '_'. OPTIONS are
 * libbpf's, or NULL: flags, the map that inner ones are to be like, BTF. Local storage must have
 * BTF, and gets some where OPTIONS has none. hp_map_close() when done: the map lives as long as a
 * descriptor, a pin or a program of it. -EINVAL: no such type, in libbpf or in this kernel, or this
 * type can't have these sizes or flags.
 */
struct bpf_map_create_opts;
HP_EXPERIMENTAL int hp_map_create(const char *type, const char *name, __u32 key_bytes,
				  __u32 value_bytes, __u32 entries,
				  const struct bpf_map_create_opts *options, struct hp_map *map);

/*
 * Describes the map behind FD, which stays the caller's to close. -EINVAL: it is no map. -ENXIO:
 * that can't be told, because /proc is not mounted.
 */
HP_EXPERIMENTAL int hp_map_of(int fd, struct hp_map *map);

/*
 * Opens a map by its pin, by its id, or by its name if there is exactly one: hp_map_close() when
 * done. -ENOENT: no such map. -EINVAL: the pin is of something else. -ENOTUNIQ: several maps have
 * that name, which is read as hp_map_create() does. By pin -ENXIO, as of hp_map_of(). By id and
 * name takes CAP_SYS_ADMIN: -EPERM. First kernel: by id and name 4.13; names are from 4.15.
 */
HP_EXPERIMENTAL int hp_map_open_pin(const char *path, struct hp_map *map);
HP_EXPERIMENTAL int hp_map_open_id(__u32 id, struct hp_map *map);
HP_EXPERIMENTAL int hp_map_open_name(const char *name, struct hp_map *map);

/* Closes the descriptor. NULL, one that is closed already, or all zeros: nothing. */
HP_EXPERIMENTAL void hp_map_close(struct hp_map *map);

/* What changes in a map's life; what does not is in struct hp_map. -ENXIO: /proc is not mounted. */
struct hp_map_state {
	bool frozen;	    /* false before 5.2 */
	__u64 memory_bytes; /* as the kernel counts it; before 6.4 an estimate */
};
HP_EXPERIMENTAL int hp_map_state(const struct hp_map *map, struct hp_map_state *state);

/* Reads an entry. A queue or stack (NULL for the key): its next one, which stays. */
HP_EXPERIMENTAL int hp_map_get(const struct hp_map *map, const void *key, size_t key_bytes,
			       void *value, size_t value_bytes);

/*
 * Write an entry: put whether or not there is one, update only if there is one (-ENOENT), insert
 * only if there is none (-EEXIST). A reader sees the old value or the new one, with two exceptions.
 * In arrays and per-CPU maps, which are written in place, it may catch a value of more than 8 bytes
 * half-written. In a hash, whose memory is used again at once, it may come too late: whoever has
 * found an entry, and copies it only after two more were written, may copy a value of another key.
 * Queues and stacks know only put, which appends.
 */
HP_EXPERIMENTAL int hp_map_put(const struct hp_map *map, const void *key, size_t key_bytes,
			       const void *value, size_t value_bytes);
HP_EXPERIMENTAL int hp_map_update(const struct hp_map *map, const void *key, size_t key_bytes,
				  const void *value, size_t value_bytes);
HP_EXPERIMENTAL int hp_map_insert(const struct hp_map *map, const void *key, size_t key_bytes,
				  const void *value, size_t value_bytes);

/* Removes an entry. Arrays always have all of theirs: -EOPNOTSUPP. */
HP_EXPERIMENTAL int hp_map_remove(const struct hp_map *map, const void *key, size_t key_bytes);

/*
 * Reads an entry and removes it, or a queue's or stack's next one. For the kernel that is one step
 * (since 4.20 for queues and stacks, 5.14 for hashes): however many take at once, only one of them
 * gets it, and nobody can put another value there in between. Where the kernel can't (older, or
 * other types: lpm_trie), it is read and then removed: what somebody wrote in between is lost, and
 * of two that take meanwhile the second may get what the first got already. In both cases lost:
 * what a BPF program adds through a pointer that it looked up before.
 */
HP_EXPERIMENTAL int hp_map_take(const struct hp_map *map, const void *key, size_t key_bytes,
				void *value, size_t value_bytes);

/*
 * Calls EACH with every entry, which it may remove; it returns 0 to go on, anything else ends the
 * walk and is returned. While others write:
 * - In arrays, and in hashes of all kinds since 5.6, an entry that is there the whole time is seen
 *   exactly once, with its value before or after a change. One that comes or goes: once or not.
 *   (The kernel hands over a hash bucket by bucket, each as it is at one moment, but not all at
 *   the same. Nobody sees the whole map at one moment.)
 * - Otherwise (lpm_trie, maps of maps, hashes before 5.6) the walk goes from key to key, and the
 *   kernel begins anew where the key before has been removed. None is seen twice; one that somebody
 *   writes to may be missed. It is read as a whole before EACH is called. -EAGAIN: others removed
 *   so many keys that this took more than 8 * max_entries + 1024 steps.
 * An entry without a value, as of a prog_array, is none. First kernel: 4.12.
 */
typedef int (*hp_each_entry)(const void *key, const void *value, void *arg);
HP_EXPERIMENTAL int hp_map_each(const struct hp_map *map, hp_each_entry each, void *arg);

/* Entries of a map in two arrays, keys[i] belonging to values[i]. */
struct hp_entries {
	void *keys;
	void *values;
	size_t n;
	size_t key_bytes;
	size_t value_bytes;
};

/*
 * Reads all entries, with the guarantees and errnos of hp_map_each(): with a system call for
 * each thousand since 5.6 (arrays and hashes; later also others), otherwise two for each entry.
 * hp_entries_free() when done.
 */
HP_EXPERIMENTAL int hp_map_read(const struct hp_map *map, struct hp_entries *entries);

/* Frees the arrays. NULL, or all zeros: nothing. */
HP_EXPERIMENTAL void hp_entries_free(struct hp_entries *entries);

/*
 * Put ENTRIES, or remove those with these N KEYS, each as hp_map_put() and hp_map_remove() do, but
 * with batches and fallback as in hp_map_read(). Each entry is written by itself: after an error,
 * those before the one that was refused are written. What is not there to be removed is no error.
 */
HP_EXPERIMENTAL int hp_map_put_many(const struct hp_map *map, const struct hp_entries *entries);
HP_EXPERIMENTAL int hp_map_remove_many(const struct hp_map *map, const void *keys, size_t key_bytes,
				       size_t n);

/*
 * Makes ENTRIES (whose arrays may be the caller's own) all that the map holds, unless others write
 * too. What is not among them goes before what is new is put, so that both together need not fit.
 * A key that was there and stays is never missing meanwhile, and has its old value or its new one
 * (see hp_map_put()); in hashes and lpm_tries it is not even written to if it has its new value
 * already. Others do see some old and some new entries: who must not, swaps maps with
 * hp_map_put_map().
 * An array is always written as a whole, and its entries can't go: those not given become zeros. An
 * LRU hash may throw out some of them at once. A key given twice has its last value.
 * Batches since 5.6 and fallback as in hp_map_read(). -E2BIG: more than max_entries, or an index
 * too large; nothing was changed. After other errors part of it may be done: call it again.
 * -EOPNOTSUPP: other types than arrays, hashes, lpm_trie, and hashes of maps.
 */
HP_EXPERIMENTAL int hp_map_replace(const struct hp_map *map, const struct hp_entries *entries);

/*
 * Reads entry KEY of a per-CPU map whose values are made of __u64 counters, and adds up all
 * possible CPUs: N counters to SUMS. -EINVAL: the map's value size isn't N * 8.
 * -ENOENT: no entry.
 */
HP_STABLE int hp_map_sum_percpu(int map_fd, const void *key, __u64 *sums, size_t n);

/*
 * Puts INNER into a map of maps, and opens what is there (hp_map_close() when done). Programs see
 * the one map or the other, never a mixture; since 5.0 put returns when no program uses the map
 * that was there any more. INNER stays the caller's; OUTER holds a reference of its own. -EINVAL:
 * INNER is not like the map that OUTER was made with. get takes CAP_SYS_ADMIN. First kernel: 4.13.
 */
HP_EXPERIMENTAL int hp_map_put_map(const struct hp_map *outer, const void *key, size_t key_bytes,
				   const struct hp_map *inner);
HP_EXPERIMENTAL int hp_map_get_map(const struct hp_map *outer, const void *key, size_t key_bytes,
				   struct hp_map *inner);

/*
 * From now on no process can write to the map any more (-EPERM), for ever; programs can, unless it
 * was made with BPF_F_RDONLY_PROG. Frozen already: 0. -EBUSY: somebody is writing, or has it mapped
 * for writing. First kernel: 5.2; before -EINVAL.
 */
HP_EXPERIMENTAL int hp_map_freeze(const struct hp_map *map);

/*
 * Maps the one value of a BPF_F_MMAPABLE array (such as libbpf's .data) into memory, to be read and
 * written in place. SIZE must be its value size: -EINVAL. munmap(*value, SIZE) when done. First
 * kernel: 5.5.
 */
HP_STABLE int hp_map_mmap(int map_fd, size_t size, void **value);

/* One BPF_PROG_TEST_RUN. */
struct hp_test_run {
	const void *in; /* the packet; XDP and tc want at least 14 bytes */
	size_t in_bytes;
	void *out;	   /* may be NULL */
	size_t out_bytes;  /* room in OUT; afterwards what the program left */
	__u32 repeat;	   /* 0 counts as 1 */
	__u32 retval;	   /* result: the program's */
	__u32 duration_ns; /* result: per repetition, as the kernel measured, in whole ns */
	/*
	 * What the program gets besides: a struct xdp_md (5.15; data_end must be in_bytes) or a
	 * struct __sk_buff (5.2); for raw tracepoints and syscall programs, which write into
	 * it, all there is. May be NULL.
	 */
	const void *ctx_in;
	size_t ctx_in_bytes;
	void *ctx_out;	      /* may be NULL */
	size_t ctx_out_bytes; /* room in CTX_OUT (0: as NULL); afterwards what the program left */
};

/*
 * Runs a program on a packet, or on a context alone. -ENOSPC: OUT or CTX_OUT is too small; it holds
 * the beginning, and its size is what the whole would need. (Of two that are too small, OUT is the
 * one that is named.) -EINVAL: the packet is too short or too long, or the context says what no
 * packet can have. -EOPNOTSUPP: the kernel can't run this type of program. First kernel: 4.12.
 */
HP_STABLE int hp_test_run(int prog_fd, struct hp_test_run *run);

/* ---- programs -------------------------------------------------------------------------------- */

/* How a program is to be loaded; what is zero is left to the kernel. */
struct hp_prog_options {
	const char *name; /* what bpftool shows: 15 characters, as hp_map_create() makes them */
	/*
	 * "GPL", "Dual BSD/GPL", ...: whether the program may call what the kernel keeps for the
	 * GPL. NULL: none, since the library can't declare it for an author; the verifier then
	 * refuses such calls, and says so.
	 */
	const char *licence;
	/* The hook, where the type alone doesn't say. Overrides what TYPE expects. */
	enum bpf_attach_type expected_attach_type;
	/*
	 * What tracing and LSM programs go to: from libbpf_find_vmlinux_btf_id(), or, if TARGET_FD
	 * is a program, in the BTF of that one. struct_ops: the structure.
	 */
	__u32 btf_id;
	int target_fd;
	bool sleepable; /* BPF_F_SLEEPABLE, if TYPE doesn't imply it. First kernel: 5.10 */
	__u32 flags;	/* further ones, BPF_F_* of BPF_PROG_LOAD */
	/* 0: a log only if the program is refused; 1 and 2: always, as of the kernel; 4: totals */
	__u32 log_level;
	__u32 log_bytes; /* room for the log to begin with; 0: 64 KiB */
};

/*
 * What NAME calls: a program type as bpftool and the kernel name it ("xdp", "socket_filter",
 * "cgroup_skb"), or the section of an object ("tc", "cgroup/connect4", "cgroup_skb/ingress"), which
 * also says the attach type; where it doesn't, *ATTACH is 0. A type that is newer than libbpf is
 * looked up in the kernel's BTF. -ESRCH: neither knows NAME.
 */
HP_EXPERIMENTAL int hp_prog_type(const char *name, enum bpf_prog_type *type,
				 enum bpf_attach_type *attach);

/*
 * Loads the N instructions of a program of TYPE, as hp_prog_type() reads it; OPTIONS may be NULL.
 * *FD: close it; the program lives on as long as it is attached or pinned. Sections imply flags:
 * "lsm.s/file_open" and all others with ".s", and "syscall", that it may sleep; "xdp.frags" that it
 * takes packets in several pieces (5.18). Not for "ext" (freplace), which the kernel takes only
 * with BTF of its functions: bpf_prog_load() hands that over.
 *
 * *LOG, unless LOG is NULL, becomes what the verifier said, whether the program was loaded or not:
 * a string to be freed, or NULL where it said nothing. Room that is too small for it is made four
 * times as large, as often as needed: that a log does not fit is never the reason of a failure.
 *
 * -ESRCH: no such type. -EINVAL, -EACCES: refused, with the reason in the log; -EINVAL without a
 * log: the kernel lacks the type, or wants another attach type or BTF id. -EPERM: not allowed to
 * load such a program. -E2BIG: too long, or too complex. -ENOMEM. First kernel: 4.15.
 */
HP_EXPERIMENTAL int hp_prog_load(const char *type, const struct bpf_insn *insns, size_t n,
				 const struct hp_prog_options *options, int *fd, char **log);

/*
 * Attach a loaded program as long as *FD is open; close(*FD) detaches it, whether the program's own
 * descriptor is still open or not. Where the kernel has links for it (5.15), *FD is one, which can
 * be pinned and be found by `bpftool link`; before, it is the perf event itself.
 *
 * -EACCES, -EPERM: not for this user (CAP_PERFMON, and access to tracefs where that is read; on
 * Debian CAP_SYS_ADMIN while kernel.perf_event_paranoid is 3).
 * -EINVAL: another type of program than this takes. -EPROTO: what the kernel has for the number of
 * the tracepoint, or of the kind of probes, is none.
 */

/*
 * To a tracepoint ("sched", "sched_process_exec"). PROG_FD: of type "tracepoint". Where tracefs is
 * not mounted, it is for this one moment, in no directory: -ENXIO if this process may not.
 * -ENOENT: no such tracepoint. First kernel: 4.7.
 */
HP_EXPERIMENTAL int hp_attach_tracepoint(int prog_fd, const char *category, const char *event,
					 int *fd);

/* Where in what is probed. */
enum hp_probe_at {
	HP_PROBE_ENTRY,
	HP_PROBE_RETURN,
};

/*
 * To the function FUNCTION of the kernel, OFFSET bytes into it (for HP_PROBE_RETURN: 0). PROG_FD:
 * of type "kprobe". -ENOENT: the kernel is built without kprobes; or no such function, or it can't
 * be probed. First kernel: 4.17.
 */
HP_EXPERIMENTAL int hp_attach_kprobe(int prog_fd, enum hp_probe_at at, const char *function,
				     __u64 offset, int *fd);

/*
 * To the file BINARY (a program or a library), OFFSET bytes into its symbol SYMBOL; NULL: into the
 * file. PID: only in this process; -1: in all that map the file, also in those that start later.
 * PROG_FD: of type "kprobe". -ENOENT: no such file; or no function SYMBOL in it, which is also said
 * of those that are chosen when the program starts (IFUNC: strlen() and its like in libc); or the
 * kernel is built without uprobes. -ENOEXEC: BINARY is not an ELF file, if there is a SYMBOL.
 * -EINVAL: BINARY is not a regular file, or ends before OFFSET. -ESRCH: no process PID. First
 * kernel: 4.17.
 */
HP_EXPERIMENTAL int hp_attach_uprobe(int prog_fd, enum hp_probe_at at, const char *binary,
				     const char *symbol, __u64 offset, pid_t pid, int *fd);

/* ---- features -------------------------------------------------------------------------------- */

/* Something that an object needs of the kernel. */
struct hp_need {
	char what[64];	   /* "helper loop", "map type percpu_array", ... */
	const char *since; /* the first kernel that has it, or NULL where nobody wrote it down */
	bool have;	   /* tried, not looked up */
};

/*
 * Calls EACH with what OBJ needs: its program types, map types, helpers and ways to attach. Call it
 * after bpf_object__load(), whether that succeeded or not: before it, helpers called in functions
 * are missing. Trying needs the rights that loading needs. EACH returns 0 to go on.
 */
typedef int (*hp_each_need)(const struct hp_need *need, void *arg);
HP_STABLE int hp_needs_of(const struct bpf_object *obj, hp_each_need each, void *arg);

/*
 * Explains in one line why OBJ could not be loaded. Returns HP_EXIT_LACKING if this kernel lacks
 * something that OBJ needs, otherwise HP_EXIT_REFUSED.
 */
HP_STABLE int hp_fail_load(int err, const struct bpf_object *obj);

/* ---- ports ----------------------------------------------------------------------------------- */

/*
 * Reads "PORT" or "FIRST-LAST" (decimal, 1 to 65535, FIRST <= LAST) and sets the bits of those
 * ports: bit PORT % 64 of word PORT / 64, 1024 words. -EINVAL, with a reason in *WHY (a string
 * constant).
 */
HP_STABLE int hp_ports_add(__u64 *words, const char *range, const char **why);

/* The set as a JSON array of strings, each of which hp_ports_add() would take. NULL: no memory. */
HP_STABLE json_t *hp_ports_json(const __u64 *words);

/* The set for people: "8080, 9000-9100"; "..." ends it where SIZE (at least 32) is too small. */
HP_STABLE void hp_ports_text(const __u64 *words, char *text, size_t size);

/*
 * Calls EACH with every message of a dump of tc: of MESSAGE_TYPE RTM_GETQDISC (which tells of all
 * interfaces), or of RTM_GETTFILTER, the filters of IFINDEX under PARENT. Begins anew when
 * something changes in the middle, so EACH may see a message twice. Errors of hp_netlink_dump().
 */
HP_STABLE int hp_tc_dump(int message_type, int ifindex, __u32 parent, hp_each_message each,
			 void *arg);

/* ---- command line ---------------------------------------------------------------------------- */

/* What a person asked for, for one interface or cgroup, or of a process. */
struct hp_request {
	const char *tool; /* the tool's name */
	hp_path place;	  /* the interface's name, the cgroup's path, or "process" and its number */
	int ifindex;	  /* 0: a cgroup or process */
	__u64 cgroup;	  /* its id; 0: an interface or process */
	bool dry_run;
	bool json; /* only of a process */
	bool replace;
	/* For `exec`: the cgroup goes with the command, and standard output is the command's. */
	bool exec;
	const struct hp_attachment *ours; /* what this tool has attached there already, or NULL */
	hp_path dir;			  /* where its pins are, or are to be */
	const char *sibling; /* where another one of this tool's has its pins, or NULL */
	hp_forget forget;    /* the tool's */
};

enum hp_hook {
	HP_AT_XDP,
	HP_AT_TC,
	HP_AT_CGROUP,
	HP_AT_PROCESS, /* attached as long as the process of `run` lives: tracers, socket filters */
};

/* A tool: what its loader hands to hp_main(). All functions return an exit status (enum hp_exit),
 * having said what went wrong, unless their comment says otherwise; those of tools that do without
 * are NULL. */
struct hp_tool {
	const char *name;
	const char *summary;	    /* one line, for help */
	const struct argp *options; /* of load, run and fill, or NULL */
	void *input;		    /* what the parser of `options` gets as state->input */
	enum hp_hook at;	    /* where its programs go, and whether to ask for -i or -g */
	/*
	 * What its file takes to be run by an ordinary user, as setcap writes it. NULL:
	 * "cap_bpf,cap_net_admin,cap_perfmon".
	 */
	const char *capabilities;

	/* Puts the program on an interface or a cgroup. Called for one after the other. */
	int (*load)(const struct hp_request *request);

	/*
	 * HP_AT_PROCESS has this instead: loads, attaches, calls hp_run_pin(), prints what comes
	 * until hp_stopped(), detaches. With REQUEST->dry_run it loads and returns.
	 */
	int (*trace)(const struct hp_request *request);

	/*
	 * What `run` follows: `watch`, called before `load`, opens a descriptor that can be read
	 * when something may have changed, and stays the tool's. Then `changed` is called with it
	 * and the interfaces that are still guarded; anything but HP_EXIT_DONE ends `run`.
	 */
	int (*watch)(int *fd);
	int (*changed)(int fd, const struct hp_request *requests, size_t n);

	/*
	 * Once its programs are detached, and before the pins in DIR are removed: removes what maps
	 * that DIR shares with others hold of an interface. Says nothing.
	 */
	hp_forget forget;

	/* Add this tool's part to an attachment's JSON object: 0 or a negative errno. */
	int (*status)(const struct hp_attachment *attachment, json_t *fields);
	int (*stats)(const struct hp_attachment *attachment, json_t *fields);

	/* The command `events`. */
	const struct hp_event_source *events;

	/* The command `fill`: gives a program that a stock loader attached what it needs. */
	int (*fill)(const char *interface, int ifindex);
};

/*
 * Puts PROGRAM of the loaded OBJ on the interface that REQUEST names: attaches and pins it, or with
 * --replace takes over from another version. *DID says in words what was done, or in a dry run what
 * would be; NULL where this same program runs there already, and nothing was done. Returns an exit
 * status.
 */
HP_STABLE int hp_xdp_load(const struct hp_request *request, const struct bpf_object *obj,
			  const struct bpf_program *program, enum hp_mode mode, const char **did);

/*
 * The same at tc, first in its place: through tcx, or where the kernel hasn't that, as a filter of
 * the qdisc clsact. PREPARE writes what the program is to find in the maps that are pinned in DIR,
 * before it runs there; it returns an exit status. Interfaces with the same version of the object
 * share those maps. NULL: there is nothing to be written, and maps are each interface's own.
 */
typedef int (*hp_prepare)(const struct hp_request *request, const char *dir);
HP_STABLE int hp_tc_load(const struct hp_request *request, const struct bpf_object *obj,
			 const struct bpf_program *program, enum hp_direction direction,
			 hp_prepare prepare, const char **did);

/*
 * The same at a cgroup: attaches PROGRAM to the hook that its section names, beside what others
 * have there, and so the other programs of OBJ whose section begins with "cgroup". They must be the
 * same ones in the version that is replaced. PREPARE, or NULL, as above, but cgroups share no maps.
 */
HP_STABLE int hp_cgroup_load(const struct hp_request *request, const struct bpf_object *obj,
			     const struct bpf_program *program, hp_prepare prepare,
			     const char **did);

/*
 * For tools at HP_AT_PROCESS: pins the loaded programs and maps of OBJ (NULL: none) in
 * REQUEST->dir, which it makes, with a note of MODE, so that `status` and `stats` find them while
 * this process lives. hp_main() removes the pins when `trace` returns. Links are not pinned: a
 * tracer that is killed is detached. Returns an exit status, having said what went wrong.
 */
HP_EXPERIMENTAL int hp_run_pin(const struct hp_request *request, enum hp_mode mode,
			       const struct bpf_object *obj);

/* Whether SIGINT, SIGTERM or SIGHUP has come. They interrupt system calls (no SA_RESTART). */
HP_EXPERIMENTAL bool hp_stopped(void);

/* Does what the command line says. Returns the exit status of the process. */
HP_STABLE int hp_main(const struct hp_tool *tool, int argc, char **argv);

/* For parsers of a tool's own options: says what is wrong in one line, returns EINVAL for argp. */
HP_STABLE error_t hp_usage(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Reads a number of seconds from 0.01 to 86400, as -w takes it. EINVAL, having said what is wrong.
 */
HP_EXPERIMENTAL error_t hp_parse_seconds(const char *text, double *seconds);

#endif
