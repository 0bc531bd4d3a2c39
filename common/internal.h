/* SPDX-License-Identifier: BSD-2-Clause */
/* What the library's modules share among themselves; contracts as in hookpoint.h. */
#ifndef HP_INTERNAL_H
#define HP_INTERNAL_H

#include "hookpoint.h"

/* PATH becomes DIR "/" NAME, cut off where it is too long. */
void hp_join(hp_path path, const char *dir, const char *name);

/* A note is a symbolic link whose target is a short text. Reading a missing one gives "". */
int hp_note(const char *dir, const char *name, const char *text);
void hp_read_note(const char *dir, const char *name, char *text, size_t size);

/* The note that is there only of what is attached by a process: what people call that. */
#define HP_PROCESS_NOTE "process"

/* Pins the loaded programs and all maps of OBJ in DIR, which exists. Errors of hp_pin_fd(). */
int hp_pin_object(const char *dir, const struct bpf_object *obj);

/* Who has claimed the attachment in DIR: see hp_attachment_claim(). */
enum hp_runner hp_find_runner(const char *dir);

/* The note that names a cgroup which was made for the attachment, and goes with it. */
#define HP_MADE_NOTE "made"

/* What stands behind the name of the directory that is to replace another one. */
#define HP_BESIDE "+new"

/* The id of the program that what is pinned in DIR runs, or is to run. Errors of hp_pin_open(). */
int hp_program_id(const char *dir, __u32 *id);

/* What binds the programs pinned in a directory to an interface. */
struct hp_binding {
	enum hp_mode mode;
	enum hp_direction direction; /* only of HP_TCX and HP_CLSACT */
	__u32 ifindex;		     /* 0: the interface is gone */
	__u32 prog_id;		     /* what is attached there */
	__u64 cgroup;		     /* 0: there is none, or it is gone */
	bool here;		     /* in this network namespace, or a cgroup */
	bool unreachable; /* in one that is gone or can't be entered: the ifindex and prog_id are 0
			   */
};

/* What the pins of further links are called: this and the program's name. See binding.c. */
#define HP_FURTHER_LINK "link_"

/* How many of them DIR has, or a negative errno. */
int hp_binding_further_links(const char *dir);

/* -ENOENT: nothing does. */
int hp_binding_read(const char *dir, struct hp_binding *binding);

/* Gives BESIDE the binding of DIR. Errors of pinning; -ENOENT: DIR has none. */
int hp_binding_copy(const char *dir, const char *beside);

/* In one step, runs BESIDE's program in the place of DIR's. */
int hp_binding_update(const char *dir, const char *beside);

/* Finishes a hp_binding_update() that had come as far as DIR's program but not to the end. */
int hp_binding_finish(const char *dir, const char *beside);

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

/* A cgroup's program, by a link. -EPERM: another program there or above wants to be alone. */
int hp_cgroup_attach(const char *path, int prog_fd, enum bpf_attach_type type, int *link_fd);

/*
 * Reads the id of the cgroup at PATH, and PATH without links and dots. -ENOTDIR: it is no directory
 * of cgroup v2. Errors of realpath(3).
 */
int hp_cgroup_find(const char *path, hp_path real, __u64 *id);

/* Moves the process PID (0: this one) to a cgroup. Errors of open(2) and write(2). */
int hp_cgroup_enter(const char *cgroup, long pid);

/* Removes a cgroup and those in it; what runs there goes on in the one above. Errors of rmdir(2).
 */
int hp_cgroup_remove(const char *cgroup);

/* Where the cgroup v2 of this cgroup namespace is mounted: MOUNT. Whether it is. */
bool hp_cgroup_mount(hp_path mount);

/* From now on NAMES, separated by commas, are what messages say is missing, if it is. */
void hp_set_capabilities(const char *names);

/* Does this process lack a capability that loading and attaching network programs takes? */
bool hp_lacks_capabilities(void);

/* What the command line said, whatever the command. */
struct hp_arguments {
	char **names; /* the interfaces or cgroups as they were named, in that order */
	size_t n_names;
	char **command; /* exec: ends with NULL */
	bool all;	/* unload -a */
	bool dry_run;
	bool replace;
	bool ignore_missing;
	bool json;
	double watch_seconds; /* 0: once */
};

/* The commands. Each returns an exit status. */
int hp_load(const struct hp_tool *tool, const struct hp_arguments *arguments);
int hp_run(const struct hp_tool *tool, const struct hp_arguments *arguments);
int hp_trace(const struct hp_tool *tool, const struct hp_arguments *arguments);
int hp_unload(const struct hp_tool *tool, const struct hp_arguments *arguments);
int hp_clean(const struct hp_tool *tool, const struct hp_arguments *arguments);
int hp_status(const struct hp_tool *tool, const struct hp_arguments *arguments);
int hp_stats(const struct hp_tool *tool, const struct hp_arguments *arguments);
int hp_events(const struct hp_tool *tool, const struct hp_arguments *arguments);
int hp_fill(const struct hp_tool *tool, const struct hp_arguments *arguments);
int hp_exec(const struct hp_tool *tool, const struct hp_arguments *arguments);

/* Do the arguments say `-i all`? (A cgroup of that name is `-g ./all`.) */
bool hp_means_all(const struct hp_arguments *a);

/* What the command line calls by one name: an interface of this network namespace, or a cgroup. */
struct hp_place {
	int ifindex;  /* 0: it is a cgroup, or there is no such interface */
	__u64 cgroup; /* its id; 0: it is an interface, or there is no such cgroup */
};

/* Whether there is such a place; if not, it is said. */
bool hp_find_place(const struct hp_tool *tool, const char *name, struct hp_place *place);

/* The same, without a word. */
struct hp_place hp_place_of(const struct hp_tool *tool, const char *name);

/* Is A attached there? */
bool hp_is_at(const struct hp_attachment *a, struct hp_place place);

/* The places of one load or run. All that is in it belongs to it: hp_places_free(). */
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

/* What `run` and `exec` end with: detaches what hp_place() attached for them. An exit status. */
int hp_detach_all(const struct hp_tool *tool, const struct hp_places *places);

/*
 * Fills the empty PLACES with requests for what A names: what holds them is not
 * known yet. Returns an exit status; PLACES is to be freed whatever it is.
 */
int hp_places_list(const struct hp_tool *tool, const struct hp_arguments *a,
		   struct hp_places *places);

/*
 * Says that nothing of ours is in the place called NAME, or anywhere if that is NULL. Returns
 * HP_EXIT_NOTHING.
 */
int hp_say_nothing(const struct hp_tool *tool, const char *name);

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

/* Prints a JSON object for people: scalars as lines, objects of objects and arrays of objects as
 * tables. */
void hp_print_text(json_t *fields);

#endif
