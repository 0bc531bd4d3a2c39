// SPDX-License-Identifier: BSD-2-Clause
/* The words and options that every tool answers to. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "internal.h"

enum {
	LOAD = 1 << 0,
	RUN = 1 << 1,
	UNLOAD = 1 << 2,
	STATUS = 1 << 3,
	STATS = 1 << 4,
	CLEAN = 1 << 5,
	EVENTS = 1 << 6,
	FILL = 1 << 7,
	EXEC = 1 << 8,
	ALL_COMMANDS = (1 << 9) - 1,
};

static const struct command {
	const char *word;
	unsigned int bit;
	const char *summary;
	int (*perform)(const struct hp_tool *tool, const struct hp_arguments *arguments);
} commands[] = {
	{ "load", LOAD, "attach, pin, exit; doing it again changes what differs", hp_load },
	{ "unload", UNLOAD, "detach what this tool attached, and only that", hp_unload },
	{ "status", STATUS, "what is attached where, and how", hp_status },
	{ "stats", STATS, "counters, summed over CPUs", hp_stats },
	{ "run", RUN, "in the foreground: Ctrl-C detaches", hp_run },
	{ "clean", CLEAN, "remove whatever a killed loader left behind", hp_clean },
	{ "events", EVENTS, "what the program reports, as it happens, until Ctrl-C", hp_events },
	{ "exec", EXEC, "run COMMAND with the tool attached to a cgroup made for it", hp_exec },
	{ "fill", FILL, "give a program that `tc` or `ip` attached what it needs", hp_fill },
};

#define COMMANDS (sizeof(commands) / sizeof(*commands))

/* What is named on the command line, and not the process itself. */
#define PLACES (1 << HP_AT_XDP | 1 << HP_AT_TC | 1 << HP_AT_CGROUP)

enum { ALL = 'a', IGNORE_MISSING = 0x100, REPLACE };

static const struct {
	struct argp_option option;
	unsigned int commands;
	unsigned int hooks; /* 0: all; otherwise bits, 1 << HP_AT_... */
} common_options[] = {
	{ { "interface", 'i', "IF", 0,
	    "The network interface; repeat for more. all: every one that has an address", 0 },
	  LOAD | RUN | UNLOAD | STATUS | STATS | EVENTS | FILL,
	  1 << HP_AT_XDP | 1 << HP_AT_TC },
	{ { "cgroup", 'g', "CGROUP", 0, "The directory of a cgroup (v2); repeat for more", 0 },
	  LOAD | RUN | UNLOAD | STATUS | STATS | EVENTS,
	  1 << HP_AT_CGROUP },
	{ { "all", ALL, NULL, 0, "Everything that this tool attached, wherever that is", 0 },
	  UNLOAD,
	  PLACES },
	{ { "dry-run", 'n', NULL, 0, "Load through the verifier, attach nothing", 0 },
	  LOAD | RUN,
	  0 },
	{ { "replace", REPLACE, NULL, 0,
	    "Take over from another version of this tool, with no unguarded moment", 0 },
	  LOAD | RUN,
	  PLACES },
	{ { "ignore-missing", IGNORE_MISSING, NULL, 0, "Nothing there is no failure", 0 },
	  UNLOAD | STATUS | STATS,
	  0 },
	{ { "json", 'j', NULL, 0, "JSON, for scripts", 0 }, STATUS | STATS | EVENTS, PLACES },
	{ { "json", 'j', NULL, 0, "JSON, for scripts", 0 },
	  RUN | STATUS | STATS,
	  1 << HP_AT_PROCESS },
	{ { "watch", 'w', "SECONDS", 0, "Again every so many seconds, until Ctrl-C", 0 },
	  STATS,
	  0 },
	{ { "verbose", 'v', NULL, 0, "libbpf's messages too", 0 }, ALL_COMMANDS, 0 },
	{ { "help", 'h', NULL, 0, "This help", -1 }, ALL_COMMANDS, 0 },
};

#define COMMON_OPTIONS (sizeof(common_options) / sizeof(*common_options))

