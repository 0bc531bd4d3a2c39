// SPDX-License-Identifier: BSD-2-Clause
/* status and stats: one walk over the attachments, printed as JSON or as text. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "internal.h"

typedef int (*add_fields)(const struct hp_attachment *attachment, json_t *fields);

struct show {
	struct hp_place *places; /* NULL: all */
	size_t n;
	const struct hp_tool *tool;
	bool stats;
	add_fields add;
	json_t *attachments;
};

/* What a person should know of an attachment that isn't simply attached here. */
static void remark(const struct hp_attachment *a)
{
	const char *name = *a->place ? a->place : "a place";

	if (a->condition == HP_ELSEWHERE)
		hp_info("%s is in another network namespace (%s)", name, a->netns);
	else if (a->condition == HP_STALE)
		hp_info("%s is gone; `clean` removes what is left", name);
	else if (a->condition == HP_PARTIAL)
		hp_info("nothing is attached to %s: a loader was killed before, or somebody "
			"detached it; `clean` removes what is left",
			name);
	else if (a->condition == HP_UNREACHABLE)
		hp_info("the network namespace of %s (%s) is gone, or can't be entered from here; "
			"`clean` removes the pins",
			name, a->netns);
	else if (a->runner == HP_RUNNER_DEAD)
		hp_info("the `run` on %s was killed; its program goes on; `clean` removes it",
			name);
}

const char *hp_printable(const char *name, char *text, size_t size)
{
	snprintf(text, size, "%s", name);
	for (char *c = text; *c; c++)
		if (*c < ' ' || *c > '~' || *c == '"' || *c == '\\')
			*c = '?';
	return text;
}

void hp_interface_name(int ifindex, char *text)
{
	char name[IF_NAMESIZE];

	if (if_indextoname(ifindex, name))
		hp_printable(name, text, IF_NAMESIZE);
	else
		snprintf(text, IF_NAMESIZE, "#%d", ifindex);
}

static bool is_wanted(const struct hp_attachment *a, const struct show *show)
{
	if (!show->places)
		return true;
	for (size_t i = 0; i < show->n; i++)
		if (hp_is_at(a, show->places[i]))
			return true;
	return false;
}

/* What the fields of an attachment begin with: where it is. NULL: no memory. */
static json_t *place_of(const struct hp_attachment *a, enum hp_hook at)
{
	const char *state = hp_condition_name(a->condition);
	hp_path name;

	hp_printable(a->place, name, sizeof(name));
	if (at == HP_AT_PROCESS)
		return json_pack("{s:s, s:s}", "process", a->place + strlen("process "), "state",
				 state);
	if (at == HP_AT_CGROUP)
		return json_pack("{s:s, s:s, s:I}", "cgroup", name, "state", state, "cgroup_id",
				 a->cgroup);
	return json_pack("{s:s, s:s, s:i, s:s}", "interface", name, "state", state, "ifindex",
			 a->ifindex, "netns", a->netns);
}

static int show_one(const struct hp_attachment *a, void *arg)
{
	struct show *show = arg;
	json_t *fields;
	int err;

	if (!is_wanted(a, show))
		return 0;

	fields = place_of(a, show->tool->at);
	if (!fields)
		return -ENOMEM;
	json_object_set_new(
		fields, "mode",
		json_string(a->condition == HP_ATTACHED ? hp_mode_name(a->mode) : "unknown"));
	json_object_set_new(fields, "program_id", json_integer(a->prog_id));
	if (!show->stats) {
		json_object_set_new(fields, "runner", json_string(hp_runner_name(a->runner)));
		json_object_set_new(fields, "pins", json_string(a->dir));
		remark(a);
	}
	if (a->mode == HP_TCX || a->mode == HP_CLSACT)
		json_object_set_new(fields, "direction",
				    json_string(hp_direction_name(a->direction)));
	json_array_append_new(show->attachments, fields);
	if (a->condition == HP_PARTIAL || a->condition == HP_UNREACHABLE || !show->add)
		return 0;
	err = show->add(a, fields);
	/* A `run` that begins, ends or was killed just then has not all of its pins. */
	return err == -ENOENT && show->tool->at == HP_AT_PROCESS ? 0 : err;
}

/* " (tcx, program 42)", or " (stale)" */
static void print_place(const json_t *fields)
{
	const char *state = json_string_value(json_object_get(fields, "state"));

	if (strcmp(state, hp_condition_name(HP_ATTACHED)))
		printf(" (%s)", state);
	else
		printf(" (%s, program %lld)", json_string_value(json_object_get(fields, "mode")),
		       json_integer_value(json_object_get(fields, "program_id")));
}

