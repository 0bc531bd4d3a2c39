// SPDX-License-Identifier: BSD-2-Clause
/*
 * Everything that the tools of this project have pinned: scripts/hookpoint-status, which `make
 * install` installs under this name. Exit status: enum hp_exit.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "hookpoint.h"

/* The keys under which the pins of a kind are listed. */
static const char *const kinds[] = {
	[HP_PIN_PROGRAM] = "programs", [HP_PIN_MAP] = "maps", [HP_PIN_LINK] = "links"
};

static int add_pin(const struct hp_pin *pin, void *arg)
{
	hp_path name;
	json_t *fields =
		json_pack("{s:s, s:i, s:s}", "name", hp_printable(pin->name, name, sizeof(name)),
			  "id", pin->id, "type", pin->type);

	if (!fields)
		return -ENOMEM;
	json_array_append_new(json_object_get(arg, kinds[pin->kind]), fields);
	return 0;
}

static int add_attachment(const struct hp_attachment *a, void *arg)
{
	bool is_attached = a->condition == HP_ATTACHED;
	hp_path place;
	json_t *fields =
		json_pack("{s:s, s:s, s:s, s:s, s:i, s:s, s:s, s:s, s:[], s:[], s:[]}", "tool",
			  a->tool, "place", hp_printable(a->place, place, sizeof(place)), "state",
			  hp_condition_name(a->condition), "mode",
			  is_attached ? hp_mode_name(a->mode) : "unknown", "program_id", a->prog_id,
			  "netns", a->netns, "runner", hp_runner_name(a->runner), "pins", a->dir,
			  kinds[HP_PIN_PROGRAM], kinds[HP_PIN_MAP], kinds[HP_PIN_LINK]);

	if (!fields)
		return -ENOMEM;
	json_array_append_new(arg, fields);
	/* What can't be opened is listed without its pins. */
	return a->condition == HP_UNREADABLE ? 0 : hp_attachment_pins(a->dir, add_pin, fields);
}

static const char *text_of(const json_t *fields, const char *key)
{
	return json_string_value(json_object_get(fields, key));
}

static void print_pins(const json_t *attachment, const char *kind)
{
	json_t *pin;
	size_t i;

	json_array_foreach(json_object_get(attachment, kind), i, pin)
		printf("  %-10s%8lld  %-20s%s\n", i ? "" : kind,
		       json_integer_value(json_object_get(pin, "id")), text_of(pin, "type"),
		       text_of(pin, "name"));
}

static void print_attachment(const json_t *fields)
{
	const char *state = text_of(fields, "state"), *tool = text_of(fields, "tool");
	const char *place = text_of(fields, "place");

	printf("%s, %s: %s", tool, *place ? place : "a place", state);
	if (!strcmp(state, hp_condition_name(HP_ATTACHED)))
		printf(" (%s)", text_of(fields, "mode"));
	else if (!strcmp(state, hp_condition_name(HP_UNREADABLE)))
		printf(": what is pinned in %s is another user's, or not by this tool",
		       text_of(fields, "pins"));
	else if (strcmp(state, hp_condition_name(HP_ELSEWHERE)))
		printf("; `%s clean` removes what is left", tool);
	else
		printf(" (in network namespace %s)", text_of(fields, "netns"));
	if (!strcmp(text_of(fields, "runner"), hp_runner_name(HP_RUNNER_DEAD)) &&
	    !strcmp(state, hp_condition_name(HP_ATTACHED)))
		printf("; its `run` was killed, `%s clean` detaches it", tool);
	putchar('\n');
	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++)
		print_pins(fields, kinds[i]);
}

/* Returns an exit status: how it went, once what was found is printed. */
static int judge(int err, size_t found)
{
	if (err == -ENODEV)
		hp_error("no BPF file system is mounted at " HP_BPFFS
			 ", where pins live: nothing is there");
	else if (err)
		return hp_fail(err, "read all that is pinned in " HP_PIN_ROOT);
	else if (!found)
		hp_error("nothing is pinned in " HP_PIN_ROOT);
	return found ? HP_EXIT_DONE : HP_EXIT_NOTHING;
}

static int help(const char *name)
{
	printf("usage: %s [-j]\n"
	       "\n"
	       "Lists what all the tools of this project have attached: the place, how, what the "
	       "pins are\n"
	       "(programs, maps, links with the numbers that bpftool knows them by), and what a "
	       "crash has left,\n"
	       "with the command that removes it. A replacement that was interrupted is finished. "
	       "Needs root.\n"
	       "What load-by-hand pins, in a directory that its user names, is not in the list.\n"
	       "\n"
	       "  -j, --json  as JSON, with \"schema\": 1\n"
	       "  -h, --help  this help\n"
	       "\n"
	       "Exit status: 0 if something is listed, 4 if nothing is pinned, 1 for bad usage, "
	       "2 if the kernel\n"
	       "or the system refused.\n",
	       name);
	return hp_flush_output() ? HP_EXIT_REFUSED : HP_EXIT_DONE;
}

/* Prints what was found. Returns an exit status. */
static int show(bool json)
{
	json_t *attachments = json_array(), *attachment, *document;
	size_t i, found;
	int err;

	document = json_pack("{s:i, s:o}", "schema", 1, "attachments", attachments);
	err = document ? hp_recover(NULL, add_attachment, attachments) : -ENOMEM;
	found = json_array_size(attachments);
	if (json) {
		json_dumpf(document, stdout, JSON_INDENT(2));
		putchar('\n');
	} else {
		json_array_foreach(attachments, i, attachment)
			print_attachment(attachment);
	}
	json_decref(document);
	if (hp_flush_output())
		return HP_EXIT_REFUSED;
	return judge(err, found);
}

int main(int argc, char **argv)
{
	bool json = false;

	program_invocation_short_name = "hookpoint-status";
	hp_log_libbpf();
	for (int i = 1; i < argc; i++) {
		if (!strcmp(argv[i], "-h") || !strcmp(argv[i], "--help"))
			return help(argv[0]);
		if (!strcmp(argv[i], "-j") || !strcmp(argv[i], "--json")) {
			json = true;
			continue;
		}
		if (*argv[i] == '-')
			hp_error("unknown option %s; see %s --help", argv[i], argv[0]);
		else
			hp_error("too many arguments: '%s'", argv[i]);
		return HP_EXIT_USAGE;
	}
	return show(json);
}
