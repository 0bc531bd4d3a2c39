// SPDX-License-Identifier: BSD-2-Clause
/* Programs of this tool that a stock loader has attached: found by their maps. */
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/pkt_cls.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <unistd.h>
#include <bpf/bpf.h>

#include "fill.h"

/* The ids of the programs that filters run. */
struct programs {
	__u32 ids[64];
	size_t n;
};

static int take_filter(const struct nlmsghdr *message, void *arg)
{
	const struct nlattr *attribute, *option;
	struct programs *programs = arg;

	mnl_attr_for_each(attribute, message, sizeof(struct tcmsg))
	{
		if (mnl_attr_get_type(attribute) != TCA_OPTIONS)
			continue;
		mnl_attr_for_each_nested(
			option,
			attribute) if (mnl_attr_get_type(option) == TCA_BPF_ID &&
				       programs->n < sizeof(programs->ids) / sizeof(*programs->ids))
			programs->ids[programs->n++] = mnl_attr_get_u32(option);
	}
	return 0;
}

static int list_programs(int ifindex, enum hp_direction direction, struct programs *programs)
{
	__u32 minor = direction == HP_INGRESS ? TC_H_MIN_INGRESS : TC_H_MIN_EGRESS;

	return hp_tc_dump(RTM_GETTFILTER, ifindex, TC_H_MAKE(TC_H_CLSACT, minor), take_filter,
			  programs);
}

/* If the map is called NAME, and *KEPT has none yet, keeps the descriptor there. */
static bool keep_map(int fd, const char *name, const char *wanted, int *kept)
{
	if (*kept >= 0 || strcmp(name, wanted))
		return false;
	*kept = fd;
	return true;
}

static int open_maps_of(__u32 program_id, struct maps *maps)
{
	__u32 ids[16], size = sizeof(struct bpf_prog_info);
	struct bpf_prog_info program = { .map_ids = (__u64)(unsigned long)ids, .nr_map_ids = 16 };
	int fd, err;

	*maps = (struct maps){ -1, -1, -1 };
	fd = bpf_prog_get_fd_by_id(program_id);
	if (fd < 0)
		return fd;
	err = bpf_obj_get_info_by_fd(fd, &program, &size);
	close(fd);
	for (__u32 i = 0; !err && i < program.nr_map_ids && i < 16; i++) {
		struct bpf_map_info map = {};

		size = sizeof(map);
		fd = bpf_map_get_fd_by_id(ids[i]);
		if (fd < 0)
			return fd;
		err = bpf_obj_get_info_by_fd(fd, &map, &size);
		if (err || (!keep_map(fd, map.name, "source_sets", &maps->source_sets) &&
			    !keep_map(fd, map.name, "verdict_counts", &maps->verdict_counts) &&
			    !keep_map(fd, map.name, "report_limits", &maps->report_limits)))
			close(fd);
	}
	return err;
}

static bool are_ours(const struct maps *maps)
{
	return maps->source_sets >= 0 && maps->verdict_counts >= 0 && maps->report_limits >= 0;
}

int fill_programs(int ifindex, enum hp_direction direction, const struct sources *set, int *n)
{
	struct programs programs = {};
	struct maps maps;
	int err, filled = 0;

	err = list_programs(ifindex, direction, &programs);
	for (size_t i = 0; i < programs.n && !err; i++) {
		err = open_maps_of(programs.ids[i], &maps);
		if (!err && are_ours(&maps)) {
			err = maps_add_rows(&maps, ifindex);
			if (!err)
				err = set_write(&maps, ifindex, set);
			filled += !err;
		}
		maps_close(&maps);
	}
	if (!err)
		*n = filled;
	return err;
}
