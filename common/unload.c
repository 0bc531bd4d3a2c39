// SPDX-License-Identifier: BSD-2-Clause
/* unload and clean. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "internal.h"

struct removal {
	const struct hp_tool *tool;
	const char *interface; /* NULL: all */
	int ifindex;	       /* 0: the interface is gone */
	bool here;	       /* only those of this network namespace */
	char netns[32];
	int removed;
	int status; /* the worst exit status so far */
};

static bool is_wanted(const struct hp_attachment *a, const struct removal *r)
{
	if (!r->interface)
		return !r->here || a->condition == HP_ATTACHED ||
		       (a->condition != HP_ELSEWHERE && !strcmp(a->netns, r->netns));
	if (a->condition == HP_ATTACHED)
		return (int)a->ifindex == r->ifindex;
	return a->condition != HP_ELSEWHERE && !strcmp(a->interface, r->interface) &&
	       !strcmp(a->netns, r->netns);
}

static int detach(const struct hp_attachment *a, void *arg)
{
	struct removal *removal = arg;
	int err;

	if (!is_wanted(a, removal))
		return 0;
	err = hp_attachment_detach(a->dir, removal->tool->forget);
	if (err) { /* and on to the next one */
		removal->status =
			hp_fail(err, "detach from %s and remove %s", a->interface, a->dir);
		return 0;
	}
	removal->removed++;
	if (a->condition == HP_ATTACHED)
		printf("%s: detached\n", a->interface);
	else if (a->condition == HP_ELSEWHERE)
		printf("%s (in another network namespace, %s): detached\n", a->interface, a->netns);
	else
		printf("%s: nothing was attached any more; what was left is removed\n",
		       *a->interface ? a->interface : "an interface");
	return 0;
}

/* INTERFACE: NULL for all, those elsewhere included unless HERE. */
static int unload(const struct hp_tool *tool, const struct hp_arguments *a, const char *interface,
		  bool here)
{
	struct removal removal = { .tool = tool, .interface = interface, .here = here };
	int lock, err;

	if (interface)
		removal.ifindex = if_nametoindex(interface);
	hp_read_note("/proc/self/ns", "net", removal.netns, sizeof(removal.netns));

	err = hp_pin_lock(tool->name, &lock);
	if (err)
		return hp_fail_pins(err);
	err = hp_attachment_each(tool->name, detach, &removal);
	close(lock);
	if (err)
		return hp_fail(err, "read what is pinned in " HP_PIN_ROOT "/%s", tool->name);
	if (removal.status)
		return removal.status;
	if (removal.removed || a->ignore_missing)
		return HP_EXIT_DONE;
	if (interface && !hp_interface_index(interface))
		return HP_EXIT_USAGE;
	return hp_say_nothing(tool, interface, removal.ifindex);
}

int hp_unload(const struct hp_tool *tool, const struct hp_arguments *a)
{
	int status, worst = HP_EXIT_DONE;

	if (!a->n_interfaces == !a->all) {
		hp_usage("unload needs either -i IF or -a");
		return HP_EXIT_USAGE;
	}
	if (a->all || hp_means_all(a))
		return unload(tool, a, NULL, !a->all);
	for (size_t i = 0; i < a->n_interfaces; i++) {
		status = unload(tool, a, a->interfaces[i], true);
		worst = status ? status : worst;
	}
	return worst;
}

struct cleaning {
	const struct hp_tool *tool;
	int cleaned;
};

static int clean(const struct hp_attachment *a, void *arg)
{
	const char *what = *a->interface ? a->interface : "an interface";
	struct cleaning *cleaning = arg;
	int err;

	if (a->condition == HP_UNREACHABLE) {
		/* If it still runs somewhere, it keeps its set and goes on guarding. */
		err = hp_pin_remove(a->dir);
		if (err)
			return err;
		cleaning->cleaned++;
		printf("%s: its network namespace is gone or out of reach: its pins are removed\n",
		       what);
		return 0;
	}
	if (a->condition != HP_STALE && a->condition != HP_PARTIAL && a->runner != HP_RUNNER_DEAD)
		return 0;
	err = hp_attachment_detach(a->dir, cleaning->tool->forget);
	if (err)
		return err;
	cleaning->cleaned++;
	if (a->condition == HP_STALE)
		printf("%s is gone: its pins are removed\n", what);
	else if (a->condition == HP_PARTIAL)
		printf("%s: nothing was attached any more; what was left is removed\n", what);
	else
		printf("%s: its `run` was killed: detached\n", what);
	return 0;
}

int hp_clean(const struct hp_tool *tool, const struct hp_arguments *a)
{
	struct cleaning cleaning = { .tool = tool };
	int lock, err;

	(void)a;
	err = hp_pin_lock(tool->name, &lock);
	if (err)
		return hp_fail_pins(err);
	err = hp_attachment_each(tool->name, clean, &cleaning);
	close(lock);
	if (err)
		return hp_fail(err, "clean " HP_PIN_ROOT "/%s", tool->name);
	if (!cleaning.cleaned)
		puts("nothing to clean");
	return HP_EXIT_DONE;
}
