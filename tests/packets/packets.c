// SPDX-License-Identifier: BSD-2-Clause
/* Hostile packets: the fixture list and the mutations. packets.h has the contracts. */
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "packets.h"

#define ARRAY_SIZE(array) (sizeof(array) / sizeof((array)[0]))

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return -1;
}

static int parse_hex(const char *hex, struct packet *packet)
{
	size_t i, digits = strlen(hex);

	if (digits % 2 != 0 || digits < 2 * PACKET_MIN || digits > 2 * PACKET_MAX)
		return -EINVAL;
	for (i = 0; i < digits / 2; i++) {
		int high = hex_digit(hex[2 * i]), low = hex_digit(hex[2 * i + 1]);

		if (high < 0 || low < 0)
			return -EINVAL;
		packet->bytes[i] = high << 4 | low;
	}
	packet->len = digits / 2;
	return 0;
}

static int parse_column(const char *column, char *field, size_t size)
{
	if (!column || strlen(column) >= size)
		return -EINVAL;
	strcpy(field, column);
	return 0;
}

/* Splits LINE in place. */
static int parse_line(char *line, struct packet *packet)
{
	char *rest = NULL;
	char *name = strtok_r(line, " \n", &rest);
	char *word = strtok_r(NULL, " \n", &rest);
	char *hex = strtok_r(NULL, " \n", &rest);

	memset(packet, 0, sizeof(*packet));
	if (parse_column(name, packet->name, sizeof(packet->name)) ||
	    parse_column(word, packet->word, sizeof(packet->word)))
		return -EINVAL;
	if (!hex || strtok_r(NULL, " \n", &rest))
		return -EINVAL;
	return parse_hex(hex, packet);
}

/* Appends all lines of FILE to LIST, which the caller frees, whatever the result. */
static int read_lines(FILE *file, const char *path, struct packet_list *list)
{
	size_t line_size = 0, line_nr = 0;
	char *line = NULL;
	int err = 0;

	while (getline(&line, &line_size, file) >= 0) {
		size_t new_size = (list->count + 1) * sizeof(*list->packets);
		struct packet *packets = realloc(list->packets, new_size);

		line_nr++;
		if (!packets) {
			err = -ENOMEM;
			fprintf(stderr, "%s: not enough memory for line %zu\n", path, line_nr);
			goto out;
		}
		list->packets = packets;
		err = parse_line(line, &packets[list->count]);
		if (err) {
			fprintf(stderr, "%s:%zu: not NAME WORD HEX, with %d to %d bytes of hex\n",
				path, line_nr, PACKET_MIN, PACKET_MAX);
			goto out;
		}
		list->count++;
	}
	if (ferror(file)) {
		err = -EIO;
		fprintf(stderr, "%s: can't be read\n", path);
	}
out:
	free(line);
	return err;
}

int packets_read(const char *path, struct packet_list *list)
{
	struct packet_list found = { 0 };
	FILE *file;
	int err;

	file = fopen(path, "r");
	if (!file) {
		err = -errno;
		fprintf(stderr, "%s: %s\n", path, strerror(-err));
		return err;
	}
	err = read_lines(file, path, &found);
	if (!err && found.count == 0) {
		/* A test over no packets would succeed, and prove nothing. */
		err = -EINVAL;
		fprintf(stderr, "%s: no packets in it\n", path);
	}
	fclose(file);
	if (err) {
		packets_free(&found);
		return err;
	}
	*list = found;
	return 0;
}

void packets_free(struct packet_list *list)
{
	if (!list)
		return;
	free(list->packets);
	list->packets = NULL;
	list->count = 0;
}

void packet_print_hex(FILE *out, const uint8_t *bytes, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++)
		fprintf(out, "%02x", bytes[i]);
	fputc('\n', out);
}

