/* SPDX-License-Identifier: BSD-2-Clause */
/* What the parts of stress share: the plan, and what has become of it. */
#ifndef STRESS_H
#define STRESS_H

#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MOST_CONNECTIONS 4096
#define TABLE_BYTES	 (16UL << 20)

enum side { CLIENT, SERVER, SIDES };
enum family { IPV4, IPV6, MAPPED, FAMILIES }; /* mapped: the server sees ::ffff:127.0.0.1 */
enum ending {
	CLOSE_BOTH,   /* each side sends its FIN when it has sent all */
	CLOSE_FIRST,  /* one side sends its FIN, and the other one half of its bytes after that */
	RESET_AT_END, /* one side resets the connection when everything has arrived */
	RESET_AMID,   /* one side does so when it has sent all, and reads no further than planned */
	ENDINGS
};
enum manner_of_writing { SEND, SENDMSG, SENDFILE, SEND_POLLED, MANNERS_OF_WRITING };
enum manner_of_reading { RECV, RECV_ALL, RECV_PEEKED, RECV_POLLED, MANNERS_OF_READING };
enum end { NO_END, ENDED, RESET, STOPPED, FAILED };

/* Of a connection. `to[side]` is the direction whose bytes that side reads. */
struct plan {
	enum family family;
	enum ending ending;
	enum side first;   /* the one that ends it */
	bool small_buffer; /* for sending: writers wait more often */
	struct {
		size_t start; /* in the table */
		size_t bytes; /* that are sent */
		size_t stop;  /* the reader reads no more than that, or to the end: SIZE_MAX */
		enum manner_of_writing writing;
		enum manner_of_reading reading;
		bool slow_reader;
	} to[SIDES];
};

/* Of a direction; in memory that all processes share. */
struct progress {
	_Atomic size_t sent;
	_Atomic size_t arrived;
	uint64_t checksum;
	_Atomic enum end end;
	sem_t all_arrived;
};

struct shared {
	pthread_barrier_t all_connected; /* passed by each writer */
	_Atomic int wrong;
	_Atomic int failed_waits; /* recv(), EAGAIN */
	_Atomic uint16_t
		number_of[2][1 << 16]; /* of a connection, by IPv6 or not, and client port */
	struct progress to[MOST_CONNECTIONS][SIDES];
};

/* One end of a connection. */
struct endpoint {
	int fd;
	int number;
	enum side side;
	bool saw_reset;
	bool wrong; /* what it reads */
	sem_t peer_ended;
	pthread_t writer, reader;
};

/* What the options say. */
struct options {
	int connections;
	uint64_t seed;
	uint64_t bytes; /* about so many in all */
	int seconds;
	bool signals;
	bool strict;
};

extern struct options options;
extern struct plan plans[MOST_CONNECTIONS];
extern struct shared *shared;
extern const uint8_t *table; /* twice in a row: a piece may begin anywhere in the first */
extern int table_fd;
extern const char *const family_names[];
extern const char *const side_names[];

/* Says on standard error what is wrong, in one line, and that makes the exit status 1. */
__attribute__((format(printf, 1, 2))) void complain(const char *format, ...);

/* Ends this process with what errno says. */
void die(const char *what) __attribute__((noreturn));

static inline enum side other(enum side side)
{
	return side == CLIENT ? SERVER : CLIENT;
}

/* --- stress-plan.c --- */

/* A random number from 0 to below the limit; *state is what random_for() gave. */
uint64_t below(uint64_t *state, uint64_t limit);

/* The same for the same seed and arguments. */
uint64_t random_for(int number, enum side side, int use);

/* From one byte to 256 KiB, as many short ones as long ones. */
size_t piece_size(uint64_t *random);

void make_plans(void);
void make_table(void);

/* Writes into text where n bytes come from that are not those of the plan. */
void explain(char *text, size_t size, int number, enum side to, const uint8_t *bytes, size_t n);

/* --- stress-ends.c --- */

/* Starts the threads of one end; the writer is the last to end. */
void start(struct endpoint *end, int fd, int number, enum side side);

#endif
