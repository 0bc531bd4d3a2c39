// SPDX-License-Identifier: BSD-2-Clause
/* unload and clean. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "internal.h"

struct removal {
	const struct hp_tool *tool;
	const char *name; /* NULL: all */
	struct hp_place place;
	bool here; /* only those of this network namespace */
	char netns[32];
	int removed;
	int status; /* the worst exit status so far */
};

static bool is_wanted(const struct hp_attachment *a, const struct removal *r)
{
	if (!r->name)
		return !r->here || a->condition == HP_ATTACHED ||
		       (a->condition != HP_ELSEWHERE && !strcmp(a->netns, r->netns));
	if (a->condition == HP_ATTACHED)
		return hp_is_at(a, r->place);
	return a->condition != HP_ELSEWHERE && !strcmp(a->place, r->name) &&
	       (!*a->netns || !strcmp(a->netns, r->netns));
}

static int detach(const struct hp_attachment *a, void *arg)
{
	struct removal *removal = arg;
	int err;

	if (!is_wanted(a, removal))
		return 0;
	err = hp_attachment_detach(a->dir, removal->tool->forget);
	if (err) { /* and on to the next one */
		removal->status = hp_fail(err, "detach from %s and remove %s", a->place, a->dir);
		return 0;
	}
	removal->removed++;
	if (a->condition == HP_ATTACHED)
		printf("%s: detached\n", a->place);
	else if (a->condition == HP_ELSEWHERE)
		printf("%s (in another network namespace, %s): detached\n", a->place, a->netns);
	else
		printf("%s: nothing was attached any more; what was left is removed\n",
		       *a->place ? a->place : "a place");
	return 0;
}

/* NAME: NULL for all, those elsewhere included unless HERE. */
static int unload(const struct hp_tool *tool, const struct hp_arguments *a, const char *name,
		  bool here)
{
	struct removal removal = { .tool = tool, .name = name, .here = here };
	int lock, err;

	if (name)
		removal.place = hp_place_of(tool, name);
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
	if (name && !hp_find_place(tool, name, &removal.place))
		return HP_EXIT_USAGE;
	return hp_say_nothing(tool, name);
}

int hp_unload(const struct hp_tool *tool, const struct hp_arguments *a)
{
	int status, worst = HP_EXIT_DONE;

	if (!a->n_names == !a->all) {
		hp_usage("unload needs either %s or -a",
			 tool->at == HP_AT_CGROUP ? "-g CGROUP" : "-i IF");
		return HP_EXIT_USAGE;
	}
	if (a->all || (hp_means_all(a) && tool->at != HP_AT_CGROUP))
		return unload(tool, a, NULL, !a->all);
	for (size_t i = 0; i < a->n_names; i++) {
		status = unload(tool, a, a->names[i], true);
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
	const char *what = *a->place ? a->place : "a place";
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