static void print_text(const struct show *show)
{
	static const char *const keys[] = { [HP_AT_XDP] = "interface",
					    [HP_AT_TC] = "interface",
					    [HP_AT_CGROUP] = "cgroup",
					    [HP_AT_PROCESS] = "process" };
	const char *place = keys[show->tool->at];
	json_t *fields;
	size_t i;

	json_array_foreach(show->attachments, i, fields) {
		printf("%s%s%s", i ? "\n" : "", show->tool->at == HP_AT_PROCESS ? "process " : "",
		       json_string_value(json_object_get(fields, place)));
		if (show->stats) /* only the numbers matter: the rest in one line */
			print_place(fields);
		putchar('\n');
		json_object_del(fields, place);
		if (show->stats) {
			json_object_del(fields, "state");
			json_object_del(fields, "ifindex");
			json_object_del(fields, "cgroup_id");
			json_object_del(fields, "netns");
			json_object_del(fields, "mode");
			json_object_del(fields, "direction");
			json_object_del(fields, "program_id");
		}
		hp_print_text(fields);
	}
}

/* One round. Returns the number of attachments, or a negative errno. */
static int show_all(const struct hp_tool *tool, struct show *show, bool json, bool compact)
{
	json_t *document;
	int err, n;

	show->attachments = json_array();
	document = json_pack("{s:i, s:s, s:o}", "schema", 1, "tool", tool->name, "attachments",
			     show->attachments);
	err = document ? hp_recover(tool->name, show_one, show) : -ENOMEM;
	n = json_array_size(show->attachments);
	if (!err && json) {
		json_dumpf(document, stdout, compact ? JSON_COMPACT : JSON_INDENT(2));
		putchar('\n');
	} else if (!err) {
		print_text(show);
	}
	json_decref(document);
	return err ? err : n;
}

/* Shows once, or every so many seconds until a signal. */
static int show_repeatedly(const struct hp_tool *tool, struct show *show,
			   const struct hp_arguments *a)
{
	struct timespec pause = { .tv_sec = a->watch_seconds };
	bool watch = a->watch_seconds > 0;
	sigset_t ends;
	int n;

	pause.tv_nsec = (a->watch_seconds - pause.tv_sec) * 1e9;
	sigemptyset(&ends);
	sigaddset(&ends, SIGINT);
	sigaddset(&ends, SIGTERM);
	if (watch)
		sigprocmask(SIG_BLOCK, &ends, NULL);
	do {
		n = show_all(tool, show, a->json, watch);
		fflush(stdout);
	} while (n > 0 && watch && !ferror(stdout) && sigtimedwait(&ends, NULL, &pause) < 0);
	return n;
}

/* The places that were named, if any were. */
static int choose(const struct hp_arguments *a, struct show *show)
{
	if (!a->n_names || (hp_means_all(a) && show->tool->at != HP_AT_CGROUP))
		return HP_EXIT_DONE;
	show->places = calloc(a->n_names, sizeof(*show->places));
	if (!show->places)
		return hp_fail(-ENOMEM, "list the places");
	for (; show->n < a->n_names; show->n++)
		if (!hp_find_place(show->tool, a->names[show->n], &show->places[show->n]))
			return HP_EXIT_USAGE;
	return HP_EXIT_DONE;
}

static int show_command(const struct hp_tool *tool, const struct hp_arguments *a, struct show *show)
{
	int n, status = choose(a, show);

	if (status)
		goto out;
	n = show_repeatedly(tool, show, a);
	if (n < 0 && hp_bpffs_check())
		status = hp_fail_pins(n);
	else if (n < 0)
		status = hp_fail(n, "read what is pinned in " HP_PIN_ROOT "/%s", tool->name);
	else if (!n && !a->ignore_missing)
		status = hp_say_nothing(tool, show->n ? a->names[0] : NULL);
out:
	free(show->places);
	return status;
}

int hp_status(const struct hp_tool *tool, const struct hp_arguments *arguments)
{
	struct show show = { .tool = tool, .add = tool->status };

	return show_command(tool, arguments, &show);
}

int hp_stats(const struct hp_tool *tool, const struct hp_arguments *arguments)
{
	struct show show = { .tool = tool, .add = tool->stats, .stats = true };

	return show_command(tool, arguments, &show);
}