uint64_t prng_next(struct prng *prng)
{
	uint64_t z;

	prng->state += 0x9e3779b97f4a7c15;
	z = prng->state;
	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

uint32_t prng_below(struct prng *prng, uint32_t bound)
{
	/* Scaling 32 random bits is quicker than a remainder; neither is exactly fair. */
	return (prng_next(prng) >> 32) * bound >> 32;
}

/* A frame that is being damaged. */
struct draft {
	struct prng *prng;
	uint8_t *bytes;
	size_t len;
};

/* Where headers are, in a frame that has no more of them than usual. */
#define HEADERS_LEN 80

/* An offset with ROOM bytes at it, which the frame must have. Seven of eight are in the headers. */
static size_t pick_offset(struct draft *draft, size_t room)
{
	size_t choices = draft->len - room + 1;

	if (choices > HEADERS_LEN && prng_below(draft->prng, 8) != 0)
		choices = HEADERS_LEN;
	return prng_below(draft->prng, choices);
}

static void write16(uint8_t *at, unsigned int value)
{
	at[0] = value >> 8;
	at[1] = value;
}

static void flip_bit(struct draft *draft)
{
	size_t offset = pick_offset(draft, 1);

	draft->bytes[offset] ^= 1 << prng_below(draft->prng, 8);
}

static void set_byte(struct draft *draft)
{
	/*
	 * Small lengths; numbers of protocols and extension headers; halves of EtherTypes; masks.
	 */
	static const uint8_t values[] = {
		0,  1,	4,  5,	 6,    17,   41,   43,	 44,   50,   51,
		58, 59, 60, 135, 0x45, 0x60, 0x81, 0x88, 0xff, 0x1f, 0x90
	};
	size_t offset = pick_offset(draft, 1);

	draft->bytes[offset] = values[prng_below(draft->prng, ARRAY_SIZE(values))];
}

static void set_field(struct draft *draft)
{
	/* EtherTypes, the largest untagged length, and bits and ends of the fragment fields. */
	static const uint16_t values[] = { 0x0800, 0x86dd, 0x8100, 0x88a8, 0x0806, 0x05dc,
					   0x2000, 0x4000, 0x1fff, 0x0008, 0x0001, 0xffff };
	size_t offset = pick_offset(draft, 2);
	unsigned int value, wobble = prng_below(draft->prng, 3);

	switch (prng_below(draft->prng, 4)) {
	case 0:
		value = prng_next(draft->prng);
		break;
	case 1:
		value = values[prng_below(draft->prng, ARRAY_SIZE(values))];
		break;
	case 2:
		/* What an IPv4 total length in this place should be, or one off. */
		value = draft->len - offset + 2 + wobble - 1;
		break;
	default:
		/* The same for an IPv6 payload length. */
		value = draft->len - offset - 36 + wobble - 1;
		break;
	}
	write16(draft->bytes + offset, value);
}

static void cut(struct draft *draft)
{
	draft->len = PACKET_MIN + prng_below(draft->prng, draft->len - PACKET_MIN + 1);
}

static void extend(struct draft *draft)
{
	size_t i, extra = 1 + prng_below(draft->prng, 64);

	for (i = 0; i < extra && draft->len < PACKET_MAX; i++)
		draft->bytes[draft->len++] = prng_next(draft->prng);
}

/* Moves the bytes from OFFSET on, to make room for SIZE more. False when there is none. */
static bool make_room(struct draft *draft, size_t offset, size_t size)
{
	if (draft->len + size > PACKET_MAX)
		return false;
	memmove(draft->bytes + offset + size, draft->bytes + offset, draft->len - offset);
	draft->len += size;
	return true;
}

static void insert_tag(struct draft *draft)
{
	if (!make_room(draft, 12, 4))
		return;
	write16(draft->bytes + 12, prng_below(draft->prng, 2) ? 0x8100 : 0x88a8);
	write16(draft->bytes + 14, prng_next(draft->prng));
}

static void swap_regions(struct draft *draft)
{
	size_t i, size = 1 + prng_below(draft->prng, 8);
	size_t first = pick_offset(draft, size), second = pick_offset(draft, size);

	/* Where they overlap this shuffles rather than swaps, which is as good. */
	for (i = 0; i < size; i++) {
		uint8_t byte = draft->bytes[first + i];

		draft->bytes[first + i] = draft->bytes[second + i];
		draft->bytes[second + i] = byte;
	}
}

static void repeat_block(struct draft *draft)
{
	size_t offset = pick_offset(draft, 8);

	if (make_room(draft, offset, 8))
		memcpy(draft->bytes + offset, draft->bytes + offset + 8, 8);
}

size_t packet_mutate(struct prng *prng, const struct packet *from, uint8_t frame[PACKET_MAX])
{
	/* What keeps the frame's structure comes more than once: the others mostly end a parse
	 * early. */
	static void (*const changes[])(struct draft *) = {
		flip_bit,  flip_bit, flip_bit, set_byte,   set_byte,	 set_byte,     set_field,
		set_field, cut,	     extend,   insert_tag, swap_regions, repeat_block,
	};
	struct draft draft = { .prng = prng, .bytes = frame, .len = from->len };
	unsigned int todo = 1 + prng_below(prng, 4);

	memcpy(frame, from->bytes, from->len);
	while (todo-- > 0)
		changes[prng_below(prng, ARRAY_SIZE(changes))](&draft);
	return draft.len;
}
