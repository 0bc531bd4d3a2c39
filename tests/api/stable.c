// SPDX-License-Identifier: BSD-2-Clause
/*
 * What HP_API_VERSION 1 promises: each stable function with its parameters, and the structures that
 * a program fills in. It compiles as long as the promise is kept; tests/api.bats also compiles that
 * of the version before, as it was released, with today's header. A line that changes or goes
 * breaks somebody's program: then HP_API_VERSION rises, and CHANGELOG.rst says what to do.
 */
#include "hookpoint.h"

_Static_assert(HP_API_VERSION == 1, "say in CHANGELOG.rst what changes for those who use it");

/* ---- functions ------------------------------------------------------------------------------- */

static void (*const set_verbose_is)(bool on) = hp_set_verbose;
static void (*const log_libbpf_is)(void) = hp_log_libbpf;
static void (*const log_verifier_is)(struct bpf_object *obj) = hp_log_verifier;
static void (*const error_is)(const char *format, ...) = hp_error;
static void (*const info_is)(const char *format, ...) = hp_info;
static int (*const fail_is)(int err, const char *format, ...) = hp_fail;
static void (*const explain_is)(int err, char *text, size_t size) = hp_explain;
static const char *(*const mode_name_is)(enum hp_mode mode) = hp_mode_name;
static const char *(*const direction_name_is)(enum hp_direction direction) = hp_direction_name;
static error_t (*const tc_parse_direction_is)(const char *arg,
					      enum hp_direction *direction) = hp_tc_parse_direction;
static error_t (*const xdp_parse_mode_is)(const char *arg, enum hp_mode *mode) = hp_xdp_parse_mode;
static int (*const xdp_query_is)(int ifindex, struct hp_xdp_state *state) = hp_xdp_query;
static int (*const xdp_attach_is)(int prog_fd, int ifindex, enum hp_mode mode, int *link_fd,
				  enum hp_mode *got) = hp_xdp_attach;
static int (*const bpffs_check_is)(void) = hp_bpffs_check;
static int (*const pin_lock_is)(const char *tool, int *fd) = hp_pin_lock;
static int (*const pin_open_is)(const char *dir, const char *name, int *fd) = hp_pin_open;
static int (*const pin_remove_is)(const char *dir) = hp_pin_remove;
static int (*const attachment_pin_is)(const char *dir, const struct hp_request *request,
				      const struct bpf_object *obj,
				      const struct bpf_program *program,
				      const char *sibling) = hp_attachment_pin;
static int (*const attachment_replace_is)(const char *dir) = hp_attachment_replace;
static void (*const attachment_beside_is)(hp_path beside, const char *dir) = hp_attachment_beside;
static int (*const attachment_recover_is)(const char *dir) = hp_attachment_recover;
static int (*const attachment_claim_is)(const char *dir, int *fd) = hp_attachment_claim;
static int (*const attachment_release_is)(const char *dir) = hp_attachment_release;
static int (*const attachment_matches_is)(const char *dir,
					  const struct bpf_object *obj) = hp_attachment_matches;
static int (*const attachment_detach_is)(const char *dir, hp_forget forget) = hp_attachment_detach;
static int (*const attachment_each_is)(const char *tool, hp_each_attachment each,
				       void *arg) = hp_attachment_each;
static void (*const time_of_is)(__u64 monotonic_ns, hp_time_text text) = hp_time_of;
static void (*const interface_name_is)(int ifindex, char *text) = hp_interface_name;
static int (*const netlink_open_is)(unsigned int groups,
				    struct mnl_socket **socket) = hp_netlink_open;
static int (*const netlink_dump_is)(struct mnl_socket *socket, struct nlmsghdr *request,
				    hp_each_message each, void *arg) = hp_netlink_dump;
static int (*const map_sum_percpu_is)(int map_fd, const void *key, __u64 *sums,
				      size_t n) = hp_map_sum_percpu;
static int (*const map_mmap_is)(int map_fd, size_t size, void **value) = hp_map_mmap;
static int (*const test_run_is)(int prog_fd, struct hp_test_run *run) = hp_test_run;
static int (*const needs_of_is)(const struct bpf_object *obj, hp_each_need each,
				void *arg) = hp_needs_of;
