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

/* Does this process lack a capability that loading and attaching network programs takes? */
bool hp_lacks_capabilities(void);

/* What the command line said, whatever the command. */
struct hp_arguments {
	const char *interface; /* NULL: none was named */
	bool all;
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

/*
 * What load and run have in common: finds out what holds the place, has the tool attach, pins. DIR:
 * where the pins are then. RUNNER: where `run` wants the descriptor of its claim, otherwise NULL.
 * Returns an exit status.
 */
int hp_place(const struct hp_tool *tool, const struct hp_arguments *a, int *runner, hp_path dir);

/*
 * Says that nothing of ours is there: on INTERFACE, which has IFINDEX, or anywhere if that is 0.
 * Returns HP_EXIT_NOTHING.
 */
int hp_say_nothing(const char *interface, int ifindex);

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