struct parse {
	const struct hp_tool *tool;
	struct hp_arguments arguments;
	bool takes_command;
};

error_t hp_usage(const char *format, ...)
{
	char text[256];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	hp_error("%s (see `%s help`)", text, program_invocation_short_name);
	return EINVAL;
}

error_t hp_parse_seconds(const char *text, double *seconds)
{
	char *end;
	double value = strtod(text, &end);

	if (end == text || *end || !(value >= 0.01 && value <= 86400))
		return hp_usage("'%s' is no number of seconds from 0.01 to 86400", text);
	*seconds = value;
	return 0;
}

static error_t parse_common(int key, char *arg, struct argp_state *state)
{
	struct parse *parse = state->input;
	struct hp_arguments *a = &parse->arguments;

	switch (key) {
	case ARGP_KEY_INIT:
		/* One line for each error: getopt's own, without argp's second one. */
		state->err_stream = NULL;
		if (state->root_argp->children && parse->tool->options)
			state->child_inputs[0] = parse->tool->input;
		return 0;
	case 'i':
	case 'g':
		a->names[a->n_names++] = arg;
		return 0;
	case ALL:
		a->all = true;
		return 0;
	case 'n':
		a->dry_run = true;
		return 0;
	case REPLACE:
		a->replace = true;
		return 0;
	case IGNORE_MISSING:
		a->ignore_missing = true;
		return 0;
	case 'j':
		a->json = true;
		return 0;
	case 'w':
		return hp_parse_seconds(arg, &a->watch_seconds);
	case 'v':
		hp_set_verbose(true);
		return 0;
	case 'h':
		argp_state_help(state, stdout, ARGP_HELP_LONG | ARGP_HELP_USAGE | ARGP_HELP_DOC);
		return ECANCELED;
	case ARGP_KEY_ARG:
		if (parse->takes_command) { /* it and all that follows are not for us */
			a->command = state->argv + state->next - 1;
			state->next = state->argc;
			return 0;
		}
		return hp_usage("too many arguments: '%s'", arg);
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

/* Does TOOL have an option of its own by this key? */
static bool has_option(const struct hp_tool *tool, int key)
{
	const struct argp_option *option = tool->options ? tool->options->options : NULL;

	while (option && option->name && option->key != key)
		option++;
	return option && option->name;
}

/* The options of TOOL that go with the commands in BITS; of two by one key, help shows its own. */
static void select_options(const struct hp_tool *tool, unsigned int bits,
			   struct argp_option *options)
{
	for (size_t i = 0; i < COMMON_OPTIONS; i++)
		if (common_options[i].commands & bits &&
		    (bits != ALL_COMMANDS || !has_option(tool, common_options[i].option.key)) &&
		    (!common_options[i].hooks || common_options[i].hooks & 1 << tool->at))
			*options++ = common_options[i].option;
	memset(options, 0, sizeof(*options));
}

static int perform(const struct hp_tool *tool, const struct command *command, int argc, char **argv)
{
	struct argp_option options[COMMON_OPTIONS + 1];
	struct argp_child children[] = { { tool->options, 0, NULL, 0 }, {} };
	struct argp argp = { .options = options, .parser = parse_common, .doc = command->summary };
	struct parse parse = { .tool = tool, .takes_command = command->bit == EXEC };
	unsigned int flags = ARGP_NO_EXIT | ARGP_NO_HELP;
	char name[128], *names[argc];
	int err;

	parse.arguments.names = names;
	if (parse.takes_command) {
		argp.args_doc = "-- COMMAND...";
		flags |= ARGP_IN_ORDER;
	}
	select_options(tool, command->bit, options);
	if (command->bit & (LOAD | RUN | EXEC | FILL) && tool->options)
		argp.children = children;
	snprintf(name, sizeof(name), "%s %s", program_invocation_short_name, command->word);
	argv[0] = name;

	err = argp_parse(&argp, argc, argv, flags, NULL, &parse);
	if (err == ECANCELED)
		return HP_EXIT_DONE;
	if (err)
		return HP_EXIT_USAGE;
	return command->perform(tool, &parse.arguments);
}

/* Some commands are of some tools only. */
static bool has_command(const struct hp_tool *tool, const struct command *command)
{
	switch (command->bit) {
	case LOAD:
	case UNLOAD:
		return tool->at != HP_AT_PROCESS;
	case EVENTS:
		return tool->events;
	case FILL:
		return tool->fill;
	case EXEC:
		return tool->at == HP_AT_CGROUP;
	default:
		return true;
	}
}

static int help(const struct hp_tool *tool)
{
	struct argp_option options[COMMON_OPTIONS + 1];
	struct argp_child children[] = { { tool->options, 0, NULL, 0 }, {} };
	struct argp argp = { .options = options, .parser = parse_common, .children = children };
	char name[] = "";

	printf("%s: %s\n\nUsage:\n", tool->name, tool->summary);
	for (size_t i = 0; i < COMMANDS; i++)
		if (has_command(tool, &commands[i]))
			printf("  %s %-8s %s\n", tool->name, commands[i].word, commands[i].summary);
	printf("  %s help | version\n\nOptions (`%s COMMAND -h` tells which of them go with it):\n",
	       tool->name, tool->name);
	fflush(stdout);
	select_options(tool, ALL_COMMANDS, options);
	argp_help(&argp, stdout, ARGP_HELP_LONG, name);
	printf("\nExit status: 0 done, or already so; 1 usage; 2 the kernel or the system "
	       "refused;\n"
	       "3 somebody else's program holds the place; 4 nothing of ours is loaded there;\n"
	       "5 this kernel lacks a feature.\nPins: " HP_PIN_ROOT "/%s/\n"
	       "Hookpoint's scripts/explain and docs/troubleshooting.rst say what an error "
	       "means.\n",
	       tool->name);
	return HP_EXIT_DONE;
}

static bool is_one_of(const char *word, const char *a, const char *b, const char *c)
{
	return !strcmp(word, a) || !strcmp(word, b) || !strcmp(word, c);
}

static int dispatch(const struct hp_tool *tool, int argc, char **argv)
{
	if (argc < 2) {
		hp_usage("what is to be done?");
		return HP_EXIT_USAGE;
	}
	for (size_t i = 0; i < COMMANDS; i++)
		if (has_command(tool, &commands[i]) && !strcmp(argv[1], commands[i].word))
			return perform(tool, &commands[i], argc - 1, argv + 1);

	if (!is_one_of(argv[1], "help", "--help", "-h") &&
	    !is_one_of(argv[1], "version", "--version", "-V")) {
		hp_usage("unknown command '%s'", argv[1]);
		return HP_EXIT_USAGE;
	}
	if (argc > 2) {
		hp_usage("too many arguments: '%s'", argv[2]);
		return HP_EXIT_USAGE;
	}
	if (is_one_of(argv[1], "help", "--help", "-h"))
		return help(tool);
	printf("%s %s (libbpf %s)\n", tool->name, HP_VERSION, libbpf_version_string());
	return HP_EXIT_DONE;
}

int hp_fill(const struct hp_tool *tool, const struct hp_arguments *a)
{
	struct hp_places places = {};
	int status = hp_places_list(tool, a, &places);

	for (size_t i = 0; i < places.n && !status; i++)
		status = tool->fill(places.requests[i].place, places.requests[i].ifindex);
	hp_places_free(&places);
	return status;
}

int hp_main(const struct hp_tool *tool, int argc, char **argv)
{
	int status, worst;

	hp_log_libbpf();
	if (tool->capabilities)
		hp_set_capabilities(tool->capabilities);
	setlinebuf(stdout); /* whoever reads us sees what was done when it was done */
	setenv("ARGP_HELP_FMT", "no-dup-args-note,opt-doc-col=36,rmargin=99", 0);
	status = dispatch(tool, argc, argv);
	worst = hp_flush_output();
	return status ? status : worst;
}