static int (*const fail_load_is)(int err, const struct bpf_object *obj) = hp_fail_load;
static int (*const ports_add_is)(__u64 *words, const char *range, const char **why) = hp_ports_add;
static json_t *(*const ports_json_is)(const __u64 *words) = hp_ports_json;
static void (*const ports_text_is)(const __u64 *words, char *text, size_t size) = hp_ports_text;
static int (*const tc_dump_is)(int message_type, int ifindex, __u32 parent, hp_each_message each,
			       void *arg) = hp_tc_dump;
static int (*const xdp_load_is)(const struct hp_request *request, const struct bpf_object *obj,
				const struct bpf_program *program, enum hp_mode mode,
				const char **did) = hp_xdp_load;
static int (*const tc_load_is)(const struct hp_request *request, const struct bpf_object *obj,
			       const struct bpf_program *program, enum hp_direction direction,
			       hp_prepare prepare, const char **did) = hp_tc_load;
static int (*const cgroup_load_is)(const struct hp_request *request, const struct bpf_object *obj,
				   const struct bpf_program *program, hp_prepare prepare,
				   const char **did) = hp_cgroup_load;
static int (*const main_is)(const struct hp_tool *tool, int argc, char **argv) = hp_main;
static error_t (*const usage_is)(const char *format, ...) = hp_usage;

/* ---- structures ------------------------------------------------------------------------------ */

static int load(const struct hp_request *request)
{
	hp_info("%s, %d, %llu: %d %d %d, %p, %s, %s, %p", request->place, request->ifindex,
		request->cgroup, request->dry_run, request->replace, request->exec,
		(const void *)request->ours, request->dir, request->sibling,
		(void *)request->forget);
	return HP_EXIT_DONE;
}

static int watch(int *fd)
{
	*fd = -1;
	return HP_EXIT_LACKING;
}

static int changed(int fd, const struct hp_request *requests, size_t n)
{
	return fd < 0 && requests && n ? HP_EXIT_REFUSED : HP_EXIT_USAGE;
}

static void forget(const char *dir, __u32 ifindex)
{
	hp_info("%s, %u", dir, ifindex);
}

static int show(const struct hp_attachment *a, json_t *fields)
{
	hp_info("%s, %s, %u, %llu, %u: %d %d %d %d, %p", a->dir, a->place, a->ifindex, a->cgroup,
		a->prog_id, a->condition == HP_ATTACHED, a->mode == HP_NATIVE,
		a->direction == HP_EGRESS, a->runner == HP_RUNNER_NONE, (void *)fields);
	return HP_EXIT_NOTHING;
}

static __u32 ifindex_of(const void *record)
{
	return !!record;
}

static void print(const void *record, size_t size, bool json)
{
	hp_info("%p, %zu, %d", record, size, json);
}

static int missed(const struct hp_attachment *attachment, __u64 *count)
{
	*count = attachment->prog_id;
	return 0;
}

static int fill(const char *interface, int ifindex)
{
	hp_info("%s, %d", interface, ifindex);
	return HP_EXIT_HELD;
}

int main(int argc, char **argv)
{
	static const struct argp options = {};
	static const struct hp_event_source events = {
		.map = "records", .ifindex = ifindex_of, .print = print, .missed = missed
	};
	const struct hp_tool tool = {
		.name = "stable",
		.summary = "what is promised",
		.options = &options,
		.input = NULL,
		.at = argc > 2	 ? HP_AT_XDP
		      : argc > 1 ? HP_AT_TC
				 : HP_AT_CGROUP,
		.load = load,
		.watch = watch,
		.changed = changed,
		.forget = forget,
		.status = show,
		.stats = show,
		.events = &events,
		.fill = fill,
	};
	struct hp_test_run run = {
		.in = "", .in_bytes = 0, .out = NULL, .out_bytes = 0, .repeat = 1
	};
	struct hp_xdp_state state = { .prog_id = 0, .mode = HP_GENERIC };
	struct hp_need need = { .what = "nothing", .since = NULL, .have = true };

	hp_info("%s %u %u %u %s", HP_VERSION, run.retval, run.duration_ns, state.prog_id,
		need.what);
	return hp_main(&tool, argc, argv);
}
