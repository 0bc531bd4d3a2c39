/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What snoop-exec.bpf.c and its loader share. */
#ifndef SNOOP_EXEC_H
#define SNOOP_EXEC_H

#include <linux/types.h>

#define COMM_BYTES 16	/* of a task's name, in the kernel */
#define FILE_BYTES 4096 /* PATH_MAX */
#define ARGS_BYTES 4096 /* what is kept of the arguments */
#define ARGS_MAX   64	/* and of those of a failed exec, how many */
#define NAME_BYTES 256

/* What is to be reported. The loader writes it before the programs are loaded. */
struct snoop_settings {
	__u8 failed;   /* failed execs too: then their programs are loaded and attached */
	__u8 use_perf; /* through the perf buffer */
	__u8 by_uid;
	__u32 uid;
	char name[NAME_BYTES]; /* the last part of the file's path; empty: any */
	__u32 name_bytes;      /* with its NUL; 0: any */
};

enum exec_flags {
	EXEC_CUT = 1 << 0,	  /* there are more arguments, or more of the last one */
	EXEC_UNREADABLE = 1 << 1, /* from here on, the arguments could not be read */
};

struct exec_record {
	__u64 time_ns;	   /* CLOCK_MONOTONIC */
	__u64 unread_args; /* bit I: argument I could not be read, and is empty here */
	__u32 uid;	   /* real, in the initial user namespace */
	__u32 pid;	   /* of the process, in the initial PID namespace */
	__u32 ppid;
	__s32 ret;   /* 0, or a negative errno */
	__s32 dirfd; /* where the path of a failed execveat() begins; otherwise AT_FDCWD */
	__u32 argc;  /* how many arguments there are; failed: how many of them are here */
	__u32 flags;
	__u32 file_bytes; /* of text: the path that was asked for, with its NUL; 0: unreadable */
	__u32 args_bytes; /* behind it: the arguments, each with its NUL, but for one that is cut */
	char comm[COMM_BYTES];
	char text[FILE_BYTES + ARGS_BYTES];
};

/* Every exec that was to be seen is counted once. */
struct exec_counts {
	__u64 reported; /* put into the buffer */
	__u64 lost;	/* no room in it */
	__u64 filtered; /* another user, or another name */
};

#endif
