/* SPDX-License-Identifier: BSD-2-Clause */
/* What the library's modules share among themselves; contracts as in hookpoint.h. */
#ifndef HP_INTERNAL_H
#define HP_INTERNAL_H

#include "hookpoint.h"

/* PATH becomes DIR "/" NAME, cut off where it is too long. */
void hp_join(hp_path path, const char *dir, const char *name);

/* Pins FD in DIR for hp_pin_open() to find. */
int hp_pin_fd(const char *dir, const char *name, int fd);

/* A note is a symbolic link whose target is a short text. Reading a missing one gives "". */
int hp_note(const char *dir, const char *name, const char *text);
void hp_read_note(const char *dir, const char *name, char *text, size_t size);

/* The id of the program that what is pinned in DIR runs, or is to run. Errors of hp_pin_open(). */
int hp_program_id(const char *dir, __u32 *id);

/* What binds the programs pinned in a directory to an interface. */
struct hp_binding {
	enum hp_mode mode;
	enum hp_direction direction; /* only of HP_TCX and HP_CLSACT */
	__u32 ifindex;		     /* 0: the interface is gone */
	__u32 prog_id;		     /* what is attached there */
	bool here;		     /* in this network namespace */
	bool unreachable; /* in one that is gone or can't be entered: the ifindex and prog_id are 0
			   */
};

/* -ENOENT: nothing does. */
int hp_binding_read(const char *dir, struct hp_binding *binding);

/* Gives BESIDE the binding of DIR. Errors of pinning; -ENOENT: DIR has none. */
int hp_binding_copy(const char *dir, const char *beside);

/* In one step, runs BESIDE's program in the place of DIR's. */
int hp_binding_update(const char *dir, const char *beside);

/* What is not bound: 0. */
int hp_binding_detach(const char *dir);

/* Linux 6.6: enum bpf_attach_type, for headers that are older. */
#define HP_BPF_TCX_INGRESS 46
#define HP_BPF_TCX_EGRESS  47

/* A link, or a negative errno; -EINVAL: this kernel has no tcx. */
int hp_tcx_attach(int prog_fd, int ifindex, enum hp_direction direction);
int hp_tcx_find(struct hp_binding *binding);

/* The note that stands for a link where a filter binds the program. */
#define HP_FILTER_NOTE "filter"

/*
 * Attaches the program as a filter, and leaves the note in DIR. -EEXIST: another qdisc is in the
 * place of clsact. -EBUSY: somebody's filter has the first place.
 */
int hp_clsact_attach(const char *dir, int prog_fd, int ifindex, enum hp_direction direction);

/* As hp_binding_*(), for filters. */
int hp_tc_read_filter(const char *dir, struct hp_binding *binding);
int hp_tc_update_filter(const char *dir, int prog_fd);
int hp_tc_detach_filter(const char *dir);

/*
 * Enters the network namespace of the attachment in DIR; hp_leave_netns(*BACK) goes back. -ESRCH:
 * it is gone, or nothing leads there, or it is not for this user. -ENOENT: DIR doesn't name one.
 */
int hp_enter_netns(const char *dir, int *back);
void hp_leave_netns(int back);

/* Does this process lack a capability that loading and attaching network programs takes? */
bool hp_lacks_capabilities(void);

/* What the command line said, whatever the command. */
struct hp_arguments {
	char **interfaces; /* as they were named, in that order */
	size_t n_interfaces;
	bool all; /* unload -a */
	bool dry_run;
	bool replace;
	bool ignore_missing;
	bool json;
	double watch_seconds; /* 0: once */
};

/* The commands. Each returns an exit status. */
int hp_load(const struct hp_tool *tool, const struct hp_arguments *arguments);
int hp_run(const struct hp_tool *tool, const struct hp_arguments *arguments);
int hp_unload(const struct hp_tool *tool, const struct hp_arguments *arguments);
int hp_clean(const struct hp_tool *tool, const struct hp_arguments *arguments);
int hp_status(const struct hp_tool *tool, const struct hp_arguments *arguments);
int hp_stats(const struct hp_tool *tool, const struct hp_arguments *arguments);
int hp_events(const struct hp_tool *tool, const struct hp_arguments *arguments);
int hp_fill(const struct hp_tool *tool, const struct hp_arguments *arguments);

/* Do the arguments say `-i all`? */
bool hp_means_all(const struct hp_arguments *a);

/* The interfaces of one load or run. All that is in it belongs to it: hp_places_free(). */
struct hp_places {
	struct hp_request *requests;
	struct hp_attachment *ours; /* room for requests[i].ours */
	int *runners;		    /* `run`'s claims, or -1 */
	size_t n;
};

/*
 * What load and run have in common: finds out what holds each place, has the tool attach, pins, and
 * for RUN claims. If it fails, nothing is attached that was not before. Returns an exit status.
 */
int hp_place(const struct hp_tool *tool, const struct hp_arguments *a, bool run,
	     struct hp_places *places);
void hp_places_free(struct hp_places *places);

/*
 * Fills the empty PLACES with requests for the interfaces that A names: what holds them is not
 * known yet. Returns an exit status; PLACES is to be freed whatever it is.
 */
int hp_places_list(const struct hp_arguments *a, struct hp_places *places);

/*
 * Says that nothing of ours is there: on INTERFACE, which has IFINDEX, or anywhere if that is 0.
 * Returns HP_EXIT_NOTHING.
 */
int hp_say_nothing(const struct hp_tool *tool, const char *interface, int ifindex);

/*
 * Says why the pins can't be used (ERR from hp_pin_lock() or hp_bpffs_check()). Returns
 * HP_EXIT_REFUSED.
 */
int hp_fail_pins(int err);

/* The index of the interface called NAME, or 0 after having said that there is none. */
int hp_interface_index(const char *name);

/*
 * Says what holds the XDP hook of an interface, if it isn't ours. Returns whether something does.
 */
bool hp_say_held(const char *interface, int ifindex);

/*
 * JSON and terminals want characters; to the kernel a name may be made of nearly any bytes. TEXT,
 * of IF_NAMESIZE, gets '?' in the place of what needs quoting, or can't be. Returns TEXT.
 */
const char *hp_printable(const char *name, char *text);

/* Prints a JSON object for people: scalars as lines, objects of objects and arrays of objects as
 * tables. */
void hp_print_text(json_t *fields);

#endif
